"""Where a reader stands in the ledger: behind an event, or within a large one."""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final

from service.domain.refusal import refuse

_FORM: Final = re.compile(
    r"(?P<revision>\d{1,19})(\.(?P<start>\d{1,9})(-(?P<stop>\d{1,9})\.(?P<after>[\w-]*))?)?",
    re.ASCII,
)
_LARGEST_REVISION: Final = 2**63 - 1
LONGEST: Final = 1_200
"""Characters: more than the longest id of a content takes."""

ADVICE: Final = "give a revision, or a position just as it was handed out"


@dataclass(frozen=True, slots=True)
class Place:
    """A place within an event: its rows before `start` are done.

    With `stop`, so are the artists in the rows from there up to `stop`, and of the content they
    hold all whose id does not come after `after`.
    """

    start: int
    stop: int | None = None
    after: str = ""


@dataclass(frozen=True, slots=True)
class Position:
    """Everything up to event `revision` is done, and the next event up to a place within it."""

    revision: int
    place: Place | None = None

    def __str__(self) -> str:
        """Return the position as it is handed out, in characters that need no escape anywhere."""
        if self.place is None:
            return str(self.revision)
        place = self.place
        if place.stop is None:
            return f"{self.revision}.{place.start}"
        after = base64.urlsafe_b64encode(place.after.encode()).decode().rstrip("=")
        return f"{self.revision}.{place.start}-{place.stop}.{after}"


def parse_position(text: str, field: str) -> Position:
    """Read a position. Raises Refused, naming the field that it came in."""
    found = _FORM.fullmatch(text) if len(text) <= LONGEST else None
    if found is None or int(found["revision"]) > _LARGEST_REVISION:
        raise refuse(field, "invalid", ADVICE)
    revision = int(found["revision"])
    if found["start"] is None:
        return Position(revision)
    if found["stop"] is None:
        return Position(revision, Place(int(found["start"])))
    after = _decoded(found["after"], field)
    return Position(revision, Place(int(found["start"]), int(found["stop"]), after))


def _decoded(text: str, field: str) -> str:
    try:
        after = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise refuse(field, "invalid", ADVICE) from None
    if "\0" in after:  # PostgreSQL's text has none
        raise refuse(field, "invalid", ADVICE)
    return after
