"""One place for files, wherever it is: a folder, or a bucket of S3, Google Cloud or Azure.

    objects = Objects("exports")                     # a folder, made when something is put
    objects = Objects("s3://bucket/exports")         # credentials come from the environment

A file is there whole or not at all, and nobody changes one that is there.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
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
        if "://" in text and not text.startswith("file://"):
            try:
                self._store = from_url(text)
            except obstore.exceptions.BaseError as error:
                message = f"files cannot be kept at {text}: {_first_line(error)}"
                raise ValueError(message) from error
        else:
            folder = Path(text.removeprefix("file://")).absolute()
            self._store = LocalStore(folder, automatic_cleanup=True, mkdir=True)

    async def put(self, name: str, file: Path) -> None:
        """Keep a copy of a file under a name; when this returns it is there, whole."""
        await self._do(obstore.put_async(self._store, name, file))

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


def _first_line(error: Exception) -> str:
    """Return what a person can read of it: the rest is for those who made the library."""
    return str(error).partition("\n")[0]
