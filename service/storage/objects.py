"""One place for files, wherever it is: a folder, or a bucket of S3, Google Cloud or Azure.

    objects = Objects("exports")                     # a folder, made when something is put
    objects = Objects("s3://bucket/exports")         # credentials come from the environment

A file is there whole or not at all, and nobody changes one that is there. Who is killed while it
puts one leaves a piece that no name leads to: `clear` finds it in a folder. In a bucket nobody can
but its own lifecycle, so that has to be told to abort what is incomplete (docs/exports.md).
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Collection
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Final, TypeVar

import obstore
from obstore.store import LocalStore, from_url

_CHUNK: Final = 1 << 20
_T = TypeVar("_T")


class NotStored(Exception):  # noqa: N818 - names what was found
    """There is no file of this name."""


class StoreUnavailable(Exception):  # noqa: N818 - names a state
    """The place cannot be reached, or lets nobody in."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that is there, and its size in bytes."""

    name: str
    size: int


class Objects:
    """Files by name. Names have slashes between their parts; parts are plain words."""

    def __init__(self, place: str | Path) -> None:
        """Take a folder or a URL. Raises ValueError for a URL of a kind that nobody knows."""
        text = str(place)
        self.folder: Path | None = None
        """Where the files are on this machine; None for a bucket."""
        if "://" in text and not text.startswith("file://"):
            try:
                self._store = from_url(text)
            except obstore.exceptions.BaseError as error:
                message = f"files cannot be kept at {text}: {_first_line(error)}"
                raise ValueError(message) from error
        else:
            folder = Path(text.removeprefix("file://")).absolute()
            self._store = LocalStore(folder, automatic_cleanup=True, mkdir=True)
            self.folder = folder

    async def put(self, name: str, content: Path | bytes) -> None:
        """Keep a copy of a file, or bytes, under a name; when this returns it is there, whole."""
        await self._do(obstore.put_async(self._store, name, content))

    async def fetch(self, name: str, into: Path) -> None:
        """Copy a stored file into a file of this machine. Raises NotStored."""
        chunks = self.stream(name)
        first = await anext(chunks, b"")
        with await asyncio.to_thread(into.open, "wb") as file:
            await asyncio.to_thread(file.write, first)
            async for chunk in chunks:
                await asyncio.to_thread(file.write, chunk)

    async def stream(self, name: str) -> AsyncIterator[bytes]:
        """Yield a stored file's bytes, some at a time. Raises NotStored."""
        found = await self._do(obstore.get_async(self._store, name))
        async for chunk in found.stream(min_chunk_size=_CHUNK):
            yield bytes(chunk)

    async def read(self, name: str) -> bytes:
        """Return a small file whole. Raises NotStored."""
        return b"".join([chunk async for chunk in self.stream(name)])

    async def find(self, name: str) -> Stored | None:
        """Return what is stored under a name, or None."""
        try:
            found = await self._do(obstore.head_async(self._store, name))
        except NotStored:
            return None
        return Stored(found["path"], found["size"])

    async def below(self, folder: str) -> list[Stored]:
        """Return all files whose names begin with these whole parts, by name."""
        found = []
        try:
            async for some in obstore.list(self._store, folder):
                found += [Stored(one["path"], one["size"]) for one in some]
        except obstore.exceptions.BaseError as error:
            raise StoreUnavailable(_first_line(error)) from error
        return sorted(found, key=lambda one: one.name)

    async def folders(self, folder: str = "") -> list[str]:
        """Return the next part of all names below some parts, each once, in order.

        In a folder also of those that hold no whole file.
        """
        found = await self._do(obstore.list_with_delimiter_async(self._store, folder))
        return sorted(name.rpartition("/")[2] for name in found["common_prefixes"])

    async def clear(self, folder: str, keep: Collection[str] = ()) -> None:
        """Delete all files whose names begin with these whole parts, but for those to keep.

        In a folder nothing else is left of them either: not what somebody who was killed had begun
        to put, and no empty folder. What is put there meanwhile fails or stays.
        """
        if not {"", ".", ".."}.isdisjoint(folder.split("/")):
            raise ValueError(f"{folder!r} leads out of what it names")
        if self.folder is not None:
            kept = {self.folder / name for name in keep}
            try:
                await asyncio.to_thread(_empty, self.folder, self.folder / folder, kept)
            except OSError as error:
                raise StoreUnavailable(str(error)) from error
            return
        for stored in await self.below(folder):
            if stored.name not in keep:
                await self.delete(stored.name)

    async def delete(self, name: str) -> None:
        """Take a file away; one that is not there is no error."""
        try:
            await self._do(obstore.delete_async(self._store, name))
        except NotStored:
            return

    @staticmethod
    async def _do(operation: Awaitable[_T]) -> _T:
        try:
            return await operation
        except FileNotFoundError as error:
            raise NotStored(_first_line(error)) from error
        except obstore.exceptions.BaseError as error:
            raise StoreUnavailable(_first_line(error)) from error


def _empty(place: Path, folder: Path, keep: Collection[Path]) -> None:
    """Delete every file in a folder but those to keep, and each folder that is empty then."""
    emptied = []
    for parent, _, names in os.walk(folder, topdown=False, onerror=_unless_gone):
        for path in (Path(parent, name) for name in names):
            if path not in keep:
                path.unlink(missing_ok=True)
        emptied.append(Path(parent))
    emptied += takewhile(lambda above: above != place, folder.parents)
    for path in emptied:
        with contextlib.suppress(OSError):  # something is kept there, or is just being put
            path.rmdir()


def _unless_gone(error: OSError) -> None:
    """Raise what keeps a folder from being read, unless somebody else has taken it away."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _first_line(error: Exception) -> str:
    """Return what a person can read of it: the rest is for those who made the library."""
    return str(error).partition("\n")[0]
