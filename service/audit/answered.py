"""What pipelines were answered over a period: by pipeline, by reason, by day.

There may be hundreds of millions. Of the log's table, a sample of the months' pages is read where
the planner expects more than a million rows, and the numbers are scaled up and called an estimate:
shares are right to about a percent then, and what is rare may be missing. Sealed months are read
from their files, which have days, pipelines and reasons in columns of their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from service.audit.answered_counts import Counted, Pipeline, merged
from service.audit.answered_logged import WHOLE, counted_in_table, readable
from service.audit.answered_sealed import counted_in_files
from service.audit.bounded import bounded
from service.audit.period import Period
from service.db.engine import ReadSession
from service.domain.assessment import PERMITS, Reason
from service.sealing.find import SealedLog
from service.sealing.period import hold_log

LONGEST: Final = 92
"""Days that can be looked at at once."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many answers permitted, and how many did not."""

    permitted: int = 0
    denied: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        """Return both together."""
        return Tally(self.permitted + other.permitted, self.denied + other.denied)

    @property
    def total(self) -> int:
        """How many answers there are."""
        return self.permitted + self.denied


@dataclass(frozen=True, slots=True)
class Answered:
    """What was answered in a period, an answer for each content or artist that was asked about.

    `percent` is how much of the log's table was read: 100 unless the numbers are an estimate.
    `unread` counts decisions of a release that wrote no reasons beside them, and `discarded` names
    sealed months whose files are gone: neither is in any other number.
    """

    by_stretch: Mapping[date, Tally]
    by_pipeline: Mapping[Pipeline, Tally]
    by_reason: Mapping[Reason, int]
    total: Tally
    percent: float
    unread: int
    discarded: Sequence[str]


async def answered_in(session: ReadSession, sealed: SealedLog, period: Period) -> Answered:
    """Return what was answered in a period, by a session that has read nothing yet.

    Raises ValueError beyond `LONGEST` days, TooMuch, and SealedUnreadable.
    """
    if period.days > LONGEST:
        message = f"look at no more than {LONGEST} days at once"
        raise ValueError(message)
    months = [
        one
        for one in await hold_log(session)
        if one.moved and one.month.begins < period.until and one.month.ends > period.since
    ]
    async with bounded(session):
        percent = await readable(session, period, months)
        counted, unread = await counted_in_table(session, period, percent, months)
    in_files = await counted_in_files(sealed, months, period)
    return _summed(
        period,
        [*counted, *in_files],
        percent=percent,
        unread=unread,
        discarded=[str(one.month) for one in months if one.discarded],
    )


def _summed(
    period: Period,
    rows: Sequence[Counted],
    *,
    percent: float = WHOLE,
    unread: int = 0,
    discarded: Sequence[str] = (),
) -> Answered:
    by_stretch = dict.fromkeys(period.begins(), Tally())
    by_pipeline: dict[Pipeline, Tally] = {}
    by_reason: dict[Reason, int] = {}
    for row in merged(rows):
        reason, number = Reason(row.reason), row.number
        tally = Tally(permitted=number) if reason in PERMITS else Tally(denied=number)
        if isinstance(row.of, Pipeline):
            by_pipeline[row.of] = by_pipeline.get(row.of, Tally()) + tally
        else:
            by_stretch[period.begin_of(row.of)] += tally
            by_reason[reason] = by_reason.get(reason, 0) + number
    return Answered(
        by_stretch=by_stretch,
        by_pipeline=dict(sorted(by_pipeline.items(), key=lambda one: -one[1].total)),
        by_reason=dict(sorted(by_reason.items(), key=lambda one: -one[1])),
        total=sum(by_stretch.values(), Tally()),
        percent=percent,
        unread=unread,
        discarded=discarded,
    )
