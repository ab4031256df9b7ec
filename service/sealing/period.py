"""Sealed months as the table `sealed_periods` has them, and how to read beside their moving.

A transaction that reads decisions calls `hold_log` before anything else. What it returns is true
until that transaction ends: a month that is `moved` is read from its files alone, and any other
from the table `decisions`, where it stays as long as it is needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select, text
from sqlmodel import col

from service.db.engine import ReadSession
from service.db.tables import SealedPeriod
from service.decisions.log.entry import Place
from service.decisions.log.theirs import Theirs
from service.domain.instant import Instant
from service.sealing.month import Month
from service.sealing.parquet import Holds, SealedFile

# Taken before the snapshot: whoever takes a month out waits for those who held this before, and
# those who take it later see that its files are to be read.
_HOLD: Final = text("LOCK TABLE ONLY decisions IN ACCESS SHARE MODE")


class SealedUnreadable(Exception):  # noqa: N818 - names a state
    """Decisions of a sealed month cannot be read: a file is missing, altered or out of reach."""


@dataclass(frozen=True, slots=True)
class Period:
    """One sealed month. `first_at` and `last_at` are None where it has no decisions."""

    month: Month
    first_at: Instant | None
    last_at: Instant | None
    decisions: int
    outcomes: int
    root: bytes
    files: Sequence[SealedFile]
    revision: int
    sealed_at: Instant
    moved_at: Instant | None
    discarded_at: Instant | None

    @property
    def moved(self) -> bool:
        """Whether nothing of it is read from the table any more."""
        return self.moved_at is not None

    @property
    def discarded(self) -> bool:
        """Whether its files are deleted, too."""
        return self.discarded_at is not None

    def that_hold(self, what: Holds) -> list[SealedFile]:
        """Return its files of one kind, in their order; none where they are discarded."""
        if self.discarded:
            return []
        return [file for file in self.files if file.holds is what]

    def between(self, bottom: Place, top: Place) -> list[SealedFile]:
        """Return its files of decisions that may hold some from `bottom` on and below `top`."""
        return [
            file
            for file in self.that_hold(Holds.DECISIONS)
            if Place(*file.first) < top and Place(*file.last) >= bottom
        ]

    def about(self, about: str, one: str) -> list[SealedFile]:
        """Return its files of outcomes that may hold some about this one."""
        wanted = (about.encode(), one.encode())
        return [
            file
            for file in self.that_hold(Holds.OUTCOMES)
            if _encoded(file.first) <= wanted <= _encoded(file.last)
        ]

    def about_theirs(self, theirs: Theirs) -> list[SealedFile]:
        """Return its files of outcomes that may hold some about an artist or what they held."""
        files = self.that_hold(Holds.OUTCOMES)
        return [file for file in files if theirs.any_between(file.first, file.last)]


async def hold_log(session: ReadSession) -> list[Period]:
    """Return all sealed months, oldest first, as they stay for this transaction; see above.

    The session must not have read anything before.
    """
    await session.execute(_HOLD)
    return await sealed_periods(session)


async def sealed_periods(session: ReadSession) -> list[Period]:
    """Return all sealed months, oldest first, as they are at this moment."""
    found = await session.execute(select(SealedPeriod).order_by(col(SealedPeriod.period)))
    return [_period(row) for row in found.scalars()]


def _period(row: SealedPeriod) -> Period:
    return Period(
        month=Month.named(row.period),
        first_at=row.first_at,
        last_at=row.last_at,
        decisions=row.decisions,
        outcomes=row.outcomes,
        root=row.root,
        files=[SealedFile.from_row(one) for one in row.files],
        revision=row.revision,
        sealed_at=row.sealed_at,
        moved_at=row.moved_at,
        discarded_at=row.discarded_at,
    )


def just_above(place: Place) -> Place:
    """Return the lowest place that is above another."""
    return Place(place.answered_at, place.decision_id + "\0")


def _encoded(end: tuple[str, str]) -> tuple[bytes, bytes]:
    return end[0].encode(), end[1].encode()
