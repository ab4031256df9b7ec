"""Sealed months in order of revision: their files are sorted by what they are about, so anew.

Each month is sorted once, by DuckDB and in bounded memory, into a file of its own in a scratch
folder, and merged with all else from there; no more than one month of a bucket is at hand at once.
"""

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from service.domain.instant import to_datetime
from service.replay.logged import Logged
from service.replay.tabled import logged_table
from service.replay.wanted import Wanted
from service.sealing.duck import open_duckdb
from service.sealing.find import SealedLog
from service.sealing.parquet import Holds
from service.sealing.period import Period, SealedUnreadable
from service.storage.scratch import working_folder

_MEMORY: Final = "512MB"
_THREADS: Final = 2
_ROWS_AT_ONCE: Final = 65_536
_SORTED: Final = """
COPY (
    SELECT * FROM read_parquet($files, hive_partitioning = false)
    WHERE ($since IS NULL OR answered_at >= $since) AND ($until IS NULL OR answered_at < $until)
        AND ($names IS NULL OR list_contains($names, decision_id))
    ORDER BY revision
) TO '{path}' (FORMAT parquet, COMPRESSION zstd)
"""


@asynccontextmanager
async def sealed_decisions(
    log: SealedLog | None, periods: Sequence[Period], wanted: Wanted, scratch: Path
) -> AsyncIterator[list[Iterator[Logged]]]:
    """Yield a stream of each month, in order of revision, to be read until the block ends.

    Raises SealedUnreadable where a file is missing, altered or out of reach. A month that was
    discarded has nothing.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(working_folder(scratch, "replaying")) if periods else scratch
        streams = list[Iterator[Logged]]()
        for number, period in enumerate(periods):
            files = period.that_hold(Holds.OUTCOMES)
            if files and log is None:
                raise SealedUnreadable("months are sealed, and nobody has said where they are kept")
            if files and log is not None:
                path = folder / f"{number}.parquet"
                async with log.at_hand(files) as paths:
                    await asyncio.to_thread(_sort, folder, paths, wanted, path)
                streams.append(read_logged(path))
        yield streams


def _sort(folder: Path, files: Sequence[str], wanted: Wanted, path: Path) -> None:
    given: dict[str, Any] = {
        "files": list(files),
        "since": None if wanted.since is None else to_datetime(wanted.since),
        "until": None if wanted.until is None else to_datetime(wanted.until),
        "names": list(wanted.decisions) or None,
    }
    with open_duckdb(folder, memory=_MEMORY, threads=_THREADS) as duckdb:
        duckdb.execute(_SORTED.format(path=str(path).replace("'", "''")), given)


def read_logged(path: Path) -> Generator[Logged]:
    """Yield the outcomes of a file in Parquet, in its order, some at a time."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_ROWS_AT_ONCE):
            yield logged_table(batch)
