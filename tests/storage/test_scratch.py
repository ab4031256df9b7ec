"""Folders to work in, and what becomes of them when whoever works in them is killed."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Final

from service.storage.scratch import sweep, working_folder

HERE: Final = Path(__file__).parents[2]
_KILLED: Final = """
import os, signal, sys
from pathlib import Path
from service.storage.scratch import working_folder
with working_folder(Path(sys.argv[1]), sys.argv[2]) as folder:
    (folder / "deep").mkdir()
    (folder / "deep" / "words").write_text("words")
    os.kill(os.getpid(), signal.SIGKILL)
"""


async def kill_at(work: str, scratch: Path) -> None:
    """Let a process be killed at some work."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _KILLED, str(scratch), work), cwd=HERE
    )
    assert await process.wait() == -signal.SIGKILL


def works(scratch: Path) -> list[str]:
    """Return what the folders that there are were made for."""
    return sorted(path.name.split("-")[1] for path in scratch.iterdir())


def test_a_folder_is_gone_with_its_block(tmp_path: Path) -> None:
    """With all that is in it, and however the block ends."""
    with working_folder(tmp_path / "scratch", "cooking") as folder:
        (folder / "pot").write_text("soup")
        assert works(folder.parent) == ["cooking"]
    assert works(tmp_path / "scratch") == []


async def test_who_was_killed_is_swept_up_after_by_the_next(tmp_path: Path) -> None:
    """Who does the same work; what others do is theirs to sweep up."""
    await kill_at("cooking", tmp_path)
    await kill_at("baking", tmp_path)
    with working_folder(tmp_path, "cooking"):
        assert works(tmp_path) == ["baking", "cooking"]
    assert works(tmp_path) == ["baking"]
    sweep(tmp_path, "baking")
    assert works(tmp_path) == []


def test_who_is_at_work_keeps_theirs(tmp_path: Path) -> None:
    """Whoever sweeps, or begins with the same."""
    with working_folder(tmp_path, "cooking") as first:
        sweep(tmp_path, "cooking")
        with working_folder(tmp_path, "cooking") as second:
            assert first != second
            assert {*tmp_path.iterdir()} == {first, second}
        assert [*tmp_path.iterdir()] == [first]
