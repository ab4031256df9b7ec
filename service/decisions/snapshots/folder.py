"""The folder of a snapshot: the newest one, the one that is being written, and the writer's lock.

Files are ours alone to read. A snapshot appears under its name when all of it is on disk, in the
place of the one before. Its name has the format's number, so that two releases beside each other do
not take turns in replacing what the other cannot read.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from service.decisions.snapshots.sealed import (
    FORMAT,
    PREAMBLE_SIZE,
    Reach,
    SnapshotUnusable,
    read_preamble,
)

_PRIVATE_FILE: Final = 0o600
_PRIVATE_FOLDER: Final = 0o700
_WRITER: Final = "writer.lock"
_KEEPER: Final = "keeper.lock"
_UNFINISHED: Final = ".unfinished"
_ALL: Final = "index-*.snapshot*"


class FolderBusy(Exception):  # noqa: N818 - names a state
    """Somebody else is writing a snapshot there."""


class Overtaken(Exception):  # noqa: N818 - names what happened
    """An artist was erased while the snapshot was written, and it still knew of them."""


class SnapshotFolder:
    """One folder, which several processes may share if they answer from the same ledger."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path / f"index-{FORMAT}.snapshot"
        self._unfinished = path / f"{self._file.name}{_UNFINISHED}"

    def newest(self) -> Reach | None:
        """Return how far the newest snapshot says that it reaches, None where none is there."""
        return _reach(self._file)

    def open(self) -> BinaryIO | None:
        """Open the newest snapshot, or return None where there is none. Raises OSError."""
        try:
            return self._file.open("rb")
        except FileNotFoundError:
            return None

    def remove(self, opened: BinaryIO) -> None:
        """Remove a snapshot that was opened, unless there is a newer one by now."""
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(opened.fileno()), self._file.stat()):
                self._file.unlink()

    def discard_before(self, revision: int) -> None:
        """Remove every file that knows only what was before a revision; unfinished ones too."""
        for path in self._path.glob(_ALL):
            if _may_be_before(revision, path):
                path.unlink(missing_ok=True)

    @property
    def busy(self) -> bool:
        """Whether somebody is writing."""
        try:
            with self._locked(_WRITER):
                return False
        except FolderBusy:
            return True
        except FileNotFoundError:
            return False

    @contextmanager
    def writing(self) -> Iterator["Unfinished"]:
        """Let a snapshot be written, and by nobody else meanwhile. Raises FolderBusy, OSError."""
        self._path.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        with self._locked(_WRITER):
            # Whoever left one behind was killed.
            self._unfinished.unlink(missing_ok=True)
            try:
                descriptor = os.open(
                    self._unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE
                )
                with os.fdopen(descriptor, "wb") as file:
                    yield Unfinished(file, self._unfinished, self._file)
            finally:
                self._unfinished.unlink(missing_ok=True)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Be the one who has a snapshot written. Raises FolderBusy where somebody else is."""
        self._path.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        with self._locked(_KEEPER):
            yield

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        lock = os.open(self._path / name, os.O_RDWR | os.O_CREAT, _PRIVATE_FILE)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FolderBusy("another process is writing a snapshot there") from None
            yield
        finally:
            os.close(lock)


class Unfinished:
    """A snapshot that is being written. It comes to nothing unless it is published."""

    def __init__(self, file: BinaryIO, path: Path, final: Path) -> None:
        self.file = file
        self._path = path
        self._final = final

    def publish(self) -> int:
        """Let it be the newest, on disk when this returns, and return its size in bytes.

        Raises Overtaken where somebody has removed it meanwhile.
        """
        self.file.flush()
        os.fsync(self.file.fileno())
        size = os.fstat(self.file.fileno()).st_size
        try:
            self._path.replace(self._final)
        except FileNotFoundError:
            raise Overtaken("an artist was erased while it was written") from None
        for path in self._final.parent.glob(_ALL):
            if _format(path) < FORMAT:
                path.unlink(missing_ok=True)
        _sync(self._final.parent)
        return size


def _reach(path: Path) -> Reach | None:
    try:
        with path.open("rb", buffering=0) as file:
            return read_preamble(file).reach
    except (FileNotFoundError, SnapshotUnusable):
        return None


def _may_be_before(revision: int, path: Path) -> bool:
    known = _reach(path)
    if known is not None:
        return known.revision < revision
    # A writer has just begun, and nothing is in there yet; or there is something unreadable.
    with suppress(FileNotFoundError):
        return path.stat().st_size >= PREAMBLE_SIZE
    return False


def _format(path: Path) -> int:
    number = path.name.removeprefix("index-").partition(".")[0]
    return int(number) if number.isdecimal() else FORMAT


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
