"""Files that are there, whole, whenever the machine stops: what must not be forgotten."""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_durably(path: Path, text: str) -> None:
    """Replace a file's text. When this returns the new one is on disk; until then the old one is.

    Raises OSError, with the old text as it was.
    """
    with _opened(path.parent) as folder:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(descriptor)
            Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
        os.fsync(folder)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Wait for whoever else is at this folder's files, and keep others waiting.

    Raises OSError, also where the folder's file system has no locks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "lock"
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:  # which, unlike others, does not say where
            raise OSError(error.errno, error.strerror, str(path)) from error
        yield


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
