"""Who is to be told of what: found by walking the artists in the order in which they came.

- `announce(session, now)` starts the telling of every notice whose version waits, and ends it;
- `behind(session)` are the notices for which not everybody has been looked at;
- `fill_page(session, telling, now)` looks at the next page, and returns who is to be told.

The walk is the same for those who are there at the publication and those who register later: how
far it has come stands in `announcements`, and a page and what is derived from it are one
transaction. Nothing here is an event: it changes no answer.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ARRAY, BigInteger, Text, TextClause, bindparam, select, text, update
from sqlmodel import col

from service.db.among import among
from service.db.engine import ReadSession, WriteSession
from service.db.instants import InstantType
from service.db.tables import Announcement, Artist, Delivery, Notice
from service.domain.binding import window_matters
from service.domain.instant import Instant
from service.domain.policy import Mode, PolicyVersion
from service.policies.versions import load_versions

PAGE: Final = 10_000
"""Artists looked at in one transaction."""

_JUDGED_AT_ONCE: Final = 500
"""Artists judged between two pauses, so that checks in the same process go on meanwhile."""

_SILENT_PERMIT: Final = frozenset({Mode.OPT_OUT, Mode.OPEN})


@dataclass(frozen=True, slots=True)
class Telling:
    """One notice that is being told: its id, and which version of which use it announces."""

    notice_id: str
    use: str
    version: int
    announced_at: Instant


# A version waits, if only for some, that asks by silence and neither was there first nor only
# spells anew what waits already.
_ANNOUNCE: Final = text("""
INSERT INTO announcements (notice_id, after_revision, after_subject)
SELECT n.notice_id, 0, ''
FROM notices AS n JOIN policies AS p USING (use, version)
WHERE p.mode = 'opt_out' AND p.recipients <> '{}' AND NOT p.launch AND NOT p.editorial
    AND NOT EXISTS (SELECT FROM announcements AS a WHERE a.notice_id = n.notice_id)
ON CONFLICT DO NOTHING
""")
_END: Final = text("""
UPDATE announcements AS a SET ended_at = :now
FROM notices AS n
    JOIN policies AS later
    ON later.use = n.use AND later.version > n.version AND NOT later.editorial
WHERE a.notice_id = n.notice_id AND a.ended_at IS NULL
""").bindparams(bindparam("now", type_=InstantType()))


async def announce(session: WriteSession, now: Instant) -> None:
    """Start the telling of every notice whose version waits; end it where another came after."""
    await session.execute(_ANNOUNCE)
    await session.execute(_END, {"now": now})


_BEHIND: Final = text("""
SELECT a.notice_id, n.use, n.version, n.announced_at
FROM announcements AS a JOIN notices AS n USING (notice_id)
WHERE a.ended_at IS NULL AND EXISTS (
    SELECT FROM artists AS r WHERE (r.revision, r.subject) > (a.after_revision, a.after_subject)
)
ORDER BY n.revision
""").columns(announced_at=InstantType())
_CURRENT: Final = text("""
SELECT a.notice_id, n.use, n.version, n.announced_at
FROM announcements AS a JOIN notices AS n USING (notice_id)
WHERE a.ended_at IS NULL
ORDER BY n.revision
""").columns(announced_at=InstantType())


async def behind(session: ReadSession) -> list[Telling]:
    """Return the notices for which artists are there whom nobody has looked at."""
    return [Telling(*row) for row in await session.execute(_BEHIND)]


async def current(session: ReadSession) -> list[Telling]:
    """Return all notices that are being told."""
    return [Telling(*row) for row in await session.execute(_CURRENT)]


async def alone_with(session: WriteSession, notice_id: str) -> Announcement | None:
    """Keep other workers from adding to this notice, or return None while one of them does.

    It lasts until the transaction ends, and nobody ever waits for it.
    """
    locked = await session.execute(
        select(Announcement)
        .where(col(Announcement.notice_id) == notice_id)
        .with_for_update(skip_locked=True)
    )
    return locked.scalar_one_or_none()


async def fill_page(session: WriteSession, telling: Telling, now: Instant) -> list[str] | None:
    """Look at the next page of artists and return those who were added, in a fixed order.

    Returns None where there was nobody left to look at, or another worker is at it.
    """
    announcement = await alone_with(session, telling.notice_id)
    if announcement is None or announcement.ended_at is not None:
        return None
    after = {"revision": announcement.after_revision, "subject": announcement.after_subject}
    last = (await session.execute(_PAGE_END, {**after, "most": PAGE})).first()
    if last is None:
        return None
    page = {**after, "last_revision": last.revision, "last_subject": last.subject}
    versions = (await load_versions(session, telling.use))[telling.use]
    if everybody_waits(versions, telling.version):
        added = await session.scalar(_ADD_ALL, {**page, "notice": telling.notice_id, "now": now})
    else:
        found = await session.execute(_PAGE, page)
        waiting = await waiting_for(
            session, versions, telling.version, [Registered(*row) for row in found], now
        )
        added = await session.scalar(
            _ADD_SOME, {"subjects": waiting, "notice": telling.notice_id, "now": now}
        )
    await session.execute(
        update(Announcement)
        .where(col(Announcement.notice_id) == telling.notice_id)
        .values(after_revision=last.revision, after_subject=last.subject)
    )
    return list(added)


def _on_page(statement: str) -> TextClause:
    return text(statement).bindparams(
        bindparam("revision", type_=BigInteger()),
        bindparam("subject", type_=Text()),
        bindparam("last_revision", type_=BigInteger()),
        bindparam("last_subject", type_=Text()),
    )


_PAGE_END: Final = text("""
SELECT revision, subject FROM (
    SELECT revision, subject FROM artists
    WHERE (revision, subject) > (:revision, :subject)
    ORDER BY revision, subject LIMIT :most
) AS page
ORDER BY revision DESC, subject DESC LIMIT 1
""").bindparams(bindparam("revision", type_=BigInteger()), bindparam("subject", type_=Text()))
_PAGE: Final = _on_page(
    """
SELECT subject, registered_at
FROM artists
WHERE (revision, subject) > (:revision, :subject)
    AND (revision, subject) <= (:last_revision, :last_subject)
    AND erased_at IS NULL
ORDER BY revision, subject
"""
).columns(registered_at=InstantType())
_ADD_ALL: Final = _on_page(
    """
WITH added AS (
    INSERT INTO audience (notice_id, subject, added_at)
    SELECT :notice, subject, :now
    FROM artists
    WHERE (revision, subject) > (:revision, :subject)
        AND (revision, subject) <= (:last_revision, :last_subject)
        AND erased_at IS NULL
    ON CONFLICT DO NOTHING
    RETURNING subject
)
SELECT coalesce(array_agg(subject), '{}') FROM added
"""
).bindparams(bindparam("notice", type_=Text()), bindparam("now", type_=InstantType()))
_ADD_SOME: Final = text("""
WITH added AS (
    INSERT INTO audience (notice_id, subject, added_at)
    SELECT :notice, subject, :now FROM unnest(:subjects) AS chosen (subject)
    ON CONFLICT DO NOTHING
    RETURNING subject
)
SELECT coalesce(array_agg(subject), '{}') FROM added
""").bindparams(
    bindparam("notice", type_=Text()),
    bindparam("now", type_=InstantType()),
    bindparam("subjects", type_=ARRAY(Text)),
)


@dataclass(frozen=True, slots=True)
class Registered:
    """An artist, and since when."""

    subject: str
    registered_at: Instant


def everybody_waits(versions: Sequence[PolicyVersion], number: int) -> bool:
    """Tell whether a current version opens terms on some recipient that nobody can be bound by.

    So it is where no earlier version has the same terms, asks by silence and lists the recipient:
    then nobody goes on under it (R7), and nobody has to be judged.
    """
    version = versions[number - 1]
    before = [
        earlier
        for earlier in versions[: number - 1]
        if earlier.terms == version.terms and earlier.mode in _SILENT_PERMIT
    ]
    return any(
        not any(earlier.lists(recipient) for earlier in before) for recipient in version.recipients
    )


async def waiting_for(
    session: ReadSession,
    versions: Sequence[PolicyVersion],
    number: int,
    artists: Sequence[Registered],
    now: Instant,
) -> list[str]:
    """Return those for whom a window of this version matters, in the order given (R7).

    All who registered between the same two versions, and were told of the same ones at the same
    time, are judged as one: of their registration only its place among the versions counts.
    """
    told = await deliveries_of(session, versions[0].use, [one.subject for one in artists])
    published = [version.published_at for version in versions]
    alike: dict[tuple[int, frozenset[tuple[int, Instant]]], bool] = {}
    waiting = []
    for n, one in enumerate(artists):
        if n % _JUDGED_AT_ONCE == 0:
            await asyncio.sleep(0)
        delivered = told.get(one.subject, {})
        key = bisect_right(published, one.registered_at), frozenset(delivered.items())
        if key not in alike:
            alike[key] = window_matters(versions, number, one.registered_at, delivered, now)
        if alike[key]:
            waiting.append(one.subject)
    return waiting


async def deliveries_of(
    session: ReadSession, use: str, subjects: Sequence[str]
) -> Mapping[str, dict[int, Instant]]:
    """Return when each artist was told of each version of a use, as far as they were."""
    rows = await session.execute(
        select(col(Delivery.subject), col(Notice.version), col(Delivery.delivered_at))
        .join(Notice, col(Notice.notice_id) == col(Delivery.notice_id))
        .where(col(Notice.use) == use, among(col(Delivery.subject), subjects))
    )
    told: dict[str, dict[int, Instant]] = {}
    for subject, version, delivered_at in rows:
        told.setdefault(subject, {})[version] = delivered_at
    return told


async def still_there(session: ReadSession, subjects: Sequence[str]) -> list[Registered]:
    """Return those of the artists who are not erased, in the order given."""
    rows = await session.execute(
        select(col(Artist.subject), col(Artist.registered_at)).where(
            among(col(Artist.subject), subjects), col(Artist.erased_at).is_(None)
        )
    )
    found = {subject: Registered(subject, at) for subject, at in rows}
    return [found[subject] for subject in subjects if subject in found]
