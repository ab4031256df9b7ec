"""Sealed files at hand: on this machine, whole, and the very ones that the ledger speaks of.

    async with files.at_hand(some) as paths: ...      # they stay there until the block ends

Files in a folder are read where they are, those in a bucket are copied once and kept as long as
there is room. Either way each is held against its SHA-256 before this process reads it for the
first time, and again where it has changed since.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO, Final

from service.sealing.parquet import SealedFile, sha256_of
from service.sealing.period import SealedUnreadable
from service.storage.objects import NotStored, Objects, StoreUnavailable

_TRIES: Final = 3


class SealedFiles:
    """The files of sealed months at one place, and their copies in one folder."""

    def __init__(self, place: str, copies: Path, *, most_bytes: int) -> None:
        """Take a folder or a bucket's URL, and the folder for copies with the room in it.

        Any number of processes may share the copies. Raises ValueError for a URL of a kind that
        nobody knows.
        """
        self.objects = Objects(place)
        self.copies = copies
        self._most = most_bytes
        self._checked: dict[str, tuple[int, int, int]] = {}
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def at_hand(self, files: Sequence[SealedFile]) -> AsyncIterator[list[str]]:
        """Yield paths of these files, in their order.

        Raises SealedUnreadable where one is missing, altered or out of reach.
        """
        with contextlib.ExitStack() as held:
            yield [str(await self._path(file, held)) for file in files]

    async def _path(self, file: SealedFile, held: contextlib.ExitStack) -> Path:
        if self.objects.folder is not None:
            path = self.objects.folder / file.name
            await self._check(file, path)
            return path
        async with self._turn:
            for _ in range(_TRIES):
                path = self.copies / f"{file.sha256}.parquet"
                if not path.exists():
                    await self._copy(file, path)
                if held.enter_context(_held(path)):
                    await self._check(file, path)
                    return path
        raise SealedUnreadable(f"there is too little room for copies in {self.copies}")

    async def _copy(self, file: SealedFile, path: Path) -> None:
        await asyncio.to_thread(self._make_room, file.size)
        with _unfinished_beside(path) as unfinished:
            try:
                await self.objects.fetch(file.name, unfinished)
            except NotStored as error:
                raise _missing(file) from error
            except StoreUnavailable as error:
                raise SealedUnreadable(f"{file.name} is out of reach: {error}") from error

    async def _check(self, file: SealedFile, path: Path) -> None:
        """Hold a file against its digest, unless it has not changed since that was done."""
        try:
            seen = _seen(path, copied=self.objects.folder is None)
            if self._checked.get(file.sha256) == seen:
                return
            digest = await asyncio.to_thread(sha256_of, path)
        except FileNotFoundError as error:
            raise _missing(file) from error
        except OSError as error:
            raise SealedUnreadable(f"{file.name} cannot be read: {error}") from error
        if digest != file.sha256:
            message = f"{file.name} was altered: its SHA-256 is {digest}, not {file.sha256}"
            raise SealedUnreadable(message)
        self._checked[file.sha256] = seen

    def _make_room(self, size: int) -> None:
        """Delete copies that were not used for longest and that nobody reads, until one fits."""
        self.copies.mkdir(parents=True, exist_ok=True)
        there = sorted(self.copies.glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)
        room = self._most - sum(path.stat().st_size for path in there)
        for path in there:
            if room >= size:
                return
            freed = path.stat().st_size
            if _deleted(path):
                room += freed


async def stored_digest(objects: Objects, name: str) -> str:
    """Return the SHA-256 of a file as it is stored, every byte. Raises NotStored."""
    digest = hashlib.sha256()
    async for chunk in objects.stream(name):
        digest.update(chunk)
    return digest.hexdigest()


def _missing(file: SealedFile) -> SealedUnreadable:
    return SealedUnreadable(f"{file.name} is missing: restore it from a backup of that place")


def _seen(path: Path, *, copied: bool) -> tuple[int, int, int]:
    """Return what changes with a file; the time of a copy is when it was last used."""
    found = path.stat()
    return found.st_ino, found.st_size, 0 if copied else found.st_mtime_ns


@contextmanager
def _unfinished_beside(path: Path) -> Iterator[Path]:
    """Yield an empty file, which is there under this name once the block ends without an error."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, suffix=".unfinished")
    os.close(descriptor)
    unfinished = Path(name)
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def _held(path: Path) -> Iterator[bool]:
    """Yield whether a copy is there, and will be there until the block ends."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield False
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_SH)
        here = _is_at(file, path)
        if here:
            os.utime(path)  # used now: others go first where room is needed
        yield here


def _deleted(path: Path) -> bool:
    """Delete a copy unless somebody holds it."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
        return True
    return False


def _is_at(file: IO[bytes], path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False
