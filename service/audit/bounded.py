"""What a person waits for is bounded, however much there is to look at.

async with bounded(session, seconds=8):      # raises TooMuch instead of taking longer
    ...
size = await size_of(session, "consents")    # exact up to 100,000, about right beyond
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service.db.engine import ReadSession

PATIENCE: Final = 8
"""Seconds that one part of a page may take."""

_CANCELLED: Final = "57014"
_COUNTED: Final = 100_000
_COUNT: Final = "SELECT count(*) FROM (SELECT FROM {table} LIMIT {most}) AS seen"
_ABOUT: Final = text("""
SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint
FROM pg_partition_tree(cast(:name AS regclass)) AS part JOIN pg_class AS c ON c.oid = part.relid
WHERE part.isleaf
""")

Counted = Literal[
    "artists", "audience", "consents", "content", "decisions", "deliveries", "notices", "policies"
]
"""Tables that are counted."""


class TooMuch(Exception):  # noqa: N818 -- an outcome
    """There is more to look at than can be looked at while somebody waits: ask for less."""


@dataclass(frozen=True, slots=True)
class Size:
    """How many rows there are: exactly, or about so many by the database's own statistics."""

    rows: int
    exact: bool


@asynccontextmanager
async def bounded(session: ReadSession, *, seconds: float = PATIENCE) -> AsyncIterator[None]:
    """Give up on a statement that takes longer. Raises TooMuch; the session is spent then."""
    # No query, which would take the snapshot: `hold_log` has to come before that.
    await session.execute(text(f"SET LOCAL statement_timeout = {round(seconds * 1_000)}"))
    try:
        yield
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == _CANCELLED:
            raise TooMuch from error
        raise


async def size_of(session: ReadSession, table: Counted) -> Size:
    """Return how many rows a table has, without reading more than 100,000 of them."""
    counting = text(_COUNT.format(table=table, most=_COUNTED + 1))
    counted = await session.scalar(counting) or 0
    if counted <= _COUNTED:
        return Size(counted, exact=True)
    about = await session.scalar(_ABOUT, {"name": table}) or 0
    return Size(max(about, _COUNTED), exact=False)
