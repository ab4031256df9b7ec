"""A month's files, made from its rows in bounded memory.

Rows come in order of time and are written as they come. Their outcomes are laid aside, and when all
are there they are sorted by what they are about, beyond memory on disk where they have to be
(DuckDB), and written block by block, each block's root with it.
"""

import asyncio
from collections.abc import AsyncIterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from service.decisions.log import packing
from service.decisions.log.name import answered_at
from service.decisions.log.packing import Damaged
from service.decisions.log.table import SCHEMA, batch_of, batches_of, logged_columns
from service.domain.instant import Instant, to_instant
from service.ledger.events import Json
from service.sealing.duck import open_duckdb
from service.sealing.leaves import leaf_hashes
from service.sealing.parquet import Holds, SealedFile, Series, decisions_table, reasons_of
from service.sealing.reading import Extent
from service.sealing.tree import BLOCK, root_of

FILE_ROWS: Final = 1 << 23
"""Outcomes in a file, unless there were more than `MOST_FILES` then: a whole number of blocks."""

FILE_DECISIONS: Final = 1 << 21
FILE_BYTES: Final = 1 << 30
MOST_FILES: Final = 128
"""Files of a kind: their names and digests stand in one event."""

_AT_ONCE: Final = BLOCK
_SORT_MEMORY: Final = "256MB"
_SORTED: Final = """
SELECT * FROM read_parquet($files, hive_partitioning = false)
ORDER BY "about", "one", answered_at, decision_id, "position"
"""


@dataclass(frozen=True, slots=True)
class Built:
    """A month's files in a folder, decisions first, and what the ledger is to say of them."""

    files: Sequence[tuple[SealedFile, Path]]
    decisions: int
    outcomes: int
    root: bytes
    first_at: Instant | None
    last_at: Instant | None


async def build(
    period: str, pages: AsyncIterable[Sequence[Any]], extent: Extent, folder: Path
) -> Built:
    """Make the files of a month in an empty folder. Raises Damaged naming what cannot be read."""
    building = _Building(period, extent, folder)
    async for rows in pages:
        try:
            await asyncio.to_thread(building.take, rows)
        except Damaged as damaged:
            raise _named(rows) or damaged from damaged
    return await asyncio.to_thread(building.finish)


def _named(rows: Sequence[Any]) -> Damaged | None:
    """Return which of some decisions it is that cannot be read."""
    for row in rows:
        try:
            batch_of([row])
        except Damaged as damaged:
            return Damaged(f"decision {row['decision_id']}: {damaged}")
    return None


class _Building:
    """One month in the making."""

    def __init__(self, period: str, extent: Extent, folder: Path) -> None:
        self._decisions = Series(folder, period, Holds.DECISIONS)
        self._outcomes = Series(folder, period, Holds.OUTCOMES)
        self._rows_a_file = max(FILE_DECISIONS, -(-extent.decisions // MOST_FILES))
        self._bytes_a_file = max(FILE_BYTES, -(-extent.size // MOST_FILES))
        self._folder = folder
        self._aside: pq.ParquetWriter | None = None
        self._number = 0
        self._number_of_outcomes = 0
        self._first: Instant | None = None
        self._last: Instant | None = None

    def take(self, rows: Sequence[Any]) -> None:
        """Write some rows, and lay their outcomes aside."""
        logged = logged_columns(rows)
        names, instants = logged["decision_id"], logged["answered_at"]
        first, last = to_instant(instants[0]), to_instant(instants[-1])
        for batch in batches_of(logged, _AT_ONCE):
            self._lay_aside(batch)
        self._decisions.write(
            decisions_table(logged, [_counted(row) for row in rows]),
            ((first, names[0]), (last, names[-1])),
            unnamed=sum(answered_at(name) is None for name in names),
        )
        if self._decisions.rows >= self._rows_a_file or self._decisions.size >= self._bytes_a_file:
            self._decisions.cut()
        self._number += len(rows)
        self._first, self._last = first if self._first is None else self._first, last

    def _lay_aside(self, batch: pa.RecordBatch) -> None:
        if self._aside is None:
            self._aside = pq.ParquetWriter(self._laid_aside, SCHEMA, compression="lz4")
        self._aside.write_batch(batch)
        self._number_of_outcomes += batch.num_rows

    def finish(self) -> Built:
        """Write the outcomes in their order; return what was made."""
        self._decisions.cut()
        roots: list[bytes] = []
        if self._aside is not None:
            self._aside.close()
            for block in _blocks(self._sorted()):
                roots.append(self._write(block))
                if self._outcomes.rows >= self._outcomes_a_file:
                    self._outcomes.cut()
            self._laid_aside.unlink()
        self._outcomes.cut()
        return Built(
            files=[*self._decisions.files, *self._outcomes.files],
            decisions=self._number,
            outcomes=self._number_of_outcomes,
            root=root_of(roots),
            first_at=self._first,
            last_at=self._last,
        )

    def _write(self, block: pa.Table) -> bytes:
        (batch,) = block.to_batches()
        root = root_of(leaf_hashes(batch))
        about, ones = batch.column("about"), batch.column("one")
        first = about[0].as_py(), _writable(ones[0].as_py(), "")
        last = about[-1].as_py(), _writable(ones[-1].as_py(), "\x01")
        self._outcomes.write(block, (first, last), root=root)
        return root

    def _sorted(self) -> Iterator[pa.RecordBatch]:
        with open_duckdb(self._folder, memory=_SORT_MEMORY, threads=1) as duckdb:
            found = duckdb.sql(_SORTED, params={"files": [str(self._laid_aside)]})
            yield from found.to_arrow_reader(BLOCK)

    @property
    def _outcomes_a_file(self) -> int:
        rows = FILE_ROWS
        while rows * MOST_FILES < self._number_of_outcomes:
            rows *= 2
        return rows

    @property
    def _laid_aside(self) -> Path:
        return self._folder / "outcomes.aside.parquet"


def _blocks(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield rows in whole blocks, and in the end what is left."""
    waiting, rows = [], 0
    for batch in batches:
        waiting.append(pa.Table.from_batches([batch]).cast(SCHEMA))
        rows += batch.num_rows
        while rows >= BLOCK:
            together = pa.concat_tables(waiting)
            yield together[:BLOCK].combine_chunks()
            waiting, rows = [together[BLOCK:]], rows - BLOCK
    if rows:
        yield pa.concat_tables(waiting).combine_chunks()


def _writable(one: str, instead: str) -> str:
    """Return where a file begins or ends, or a little further out: no row can hold a NUL."""
    before, nul, _ = one.partition("\0")
    return before + instead if nul else one


def _counted(row: Any) -> Json:
    """Return how many outcomes of each reason a decision has; old rows do not say."""
    if row["reasons"] is not None:
        return reasons_of(row["reasons"])
    return packing.counts(packing.unpack(row["outcomes"]).answers)
