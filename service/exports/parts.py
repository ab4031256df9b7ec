"""The files of one dataset, of so many rows each; each is kept as soon as it is finished."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from service.exports.columns import schema_of
from service.exports.dataset import Dataset, Place, Source
from service.exports.wanted import Format
from service.exports.writers import SUFFIX, RowsFile, open_file
from service.ledger.events import Json


class Shelf(Protocol):
    """Where finished files go, and who is told how far it is."""

    async def keep(self, name: str, path: Path) -> Json:
        """Keep a file under a name and take it away here; return its name, size and digest."""

    async def add_rows(self, rows: int) -> None:
        """Hear that so many more rows are written."""

    async def finished(self) -> None:
        """Make durable that a file is finished."""


@dataclass(slots=True)
class Parts:
    """One dataset being written.

    `done` is its part of an export's progress: `files` that are kept, `place` after which to go
    on, and whether it is all `done`. `path` is where a file lies until it is kept.
    """

    dataset: Dataset
    format: Format
    path: Path
    done: Json
    shelf: Shelf
    most_rows: int
    _file: RowsFile | None = field(default=None, init=False)
    _rows: int = field(default=0, init=False)
    _place: Place = field(default=None, init=False)

    async def make(self, source: Source) -> None:
        """Write all rows that are not in files yet. A dataset without rows is one file as well."""
        try:
            async for piece in self.dataset.read(source, self.done["place"]):
                rows = piece.batch.num_rows
                is_whole = self._place is not None
                if is_whole and self._rows + rows > self.most_rows:
                    await self._close(is_last=False)
                await asyncio.to_thread(self._opened().write, piece.batch)
                self._rows, self._place = self._rows + rows, piece.place
                await self.shelf.add_rows(rows)
            await self._close(is_last=True)
        finally:
            if self._file is not None:
                self._file.close()

    def _opened(self) -> RowsFile:
        if self._file is None:
            columns = self.dataset.columns
            schema = schema_of(self.dataset.name, self.dataset.version, columns)
            self._file = open_file(self.format, self.path, columns, schema)
        return self._file

    async def _close(self, *, is_last: bool) -> None:
        """Finish a file and keep it. It is numbered unless it is the only one."""
        file, self._file = self._opened(), None
        await asyncio.to_thread(file.close)
        number = len(self.done["files"]) + 1
        numbered = "" if is_last and number == 1 else f"-{number:05d}"
        kept = await self.shelf.keep(
            f"{self.dataset.name}{numbered}{SUFFIX[self.format]}", self.path
        )
        self.done["files"].append(kept | {"rows": self._rows})
        self.done |= {"place": self._place, "done": is_last}
        self._rows, self._place = 0, None
        await self.shelf.finished()
