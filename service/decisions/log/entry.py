"""A decision as it is read from the log again."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import Row, case, func, literal, or_, select
from sqlmodel import col

from service.db.among import among
from service.db.engine import ReadSession
from service.db.tables import Artist
from service.db.tables import DecisionLogRow as Logged
from service.decisions.compiled.spelling import spell
from service.decisions.log import packing
from service.decisions.log.name import answered_at
from service.decisions.question import About
from service.domain.assessment import Reason
from service.domain.decision import Decision
from service.domain.instant import Instant
from service.ledger.events import Json


class Place(NamedTuple):
    """Where a decision stands in the log: places sort as their decisions do."""

    answered_at: Instant
    decision_id: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was answered about one content, by its id, or one artist, by their reference."""

    one: str
    decision: Decision


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision without all its outcomes: `outcome` is that of the only thing it is about.

    Or of what was looked for, where it is about many. `request` holds whatever else was asked for.
    """

    place: Place
    evaluated_at: Instant
    revision: int
    client: str
    caller: str
    use: str
    recipient: str
    about: About
    number: int
    reasons: Mapping[Reason, int]
    request: Json
    run: str | None
    job: str | None
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class Whole:
    """One decision, and some or all of its outcomes in the order asked, from number `first` on."""

    entry: Entry
    outcomes: Sequence[Outcome]
    first: int


async def read_decision(
    session: ReadSession, decision_id: str, *, first: int, most: int, one: str | None = None
) -> Whole | None:
    """Return one decision with its outcomes from number `first` (of 0) on, or None.

    With `one` it is that about this id alone, or none. Raises Damaged for what cannot be read.
    """
    named = select(*COLUMNS, col(Logged.outcomes).label("packed"))
    instant = answered_at(decision_id)
    if instant is None:  # said as the index of old names says it
        named = named.where(func.substr(col(Logged.decision_id), 17, 1) != literal("7"))
    else:
        named = named.where(col(Logged.answered_at) == instant)
    row = (await session.execute(named.where(col(Logged.decision_id) == decision_id))).one_or_none()
    if row is None:
        return None
    outcomes = await asyncio.to_thread(packing.unpack, row.packed)
    return whole_of(entry_of(row, outcomes), outcomes, first, most, one)


def whole_of(
    entry: Entry, outcomes: packing.Outcomes, first: int, most: int, one: str | None
) -> Whole:
    """Return a decision with up to `most` of its outcomes, or with that about one id alone.

    There may be a million, which would take seconds to look through one by one.
    """
    if one is not None:
        place = outcomes.place_of(spell(one))
        first, most = (0, 0) if place is None else (place, 1)
    return Whole(entry, outcomes_from(outcomes, first, most), first)


def outcomes_from(outcomes: packing.Outcomes, first: int, most: int) -> list[Outcome]:
    """Return up to `most` of a decision's outcomes, from number `first` (of 0) on."""
    some = range(first, min(first + most, len(outcomes)))
    return [_outcome(outcomes, place) for place in some]


async def artists_of(session: ReadSession, subjects: Sequence[str]) -> Mapping[str, str]:
    """Return the platform's ids of those among these artists that have not been erased."""
    known = select(col(Artist.subject), col(Artist.artist_id)).where(
        among(col(Artist.subject), set(subjects)), col(Artist.artist_id).is_not(None)
    )
    rows = (await session.execute(known)).all()
    return {row.subject: row.artist_id for row in rows}


async def subject_of(session: ReadSession, artist_id: str) -> str | None:
    """Return the reference of an artist, or None where nobody has this id."""
    named = select(col(Artist.subject)).where(col(Artist.artist_id) == artist_id)
    subject: str | None = await session.scalar(named)
    return subject


# The release before the one that divided the log by months says these in the request alone.
USE: Final = func.coalesce(col(Logged.use), col(Logged.request)["use"].astext)
RECIPIENT: Final = func.coalesce(col(Logged.recipient), col(Logged.request)["recipient"].astext)
ABOUT: Final = func.coalesce(col(Logged.about), col(Logged.request)["about"].astext)

COLUMNS: Final = (
    col(Logged.decision_id),
    col(Logged.answered_at),
    col(Logged.evaluated_at),
    col(Logged.revision),
    col(Logged.client),
    col(Logged.caller),
    USE.label("use"),
    RECIPIENT.label("recipient"),
    ABOUT.label("about"),
    col(Logged.number),
    col(Logged.reasons),
    col(Logged.request),
    col(Logged.run),
    col(Logged.job),
)
PACKED_IF_NEEDED: Final = case(
    (or_(col(Logged.number) == 1, col(Logged.number).is_(None)), col(Logged.outcomes))
).label("packed")
"""The outcomes of what is about one thing, and of what has nothing else that tells them."""


def place_of(row: Row[Any]) -> Place:
    """Return where a row stands."""
    return Place(row.answered_at, row.decision_id)


def entry_of(row: Row[Any], outcomes: packing.Outcomes | None, place: int | None = None) -> Entry:
    """Return a row of `COLUMNS` with the outcome at a place, or with the only one there is."""
    reasons = row.reasons
    if reasons is None:
        reasons = {} if outcomes is None else packing.counts(outcomes.answers)
    if outcomes is not None and len(outcomes) == 1:
        place = 0
    outcome = None
    if outcomes is not None and place is not None:
        outcome = _outcome(outcomes, place)
    return Entry(
        place=place_of(row),
        evaluated_at=row.evaluated_at,
        revision=row.revision,
        client=row.client,
        caller=row.caller,
        use=row.use,
        recipient=row.recipient,
        about=About(row.about),
        number=sum(reasons.values()),
        reasons={Reason(reason): count for reason, count in reasons.items()},
        request=row.request,
        run=row.run or row.request.get("run"),
        job=row.job or row.request.get("job"),
        outcome=outcome,
    )


def _outcome(outcomes: packing.Outcomes, place: int) -> Outcome:
    one = outcomes.ids.text(place).decode("utf-8", "replace")
    return Outcome(one, outcomes.answers.decision(place))
