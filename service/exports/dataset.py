"""A dataset: a description of what it holds, and one way to read it from one snapshot.

Most are a query (`TableDataset`). What they share is `Dataset`: whoever builds a bundle knows only
that. Rows come in pieces, and each piece says where to go on after it.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import asyncpg
import pyarrow as pa

from service.domain.instant import to_datetime, to_instant
from service.exports.columns import Column, Type, schema_of
from service.exports.reading import read_batches
from service.exports.wanted import Filters, Moment
from service.ledger.vault import Vault
from service.sealing.find import SealedLog
from service.sealing.period import Period

Place: TypeAlias = Any
"""Where to go on: JSON that only the dataset itself understands."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows. `place` is None where nobody could go on after them: more of the same follows."""

    batch: pa.RecordBatch
    place: Place | None


@dataclass(frozen=True, slots=True)
class Source:
    """What a dataset is read from: one snapshot, and what lies outside of the database.

    `connection` streams; `beside` shows the same, for what is looked up meanwhile. `periods` are
    the sealed months of the decision log as the snapshot shows them, and `sealed` reads those that
    have moved to files.
    """

    connection: asyncpg.Connection
    beside: asyncpg.Connection
    vault: Vault
    moment: Moment
    filters: Filters
    sealed: SealedLog
    periods: Sequence[Period]


class Dataset(Protocol):
    """What can be exported under a name."""

    @property
    def name(self) -> str:
        """How it is asked for, and how its files are called."""

    @property
    def version(self) -> int:
        """Of its columns; it grows when a column is added."""

    @property
    def title(self) -> str:
        """What it is, in a line."""

    @property
    def personal(self) -> bool:
        """Whether people are in it: an erasure takes bundles with it away."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Its columns, in the order of its files."""

    @property
    def order(self) -> Sequence[str]:
        """The columns by which its rows are sorted."""

    @property
    def filters(self) -> frozenset[str]:
        """The names of the filters that it takes."""

    @property
    def lacks(self) -> Sequence[str]:
        """What somebody might expect to find in it and does not, in sentences."""

    async def expected(self, source: Source) -> int | None:
        """Return how many rows it has, None where only reading tells."""

    def read(self, source: Source, after: Place | None) -> AsyncIterator[Piece]:
        """Yield its rows, from the first on or after a place."""


@dataclass(slots=True)
class Arguments:
    """The values of one statement: `add` returns what stands for a value in its text."""

    values: list[Any] = field(default_factory=list)

    def add(self, value: Any) -> str:
        """Take a value; return its placeholder."""
        self.values.append(value)
        return f"${len(self.values)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDataset:
    """A dataset that is one query.

    `tables` is what stands after FROM and may name `{revision}`; so may `conditions`. `narrowing`
    has, for each filter it takes, a condition that names `{value}`. `key` are the columns by which
    its rows are sorted and told apart.
    """

    name: str
    version: int
    title: str
    personal: bool
    columns: tuple[Column, ...]
    tables: str
    conditions: Sequence[str]
    narrowing: Mapping[str, str]
    key: Sequence[str]
    lacks: Sequence[str] = ()

    @property
    def order(self) -> Sequence[str]:
        """The key."""
        return self.key

    @property
    def filters(self) -> frozenset[str]:
        """Those that it can be narrowed by."""
        return frozenset(self.narrowing)

    @property
    def schema(self) -> pa.Schema:
        """The columns as Arrow has them."""
        return schema_of(self.name, self.version, self.columns)

    async def expected(self, source: Source) -> int | None:
        """Return how many rows it has."""
        arguments = Arguments()
        query = f"SELECT count(*) FROM {self._from_where(source, arguments)}"  # noqa: S608 - no value stands in it
        found: int = await source.connection.fetchval(query, *arguments.values)
        return found

    async def read(self, source: Source, after: Place | None) -> AsyncIterator[Piece]:
        """Yield its rows by key, streamed."""
        arguments = Arguments()
        query = self._query(source, arguments, after)
        async for batch in read_batches(source.connection, query, arguments.values, self.columns):
            yield Piece(batch, self._place(batch))

    def _query(self, source: Source, arguments: Arguments, after: Place | None) -> str:
        expressions = {column.name: column.sql for column in self.columns}
        selected = ", ".join(expressions.values())
        keys = ", ".join(expressions[name] for name in self.key)
        query = f"SELECT {selected} FROM {self._from_where(source, arguments)}"  # noqa: S608 - no value stands in it
        if after is not None:
            values = zip(self.key, after, strict=True)
            held = ", ".join(arguments.add(self._value(name, value)) for name, value in values)
            query += f" AND ({keys}) > ({held})"
        return f"{query} ORDER BY {keys}"

    def _from_where(self, source: Source, arguments: Arguments) -> str:
        revision = arguments.add(source.moment.revision)
        conditions = [one.format(revision=revision) for one in self.conditions]
        for name, value in source.filters.given().items():
            instant = name in {"since", "until"}
            held = arguments.add(to_datetime(value) if instant else value)
            conditions.append(self.narrowing[name].format(value=held, revision=revision))
        return f"{self.tables.format(revision=revision)} WHERE {' AND '.join(conditions)}"

    def _place(self, batch: pa.RecordBatch) -> Place:
        last = batch.slice(batch.num_rows - 1).to_pylist()[0]
        return [
            to_instant(last[name]) if self._type(name) is Type.INSTANT else last[name]
            for name in self.key
        ]

    def _value(self, name: str, value: Any) -> Any:
        return to_datetime(value) if self._type(name) is Type.INSTANT else value

    def _type(self, name: str) -> Type:
        return next(column.type for column in self.columns if column.name == name)


BENEATH = "({use} = {{value}} OR {{value}} = '*' OR starts_with({use}, {{value}} || '.'))"
"""That a use is a node or lies beneath it."""


def beneath(use: str) -> str:
    """Return the condition that a use, an expression, is the wanted node or lies beneath it."""
    return BENEATH.format(use=use)


def between(instant: str) -> dict[str, str]:
    """Return the narrowing of an instant, an expression, to what was from then until then."""
    return {"since": f"{instant} >= {{value}}", "until": f"{instant} < {{value}}"}
