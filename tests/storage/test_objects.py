"""Files by name, in a folder of this machine."""

import asyncio
from pathlib import Path
from typing import Final

import pytest

from service.storage.objects import NotStored, Objects, Stored

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
