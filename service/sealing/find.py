"""Finding decisions on both sides: in files what is sealed and moved, in PostgreSQL the rest.

Time is divided where one side ends and the other begins, and walked backwards. Each stretch is
asked for what is left of a page, so pages are the same wherever their decisions lie.
"""

from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from service.clock import Clock
from service.db.engine import ReadSession
from service.decisions.log.entry import Entry, Outcome, Place, Whole, read_decision, whole_of
from service.decisions.log.find import PATIENCE, FoundPage, Wanted, find_decisions
from service.decisions.log.name import answered_at
from service.domain.instant import LATEST, SECOND, Duration, Instant
from service.sealing.copies import SealedFiles
from service.sealing.lookup import Lookup
from service.sealing.parquet import Holds, SealedFile
from service.sealing.period import Period, SealedUnreadable, just_above

_FIRST_SLICE: Final[Duration] = 3_600 * SECOND
_LONGER: Final = 8


class SealedLog:
    """The sealed months, looked into together with what is not sealed."""

    def __init__(self, files: SealedFiles | None, scratch: Path, clock: Clock) -> None:
        """Take the files, or None where nobody has said where they are, and a scratch folder."""
        self.files = files
        self.lookup = Lookup(scratch)
        self._clock = clock

    def close(self) -> None:
        """Give up what is open."""
        self.lookup.close()

    @asynccontextmanager
    async def at_hand(self, files: Sequence[SealedFile]) -> AsyncIterator[list[str]]:
        """Yield paths of these files while they are at hand. Raises SealedUnreadable."""
        if self.files is None:
            message = "set FERMATA_SEALED_DECISIONS to where the sealed months are kept"
            raise SealedUnreadable(message)
        async with self.files.at_hand(files) as paths:
            yield paths

    async def find(
        self,
        session: ReadSession,
        periods: Iterable[Period],
        wanted: Wanted,
        *,
        below: Place | None,
        limit: int,
    ) -> FoundPage:
        """Return a page of the decisions that are wanted, newest first, from below a place on.

        `periods` is what `hold_log` returned in this session. Raises Damaged and SealedUnreadable.
        """
        top = Place(LATEST if wanted.until is None else wanted.until, "")
        top = top if below is None else min(below, top)
        stretches = deque(_stretches(periods, Place(wanted.since or 0, ""), top))
        return await _Walk(self, session, self._clock, wanted, limit).page(stretches, top)

    async def read(
        self,
        session: ReadSession,
        periods: Iterable[Period],
        decision_id: str,
        *,
        first: int,
        most: int,
        one: str | None = None,
    ) -> Whole | None:
        """Return one decision with its outcomes from number `first` (of 0) on, or None.

        With `one` it is that about this id alone, or none. `periods` is what `hold_log` returned in
        this session. Raises Damaged and SealedUnreadable.
        """
        instant = answered_at(decision_id)
        for period in periods:
            files = _that_may_name(period, decision_id, instant)
            if not files:
                continue
            async with self.at_hand(files) as paths:
                found = await self.lookup.whole(paths, decision_id, instant)
            if found is not None:
                entry, outcomes = found
                return whole_of(entry, outcomes, first, most, one)
        return await read_decision(session, decision_id, first=first, most=most, one=one)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Time from `bottom` on and below `top`, all on one side: in a moved month, or in no such."""

    bottom: Place
    top: Place
    period: Period | None


def _stretches(periods: Iterable[Period], bottom: Place, top: Place) -> Iterator[_Stretch]:
    """Yield the stretches between two places, newest first; what is empty is left out."""
    for period in sorted(periods, key=lambda one: one.month, reverse=True):
        if not period.moved:
            continue
        begins, ends = Place(period.month.begins, ""), Place(period.month.ends, "")
        if max(bottom, ends) < top:
            yield _Stretch(max(bottom, ends), top, None)
        top = min(top, ends)
        if period.last_at is not None and not period.discarded:
            after = Place(period.last_at + 1, "")
            if max(bottom, begins) < min(top, after):
                yield _Stretch(max(bottom, begins), min(top, after), period)
        top = min(top, begins)
    if bottom < top:
        yield _Stretch(bottom, top, None)


def _that_may_name(
    period: Period, decision_id: str, instant: Instant | None
) -> Sequence[SealedFile]:
    """Return the files that may hold a decision of this name, made at this instant if known."""
    if not period.moved:
        return ()
    if instant is None:
        return [file for file in period.that_hold(Holds.DECISIONS) if file.unnamed]
    place = Place(instant, decision_id)
    return period.between(place, just_above(place))


@dataclass(slots=True)
class _Walk:
    """One page being found."""

    log: SealedLog
    session: ReadSession
    clock: Clock
    wanted: Wanted
    limit: int
    entries: list[Entry] = field(default_factory=list)
    _slice: Duration = _FIRST_SLICE

    @property
    def room(self) -> int:
        return self.limit - len(self.entries)

    async def page(self, stretches: deque[_Stretch], top: Place) -> FoundPage:
        began = self.clock.monotonic()
        while stretches:
            if not self.room:
                return FoundPage(self.entries, top if await self._any_in(stretches) else None)
            stretch = stretches.popleft()
            below = await self._look_into(stretch)
            top = self.entries[-1].place if not self.room else below or stretch.bottom
            if below is not None:
                stretches.appendleft(replace(stretch, top=below))
            if self.room and stretches and self.clock.monotonic() - began > PATIENCE:
                return FoundPage(self.entries, top)
        return FoundPage(self.entries, None)

    async def _look_into(self, stretch: _Stretch) -> Place | None:
        """Take what is found in a stretch; return below where to go on, or None at its bottom."""
        if stretch.period is not None:
            return await self._look_into_files(stretch.period, stretch.bottom, stretch.top)
        wanted = replace(self.wanted, since=stretch.bottom.answered_at, until=None)
        page = await find_decisions(
            self.session, self.clock, wanted, below=stretch.top, limit=self.room
        )
        self.entries += page.entries
        return page.below

    async def _look_into_files(self, period: Period, bottom: Place, top: Place) -> Place | None:
        room, floor = self.room, bottom
        if self.wanted.one is None and self.wanted.theirs is None:
            # Newest first, so what is newest is read first, and little else for a full page.
            floor = max(bottom, Place(top.answered_at - self._slice, ""))
            self._slice *= _LONGER
            async with self.log.at_hand(period.between(floor, top)) as paths:
                found = await self.log.lookup.listed(paths, self.wanted, floor, top, room)
        else:
            found = await self._looked_up(period, floor, top)
        self.entries += found
        if len(found) == room:
            return found[-1].place
        return None if floor == bottom else floor

    async def _looked_up(self, period: Period, bottom: Place, top: Place) -> list[Entry]:
        """Return what is about the one or the artist, whose outcomes lie together."""
        found = await self._outcomes(period, bottom, top)
        if not found:
            return []
        newest, oldest = found[0][0], found[-1][0]
        async with self.log.at_hand(period.between(oldest, just_above(newest))) as paths:
            entries = await self.log.lookup.named(paths, [place for place, _ in found])
        return [replace(entries[place], outcome=outcome) for place, outcome in found]

    async def _outcomes(
        self, period: Period, bottom: Place, top: Place
    ) -> list[tuple[Place, Outcome]]:
        wanted, theirs, lookup = self.wanted, self.wanted.theirs, self.log.lookup
        if theirs is not None:
            async with self.log.at_hand(period.about_theirs(theirs)) as paths:
                return await lookup.about_theirs(paths, wanted, theirs, bottom, top, self.room)
        about = wanted.about.value if wanted.about else ""
        async with self.log.at_hand(period.about(about, wanted.one or "")) as paths:
            return await lookup.about_one(paths, wanted, bottom, top, self.room)

    async def _any_in(self, stretches: Iterable[_Stretch]) -> bool:
        """Tell whether there is any decision at all in these stretches."""
        for stretch in stretches:
            if await self._any(stretch):
                return True
        return False

    async def _any(self, stretch: _Stretch) -> bool:
        bottom, top, period = stretch.bottom, stretch.top, stretch.period
        if period is None:
            wanted = Wanted(since=bottom.answered_at)
            page = await find_decisions(self.session, self.clock, wanted, below=top, limit=1)
            return bool(page.entries)
        if bottom.answered_at <= (period.first_at or 0) < top.answered_at:
            return True
        async with self.log.at_hand(period.between(bottom, top)) as paths:
            return await self.log.lookup.any_between(paths, bottom, top)
