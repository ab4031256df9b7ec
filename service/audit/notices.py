"""Notices at a glance: how many of their audience they have reached, and how their windows run.

The exact figures of one notice, by the rules, are those of `service.notices.progress`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ARRAY, Text, bindparam, text

from service.db.engine import ReadSession
from service.db.instants import InstantType
from service.domain.instant import Instant
from service.notices.progress import NoticeState, list_notices


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far a notice has come, in artists.

    `running` counts windows that have not closed, the first of which closes at `next_closes_at` and
    the last at `last_closes_at`; `closed` those that have. Whether a window decided anything, the
    page of the notice tells. `bounced` counts whoever a message came back from, whatever came of it
    later; `waiting` those of the audience whom nothing has reached yet, for whatever reason.
    """

    notice: str
    use: str
    version: int
    announced_at: str
    state: NoticeState
    audience: int
    delivered: int
    bounced: int
    waiting: int
    running: int
    closed: int
    next_closes_at: Instant | None
    last_closes_at: Instant | None


@dataclass(frozen=True, slots=True)
class Coverages:
    """A page of notices, newest first; the next one is `before` that revision."""

    notices: Sequence[Coverage]
    next_before: int | None


_COUNTED: Final = (
    text("""
SELECT n.notice_id, w.*,
    (SELECT count(*) FROM audience AS a WHERE a.notice_id = n.notice_id) AS audience,
    (SELECT count(DISTINCT b.subject) FROM bounces AS b WHERE b.notice_id = n.notice_id)
        AS bounced,
    (SELECT count(*) FROM audience AS a WHERE a.notice_id = n.notice_id AND NOT EXISTS (
        SELECT FROM deliveries AS d WHERE d.notice_id = a.notice_id AND d.subject = a.subject
    )) AS waiting
FROM unnest(:notices) AS n (notice_id), LATERAL (
    SELECT count(*) AS delivered, count(*) FILTER (WHERE d.closes_at > :now) AS running,
        min(d.closes_at) FILTER (WHERE d.closes_at > :now) AS next_closes_at,
        max(d.closes_at) AS last_closes_at
    FROM deliveries AS d WHERE d.notice_id = n.notice_id
) AS w
""")
    .bindparams(bindparam("notices", type_=ARRAY(Text)), bindparam("now", type_=InstantType()))
    .columns(next_closes_at=InstantType(), last_closes_at=InstantType())
)


async def coverages(
    session: ReadSession, now: Instant, *, before: int | None = None, limit: int = 20
) -> Coverages:
    """Return a page of all notices with their figures at an instant."""
    listed = await list_notices(session, before=before, limit=limit)
    heads = listed["notices"]
    rows = await session.execute(
        _COUNTED, {"notices": [head["notice"] for head in heads], "now": now}
    )
    figures = {row.notice_id: row for row in rows}
    return Coverages(
        [_coverage(head, figures[head["notice"]]) for head in heads], listed["next_before"]
    )


def _coverage(head: dict[str, Any], row: Any) -> Coverage:
    return Coverage(
        notice=head["notice"],
        use=head["use"],
        version=head["version"],
        announced_at=head["announced_at"],
        state=NoticeState(head["state"]),
        audience=row.audience,
        delivered=row.delivered,
        bounced=row.bounced,
        waiting=row.waiting,
        running=row.running,
        closed=row.delivered - row.running,
        next_closes_at=row.next_closes_at,
        last_closes_at=row.last_closes_at,
    )
