"""Files of one dataset: how many rows each has, and what it is called."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pytest

from service.exports.columns import Column, Type
from service.exports.dataset import Piece, Source, TableDataset
from service.exports.parts import Parts
from service.exports.wanted import Format
from service.ledger.events import Json


class Pieces:
    """A dataset of numbers in pieces; a piece's place is its last number."""

    name = "numbers"
    version = 1
    columns = (Column("n", Type.INTEGER, "a number"),)

    def __init__(self, *pieces: Sequence[int], cut: Sequence[int] = ()) -> None:
        """Take the pieces, and the numbers after which nobody can go on."""
        self._pieces = pieces
        self._cut = cut

    async def read(self, _: Source, after: int | None) -> AsyncIterator[Piece]:
        """Yield the pieces after a number."""
        for piece in self._pieces:
            if after is None or piece[-1] > after:
                place = None if piece[-1] in self._cut else piece[-1]
                yield Piece(pa.RecordBatch.from_arrays([pa.array(piece)], names=["n"]), place)


class Kept:
    """Remembers what was kept, and forgets the files."""

    def __init__(self, takes: int = 99) -> None:
        """Take so many files."""
        self.takes = takes
        self.told: list[int] = []

    async def keep(self, name: str, path: Path) -> Json:
        """Count its rows, or break."""
        self.takes -= 1
        if self.takes < 0:
            raise OSError(name)
        return {"name": name, "lines": _taken(path)}

    async def add_rows(self, rows: int) -> None:
        """Remember how many."""
        self.told.append(rows)

    async def finished(self) -> None:
        """Hear it."""


def _taken(path: Path) -> list[str]:
    """Return the lines of a file, and take it away."""
    lines = path.read_text().splitlines()
    path.unlink()
    return lines


async def made(pieces: Pieces, folder: Path, most: int, done: Json, takes: int = 99) -> Json:
    """Make the files of a dataset; return what there is of it then."""
    parts = Parts(
        cast("TableDataset", pieces), Format.NDJSON, folder / "file", done, Kept(takes), most
    )
    await parts.make(cast("Source", None))
    return done


def begun() -> Json:
    """Return that nothing is done."""
    return {"files": [], "place": None, "done": False}


def files(done: Json) -> dict[str, int]:
    """Return how many rows each file has."""
    return {file["name"]: file["rows"] for file in done["files"]}


async def test_one_file_has_no_number(tmp_path: Path) -> None:
    """Also where it is exactly full."""
    done = await made(Pieces([1, 2], [3]), tmp_path, 3, begun())
    assert (files(done), done["place"], done["done"]) == ({"numbers.ndjson": 3}, 3, True)


async def test_what_does_not_fit_goes_into_the_next(tmp_path: Path) -> None:
    """No file has more than it may, and no piece is cut."""
    done = await made(Pieces([1, 2], [3, 4], [5], [6, 7, 8, 9]), tmp_path, 3, begun())
    assert files(done) == {
        "numbers-00001.ndjson": 2,
        "numbers-00002.ndjson": 3,
        "numbers-00003.ndjson": 4,
    }


async def test_what_belongs_together_stays_together(tmp_path: Path) -> None:
    """A file has more rows than it may where nobody could go on in the middle."""
    done = await made(Pieces([1, 2], [3, 4], [5], cut=[2]), tmp_path, 3, begun())
    assert files(done) == {"numbers-00001.ndjson": 4, "numbers-00002.ndjson": 1}


async def test_nothing_is_one_file(tmp_path: Path) -> None:
    """So that nobody wonders whether it was left out."""
    assert files(await made(Pieces(), tmp_path, 3, begun())) == {"numbers.ndjson": 0}


@pytest.mark.parametrize("takes", [0, 1, 2])
async def test_it_goes_on_after_what_was_kept(tmp_path: Path, takes: int) -> None:
    """Wherever it broke off, the files are what they would have been."""
    pieces = Pieces([1, 2], [3], [4, 5], [6])
    done = begun()
    with pytest.raises(OSError, match="numbers"):
        await made(pieces, tmp_path, 2, done, takes)
    assert (len(done["files"]), done["done"]) == (takes, False)
    whole = await made(pieces, tmp_path, 2, begun())
    assert await made(pieces, tmp_path, 2, done) == whole
    lines: list[Any] = [line for file in whole["files"] for line in file["lines"]]
    assert lines == [f'{{"n":{n}}}' for n in range(1, 7)]
