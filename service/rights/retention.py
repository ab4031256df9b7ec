"""Retention: how long what is not the ledger's is kept, as policy that is recorded where it is set.

What is kept for ever needs no rule. The ledger, and what its leaves commit to, is never discarded:
only an erasure destroys what an artist said.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from service.db.engine import ReadSession
from service.db.tables import RetentionRule
from service.domain.instant import format_instant
from service.domain.refusal import Refusal, Refused
from service.ledger.append import Write
from service.ledger.events import Json
from service.ledger.facts import retention_event
from service.ledger.transaction import Transaction, require_opened
from service.rights.period import Period


class Kept(StrEnum):
    """What there can be a rule about. The values stand in the ledger: never renamed."""

    IDEMPOTENCY_ANSWERS = "idempotency_answers"
    """What repeated writes are answered, by their keys."""
    DECISIONS = "decisions"
    """The log of decisions, by whole months that are sealed."""
    EXPORTS = "exports"
    """Bundles that were exported, and what is known of how they were asked for."""


SHORTEST: Final[Mapping[Kept, Period]] = {
    Kept.IDEMPOTENCY_ANSWERS: Period(days=1),
    Kept.DECISIONS: Period(months=6),
    Kept.EXPORTS: Period(days=1),
}
"""No rule may be shorter: a write may be repeated for a day, and whoever was decided about needs
time to ask why."""


def set_retention(rules: Mapping[Kept, Period]) -> Write:
    """Let these rules hold from now on, and no other: one event for each that changes.

    Raises Refused naming every rule that is too short.
    """

    async def write(transaction: Transaction) -> Json:
        _refuse_too_short(rules)
        require_opened(transaction)
        known = await _rules(transaction.session)
        for what in Kept:
            keep = str(rules[what]) if what in rules else None
            if keep != (known[what].keep if what in known else None):
                await _set(transaction, what, keep)
        return await read_retention(transaction.session)

    return write


async def read_retention(session: ReadSession) -> Json:
    """Return the rule about each thing: null keeps it for ever."""
    known = await _rules(session)
    return {"rules": [_rule_json(what, known.get(what)) for what in Kept]}


def _refuse_too_short(rules: Mapping[Kept, Period]) -> None:
    refusals = [
        Refusal(f"rules.{what}", "too_short", f"keep {what} for {SHORTEST[what]} at least")
        for what, period in rules.items()
        if period.is_ever_shorter_than(SHORTEST[what])
    ]
    if refusals:
        raise Refused(refusals)


async def _set(transaction: Transaction, what: Kept, keep: str | None) -> None:
    recorded = await transaction.record(retention_event(what.value, keep))
    said = {"keep": keep, "set_at": recorded.recorded_at, "revision": recorded.revision}
    rule = insert(RetentionRule).values(what=what.value, discarded=0, **said)
    # What the old rule has looked through, the new one has not.
    await transaction.session.execute(
        rule.on_conflict_do_update(index_elements=["what"], set_={**said, "applied_at": None})
    )


async def _rules(session: ReadSession) -> Mapping[Kept, RetentionRule]:
    rows = (
        await session.execute(
            select(RetentionRule)
            .order_by(col(RetentionRule.what))
            .execution_options(populate_existing=True)
        )
    ).scalars()
    return {Kept(row.what): row for row in rows}


def _rule_json(what: Kept, rule: RetentionRule | None) -> Json:
    applied = None if rule is None else rule.applied_at
    return {
        "what": what.value,
        "keep": None if rule is None else rule.keep,
        "at_least": str(SHORTEST[what]),
        "set_at": None if rule is None else format_instant(rule.set_at),
        "revision": None if rule is None else rule.revision,
        "applied_at": None if applied is None else format_instant(applied),
        "discarded": 0 if rule is None else rule.discarded,
    }
