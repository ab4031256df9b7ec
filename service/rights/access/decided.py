"""Decisions about one artist and what they held, the newest first, as far back as time allows.

The log is not in the order of artists: whoever looks for all content of one looks through all of
it, but for sealed months, which are. So this looks until time is up, says how far it came, and an
export has the rest.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
from sqlalchemy import and_, case, func, not_, select
from sqlmodel import col

from service.clock import Clock
from service.db.engine import ReadSession
from service.db.tables import DecisionLogRow as Logged
from service.decisions.log.table import LOGGED, SCHEMA, batches_of, logged_columns, parts_of
from service.decisions.log.theirs import Theirs
from service.decisions.question import About
from service.domain.instant import SECOND, Duration, Instant, format_instant, to_instant
from service.ledger.events import Json
from service.sealing.find import SealedLog
from service.sealing.period import Period, SealedUnreadable
from service.sealing.rows import OutcomesWanted, sealed_rows

MOST_TOLD: Final = 1_000
PATIENCE: Final[Duration] = 5 * SECOND

_ROWS_AT_ONCE: Final = 64
_LARGE: Final = 1 << 20
"""Bytes of outcomes above which a decision is read alone."""
_NOT_SAID: Final = 10_000
"""How many outcomes a row is taken to have that does not say it."""
_OUTCOMES_AT_ONCE: Final = 100_000
_TOLD: Final = (
    "decision_id",
    "answered_at",
    "about",
    "one",
    "use",
    "recipient",
    "permitted",
    "reason",
    "policy_version",
    "client",
    "run",
)
_KEPT: Final = pa.schema([SCHEMA.field(name) for name in (*_TOLD, "position")])
_NEWEST_FIRST: Final = [
    ("answered_at", "descending"),
    ("decision_id", "descending"),
    ("position", "ascending"),
]


@dataclass(slots=True)
class Decided:
    """What was found. `since` is how far back it was looked, None where that is all there is.

    `whole` is False where content was left out that they held: there was too much of it.
    """

    since: Instant | None = None
    whole: bool = True
    counts: Counter[tuple[str, str, bool]] = field(default_factory=Counter)
    latest: list[Json] = field(default_factory=list)

    def to_json(self) -> Json:
        """Return it as the access file has it."""
        since = self.since
        return {
            "looked_through_since": None if since is None else format_instant(since),
            "complete": since is None and self.whole,
            "more": "POST /v1/exports with the dataset `decisions` and the filter `artist` has all "
            "of them",
            "counts": [
                {"use": use, "recipient": recipient, "permitted": permitted, "count": count}
                for (use, recipient, permitted), count in sorted(self.counts.items())
            ],
            "latest": self.latest,
        }


@dataclass(slots=True)
class _Some:
    """What was found in one part of the log: how often what, and the newest, one by one."""

    most: int
    counts: Counter[tuple[str, str, bool]] = field(default_factory=Counter)
    newest: pa.Table = field(default_factory=_KEPT.empty_table)

    def take(self, theirs: pa.RecordBatch) -> None:
        """Take outcomes in any order."""
        if not theirs.num_rows:
            return
        columns = ("use", "recipient", "permitted")
        self.counts.update(zip(*(theirs[name].to_pylist() for name in columns), strict=True))
        both = pa.concat_tables([self.newest, pa.Table.from_batches([theirs.select(_KEPT.names)])])
        self.newest = both.sort_by(_NEWEST_FIRST).slice(0, self.most).combine_chunks()


async def decided_about(
    session: ReadSession,
    clock: Clock,
    log: SealedLog,
    theirs: Theirs,
    *,
    sealed: Sequence[Period],
) -> Decided:
    """Return the newest decisions about an artist and what they held when those were made.

    `sealed` is what `hold_log` returned in this session. It takes some five seconds at most, and
    the memory of a few batches. Files that cannot be read end it there. Raises Damaged where a
    decision cannot be read.
    """
    until = clock.monotonic() + PATIENCE
    found = Decided(whole=theirs.whole)
    moved = sorted((one for one in sealed if one.moved), key=lambda one: one.month, reverse=True)
    async for rows in _newest_first(session, moved):
        await asyncio.to_thread(_take, found, await _with_large(session, rows), theirs)
        if clock.monotonic() > until:
            files_end = moved[0].month.ends if moved else 0
            found.since = max(rows[-1].answered_at, files_end)
            return found
    for period in moved:
        some = await _of_month(log, period, theirs, MOST_TOLD - len(found.latest), clock, until)
        if some is None:
            found.since = period.month.ends
            return found
        _add(found, some)
    return found


_COLUMNS: Final = [col(getattr(Logged, name)) for name in LOGGED]
_SMALL: Final = case((func.octet_length(col(Logged.outcomes)) <= _LARGE, col(Logged.outcomes)))


async def _newest_first(
    session: ReadSession, moved: Sequence[Period]
) -> AsyncIterator[Sequence[Any]]:
    """Yield rows that are in no file, few enough to be taken together.

    Those of large decisions come alone and without their outcomes.
    """
    instant = col(Logged.answered_at)
    elsewhere = [not_(and_(instant >= one.month.begins, instant < one.month.ends)) for one in moved]
    rest = [col(getattr(Logged, name)) for name in LOGGED if name != "outcomes"]
    log = select(*rest, _SMALL.label("outcomes"), col(Logged.number)).where(*elsewhere)
    newest_first = log.order_by(instant.desc(), col(Logged.decision_id).desc())
    stream = await session.stream(newest_first.execution_options(yield_per=_ROWS_AT_ONCE))
    async for rows in stream.partitions():
        for part in parts_of(np.array([_number(row) for row in rows]), _OUTCOMES_AT_ONCE):
            yield rows[part]


def _number(row: Any) -> int:
    """Return how many outcomes it has: as it says, or so many that it is taken alone."""
    if row.outcomes is None:
        return _OUTCOMES_AT_ONCE
    return _NOT_SAID if row.number is None else row.number


async def _with_large(session: ReadSession, rows: Sequence[Any]) -> Sequence[Any]:
    """Return rows with the outcomes that were left out of them."""
    first = rows[0]
    if first.outcomes is not None:
        return rows
    it = (
        col(Logged.answered_at) == first.answered_at,
        col(Logged.decision_id) == first.decision_id,
    )
    return (await session.execute(select(*_COLUMNS).where(*it))).all()


async def _of_month(
    log: SealedLog, period: Period, theirs: Theirs, most: int, clock: Clock, until: Instant
) -> _Some | None:
    """Return what a sealed month has, None where time is up or its files cannot be read."""
    some = _Some(most)
    try:
        async for batch in sealed_rows(log, [period], OutcomesWanted(theirs=theirs)):
            await asyncio.to_thread(some.take, batch)
            if clock.monotonic() > until:
                return None
    except SealedUnreadable:
        return None
    return some


def _take(found: Decided, rows: Sequence[Any], theirs: Theirs) -> None:
    some = _Some(MOST_TOLD - len(found.latest))
    for batch in batches_of(logged_columns(rows), _OUTCOMES_AT_ONCE):
        some.take(batch.filter(theirs.among(batch)))
    _add(found, some)


def _add(found: Decided, older: _Some) -> None:
    found.counts.update(older.counts)
    found.latest += [_outcome(row) for row in older.newest.select(_TOLD).to_pylist()]


def _outcome(row: Json) -> Json:
    row["answered_at"] = format_instant(to_instant(row["answered_at"]))
    if row["about"] == About.ARTISTS:
        row["one"] = None  # it is the artist themselves
    return row
