"""How many windows of a notice run, have closed and bound, or decide nothing any more (R6, R7).

A window is *overtaken* where it decides nothing: a higher version governs before it has closed
(this one was withdrawn meanwhile, or confirmed late), or the artist was bound without it, by going
on under the same terms. Windows that relate alike to all that was published and delivered are
judged by one of them, so a million cost no more than the kinds there are.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from sqlalchemy import ARRAY, TextClause, bindparam, text

from service.db.engine import ReadSession
from service.db.instants import InstantType
from service.domain.binding import window_matters
from service.domain.instant import Instant
from service.domain.policy import PolicyVersion
from service.notices.audience import deliveries_of, everybody_waits, still_there

_EVER: Final[Instant] = 0


@dataclass(frozen=True, slots=True)
class Windows:
    """Artists by what has become of their windows; `delivered` is all of them."""

    delivered: int
    window_open: int
    bound: int
    overtaken: int


_TOTALS: Final = text("""
SELECT count(*), count(*) FILTER (WHERE closes_at > :now),
    count(*) FILTER (WHERE closes_at >= :doubtful_from)
FROM deliveries WHERE notice_id = :notice
""").bindparams(
    bindparam("now", type_=InstantType()), bindparam("doubtful_from", type_=InstantType())
)


async def count_windows(
    session: ReadSession,
    notice_id: str,
    versions: Sequence[PolicyVersion],
    number: int,
    now: Instant,
) -> Windows:
    """Count the windows of a version that waits for them."""
    later = next((v.published_at for v in versions[number:] if not v.editorial), None)
    # Where nobody can be bound without a window, all that close before a later version comes bind.
    doubtful_from = later if everybody_waits(versions, number) else _EVER
    delivered, still_open, doubtful = (
        await session.execute(
            _TOTALS, {"notice": notice_id, "now": now, "doubtful_from": doubtful_from}
        )
    ).one()
    if doubtful_from is None or not doubtful:
        return Windows(delivered, still_open, delivered - still_open, 0)
    judged = await _judge(session, notice_id, versions, number, (doubtful_from, now))
    certain = delivered - doubtful
    return Windows(
        delivered,
        window_open=judged["window_open"],
        bound=certain + judged["bound"],
        overtaken=judged["overtaken"],
    )


async def _judge(
    session: ReadSession,
    notice_id: str,
    versions: Sequence[PolicyVersion],
    number: int,
    since: tuple[Instant, Instant],
) -> Counter[str]:
    doubtful_from, now = since
    use = versions[0].use
    others = await session.execute(_OTHERS, {"use": use, "version": number})
    kinds = (
        await session.execute(
            _kinds([row[0] for row in others]),
            {
                "notice": notice_id,
                "now": now,
                "doubtful_from": doubtful_from,
                "published": [version.published_at for version in versions],
            },
        )
    ).all()
    examples = [kind.example for kind in kinds]
    told = await deliveries_of(session, use, examples)
    registered = {one.subject: one.registered_at for one in await still_there(session, examples)}
    found: Counter[str] = Counter()
    for kind in kinds:
        matters = kind.example in registered and window_matters(
            versions, number, registered[kind.example], told[kind.example], now
        )
        state = ("window_open" if kind.running else "bound") if matters else "overtaken"
        found[state] += kind.artists
    return found


_OTHERS: Final = text("""
SELECT n.notice_id FROM notices AS n
WHERE n.use = :use AND n.version <> :version
    AND EXISTS (SELECT FROM deliveries AS d WHERE d.notice_id = n.notice_id)
ORDER BY n.version
""")


def _kinds(others: Sequence[str]) -> TextClause:
    """Return the query for the kinds of windows: how they lie to publications and to each other.

    `others` are this use's notices that anybody was delivered as well. Two windows of one kind are
    judged alike, for the rules only ever compare instants.
    """
    tables = ["d", *(f"o{n}" for n in range(len(others)))]
    places = [
        part
        for table in tables
        for part in (
            f"width_bucket({table}.closes_at, :published)",
            f"{table}.closes_at = ANY(:published)",
        )
    ]
    orders = [
        f"sign(extract(epoch FROM {a}.closes_at - {b}.closes_at))"
        for a, b in combinations(tables, 2)
    ]
    keys = [
        "d.closes_at > :now",
        "r.erased_at IS NULL",
        "width_bucket(r.registered_at, :published)",
        *places,
        *orders,
    ]
    joined = "".join(
        f" LEFT JOIN deliveries AS o{n} ON o{n}.notice_id = :other{n} AND o{n}.subject = d.subject"
        for n in range(len(others))
    )
    return text(
        f"SELECT {keys[0]} AS running, min(d.subject) AS example, count(*) AS artists"  # noqa: S608
        f" FROM deliveries AS d JOIN artists AS r ON r.subject = d.subject{joined}"
        " WHERE d.notice_id = :notice AND d.closes_at >= :doubtful_from"
        f" GROUP BY {', '.join(keys)}"
    ).bindparams(
        bindparam("now", type_=InstantType()),
        bindparam("doubtful_from", type_=InstantType()),
        bindparam("published", type_=ARRAY(InstantType)),
        **{f"other{n}": notice_id for n, notice_id in enumerate(others)},
    )
