"""The figures of the public summary, with nothing in them that tells of a few artists."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from service.db.engine import ReadSession
from service.domain.instant import Instant, format_duration, to_datetime
from service.domain.policy import PolicyVersion
from service.evidence.asked import Asking, lay_out
from service.evidence.denied import lay_out_denied
from service.evidence.grounds import WEAKEST_FIRST, Ground, lay_out_grounds
from service.evidence.rested import lay_out_judged
from service.evidence.scope import known_versions
from service.evidence.scratch import Scratch
from service.evidence.told import Answered, Told, count_answered, read_told
from service.evidence.wanted import PackWanted
from service.evidence.withheld import FEWEST, Given, Group, given, given_total
from service.ledger.events import Json

# Totals are of those groups alone that are given.
_OF_PERMITTED: Final = """
SELECT p.ground, p.policy_version, count(DISTINCT p.n) AS content,
    count(DISTINCT r.subject) AS artists
FROM permitted AS p JOIN rested AS r USING (n)
GROUP BY p.ground, p.policy_version
"""
_GIVEN: Final = f"""
FROM permitted AS p JOIN rested AS r USING (n)
JOIN ({_OF_PERMITTED}) AS g
    ON g.ground = p.ground AND g.policy_version IS NOT DISTINCT FROM p.policy_version
WHERE g.artists NOT BETWEEN 1 AND {FEWEST - 1}
"""
_ALL_PERMITTED: Final = f"""
SELECT count(DISTINCT p.n) AS content, count(DISTINCT r.subject) AS artists {_GIVEN}
    AND list_contains(?::VARCHAR[], p.ground)
"""
_ANY_ERASED: Final = "SELECT coalesce(bool_or(erased), false) AS erased FROM rested"
_OF_DENIED: Final = """
SELECT reason, count(DISTINCT n) AS content, count(DISTINCT subject) AS artists
FROM denied GROUP BY reason ORDER BY reason
"""
_ALL_DENIED: Final = f"""
SELECT count(DISTINCT d.n) AS content, count(DISTINCT d.subject) AS artists
FROM denied AS d JOIN ({_OF_DENIED}) AS g USING (reason)
WHERE g.artists NOT BETWEEN 1 AND {FEWEST - 1}
"""  # noqa: S608 - constants of this file
_REGISTERED: Final = f"""
SELECT min(r.registered_at) AS first, max(r.registered_at) AS last {_GIVEN}
"""
_STRONGEST_FIRST: Final = WEAKEST_FIRST[::-1]


@dataclass(frozen=True, slots=True)
class Figures:
    """All that is counted. `permitted` and `denied` are as they may be public.

    Of what was answered as permitted, `confirmed` is what the ledger bears out, or at least does
    not contradict, and `not_confirmed` the rest. `erased` is whether anybody who had a right in it
    has been erased since.
    """

    asking: Asking
    permitted: Sequence[Json]
    all_permitted: Given
    confirmed: Given
    not_confirmed: Given
    erased: bool
    registered: tuple[Instant | None, Instant | None]
    denied: Sequence[Json]
    all_denied: Given
    told: Sequence[Told]
    answered: Answered


async def count(session: ReadSession, wanted: PackWanted, scratch: Scratch) -> Figures:
    """Count everything, of one snapshot. Raises Refused as `Pack.write` says."""
    asking = await lay_out(session, wanted, scratch)
    versions = await known_versions(session, wanted)
    await lay_out_judged(session, wanted, versions, scratch)
    await lay_out_grounds(scratch)
    await lay_out_denied(session, wanted, scratch)
    permitted = await scratch.rows(_OF_PERMITTED)
    confirmed = [ground for ground in Ground if ground is not Ground.NOT_CONFIRMED]
    denied = await scratch.rows(_OF_DENIED)
    registered = await scratch.row(_REGISTERED)
    return Figures(
        asking=asking,
        permitted=_permitted(permitted, versions),
        all_permitted=await _total(scratch, permitted, list(Ground)),
        confirmed=await _total(scratch, permitted, confirmed),
        not_confirmed=await _total(scratch, permitted, [Ground.NOT_CONFIRMED]),
        erased=(await scratch.row(_ANY_ERASED))["erased"],
        registered=(registered["first"], registered["last"]),
        denied=[{"reason": row["reason"], **given(_group(row))} for row in denied],
        all_denied=given_total(_group(await scratch.row(_ALL_DENIED)), _groups(denied)),
        told=await read_told(session, wanted, versions),
        answered=await count_answered(session, wanted, versions),
    )


async def _total(
    scratch: Scratch, permitted: Sequence[dict[str, Any]], grounds: Sequence[Ground]
) -> Given:
    """Return the total of the permitted groups on some grounds."""
    names = [ground.value for ground in grounds]
    groups = _groups([row for row in permitted if row["ground"] in names])
    return given_total(_group(await scratch.row(_ALL_PERMITTED, names)), groups)


def _group(row: dict[str, Any]) -> Group:
    return Group(artists=row["artists"], content=row["content"])


def _groups(rows: Sequence[dict[str, Any]]) -> list[Group]:
    return [_group(row) for row in rows]


def _permitted(rows: Sequence[dict[str, Any]], versions: Sequence[PolicyVersion]) -> list[Json]:
    """Return the groups with the mode of their version: a yes first, then what is weaker."""
    rows = sorted(
        rows,
        key=lambda row: (_STRONGEST_FIRST.index(row["ground"]), row["policy_version"] or 0),
    )
    return [
        {
            "ground": row["ground"],
            "policy_version": row["policy_version"],
            "mode": versions[row["policy_version"] - 1].mode.value
            if row["policy_version"]
            else None,
            **given(_group(row)),
        }
        for row in rows
    ]


def figures_json(figures: Figures, wanted: PackWanted) -> Json:
    """Return the figures as the document has them. Days are in UTC; no instant is closer."""
    first, last = figures.registered
    return {
        "decisions": {
            "number": figures.asking.decisions,
            "first": day(figures.asking.first_at),
            "last": day(figures.asking.last_at),
        },
        "permitted": {
            "groups": list(figures.permitted),
            "total": figures.all_permitted,
            "confirmed": figures.confirmed,
            "not_confirmed": figures.not_confirmed,
        },
        "not_permitted": {"groups": list(figures.denied), "total": figures.all_denied},
        "registered": {"first": day(first), "last": day(last)},
        "versions": [_version(told, wanted) for told in figures.told],
        "own_words": {
            "no": given(Group(figures.answered.no)),
            "yes": given(Group(figures.answered.yes)),
        },
    }


def _version(told: Told, wanted: PackWanted) -> Json:
    version, telling = told.version, told.telling
    windows = [Group(telling.closed), Group(telling.running)]
    reached = Group(sum(group.artists for group in windows if not group.is_small))
    return {
        "version": version.version,
        "mode": version.mode.value,
        "lists_recipient": version.lists(wanted.recipient),
        "published": day(version.published_at),
        "launch_terms": version.launch,
        "editorial": version.editorial,
        "notice_period": format_duration(version.notice_period),
        "languages": list(told.languages),
        "announced": day(telling.announced_at),
        "channels": list(telling.channels),
        "reached": given_total(reached, windows),
        "window_closed": given(windows[0]),
        "window_running": given(windows[1]),
        "came_back": given(Group(telling.came_back)),
    }


def day(instant: Instant | None) -> str | None:
    """Return the day of an instant in UTC, such as 2026-03-01."""
    return None if instant is None else to_datetime(instant).date().isoformat()
