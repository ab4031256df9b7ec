"""Processes that are killed while they put a file, and what they leave."""

import asyncio
import os
import signal
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Final

from service.storage.objects import Objects

_LARGE: Final = 1 << 32
"""Bytes that take longer to put than to notice; a file with holes has no more than it needs."""


async def killed_in_put(folder: Path, name: str, words: bytes) -> None:
    """Put a file that begins with some words, and be killed when they are there, and it is not."""
    large = folder.with_name("large")
    large.write_bytes(words)
    await kill_in_put(Objects(folder), name, large)


async def kill_in_put(objects: Objects, name: str, file: Path) -> None:
    """Put a file, and be killed when its beginning is stored and the rest is not."""
    assert objects.folder
    await asyncio.to_thread(_enlarge_and_kill, file, objects.folder / name)
    await objects.put(name, file)


def _enlarge_and_kill(file: Path, whole: Path) -> None:
    words = file.read_bytes()
    os.truncate(file, _LARGE)
    Thread(target=_kill, args=(whole, words), daemon=True).start()


def _kill(whole: Path, words: bytes) -> None:
    """Kill this process once some file beside one that is not there begins with these words."""
    while not any(_begins(path, words) for path in whole.parent.glob("*")):
        sleep(0.001)
    if not whole.exists():
        os.kill(os.getpid(), signal.SIGKILL)


def _begins(path: Path, words: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(words)) == words


def files_with(folder: Path, mark: str) -> list[Path]:
    """Return the files below a folder that hold these letters."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if mark.encode() in path.read_bytes()]
