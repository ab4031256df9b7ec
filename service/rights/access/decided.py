"""Decisions about one artist and their content, the newest first, as far back as time allows.

The log is not in the order of artists: whoever looks for all content of one looks through all of
it. So this looks through the newest part, says how far it came, and an export has the rest.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import select
from sqlmodel import col

from service.clock import Clock
from service.db.engine import ReadSession
from service.db.tables import DecisionLogRow as Logged
from service.decisions.log.table import LOGGED, batches_of, logged_columns
from service.decisions.question import About
from service.domain.instant import SECOND, Duration, Instant, format_instant, to_instant
from service.ledger.events import Json
from service.sealing.period import Period

MOST_TOLD: Final = 1_000
PATIENCE: Final[Duration] = 5 * SECOND

_ROWS_AT_ONCE: Final = 64
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


@dataclass(slots=True)
class Decided:
    """What was found. `since` is how far back it was looked, None where that is all there is."""

    since: Instant | None = None
    counts: Counter[tuple[str, str, bool]] = field(default_factory=Counter)
    latest: list[Json] = field(default_factory=list)

    def to_json(self) -> Json:
        """Return it as the access file has it."""
        since = self.since
        return {
            "looked_through_since": None if since is None else format_instant(since),
            "complete": since is None,
            "more": "POST /v1/exports with the dataset `decisions` and this artist has all of them",
            "counts": [
                {"use": use, "recipient": recipient, "permitted": permitted, "count": count}
                for (use, recipient, permitted), count in sorted(self.counts.items())
            ],
            "latest": self.latest,
        }


async def decided_about(
    session: ReadSession,
    clock: Clock,
    subject: str,
    contents: Collection[str],
    *,
    sealed: Sequence[Period],
) -> Decided:
    """Return the newest decisions about an artist or any of this content.

    `sealed` is what `hold_log` returned in this session: what is in files alone is not looked
    through. Raises Damaged where a decision cannot be read.
    """
    until = clock.monotonic() + PATIENCE
    ours = pa.array([subject]), pa.array(sorted(contents), pa.string())
    found = Decided(max((one.month.ends for one in sealed if one.moved), default=None))
    async for rows in _newest_first(session):
        await asyncio.to_thread(_take, found, rows, *ours)
        if clock.monotonic() > until:
            found.since = rows[-1].answered_at
            break
    return found


async def _newest_first(session: ReadSession) -> AsyncIterator[Sequence[Any]]:
    columns = [col(getattr(Logged, name)) for name in LOGGED]
    log = select(*columns).order_by(col(Logged.answered_at).desc(), col(Logged.decision_id).desc())
    stream = await session.stream(log.execution_options(yield_per=_ROWS_AT_ONCE))
    async for rows in stream.partitions():
        yield rows


def _take(found: Decided, rows: Sequence[Any], subject: pa.Array, contents: pa.Array) -> None:
    for batch in batches_of(logged_columns(rows), _OUTCOMES_AT_ONCE):
        about_artists = pc.equal(batch["about"], About.ARTISTS.value)
        ours = pc.if_else(
            about_artists,
            pc.is_in(batch["one"], value_set=subject),
            pc.is_in(batch["one"], value_set=contents),
        )
        some = batch.filter(ours)
        columns = ("use", "recipient", "permitted")
        found.counts.update(zip(*(some[name].to_pylist() for name in columns), strict=True))
        left = MOST_TOLD - len(found.latest)
        found.latest += [_outcome(row) for row in some.select(_TOLD).slice(0, left).to_pylist()]


def _outcome(row: Json) -> Json:
    row["answered_at"] = format_instant(to_instant(row["answered_at"]))
    if row["about"] == About.ARTISTS:
        row["one"] = None  # it is the artist themselves
    return row
