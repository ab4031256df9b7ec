"""The two kinds of file that a month is sealed in, and how each is written.

Files of *decisions* hold rows of `decisions` as they were, in order of time: what lists are made
of, and each decision as a whole. Files of *outcomes* hold one row an outcome
(`service.decisions.log.table`), in order of content and artist, so that everything about one of
them lies together; the ledger's root is over these. docs/decision-log.md describes both.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from service.decisions.log import table
from service.ledger.events import Json

DECISIONS_SCHEMA: Final = pa.schema(
    [
        pa.field("decision_id", pa.string(), nullable=False),
        pa.field("answered_at", table.INSTANT, nullable=False),
        pa.field("evaluated_at", table.INSTANT, nullable=False),
        pa.field("revision", pa.int64(), nullable=False),
        pa.field("client", pa.string(), nullable=False),
        pa.field("caller", pa.string(), nullable=False),
        pa.field("use", pa.string(), nullable=False),
        pa.field("recipient", pa.string(), nullable=False),
        pa.field("about", pa.string(), nullable=False),
        pa.field("number", pa.int32(), nullable=False),
        pa.field("reasons", pa.map_(pa.string(), pa.int32()), nullable=False),
        pa.field("run", pa.string()),
        pa.field("job", pa.string()),
        pa.field("request", pa.string(), nullable=False),
        pa.field("outcomes", pa.binary(), nullable=False),
    ]
)

BLOCK_ROOTS: Final = b"fermata.block_roots"
"""In the footer of a file of outcomes: the root of each row group, as hexadecimal digits."""

DECISIONS_AT_ONCE: Final = 16_384
"""Rows of a row group of decisions, fewer where they are large."""

_RUNS_AT_ONCE: Final = 256
_DIGITS: Final = 16


class Holds(StrEnum):
    """What a file holds; its name begins with it."""

    DECISIONS = "decisions"
    OUTCOMES = "outcomes"


@dataclass(frozen=True, slots=True)
class SealedFile:
    """A file of a sealed month.

    `first` and `last` are where its rows begin and end: instant (microseconds) and name of a
    decision, or what outcomes are about and the one. `unnamed` counts decisions whose name does not
    tell when they were made.
    """

    name: str
    sha256: str
    rows: int
    size: int
    first: tuple[Any, str]
    last: tuple[Any, str]
    unnamed: int = 0

    @property
    def holds(self) -> Holds:
        """What is in it."""
        return Holds(self.name.rpartition("/")[2].partition("-")[0])

    @property
    def in_event(self) -> Json:
        """What the ledger says of it."""
        return {"name": self.name, "sha256": self.sha256, "rows": self.rows}

    @property
    def in_row(self) -> Json:
        """What `sealed_periods` says of it."""
        return asdict(self)

    @classmethod
    def from_row(cls, said: Json) -> Self:
        """Return what `in_row` made."""
        return cls(**{**said, "first": tuple(said["first"]), "last": tuple(said["last"])})


@dataclass(slots=True)
class Series:
    """Writes the files of one kind, one after the other, a row group at a time.

    A file is closed by `cut`, and the last one by `close`. The same rows make the same bytes, as
    long as the library that writes them is the same.
    """

    folder: Path
    period: str
    holds: Holds
    files: list[tuple[SealedFile, Path]] = field(default_factory=list)
    rows: int = 0
    """In the file that is being written."""
    size: int = 0
    """Bytes in it so far, as they are in memory."""

    _writer: pq.ParquetWriter | None = None
    _first: tuple[Any, str] | None = None
    _last: tuple[Any, str] | None = None
    _unnamed: int = 0
    _roots: list[bytes] = field(default_factory=list)

    def write(
        self,
        group: pa.Table,
        ends: tuple[tuple[Any, str], tuple[Any, str]],
        *,
        root: bytes | None = None,
        unnamed: int = 0,
    ) -> None:
        """Write a row group; `ends` are where it begins and ends, `root` is that of its rows."""
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._unfinished, group.schema, **_HOW[self.holds])
            self._first = ends[0]
        self._writer.write_table(group, row_group_size=group.num_rows)
        self.rows += group.num_rows
        self.size += group.nbytes
        self._last = ends[1]
        self._unnamed += unnamed
        if root is not None:
            self._roots.append(root)

    def cut(self) -> None:
        """Finish the file that is being written, if there is one: what comes is of the next."""
        if self._writer is None or self._first is None or self._last is None:
            return
        if self._roots:
            self._writer.add_key_value_metadata({BLOCK_ROOTS: b"".join(self._roots).hex()})
        self._writer.close()
        digest = sha256_of(self._unfinished)
        name = f"{self.holds}-{len(self.files):03}-{digest[:_DIGITS]}.parquet"
        path = self._unfinished.rename(self.folder / name)
        made = SealedFile(
            name=f"{self.period}/{name}",
            sha256=digest,
            rows=self.rows,
            size=path.stat().st_size,
            first=self._first,
            last=self._last,
            unnamed=self._unnamed,
        )
        self.files.append((made, path))
        self._writer, self._first, self._last, self._unnamed, self._roots = None, None, None, 0, []
        self.rows = self.size = 0

    @property
    def _unfinished(self) -> Path:
        return self.folder / f"{self.holds}.unfinished"


def sha256_of(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def decisions_table(logged: table.LoggedColumns, counted: Sequence[Json]) -> pa.Table:
    """Return rows as a file of decisions has them; `counted` are their reasons and how often."""
    columns = {
        **logged,
        "number": [sum(reasons.values()) for reasons in counted],
        "reasons": [list(reasons.items()) for reasons in counted],
    }
    arrays = [pa.array(columns[one.name], one.type) for one in DECISIONS_SCHEMA]
    return pa.Table.from_arrays(arrays, schema=DECISIONS_SCHEMA)


def block_roots(path: Path) -> list[bytes]:
    """Return the roots of the row groups of a file of outcomes, as its footer has them."""
    said = pq.read_metadata(path).metadata[BLOCK_ROOTS].decode()
    together = bytes.fromhex(said)
    return [together[at : at + 32] for at in range(0, len(together), 32)]


def reasons_of(text: str) -> Json:
    """Return the reasons of a row as asyncpg reads them."""
    reasons: Json = msgspec.json.decode(text)
    return reasons


_SAME: Final[dict[str, Any]] = {
    "compression": "zstd",
    "compression_level": 3,
    "version": "2.6",
    "write_page_checksum": True,
    "store_schema": True,
}
_HOW: Final[dict[Holds, dict[str, Any]]] = {
    Holds.DECISIONS: _SAME
    | {
        "use_dictionary": [
            "client",
            "caller",
            "use",
            "recipient",
            "about",
            "run",
            "job",
            "request",
        ],
        "sorting_columns": pq.SortingColumn.from_ordering(
            DECISIONS_SCHEMA, [("answered_at", "ascending"), ("decision_id", "ascending")]
        ),
        "bloom_filter_options": {
            "decision_id": {"ndv": DECISIONS_AT_ONCE, "fpp": 0.01},
            "run": {"ndv": _RUNS_AT_ONCE, "fpp": 0.01},
        },
    },
    Holds.OUTCOMES: _SAME
    | {
        "use_dictionary": [name for name in table.SCHEMA.names if name != "decision_id"],
        "sorting_columns": pq.SortingColumn.from_ordering(
            table.SCHEMA,
            [
                (name, "ascending")
                for name in ("about", "one", "answered_at", "decision_id", "position")
            ],
        ),
    },
}
