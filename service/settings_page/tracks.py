"""Finding an artist's own tracks, and what they are called."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ARRAY, ColumnElement, Text, func, literal, select
from sqlmodel import col

from service.db.among import among
from service.db.engine import ReadSession
from service.db.tables import Content


@dataclass(frozen=True, slots=True)
class FoundTrack:
    """One of the artist's own tracks. `title` is None where the platform has given none."""

    content: str
    title: str | None
    status: str


async def titles_of(
    session: ReadSession, subject: str, content: Sequence[str]
) -> dict[str, str | None]:
    """Return the title of each content that is this artist's own.

    Somebody may say no for any id there is; what others call theirs is not theirs to learn by it.
    """
    titles = select(col(Content.content_id), col(Content.title)).where(
        among(col(Content.content_id), content), _held_by(subject)
    )
    return {row.content_id: row.title for row in await session.execute(titles)}


def _held_by(subject: str) -> ColumnElement[bool]:
    return col(Content.rightsholders).bool_op("@>")(literal([subject], ARRAY(Text)))


async def tracks_of(session: ReadSession, subject: str, q: str, limit: int) -> list[FoundTrack]:
    """Return the artist's own tracks whose title contains `q` in any case, in order of title.

    Then come those whose id does. Removed ones are among them: what was said of them stands.
    """
    by_title = col(Content.title).icontains(q, autoescape=True)
    found = (
        select(col(Content.content_id), col(Content.title), col(Content.status))
        .where(
            _held_by(subject),
            by_title | col(Content.content_id).icontains(q, autoescape=True),
        )
        .order_by(
            func.coalesce(by_title, False).desc(),
            func.lower(col(Content.title)),
            col(Content.content_id),
        )
        .limit(limit)
    )
    return [FoundTrack(*row) for row in await session.execute(found)]
