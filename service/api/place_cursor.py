"""Cursors of lists in order of time: an instant and a name, as an opaque text.

They open nothing: whoever may send one may see the whole list.
"""

import base64

import msgspec

from service.domain.instant import EARLIEST, LATEST, Instant
from service.domain.refusal import refuse


def cursor_of(instant: Instant, name: str) -> str:
    """Return the cursor of a place in a list."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode((instant, name))).rstrip(b"=").decode()


def read_cursor(cursor: str) -> tuple[Instant, str]:
    """Return the place that a cursor is of. Raises Refused for one that nobody gave."""
    try:
        data = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        instant, name = msgspec.msgpack.decode(data, type=tuple[int, str])
    except (ValueError, msgspec.MsgspecError):
        instant, name = -1, ""
    if not EARLIEST <= instant <= LATEST or "\0" in name:
        message = "go on from a `next_cursor` that you were given"
        raise refuse("cursor", "unknown_cursor", message)
    return instant, name
