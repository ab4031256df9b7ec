"""Readers of changes: each at a position of its own, all served by the same work.

A reader is led from step to step. What a step touches is answered from the index, no older than the
moment at which the reader asked for it, and logged before it is given. Nothing is queued for
anybody: a reader that is slow asks for its next step later, and gets what holds by then.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self, TypeAlias

import numpy as np

from service.decisions.changes.events import Events
from service.decisions.changes.once import Once
from service.decisions.changes.places import Places
from service.decisions.changes.position import Position
from service.decisions.changes.steps import Step, next_step
from service.decisions.changes.touched import Anew
from service.decisions.changes.wanted import Wanted
from service.decisions.check import Checker
from service.decisions.compiled.answers import NUMBER, Answers
from service.decisions.compiled.spelling import Spelled
from service.decisions.follower import Follower
from service.decisions.index import Index
from service.decisions.judging import Asked
from service.decisions.log import DecisionLog
from service.decisions.log.name import RANDOM_BYTES, name_decision
from service.decisions.log.row import LoggedDecision
from service.decisions.question import STRONG, About, Caller
from service.domain.assessment import Reason
from service.domain.instant import SECOND, Instant
from service.domain.refusal import refuse
from service.ledger.head import HeadReader
from service.ledger.ledger_clock import ClocksDisagree
from service.ledger.vault import RandomBytes

MOST_AT_ONCE: Final = 250
"""Artists and content of one step: a column of it is answered within a millisecond or two."""

MOST_RESULTS: Final = 4_000
"""Results of one step, over all columns, unless a single content has more columns than that."""

_GIVEN_AT_ONCE: Final = 2
"""Readers whose rows are written to the log together. An event that a hundred readers are told of
under seventy columns is seven thousand rows: all at once they would keep everybody waiting."""

_STEPS_KEPT: Final = 64
_ANSWERS_KEPT: Final = 256
_FRESH: Final = 1 * SECOND
"""Answers serve other readers for so long, if nothing has been recorded since."""

_NEVER_TOLD: Final = {
    About.CONTENT: NUMBER[Reason.UNKNOWN_CONTENT],
    About.ARTISTS: NUMBER[Reason.ARTIST_ERASED],
}
"""Nobody put it, so nothing can have been held of it; or the id is not to be named any more."""


class TooFarBehind(Exception):  # noqa: N818 - names a state
    """The reader has missed more than is told again. `earliest` is where it could go on from."""

    def __init__(self, earliest: int) -> None:
        """Say what to do instead."""
        super().__init__(
            "this is too long ago to be told event by event: take a snapshot, or ask about what "
            f"you hold anew, and go on from the revision it names; {earliest} is the earliest"
        )
        self.earliest = earliest


@dataclass(frozen=True, slots=True)
class Moment:
    """A revision that the index has reached, and the ledger's time then."""

    revision: int
    now: Instant


@dataclass(frozen=True, slots=True)
class _Part:
    """One column of a step."""

    step: Step
    use: str
    recipient: str
    about: About


@dataclass(slots=True)
class Answered:
    """One column's answers about some artists or content, made once for all readers.

    `names` are the platform's own ids, `kept` what the log keeps. `written` is for doors, to keep
    what they make of it.
    """

    use: str
    recipient: str
    about: About
    revision: int
    evaluated_at: Instant
    names: Sequence[str]
    kept: Spelled
    answers: Answers
    written: bytes = field(default=b"", compare=False)


@dataclass(frozen=True, slots=True)
class Told:
    """Answers given to one reader, and the row of the log that says so."""

    decision_id: str
    answered: Answered


Entry: TypeAlias = Told | Anew


class Changes:
    """What all readers of one process share."""

    def __init__(  # noqa: PLR0913 - what a check rests on, and the ledger
        self,
        events: Events,
        checker: Checker,
        *,
        index: Index,
        follower: Follower,
        heads: HeadReader,
        log: DecisionLog,
        random_bytes: RandomBytes,
        timeout: float,
        most_behind: int,
        places: Places,
    ) -> None:
        """Take what is answered from.

        `timeout` in seconds bounds the wait for the index; readers may be `most_behind` events
        behind; `places` are how many of them there can be.
        """
        self.places = places
        self.follower = follower
        self._events = events
        self._checker = checker
        self._index = index
        self._heads = heads
        self._log = log
        self._random_bytes = random_bytes
        self._timeout = timeout
        self._most_behind = most_behind
        self._giving = asyncio.Semaphore(_GIVEN_AT_ONCE)
        self._steps: Once[tuple[Position, int], Step | None] = Once(_STEPS_KEPT)
        self._answers: Once[_Part, Answered] = Once(_ANSWERS_KEPT)

    async def __aenter__(self) -> Self:
        """Start."""
        await self._events.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Send all readers away and stop."""
        self.places.close()
        await self._answers.close()
        await self._steps.close()
        await self._events.__aexit__()

    async def read(
        self, position: Position, wanted: Wanted, caller: Caller, *, most: int = MOST_RESULTS
    ) -> "Reading":
        """Return a reading from a position on, by steps of about `most` results.

        Raises TooFarBehind; Refused for a position that the ledger has not reached; and as
        `Checker.answer` does.
        """
        moment = await self.moment()
        self.require_near(position)
        return Reading(self, position, moment, wanted, caller, most)

    async def moment(self) -> Moment:
        """Return the present, which holds every write acknowledged before this call.

        Raises as `Checker.present` does.
        """
        present = await self._checker.present()
        return Moment(self._index.revision, present.now)

    def require_near(self, position: Position) -> None:
        """Raise TooFarBehind, or Refused for a position that lies ahead of the ledger."""
        revision = self._index.revision
        if position.revision > revision:
            message = f"the ledger has {revision} events: this position is none of its own"
            raise refuse("since", "not_in_ledger", message)
        earliest = revision - self._most_behind
        if position.revision < earliest:
            raise TooFarBehind(earliest)

    def step_size(self, wanted: Wanted, most: int) -> int:
        """Return how many artists and content a step has that tells about `most` results.

        It is the same for all readers who do not ask for less than is usual, whatever they want to
        hear of: so they share their steps.
        """
        usual = MOST_RESULTS // max(len(self.columns(Wanted())), 1)
        asked = most // max(len(self.columns(wanted)), 1) if most < MOST_RESULTS else usual
        return max(1, min(usual, asked, MOST_AT_ONCE))

    def columns(self, wanted: Wanted) -> list[tuple[str, str]]:
        """Return the columns that a reader wants to hear of, as they are now."""
        return wanted.columns(self._index.history.versions)

    async def step(self, position: Position, most: int, moment: Moment) -> Step | None:
        """Return the next step, found once for all readers at this position.

        It goes as far as it can at this moment: who comes later takes fewer, longer steps. The
        index holds what it needs when this returns.
        """
        step = await self._steps.get(
            (position, most),
            lambda: next_step(self._events, position, most),
            lambda known: known is not None and known.goes_up_to(moment.revision),
        )
        if step is not None:
            await self.follower.reach(step.seen, timeout=self._timeout)
        return step

    async def answered(self, part: _Part, ids: Sequence[str], moment: Moment) -> Answered:
        """Return the answers to a part of a step, no older than a moment. Raises ClocksDisagree."""

        def is_good(known: Answered) -> bool:
            fresh = known.evaluated_at > moment.now - _FRESH and self._heads.time().agrees
            return fresh and known.revision >= moment.revision

        return await self._answers.get(part, lambda: self._answer(part, ids, moment.now), is_good)

    async def _answer(self, part: _Part, ids: Sequence[str], now: Instant) -> Answered:
        use, recipient, about = part.use, part.recipient, part.about
        if about is About.ARTISTS:
            ids = [name for name in map(self._index.artist_id, ids) if name is not None]
        if not ids:
            revision = self._index.revision
            return Answered(
                use, recipient, about, revision, now, [], Spelled.of([]), Answers.empty(0)
            )
        spelled = Spelled.of(ids)
        doubt = not self._heads.time().agrees
        found = await self._checker.judge.judge(
            Asked(use, recipient, about), spelled, now, doubt_time=doubt
        )
        if found is None or found.by_time:  # there is None for another instant than now only
            message = "the ledger's and this replica's clocks disagree; no window is trusted"
            raise ClocksDisagree(message)
        kept = spelled
        if about is About.ARTISTS:
            # By reference: the log is never edited, and a platform's id may have to be forgotten.
            kept = self._index.subjects.spelled(found.ordinals, unknown="unknown")
        told = np.flatnonzero(found.answers.reason != _NEVER_TOLD[about])
        return Answered(
            use=use,
            recipient=recipient,
            about=about,
            revision=found.revision,
            evaluated_at=found.instant,
            names=[ids[position] for position in told.tolist()],
            kept=kept.some(told),
            answers=found.answers.take(told),
        )

    async def give(self, answered: Sequence[Answered], caller: Caller) -> list[Told]:
        """Log what is about to be given to a reader; when this returns, that is durable.

        Raises LogUnavailable: then it must not be given.
        """
        async with self._giving:
            rows = [self._row(one, caller) for one in answered]
            await asyncio.gather(*map(self._log.record, rows))
        return [Told(row.decision_id, one) for row, one in zip(rows, answered, strict=True)]

    def _row(self, one: Answered, caller: Caller) -> LoggedDecision:
        """Return the row that says what one reader was told of one column."""
        answered_at = self._heads.time().now
        return LoggedDecision(
            decision_id=name_decision(answered_at, self._random_bytes(RANDOM_BYTES)),
            answered_at=answered_at,
            evaluated_at=one.evaluated_at,
            revision=one.revision,
            client=caller.client,
            caller=caller.subject,
            use=one.use,
            recipient=one.recipient,
            about=one.about,
            ids=one.kept,
            answers=one.answers,
            consistency=STRONG,
            interface="changes",
        )


class Reading:
    """One reader, somewhere in the ledger."""

    def __init__(
        self,
        changes: Changes,
        position: Position,
        began: Moment,
        wanted: Wanted,
        caller: Caller,
        most: int,
    ) -> None:
        """Start at a position; what the reader holds is no newer than when it `began`."""
        self.position = position
        self.now: Instant = began.now
        """The ledger's time when the last step began."""
        self._changes = changes
        self._horizon = began.revision
        self._wanted = wanted
        self._caller = caller
        self._most = most

    @property
    def most_in_step(self) -> int:
        """How many results the next step may have, as the columns are now."""
        size = self._changes.step_size(self._wanted, self._most)
        return size * max(len(self._changes.columns(self._wanted)), 1)

    @property
    def is_level(self) -> bool:
        """Whether the reader has been told all that changed before the ledger's time `now`.

        Each of its answers is then what a check answers at its position's revision, or at a later
        one.
        """
        return self.position.place is None and self.position.revision >= self._horizon

    async def advance(self) -> Sequence[Entry] | None:
        """Take one step and return what it tells, already logged; None where nothing follows.

        What is told holds every write acknowledged before this call. Raises TooFarBehind, and as
        `Checker.answer` does; the position is then where it was.
        """
        changes, position = self._changes, self.position
        moment = await changes.moment()
        self.now = moment.now
        self._horizon = max(self._horizon, moment.revision)
        changes.require_near(position)
        if position.place is None and position.revision >= moment.revision:
            return None
        size = changes.step_size(self._wanted, self._most)
        step = await changes.step(position, size, moment)
        if step is None:
            return None
        answered = []
        # The columns as they are now that the index holds whatever the step has seen.
        for column in changes.columns(self._wanted):
            for about, ids in step.touched(*column):
                one = await changes.answered(_Part(step, *column, about), ids, moment)
                if one.names:
                    answered.append(one)
                await asyncio.sleep(0)
        told = await changes.give(answered, self._caller)
        self.position = step.end
        self._horizon = max(self._horizon, step.put_at)
        return [*filter(self._wanted.wants, step.anew), *told]
