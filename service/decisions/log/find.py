"""Finding decisions, newest first, by whom, what and when they were about.

Decisions about one thing alone carry it in a column; those about many are narrowed down by
everything else, and then looked into. What one artist is looked for with may be many things: those
are looked up together. Time is walked backwards in slices, each eight times as long as the one
before for as long as that is quick, so that what is asked about every second costs as little as
what was asked about once in a year. A page takes a bounded time, and says where it goes on: it may
be short, or empty, where there was much to look into.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import ColumnElement, Row, Select, and_, func, literal, or_, select, tuple_
from sqlalchemy.dialects.postgresql import TEXT, array
from sqlalchemy.orm import Mapped
from sqlmodel import col

from service.clock import Clock
from service.db.among import among
from service.db.engine import ReadSession
from service.db.instants import InstantType
from service.db.tables import DecisionLogRow as Logged
from service.decisions.compiled.spelling import spell
from service.decisions.log import packing
from service.decisions.log.entry import (
    ABOUT,
    COLUMNS,
    PACKED_IF_NEEDED,
    RECIPIENT,
    USE,
    Entry,
    Outcome,
    Place,
    entry_of,
    place_of,
)
from service.decisions.log.table import batches_of, logged_columns, parts_of
from service.decisions.log.theirs import Theirs
from service.decisions.question import About
from service.domain.assessment import PERMITS, Reason
from service.domain.instant import LATEST, SECOND, Instant

PATIENCE: Final = 2 * SECOND
"""How long a page may take before it is given as it is."""

_FIRST_SLICE: Final = 3_600 * SECOND
_LONGER: Final = 8
_QUICK: Final = SECOND // 10

_LOOKED_INTO_AT_ONCE: Final = 256
_BYTES_AT_ONCE: Final = 8 << 20
_OUTCOMES_AT_ONCE: Final = 100_000
_NOT_SAID: Final = 10_000
"""How many outcomes a row is taken to have that does not say it."""
_WHERE: Final = ("decision_id", "position")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which decisions somebody looks for; None is any.

    `about` and `one` go together: content, or an artist's reference. `theirs` stands instead of
    them for an artist and what they held. `permitted` and `reason` are those of the one if there is
    one, or of any that is theirs, else those of any outcome. `since` is inclusive, `until` not.
    """

    about: About | None = None
    one: str | None = None
    theirs: Theirs | None = None
    client: str | None = None
    job: str | None = None
    run: str | None = None
    use: str | None = None
    recipient: str | None = None
    permitted: bool | None = None
    reason: Reason | None = None
    since: Instant | None = None
    until: Instant | None = None

    def takes(self, reason: Reason) -> bool:
        """Whether an outcome for this reason is one that is looked for."""
        right_way = self.permitted is None or self.permitted is (reason in PERMITS)
        return right_way and (self.reason is None or self.reason is reason)


@dataclass(frozen=True, slots=True)
class FoundPage:
    """Some decisions, and the place below which to go on; None where there are no more."""

    entries: Sequence[Entry]
    below: Place | None


async def find_decisions(
    session: ReadSession, clock: Clock, wanted: Wanted, *, below: Place | None, limit: int
) -> FoundPage:
    """Return a page of the decisions that are wanted, newest first, from below a place on.

    Raises Damaged where one of them cannot be read.
    """
    top = Place(LATEST if wanted.until is None else wanted.until, "")
    return await _Walk(session, clock, wanted, limit).page(
        top if below is None else min(below, top)
    )


@dataclass(slots=True)
class _Walk:
    """One page being found."""

    session: ReadSession
    clock: Clock
    wanted: Wanted
    limit: int
    entries: list[Entry] = field(default_factory=list)

    @property
    def room(self) -> int:
        return self.limit - len(self.entries)

    async def page(self, top: Place) -> FoundPage:
        began, length = self.clock.monotonic(), _FIRST_SLICE
        floor = Place(self.wanted.since or 0, "")
        while (newest := await self._newest(floor, top)) is not None:
            slice_began = self.clock.monotonic()
            if not self.room or slice_began - began > PATIENCE:
                return FoundPage(self.entries, top)
            top = await self._slice(max(floor, Place(newest - length, "")), top)
            if self.clock.monotonic() - slice_began < _QUICK:
                length *= _LONGER
        return FoundPage(self.entries, None)

    async def _newest(self, floor: Place, top: Place) -> Instant | None:
        """Return when the newest decision of all between two places was answered."""
        newest = _between(select(col(Logged.answered_at)), floor, top).limit(1)
        instant: Instant | None = await self.session.scalar(newest)
        return instant

    async def _slice(self, bottom: Place, top: Place) -> Place:
        """Find what is between two places; return the one below which nobody has looked."""
        if self.wanted.one is None and self.wanted.theirs is None:
            return await self._by_columns(bottom, top)
        candidates, bottom = await self._candidates(bottom, top)
        found, bottom = await self._alone(bottom, top)
        found += [one for one in await self._within(candidates) if one.place >= bottom]
        found.sort(key=lambda entry: entry.place, reverse=True)
        room = self.room
        self.entries += found[:room]
        return found[room - 1].place if len(found) >= room else bottom

    async def _by_columns(self, bottom: Place, top: Place) -> Place:
        """Find by the columns alone. Old rows do not have their reasons there, and may not fit."""
        while room := self.room:
            some = _between(select(*COLUMNS, PACKED_IF_NEEDED), bottom, top).limit(room)
            rows = await self._rows(some)
            found = [entry_of(row, _unpacked(row)) for row in rows]
            self.entries += [one for one in found if any(map(self.wanted.takes, one.reasons))]
            if len(rows) < room:
                return bottom
            top = place_of(rows[-1])
        return top

    async def _alone(self, bottom: Place, top: Place) -> tuple[list[Entry], Place]:
        """Find what is about one thing alone; return it, and the place down to which it is all."""
        theirs = self.wanted.theirs
        query = select(*COLUMNS, PACKED_IF_NEEDED)
        if theirs is None:
            alone = query.where(col(Logged.one) == self.wanted.one)
            rows = await self._rows(_between(alone, bottom, top).limit(self.room))
            return [entry_of(row, packing.unpack(row.packed)) for row in rows], bottom
        alone = query.where(among(col(Logged.one), [theirs.subject, *theirs.contents]))
        most = max(self.room, _LOOKED_INTO_AT_ONCE)
        rows = await self._rows(_between(alone, bottom, top).limit(most))
        entries = [entry_of(row, packing.unpack(row.packed)) for row in rows]
        found = [one for one in entries if one.outcome and _is_theirs(one, one.outcome, theirs)]
        return found, bottom if len(rows) < most else entries[-1].place

    async def _candidates(self, bottom: Place, top: Place) -> tuple[Sequence[Row[Any]], Place]:
        """Return decisions that may be about the one, and the place down to which these are all."""
        size = func.octet_length(col(Logged.outcomes)).label("size")
        some = select(col(Logged.answered_at), col(Logged.decision_id), size).where(_OF_MANY)
        rows = await self._rows(_between(some, bottom, top).limit(_LOOKED_INTO_AT_ONCE))
        taken = _how_many([row.size for row in rows])
        if taken < len(rows) or taken == _LOOKED_INTO_AT_ONCE:
            bottom = place_of(rows[taken - 1])
        return rows[:taken], bottom

    async def _within(self, candidates: Sequence[Row[Any]]) -> list[Entry]:
        """Look into decisions about many, in another thread."""
        if not candidates:
            return []
        newest, oldest = place_of(candidates[0]), place_of(candidates[-1])
        whole = select(*COLUMNS, col(Logged.outcomes)).where(
            _OF_MANY,
            col(Logged.answered_at).between(
                _instant(oldest.answered_at), _instant(newest.answered_at)
            ),
            _tuple(oldest) <= _PLACE,
            _tuple(newest) >= _PLACE,
        )
        rows, theirs = await self._rows(whole), self.wanted.theirs
        if theirs is not None:
            return await asyncio.to_thread(_found_of_theirs, rows, theirs, self.wanted.takes)
        one = spell(self.wanted.one or "")
        found = await asyncio.to_thread(lambda: [_found_in(row, one) for row in rows])
        return [
            entry
            for entry in found
            if entry and entry.outcome and self.wanted.takes(entry.outcome.decision.reason)
        ]

    async def _rows(self, query: Select[Any]) -> Sequence[Row[Any]]:
        found: Sequence[Row[Any]] = (
            await self.session.execute(query.where(*self._conditions()))
        ).all()
        return found

    def _conditions(self) -> list[ColumnElement[bool]]:
        wanted = self.wanted
        equal = (
            (ABOUT, wanted.about),
            (USE, wanted.use),
            (RECIPIENT, wanted.recipient),
            (col(Logged.client), wanted.client),
        )
        conditions = [column == value for column, value in equal if value is not None]
        named = (("run", col(Logged.run), wanted.run), ("job", col(Logged.job), wanted.job))
        conditions += [_asked_for(*one) for one in named if one[-1] is not None]
        reasons = [reason.value for reason in Reason if wanted.takes(reason)]
        if len(reasons) < len(Reason):
            counts = col(Logged.reasons)
            conditions.append(
                or_(counts.is_(None), counts.bool_op("?|")(array(reasons, type_=TEXT)))
            )
        return conditions


_OF_MANY: Final = col(Logged.one).is_(None)
_PLACE: Final = tuple_(col(Logged.answered_at), col(Logged.decision_id))


def _asked_for(name: str, column: Mapped[Any], value: str | None) -> ColumnElement[bool]:
    """Return the condition that a run or a pipeline is named, also in the request alone."""
    in_request = col(Logged.request)[name].astext == value
    return or_(column == value, and_(_OF_MANY, col(Logged.number).is_(None), in_request))


def _between(query: Select[Any], bottom: Place, top: Place) -> Select[Any]:
    """Narrow a query down to a stretch of the log, newest first; the bottom is part of it."""
    instant = col(Logged.answered_at)
    return query.where(
        instant >= _instant(bottom.answered_at),
        instant <= _instant(top.answered_at),
        _tuple(bottom) <= _PLACE,
        _tuple(top) > _PLACE,
    ).order_by(instant.desc(), col(Logged.decision_id).desc())


def _tuple(place: Place) -> Any:
    return tuple_(_instant(place.answered_at), literal(place.decision_id))


def _instant(instant: Instant) -> ColumnElement[Instant]:
    return literal(instant, InstantType())


def _how_many(sizes: Sequence[int]) -> int:
    """Return how many to look into at once: at least one, if there is one."""
    total = 0
    for number, size in enumerate(sizes):
        total += size
        if number and total > _BYTES_AT_ONCE:
            return number
    return len(sizes)


def _unpacked(row: Row[Any]) -> packing.Outcomes | None:
    return None if row.packed is None else packing.unpack(row.packed)


def _is_theirs(entry: Entry, outcome: Outcome, theirs: Theirs) -> bool:
    return theirs.has(entry.about, outcome.one, entry.revision)


def _found_of_theirs(
    rows: Sequence[Row[Any]], theirs: Theirs, takes: Callable[[Reason], bool]
) -> list[Entry]:
    """Return the decisions in which something of theirs is taken, each with the first of it."""
    taken = pa.array([reason.value for reason in Reason if takes(reason)])
    first: dict[str, int] = {}
    numbers = np.array([_NOT_SAID if row.number is None else row.number for row in rows])
    for part in parts_of(numbers, _OUTCOMES_AT_ONCE):
        for batch in batches_of(logged_columns(rows[part]), _OUTCOMES_AT_ONCE):
            ours = batch.filter(pc.and_(theirs.among(batch), pc.is_in(batch["reason"], taken)))
            for name, position in zip(*(ours[n].to_pylist() for n in _WHERE), strict=True):
                first.setdefault(name, position)
    return [
        entry_of(row, packing.unpack(row.outcomes), first[row.decision_id])
        for row in rows
        if row.decision_id in first
    ]


def _found_in(row: Row[Any], one: bytes) -> Entry | None:
    found = packing.find(row.outcomes, one)
    return None if found is None else entry_of(row, *found)
