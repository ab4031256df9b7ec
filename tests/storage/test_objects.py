"""Files by name, in a folder of this machine."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Final

import pytest

from service.storage.objects import NotStored, Objects, Stored
from tests.storage.killed import files_with

HERE: Final = Path(__file__).parents[2]
BYTES: Final = bytes(range(256)) * 10_000


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    """Return a place that nobody has made yet."""
    return Objects(tmp_path / "kept" / "here")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file of more than one chunk."""
    written = tmp_path / "written"
    written.write_bytes(BYTES)
    return written


async def test_what_was_put_is_read_back(objects: Objects, file: Path, tmp_path: Path) -> None:
    """Whole, however it is read."""
    again = tmp_path / "again"
    await objects.put("2026-11/decisions.parquet", file)
    await objects.fetch("2026-11/decisions.parquet", again)
    assert await objects.read("2026-11/decisions.parquet") == BYTES
    assert await asyncio.to_thread(again.read_bytes) == BYTES
    assert await objects.find("2026-11/decisions.parquet") == Stored(
        "2026-11/decisions.parquet", 2_560_000
    )


async def test_what_lies_below_a_name_is_listed(objects: Objects, file: Path) -> None:
    """By whole parts: `a` is not a folder above `ab/1`."""
    assert await objects.below("a") == []
    for name in ("ab/1", "a/2", "a/1"):
        await objects.put(name, file)
    assert [one.name for one in await objects.below("a")] == ["a/1", "a/2"]


async def test_bytes_are_put_as_a_file_is(objects: Objects) -> None:
    """For what is small and was never a file."""
    await objects.put("readme", b"words")
    assert await objects.read("readme") == b"words"


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    """Return each kind of place in turn."""
    return Objects(tmp_path / "kept" if request.param == "folder" else "memory:///")


async def test_what_is_cleared_is_gone(place: Objects, file: Path) -> None:
    """All below some whole parts, but for what is to be kept; clearing nothing is no error."""
    for name in ("a/1/x", "a/1/y", "a/2", "a/3/z", "ab/1"):
        await place.put(name, file)
    await place.clear("a", keep={"a/1/y"})
    await place.clear("never/there")
    assert [one.name for one in await place.below("")] == ["a/1/y", "ab/1"]
    await place.clear("a")
    assert [one.name for one in await place.below("")] == ["ab/1"]
    assert await place.folders() == ["ab"]


async def test_the_next_parts_of_names_are_listed(place: Objects, file: Path) -> None:
    """Of those that have any more parts."""
    for name in ("a/10/x", "a/2/x", "a/2/y", "a/last", "b/1"):
        await place.put(name, file)
    assert await place.folders() == ["a", "b"]
    assert await place.folders("a") == ["10", "2"]
    assert await place.folders("never") == []


@pytest.mark.parametrize("folder", ["", ".", "..", "a/../b", "/etc", "a//b"])
async def test_nothing_is_cleared_by_mistake(place: Objects, file: Path, folder: str) -> None:
    """Neither the whole place nor what lies beside it."""
    await place.put("a/b/c", file)
    with pytest.raises(ValueError, match="names"):
        await place.clear(folder)
    assert await place.find("a/b/c")


_KILLED_IN_PUT: Final = """
import asyncio, sys
from pathlib import Path
from tests.storage.killed import killed_in_put
asyncio.run(killed_in_put(Path(sys.argv[1]), "a/1/x", b"words"))
"""


async def test_clearing_finds_what_nobody_finished(objects: Objects, file: Path) -> None:
    """Whoever was killed while a file was put leaves something that has no name."""
    assert objects.folder
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _KILLED_IN_PUT, str(objects.folder)), cwd=HERE
    )
    assert await process.wait() == -signal.SIGKILL
    assert await objects.below("a") == []
    assert files_with(objects.folder, "words")
    assert await objects.folders("a") == ["1"]
    await objects.put("b", file)
    await objects.clear("a/1")
    assert [path.name for path in objects.folder.rglob("*")] == ["b"]


async def test_what_is_not_there_is_said(objects: Objects, tmp_path: Path) -> None:
    """Taking it away is no error, so that it can be done twice."""
    assert await objects.find("never") is None
    await objects.delete("never")
    with pytest.raises(NotStored):
        await objects.fetch("never", tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


async def test_no_name_leads_out_of_the_place(objects: Objects, file: Path, tmp_path: Path) -> None:
    """A name that would is refused, and nothing is written."""
    with pytest.raises(ValueError, match=r"\.\."):
        await objects.put("../out", file)
    assert not (tmp_path / "kept" / "out").exists()


def test_a_place_of_a_kind_that_nobody_knows_is_refused() -> None:
    """When it is named, not when the first file is put."""
    with pytest.raises(ValueError, match="cannot be kept"):
        Objects("gopher://example.com/files")
