"""A folder of releases.csv and tracks.csv, joined by release `id`: the freemusi.cc database.

Such a flat tag database has one credit line per track and no identifiers of artists, so the
rightsholders are whoever the credit and the title name (`credits`), known by name (`names`). A
track whose credit names nobody stays, without rightsholders.

The content id is made of the release, the place on it, and a digest of these with the file's
address and the title: addresses repeat in this catalogue, places do, and only together they tell
recordings apart. What does not identify a recording (credit, duration, rating) is left out, so
that correcting it changes no id. Rows that repeat a recording are refused, but whoever any of them
credits has a say in it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from service.catalog.sources.credits import guests_in_title, known_names, split_credit
from service.catalog.sources.csv_header import Row, header_of, rows_by_column
from service.catalog.sources.mojibake import repaired
from service.catalog.sources.names import clean, named, readable_id
from service.catalog.sources.once import FirstPlaces, each_once
from service.catalog.sources.track import ArtistName, BadRow, Track

RELEASES = "releases.csv"
TRACKS = "tracks.csv"
_RELEASE_COLUMNS = ("id", "artist")
_TRACK_COLUMNS = ("id", "disc", "track", "title", "trackartist", "trackurl")


@dataclass(slots=True)
class _Survey:
    """What must be known of the whole folder before its first track can be told."""

    releases: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)
    repeats: dict[str, list[Row]] = field(default_factory=dict)
    faults: list[BadRow] = field(default_factory=list)


def is_freemusic(folder: Path) -> bool:
    """Whether the folder holds both files with the columns that are read."""
    return all(
        (folder / name).is_file() and set(columns) <= set(header_of(folder / name))
        for name, columns in ((RELEASES, _RELEASE_COLUMNS), (TRACKS, _TRACK_COLUMNS))
    )


def read_freemusic(
    folder: Path, *, source: str | None = None, seen: FirstPlaces | None = None
) -> Iterator[Track | BadRow]:
    """Every row of tracks.csv as a Track or a BadRow, and the bad rows of releases.csv.

    The files are read twice: first for the artists' names, so that a name known from one credit
    helps to read another. Memory grows with the releases and the artists, not with the tracks.

    Args:
        folder: where releases.csv and tracks.csv are.
        source: the folder's name in what is yielded; its own name unless given.
        seen: contents that came before, from other sources; they are refused here.

    Raises:
        OSError: a file cannot be read.

    """
    label = source or folder.name
    return each_once(_rows(folder, label), seen)


def _rows(folder: Path, label: str) -> Iterator[Track | BadRow]:
    survey = _surveyed(folder, label)
    yield from survey.faults
    for row in rows_by_column(folder / TRACKS, f"{label}/{TRACKS}", _TRACK_COLUMNS):
        yield row if isinstance(row, BadRow) else _track(row, f"{label}/{TRACKS}", survey)


def _surveyed(folder: Path, label: str) -> _Survey:
    survey = _Survey()
    lines: set[str] = set()
    for row in rows_by_column(folder / RELEASES, f"{label}/{RELEASES}", _RELEASE_COLUMNS):
        if isinstance(row, BadRow):
            survey.faults.append(row)
        else:
            survey.releases.add(row.by_column["id"])
            lines.add(repaired(row.by_column["artist"]))
    with FirstPlaces() as places:
        for row in rows_by_column(folder / TRACKS, label, _TRACK_COLUMNS):
            if isinstance(row, Row):
                lines.add(repaired(row.by_column["trackartist"]))
                content = _content_id(row)
                if places.earlier(content, label, row.line):
                    survey.repeats.setdefault(content, []).append(row)
    for credit in lines:
        survey.known |= known_names(credit)
    return survey


def _track(row: Row, source: str, survey: _Survey) -> Track | BadRow:
    release = row.by_column["id"]
    if release not in survey.releases:
        return BadRow(
            source, row.line, f"release {release[:80]!r} is not in {RELEASES}: add it there"
        )
    content_id = _content_id(row)
    try:
        artists = _artists([row, *survey.repeats.get(content_id, ())], survey.known)
    except ValueError as wrong:
        return BadRow(source, row.line, str(wrong))
    return Track(
        content_id=content_id,
        title=clean(repaired(row.by_column["title"])),
        artists=artists,
        isrc=None,
        source=source,
        line=row.line,
    )


def _artists(rows: list[Row], known: set[str]) -> tuple[ArtistName, ...]:
    """Everybody whom the rows of one recording credit, each once, the first row's first."""
    credited: dict[str, ArtistName] = {}
    for row in rows:
        names = split_credit(repaired(row.by_column["trackartist"]), known)
        # A guest alone must not speak for an artist whom nobody named.
        guests = guests_in_title(repaired(row.by_column["title"]), known) if names else ()
        for artist in map(named, [*names, *guests]):
            credited.setdefault(artist.artist_id, artist)
    return tuple(credited.values())


def _content_id(row: Row) -> str:
    identifying = ("id", "disc", "track", "trackurl", "title")
    place = "-".join(row.by_column[column] for column in ("id", "disc", "track"))
    return readable_id(place, json.dumps([row.by_column[column] for column in identifying]))
