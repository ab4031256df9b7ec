"""Everything the tables have about one content: whose it is and was, and what was said about it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select
from sqlmodel import col

from service.consents.delegates import names_of_delegates
from service.db.engine import ReadSession
from service.db.tables import Consent, Content, ContentHistory
from service.decisions.log.entry import artists_of
from service.domain.instant import Instant

_MOST: Final = 50
"""Of anything that one page lists."""


@dataclass(frozen=True, slots=True)
class Whose:
    """The content as one event left it. `rightsholders` are references, in the content's order."""

    revision: int
    put_at: Instant
    status: str
    rightsholders: Sequence[str]


@dataclass(frozen=True, slots=True)
class Portrait:
    """One content: as it is now, as it was, and what was said about it alone, newest first.

    `artists` has the platform's id of every rightsholder who has not been erased, by reference;
    `speakers` likewise the delegates who said something.
    """

    content: str
    title: str | None
    isrc: str | None
    now: Whose
    history: Sequence[Whose]
    records: Sequence[Consent]
    artists: Mapping[str, str]
    speakers: Mapping[str, str]


async def portrait_of(session: ReadSession, content_id: str) -> Portrait | None:
    """Return what there is about a content; None where there is none of this id."""
    content = await session.get(Content, content_id)
    if content is None:
        return None
    history = await _history(session, content_id)
    records = await _records(session, content)
    people = {*content.rightsholders, *(one.subject for one in records)}
    people |= {one for whose in history for one in whose.rightsholders}
    return Portrait(
        content=content.content_id,
        title=content.title,
        isrc=content.isrc,
        now=Whose(content.revision, content.put_at, content.status, content.rightsholders),
        history=history,
        records=records,
        artists=await artists_of(session, sorted(people)) if people else {},
        speakers=await _speakers(session, {one.subject for one in records}),
    )


async def contents_by_isrc(session: ReadSession, isrc: str) -> Sequence[str]:
    """Return the ids of up to fifty contents that carry an ISRC."""
    carrying = select(col(Content.content_id)).where(col(Content.isrc) == isrc).limit(_MOST)
    return sorted((await session.execute(carrying)).scalars())


async def _history(session: ReadSession, content_id: str) -> Sequence[Whose]:
    past = (
        select(
            col(ContentHistory.revision),
            col(ContentHistory.put_at),
            col(ContentHistory.status),
            col(ContentHistory.rightsholders),
        )
        .where(col(ContentHistory.content_id) == content_id)
        .order_by(col(ContentHistory.revision).desc())
        .limit(_MOST)
    )
    return [_whose(row) for row in await session.execute(past)]


def _whose(row: Any) -> Whose:
    return Whose(row.revision, row.put_at, row.status, row.rightsholders)


async def _speakers(session: ReadSession, subjects: Collection[str]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for subject in subjects:
        found.update(await names_of_delegates(session, subject))
    return found


async def _records(session: ReadSession, content: Content) -> Sequence[Consent]:
    """Return what its rightsholders have said about it alone: others have nothing to say here."""
    said = (
        select(Consent)
        .where(
            col(Consent.subject).in_(content.rightsholders),
            col(Consent.content) == content.content_id,
        )
        .order_by(col(Consent.revision).desc())
        .limit(_MOST)
    )
    return (await session.execute(said)).scalars().all()
