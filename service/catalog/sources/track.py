"""What every reader of a catalogue yields: a track, or a row it could not read and why."""

import re
from dataclasses import dataclass
from typing import NamedTuple

from service.domain.events import ContentStatus

ID_LIMIT = 200
"""The longest identifier the service takes, in characters."""

TEXT_LIMIT = 1000
"""The longest title, name or credit line, in characters."""

_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class ArtistName(NamedTuple):
    """One rightsholder: the identifier that decides, and the name that people read."""

    artist_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Track:
    """One content and everybody who has a say in it, in the order of the credit.

    The same input gives the same `content_id` and the same artist ids, so that a second import
    changes nothing. `artists` may be empty: such a track is kept, and R1 denies it as
    `no_rightsholder`. `isrc` is in its compact form of twelve characters (ISO 3901). `line` is
    where the track begins in `source`, counted from 1.
    """

    content_id: str
    title: str
    artists: tuple[ArtistName, ...]
    isrc: str | None
    source: str
    line: int
    status: ContentStatus = ContentStatus.ACTIVE


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that is no track: where it is, and what to do about it. Reading goes on after it."""

    source: str
    line: int
    reason: str


def id_problem(identifier: str) -> str | None:
    """Why `identifier` cannot name anything, or None: 1 to 200 characters, none invisible."""
    if not identifier:
        return "it is empty"
    if len(identifier) > ID_LIMIT:
        return f"it has {len(identifier)} characters, and {ID_LIMIT} are the most"
    if identifier != identifier.strip():
        return "it begins or ends with a space"
    if _UNFIT.search(identifier):
        return "it holds a control character"
    return None


def track_problem(track: Track) -> str | None:
    """Why the service would not take this track, or None."""
    for identifier in (track.content_id, *(artist.artist_id for artist in track.artists)):
        problem = id_problem(identifier)
        if problem:
            return f"{identifier[:40]!r} is no identifier: {problem}"
    for text in (track.title, *(artist.name for artist in track.artists)):
        if len(text) > TEXT_LIMIT:
            return too_long(text)
    return None


def too_long(text: str) -> str:
    """What to say about a title, name or credit line beyond the limit."""
    return f"{text[:40]!r}... has {len(text)} characters, and {TEXT_LIMIT} are the most"
