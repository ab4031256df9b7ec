"""Whose no stands in the way of a version already, and since when, judged by the rules (R3, R4).

    objecting(session, notice, artists, now)      # of these artists
    count_objections(session, notice, now)        # of everybody concerned, by UTC day

Somebody objects to a version who has a no that stands, about all their tracks, on every recipient
that it lists. Whether they are bound by the version, or could be, makes no difference.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import Final

from sqlalchemy import ARRAY, Text, TextClause, bindparam, select, text
from sqlmodel import col

from service.db.among import among
from service.db.engine import ReadSession
from service.db.tables import Artist as ArtistRow
from service.db.tables import Consent
from service.domain import uses
from service.domain.assessment import Column
from service.domain.consent import Answer, ConsentRecord, Scope
from service.domain.history import Artist
from service.domain.instant import Instant, to_datetime
from service.domain.policy import PolicyVersion
from service.notices.audience import deliveries_of

_CHUNK: Final = 500
"""Artists whose records are read at once."""
_AT_ONCE: Final = 100
"""Artists judged between two pauses, so that checks in the same process go on meanwhile."""
_RANGES: Final = tuple(pairwise([*"0123456789abcdef", "g"]))
"""References are hexadecimal: sixteen equal parts of them."""

# Whoever has said nothing but no, and once to all recipients, needs no judging: only a yes lifts a
# no (R3). The day is that of the last no.
_SAID: Final = """
WITH said AS (
    SELECT c.subject, max(c.recorded_at) AS at,
        bool_and(c.answer = 'opt_out') AND bool_or(c.recipient IS NULL) AS plain
    FROM consents AS c
    WHERE c.use = ANY(:nodes) AND c.content IS NULL
        AND (c.recipient IS NULL OR c.recipient = ANY(:recipients))
        AND c.subject >= :first AND c.subject < :beyond
        AND (
            EXISTS (SELECT FROM audience AS a
                WHERE a.notice_id = :notice AND a.subject = c.subject)
            OR EXISTS (SELECT FROM deliveries AS d
                WHERE d.notice_id = :notice AND d.subject = c.subject)
            OR EXISTS (SELECT FROM bounces AS b
                WHERE b.notice_id = :notice AND b.subject = c.subject)
        )
    GROUP BY c.subject
)
"""


def _about_said(rest: str) -> TextClause:
    return text(_SAID + rest).bindparams(
        bindparam("nodes", type_=ARRAY(Text)), bindparam("recipients", type_=ARRAY(Text))
    )


_PLAIN: Final = _about_said(
    "SELECT (at AT TIME ZONE 'UTC')::date, count(*) FROM said WHERE plain GROUP BY 1"
)
_MIXED: Final = _about_said("SELECT coalesce(array_agg(subject), '{}') FROM said WHERE NOT plain")


async def count_objections(
    session: ReadSession,
    notice_id: str,
    versions: Sequence[PolicyVersion],
    number: int,
    now: Instant,
) -> Counter[date]:
    """Return how many of those concerned object, by the UTC day of their last no that stands."""
    everybody = {
        "notice": notice_id,
        "nodes": nodes_over(versions[0].use),
        "recipients": sorted(versions[number - 1].recipients),
    }
    found: Counter[date] = Counter()
    rows = await session.execute(_PLAIN, everybody | {"first": "", "beyond": "g"})
    for day, count in rows:
        found[day] += count
    for first, beyond in _RANGES:
        mixed = await session.scalar(_MIXED, everybody | {"first": first, "beyond": beyond})
        for start in range(0, len(mixed), _CHUNK):
            chunk = mixed[start : start + _CHUNK]
            objections = await objecting(session, versions, number, chunk, now)
            found.update(to_datetime(since).date() for since in objections.values())
    return found


async def objecting(
    session: ReadSession,
    versions: Sequence[PolicyVersion],
    number: int,
    subjects: Sequence[str],
    now: Instant,
) -> dict[str, Instant]:
    """Return those of the artists who object, and since when their last no has stood."""
    use, recipients = versions[0].use, versions[number - 1].recipients
    said = await _said(session, use, subjects)
    artists = await _artists(session, use, sorted(said))
    found = {}
    for n, (subject, artist) in enumerate(artists.items()):
        if n % _AT_ONCE == 0:
            await asyncio.sleep(0)
        for record in said[subject]:
            artist.say(record)
        since = [_denied_since(Column(artist, versions, one, None), now) for one in recipients]
        standing = [instant for instant in since if instant is not None]
        if standing and len(standing) == len(since):
            found[subject] = max(standing)
    return found


def nodes_over(use: str) -> list[str]:
    """Return every node that a record covering this use can be about."""
    steps = use.split(".")
    return [uses.ROOT, *(".".join(steps[:length]) for length in range(1, len(steps) + 1))]


def _denied_since(column: Column, now: Instant) -> Instant | None:
    applied = column.assess(max(now, column.settled_at)).applied
    return max(
        (a.denies_since for a in applied if a.denies_since is not None and a.lifted_by is None),
        default=None,
    )


async def _artists(session: ReadSession, use: str, subjects: Sequence[str]) -> Mapping[str, Artist]:
    rows = await session.execute(
        select(col(ArtistRow.subject), col(ArtistRow.registered_at)).where(
            among(col(ArtistRow.subject), subjects), col(ArtistRow.erased_at).is_(None)
        )
    )
    told = await deliveries_of(session, use, subjects)
    return {
        subject: Artist(registered_at, delivered={use: told.get(subject, {})})
        for subject, registered_at in rows
    }


async def _said(
    session: ReadSession, use: str, subjects: Sequence[str]
) -> dict[str, list[ConsentRecord]]:
    """Return what the artists said of a use, or of what it lies beneath, about all tracks."""
    rows = await session.execute(
        select(
            col(Consent.subject),
            col(Consent.revision),
            col(Consent.recorded_at),
            col(Consent.answer),
            col(Consent.use),
            col(Consent.recipient),
            col(Consent.expires_at),
        )
        .where(
            among(col(Consent.use), nodes_over(use)),
            among(col(Consent.subject), subjects),
            col(Consent.content).is_(None),
        )
        .order_by(col(Consent.revision))
    )
    said: dict[str, list[ConsentRecord]] = {}
    for subject, revision, recorded_at, answer, node, recipient, expires_at in rows:
        said.setdefault(subject, []).append(
            ConsentRecord(
                revision, recorded_at, Answer(answer), Scope(node, None, recipient), expires_at
            )
        )
    return said
