"""Folders to work in for a while, which do not stay when their process was killed.

Each is named for the work and held by the process that asked for it: one that nobody holds is left
over. Another process that works in it loses it with the one that holds it.
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path


@contextmanager
def working_folder(scratch: Path, work: str) -> Iterator[Path]:
    """Yield an empty folder in `scratch` until the block ends; first sweep up after the same work.

    `work` is a word for what is done in it.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    sweep(scratch, work)
    is_ours = False
    while not is_ours:  # somebody else may have swept it up before it was held
        folder = tempfile.TemporaryDirectory(prefix=_prefix(work), dir=scratch)
        with folder as name, _held(Path(name)) as is_ours:
            if is_ours:
                yield Path(name)


@asynccontextmanager
async def working_folder_apart(scratch: Path, work: str) -> AsyncIterator[Path]:
    """Yield the same, for whoever answers others meanwhile: what is deleted may be large."""
    held = ExitStack()
    try:
        yield await asyncio.to_thread(held.enter_context, working_folder(scratch, work))
    finally:
        await asyncio.to_thread(held.close)


def sweep(scratch: Path, work: str) -> None:
    """Delete what those who did some work in `scratch` and were killed have left there."""
    for left in scratch.glob(f"{_prefix(work)}*"):
        with _held(left) as is_abandoned:
            if is_abandoned:
                shutil.rmtree(left, ignore_errors=True)


def _prefix(work: str) -> str:
    return f"fermata-{work}-"


@contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """Yield whether a folder is there and nobody else holds it; it is held until the block ends."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        yield False
        return
    try:
        held = False
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = folder.exists()
        yield held
    finally:
        os.close(descriptor)
