"""Fermata's own plain catalogue format: one CSV row for one content.

- `content`: the platform's id of the content, up to 200 characters, none invisible.
- `title`: how people know it; may be empty.
- `artists`: the platform's ids of its rightsholders, in order, with `;` between them (so no id may
  hold one); empty means that nobody is known, and R1 denies.
- `isrc`: its ISRC (ISO 3901), with or without hyphens; may be empty.
- `status`: `active`, `disputed` or `removed`; empty means `active`.
- `artist_names`, a column that may be left out: the names of the artists, as many and in the same
  order, with `;` between them; without it the ids are shown.

UTF-8, comma-separated as in RFC 4180, first line the column names in any order. Credits are never
taken apart here: this format says exactly who has a say.
"""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from service.catalog.sources.csv_header import Row, header_of, rows_by_column
from service.catalog.sources.isrc import compact_isrc
from service.catalog.sources.once import FirstPlaces, each_once
from service.catalog.sources.track import ArtistName, BadRow, Track, id_problem
from service.domain.events import ContentStatus

COLUMNS = ("content", "title", "artists", "isrc", "status")
NAMES = "artist_names"
_BETWEEN = ";"


def is_csv_catalog(path: Path) -> bool:
    """Whether the file means to be of this format: its header names `content` and `artists`."""
    return {"content", "artists"} <= set(header_of(path))


def read_csv_catalog(
    path: Path, *, source: str | None = None, seen: FirstPlaces | None = None
) -> Iterator[Track | BadRow]:
    """Every row of the file as a Track or a BadRow, in constant memory.

    Args:
        path: the CSV file.
        source: its name in what is yielded; the file's own name unless given.
        seen: contents that came before, from other sources; they are refused here.

    Raises:
        OSError: the file cannot be read.

    """
    label = source or path.name
    rows = rows_by_column(path, label, COLUMNS, [NAMES])
    return each_once((_track(row, label) for row in rows), seen)


def write_csv_catalog(tracks: Iterable[Track], out: TextIO) -> int:
    """Write the tracks in this format, names included; how many there were.

    What is written reads back as the same tracks.

    Raises:
        ValueError: an artist's id or name holds a semicolon, which this format cannot say.

    """
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*COLUMNS, NAMES])
    written = 0
    for track in tracks:
        written += 1
        writer.writerow(
            [
                track.content_id,
                track.title,
                _joined(artist.artist_id for artist in track.artists),
                track.isrc or "",
                track.status.value,
                _joined(artist.name for artist in track.artists),
            ]
        )
    return written


def _joined(parts: Iterable[str]) -> str:
    listed = list(parts)
    if any(_BETWEEN in part for part in listed):
        raise ValueError(f"A semicolon cannot stand in an artist's id or name: {listed}")
    return _BETWEEN.join(listed)


def _track(row: Row | BadRow, source: str) -> Track | BadRow:
    if isinstance(row, BadRow):
        return row
    try:
        return Track(
            content_id=_identifier(row.by_column["content"].strip(), "content"),
            title=row.by_column["title"].strip(),
            artists=_artists(row.by_column["artists"], row.by_column.get(NAMES)),
            isrc=_isrc(row.by_column["isrc"]),
            source=source,
            line=row.line,
            status=_status(row.by_column["status"].strip()),
        )
    except ValueError as wrong:
        return BadRow(source, row.line, str(wrong))


def _identifier(text: str, column: str) -> str:
    problem = id_problem(text)
    if problem:
        raise ValueError(f"{column} {text[:40]!r} is no identifier: {problem}")
    return text


def _artists(ids: str, names: str | None) -> tuple[ArtistName, ...]:
    if not ids.strip():
        return ()
    listed = [_identifier(part.strip(), "artists:") for part in ids.split(_BETWEEN)]
    called = [part.strip() for part in names.split(_BETWEEN)] if names and names.strip() else listed
    if len(called) != len(listed):
        raise ValueError(
            f"artists has {len(listed)} ids and {NAMES} has {len(called)} names: "
            "give one name for each id, in the same order"
        )
    by_id: dict[str, ArtistName] = {}
    for artist_id, name in zip(listed, called, strict=True):
        by_id.setdefault(artist_id, ArtistName(artist_id, name or artist_id))
    return tuple(by_id.values())


def _isrc(text: str) -> str | None:
    return compact_isrc(text) if text.strip() else None


def _status(text: str) -> ContentStatus:
    try:
        return ContentStatus(text or ContentStatus.ACTIVE)
    except ValueError:
        allowed = ", ".join(ContentStatus)
        raise ValueError(f"status {text[:40]!r} is none of {allowed}") from None
