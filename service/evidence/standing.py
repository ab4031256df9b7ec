"""The permits that can differ: of all that rest on the same the last one, and how many there are.

A corpus is asked about every night, and nearly nothing changes from one night to the next. What a
permit rests on is a function of what stood at its revision, of its instant, and of the least
version that was asked for. So permits that say the same, and between which nothing of all this can
have turned out otherwise, rest on the same, and one of them is looked at.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from service.db.engine import ReadSession
from service.decisions.compiled.answers import REASONS
from service.domain.binding import window_of
from service.domain.instant import Instant
from service.domain.policy import PolicyVersion
from service.evidence.scratch import Scratch
from service.evidence.stood import Stood, read_stood
from service.evidence.wanted import PackWanted

AT_ONCE: Final = 5_000
"""Content whose rightsholders are looked at together."""

_PERMITS_AT_ONCE: Final = 20_000

_BEFORE_ALL: Final = -1
_MOMENTS: Final = pa.schema([pa.field("n", pa.int64()), pa.field("moment", pa.int64())])
_LAY_OUT: Final = "CREATE OR REPLACE TABLE {name} AS SELECT * FROM part"

_PERMITTED: Final = """
SELECT n, one AS content FROM asked WHERE permitted AND n > ? AND n <= ? ORDER BY n
"""
_STANDING: Final = """
CREATE OR REPLACE TABLE standing AS
SELECT row_number() OVER (ORDER BY n, decision) AS place, * FROM (
    SELECT p.n, max(p.decision) AS decision, count(*) AS number, p.min_version, p.reason, p.version
    FROM (SELECT * FROM permits WHERE n > ? AND n <= ?) AS p
    ASOF JOIN changes AS c ON c.n = p.n AND c.moment <= p.revision
    ASOF JOIN turns AS t ON t.n = p.n AND t.moment <= p.evaluated_at
    GROUP BY p.n, c.moment, t.moment, p.min_version, p.reason, p.version
)
"""
_SOME: Final = """
SELECT s.n, a.one AS content, s.reason, s.version AS policy_version, s.decision, d.decision_id,
    d.revision, d.evaluated_at, s.min_version, s.number
FROM standing AS s JOIN decisions AS d ON d.n = s.decision JOIN asked AS a ON a.n = s.n
WHERE s.place > ? AND s.place <= ? ORDER BY s.place
"""


@dataclass(frozen=True, slots=True)
class Permit:
    """The last of `number` decisions that permitted one content, all of them for the same.

    `reason` is its first rightsholder's. `decision` counts in the order of the log.
    """

    n: int
    content: str
    reason: str
    policy_version: int
    decision: int
    decision_id: str
    revision: int
    evaluated_at: Instant
    min_version: int
    number: int


async def standing_permits(
    session: ReadSession, wanted: PackWanted, versions: Sequence[PolicyVersion], scratch: Scratch
) -> AsyncIterator[tuple[Stood, list[Permit]]]:
    """Yield the permits in `permits` that can differ, some at a time, in the order of content.

    Each part comes with what ever stood for its content. `versions` are all of the use's that there
    were at `until_revision`.
    """
    last = (await scratch.row("SELECT coalesce(max(n), 0) AS n FROM asked"))["n"]
    for start in range(0, last, AT_ONCE):
        end = start + AT_ONCE
        rows = await scratch.rows(_PERMITTED, start, end)
        content = {row["n"]: row["content"] for row in rows}
        if not content:
            continue
        stood = await read_stood(session, wanted, list(content.values()))
        changes = {n: _changes(stood, one, versions) for n, one in content.items()}
        turns = {n: _turns(stood, one, versions) for n, one in content.items()}
        await _lay_out(scratch, "changes", changes)
        await _lay_out(scratch, "turns", turns)
        await scratch.do(_STANDING, start, end)
        number = (await scratch.row("SELECT count(*) AS number FROM standing"))["number"]
        for first in range(0, number, _PERMITS_AT_ONCE):
            some = await scratch.rows(_SOME, first, first + _PERMITS_AT_ONCE)
            yield stood, [_permit(row) for row in some]


async def _lay_out(scratch: Scratch, name: str, moments: Mapping[int, Iterable[int]]) -> None:
    """Fill a table with moments, and with one before them all, for each content's number."""
    rows = [(n, one) for n, some in moments.items() for one in (_BEFORE_ALL, *some)]
    columns = zip(*rows, strict=True)
    await scratch.insert(
        _LAY_OUT.format(name=name), pa.table([list(one) for one in columns], schema=_MOMENTS)
    )


def _changes(stood: Stood, content: str, versions: Sequence[PolicyVersion]) -> set[int]:
    """Return the revisions at which anything happened that a permit of this content can rest on."""
    found = {one.revision for one in (*stood.puts.get(content, ()), *versions)}
    for subject in stood.rightsholders(content):
        found |= {one.record.revision for one in stood.said_about(subject, content)}
        found |= {one.revision for one in stood.arrived.get(subject, ())}
        if subject in stood.artists:
            found.add(stood.artists[subject].revision)
    return found


def _turns(stood: Stood, content: str, versions: Sequence[PolicyVersion]) -> set[Instant]:
    """Return the instants of all that, and those at which something ends by itself."""
    found = {one.put_at for one in stood.puts.get(content, ())}
    found |= {one.published_at for one in versions}
    for subject in stood.rightsholders(content):
        records = [one.record for one in stood.said_about(subject, content)]
        found |= {one.recorded_at for one in records}
        found |= {one.expires_at for one in records if one.expires_at is not None}
        delivered = {one.version: one.delivered_at for one in stood.arrived.get(subject, ())}
        found |= set(delivered.values())
        windows = [window_of(one, delivered) for one in versions]
        found |= {window.closes_at for window in windows if window}
        if subject in stood.artists:
            found.add(stood.artists[subject].registered_at)
    return found


def _permit(row: Mapping[str, Any]) -> Permit:
    return Permit(**{**row, "reason": REASONS[row["reason"]].value})
