"""Discarding what no rule keeps any longer: once a day each, and nothing a legal hold may need."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from sqlalchemy import bindparam, select, text, update
from sqlmodel import col

from service.db.engine import Database
from service.db.instants import InstantType
from service.db.tables import RetentionRule
from service.domain.instant import DAY, Instant
from service.rights.holds import anybody_is_held
from service.rights.period import Period
from service.rights.retention import Kept
from service.sealing.discarding import discard
from service.sealing.period import sealed_periods
from service.storage.objects import Objects

_AT_ONCE: Final = 10_000
_OLD_ANSWERS: Final = text("""
DELETE FROM idempotency_keys WHERE ctid = ANY(ARRAY(
    SELECT k.ctid FROM idempotency_keys k WHERE k.recorded_at < :before AND NOT EXISTS (
        SELECT FROM private.legal_holds h WHERE h.subject = k.subject AND h.lifted_at IS NULL
    ) LIMIT :most
))
""").bindparams(bindparam("before", type_=InstantType()), most=_AT_ONCE)


class Discarder(Protocol):
    """Something whose old parts can be discarded."""

    async def discard(self, before: Instant) -> int:
        """Destroy what was written before an instant, and return how much that was."""


Discarders = Mapping[Kept, Discarder]

_OF_MANY: Final = frozenset({Kept.DECISIONS, Kept.EXPORTS})
"""What is about many artists at once: while anybody is held, none of it is discarded."""


@dataclass(frozen=True, slots=True)
class OldAnswers:
    """The answers kept for idempotency keys. Those about an artist who is held are left alone."""

    database: Database

    async def discard(self, before: Instant) -> int:
        """Delete them, some thousand at once."""
        discarded = 0
        while True:
            async with self.database.keep() as session:
                done = await session.execute(_OLD_ANSWERS, {"before": before})
            count: int = done.rowcount  # type: ignore[attr-defined] # every such statement has it
            discarded += count
            if count < _AT_ONCE:
                return discarded


@dataclass(frozen=True, slots=True)
class SealedMonths:
    """The months of the decision log that are sealed, in the place where their files are."""

    database: Database
    objects: Objects

    async def discard(self, before: Instant) -> int:
        """Delete the files of every month that ended before, and return how many decisions went.

        One that was broken off is completed, and is not counted twice. It ends as soon as anybody
        is held. Raises StoreUnavailable.
        """
        async with self.database.read() as session:
            periods = await sealed_periods(session)
        discarded = 0
        for period in periods:
            if period.month.ends <= before:
                async with self.database.read() as session:
                    if await anybody_is_held(session):
                        break
                count = await discard(self.database, self.objects, period.month)
                discarded += 0 if period.discarded else count
        return discarded


async def discard_what_is_old(database: Database, discarders: Discarders, now: Instant) -> None:
    """Apply every rule that has not been applied for a day.

    One that a legal hold stands in the way of is looked at again the next time.
    """
    for what, period in await _due(database, now):
        if what in discarders:
            discarded = await discarders[what].discard(period.before(now))
            await _note(database, what, discarded, now)


async def _due(database: Database, now: Instant) -> list[tuple[Kept, Period]]:
    async with database.read() as session:
        held = await anybody_is_held(session)
        rules = (await session.execute(select(RetentionRule))).scalars().all()
    return [
        (Kept(rule.what), Period.parse(rule.keep))
        for rule in rules
        if rule.keep is not None
        and (rule.applied_at is None or now - rule.applied_at >= DAY)
        and not (held and Kept(rule.what) in _OF_MANY)
    ]


async def _note(database: Database, what: Kept, discarded: int, now: Instant) -> None:
    async with database.keep() as session:
        await session.execute(
            update(RetentionRule)
            .where(col(RetentionRule.what) == what.value)
            .values(applied_at=now, discarded=col(RetentionRule.discarded) + discarded)
        )
