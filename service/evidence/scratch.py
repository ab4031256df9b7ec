"""Room for what does not fit into memory: DuckDB over a file that is gone afterwards."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import duckdb
import pyarrow as pa

_T = TypeVar("_T")

_MEMORY: Final = "192MB"
"""What DuckDB may take; the rest lies beside its file."""

_SETTINGS: Final[dict[str, str | bool | int | float | list[str]]] = {
    "memory_limit": _MEMORY,
    "threads": 2,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
}
_AT_ONCE: Final = 20_000


class Scratch:
    """Tables that nobody else sees, for the length of a block. One question at a time."""

    def __init__(self, folder: Path) -> None:
        """Take a folder that is there and has the room."""
        self._folder = tempfile.TemporaryDirectory(dir=folder, prefix=".scratch-")
        self.folder = Path(self._folder.name)
        """For files that are needed meanwhile."""
        self._tables: duckdb.DuckDBPyConnection | None = None

    async def __aenter__(self) -> Self:
        """Open it."""
        settings = _SETTINGS | {"temp_directory": str(self.folder / "spilled")}
        tables = self.folder / "tables"
        self._tables = await asyncio.to_thread(duckdb.connect, tables, config=settings)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it, and take away all there was."""
        if self._tables is not None:
            await asyncio.to_thread(self._tables.close)
        await asyncio.to_thread(self._folder.cleanup)

    async def do(self, statement: str, *values: object) -> None:
        """Execute a statement."""
        await self._with(lambda tables: tables.execute(statement, values))

    async def table(self, query: str, *values: object) -> pa.Table:
        """Return the answer to a query, whole."""
        return await self._with(
            lambda tables: tables.sql(query, params=list(values)).to_arrow_table()
        )

    async def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Return the answer to a query as rows."""
        found: list[dict[str, Any]] = (await self.table(query, *values)).to_pylist()
        return found

    async def row(self, query: str, *values: object) -> dict[str, Any]:
        """Return the only row that answers a query."""
        [row] = await self.rows(query, *values)
        return row

    async def batches(self, query: str, *values: object) -> AsyncIterator[pa.RecordBatch]:
        """Yield the answer to a query, some at a time; ask nothing else meanwhile."""
        reader = await self._with(
            lambda tables: tables.sql(query, params=list(values)).to_arrow_reader(_AT_ONCE)
        )
        while (batch := await asyncio.to_thread(_next, reader)) is not None:
            yield batch

    async def insert(self, statement: str, part: pa.Table) -> None:
        """Execute an INSERT that selects from `part`."""

        def take(tables: duckdb.DuckDBPyConnection) -> None:
            tables.register("part", part)
            tables.execute(statement)
            tables.unregister("part")

        await self._with(take)

    async def _with(self, question: Callable[[duckdb.DuckDBPyConnection], _T]) -> _T:
        if self._tables is None:
            message = "it is not open"
            raise RuntimeError(message)
        return await asyncio.to_thread(question, self._tables)


def _next(reader: pa.RecordBatchReader) -> pa.RecordBatch | None:
    try:
        return reader.read_next_batch()
    except StopIteration:
        return None
