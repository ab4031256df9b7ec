"""Which catalogues lie at a path, and all of their tracks as one stream."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from service.catalog.sources.csv_catalog import COLUMNS, is_csv_catalog, read_csv_catalog
from service.catalog.sources.ddex import is_ddex, read_ddex
from service.catalog.sources.freemusic import TRACKS, is_freemusic, read_freemusic
from service.catalog.sources.once import FirstPlaces
from service.catalog.sources.track import BadRow, Track

_CHUNK = 1 << 20
_RESOURCE_ENDS = re.compile(rb"</(?:\w+:)?(?:SoundRecording|Video)\s*>")
_LONGEST_TAG = 64


class NoCatalogError(Exception):
    """Nothing at the path can be read as a catalogue; the text says what could have been."""


@dataclass(frozen=True, slots=True)
class _Source:
    read: Callable[..., Iterator[Track | BadRow]]
    count: Callable[[], int]


def open_catalog(path: Path) -> Iterator[Track | BadRow]:
    """Every track, and every row that is none, of all the catalogues at `path`.

    A folder may hold any mix, at any depth: folders of releases.csv and tracks.csv, CSV files in
    our own format, DDEX messages. They come in the order of their names, other files are left
    alone, and links to folders are not followed. A single file is read as what its name ends in.
    A content that several sources hold is yielded once, from the first.

    What there is, is found out before this returns; the reading itself is lazy.

    Raises:
        NoCatalogError: there is nothing to read.
        OSError: a file cannot be read (also while the rows are taken).

    """
    sources = list(_sources(path))
    if not sources:
        raise NoCatalogError(_nothing(path))
    return _all_rows(sources)


def count_hint(path: Path) -> int | None:
    """About how many rows `open_catalog` will yield, for a progress bar; None if none can be told.

    It counts lines and closing tags without parsing, so it is quick and may be off.
    """
    try:
        sources = list(_sources(path))
        return sum(source.count() for source in sources) if sources else None
    except OSError:
        return None


def _all_rows(sources: list[_Source]) -> Iterator[Track | BadRow]:
    with FirstPlaces() as seen:
        for source in sources:
            yield from source.read(seen=seen)


def _sources(path: Path) -> Iterator[_Source]:
    if not path.is_dir():
        yield from _file(path, path.name, alone=True)
        return
    for folder, below, files in os.walk(path):
        below[:] = sorted(name for name in below if not name.startswith("."))
        here = Path(folder)
        if is_freemusic(here):
            yield _Source(
                partial(read_freemusic, here, source=_label(here, path)),
                partial(_data_lines, here / TRACKS),
            )
        for name in sorted(files):
            yield from _file(here / name, _label(here / name, path), alone=False)


def _file(path: Path, label: str, *, alone: bool) -> Iterator[_Source]:
    """The file as a source if it is one; a file named by itself is taken at its ending."""
    ending = path.suffix.lower()
    if not path.is_file() or path.name.startswith("."):
        return
    if ending == ".csv" and (alone or is_csv_catalog(path)):
        yield _Source(partial(read_csv_catalog, path, source=label), partial(_data_lines, path))
    if ending == ".xml" and (alone or is_ddex(path)):
        yield _Source(partial(read_ddex, path, source=label), partial(_resources, path))


def _label(path: Path, root: Path) -> str:
    inside = path.relative_to(root).as_posix()
    return root.resolve().name if inside == "." else inside


def _nothing(path: Path) -> str:
    looked_for = (
        f"a CSV file whose first line is {','.join(COLUMNS)}, a DDEX ERN 4.3 message (.xml), or a "
        "folder with releases.csv and tracks.csv"
    )
    if not path.exists():
        return f"There is nothing at {path}: check the path. A catalogue is {looked_for}."
    return f"No catalogue was found at {path}. It must be or hold {looked_for}."


def _data_lines(path: Path) -> int:
    """The lines of a file below its header."""
    lines, last = 0, b"\n"
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            lines += chunk.count(b"\n")
            last = chunk[-1:]
    return max(0, lines - 1 + (last != b"\n"))


def _resources(path: Path) -> int:
    """The sound recordings and videos of a message, by their closing tags."""
    found, rest = 0, b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            text = rest + chunk
            matches = list(_RESOURCE_ENDS.finditer(text))
            found += len(matches)
            done = matches[-1].end() if matches else 0
            rest = text[max(done, len(text) - _LONGEST_TAG) :]
    return found
