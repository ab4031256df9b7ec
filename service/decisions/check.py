"""The check: one question about many content or artists, answered at one revision."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from service.clock import Clock
from service.db.engine import Database
from service.decisions.compiled.answers import Answers
from service.decisions.compiled.spelling import Spelled
from service.decisions.explanation import Explanation, explain
from service.decisions.follower import Follower
from service.decisions.index import Index
from service.decisions.judging import Asked, Judge, pause
from service.decisions.log import DecisionLog
from service.decisions.log.name import RANDOM_BYTES, name_decision
from service.decisions.log.row import LoggedDecision
from service.decisions.past import past_history
from service.decisions.question import (
    STRONG,
    About,
    Answer,
    AtLeast,
    Caller,
    Check,
    Consistency,
    MaxStaleness,
)
from service.domain.assessment import Reason
from service.domain.decision import Decision, Query, decide
from service.domain.history import History
from service.domain.instant import SECOND, Duration, Instant
from service.domain.refusal import refuse
from service.ledger.head import HeadReader
from service.ledger.ledger_clock import ClocksDisagree
from service.ledger.vault import RandomBytes

MOST_LOOKED_UP: Final = 1_000
"""Ids that one check may ask about in the past, or have explained: each is looked at by itself.

While they are explained no event is taken in, and whoever asks about one waits for that.
"""

MOST_EXPLAINED: Final = 3_000
"""Rightsholders that all those may have."""

_FRESH_CLOCK: Final = 10 * SECOND
"""A weaker consistency may judge by a clock read this long ago; older ones are read anew."""

_BETWEEN_PAUSES: Final = 20
"""Answers that are worked out one by one before everybody else has their turn."""


@dataclass(frozen=True, slots=True)
class Present:
    """The state at the ledger's head and the ledger's time, for whoever looks without checking.

    The history grows while anything is awaited: take what is needed from it first.
    """

    history: History
    now: Instant


@dataclass(frozen=True, slots=True)
class _Answered:
    """What was found for a check, and the revision and instant it belongs to."""

    revision: int
    instant: Instant
    answers: Answers
    explanations: Sequence[Explanation] | None
    logged: Spelled


class Checker:
    """Answers checks from the index, none older than asked for, none unlogged."""

    def __init__(  # noqa: PLR0913 - what a check rests on
        self,
        *,
        index: Index,
        follower: Follower,
        heads: HeadReader,
        log: DecisionLog,
        database: Database,
        clock: Clock,
        random_bytes: RandomBytes,
        timeout: float,
    ) -> None:
        """Take what it answers from; `timeout` in seconds bounds the wait for the index."""
        self._index = index
        self._follower = follower
        self._heads = heads
        self._log = log
        self._database = database
        self._clock = clock
        self._random_bytes = random_bytes
        self._timeout = timeout
        self.stillness = follower.stillness
        self.judge = Judge(index, follower.stillness)

    async def present(self, consistency: Consistency = STRONG) -> Present:
        """Return the present, which holds every write acknowledged before this call.

        With a weaker consistency it is only as new as that asks for. The instant is never before
        the history's last event. Raises HeadUnknown, NotThereYet or LedgerBroken where the present
        cannot be known.
        """
        return self.later(Present(self._index.history, await self._arrive(consistency)))

    def later(self, present: Present) -> Present:
        """Return the present as it is now: the ledger may have gone on since."""
        history = self._index.history
        return Present(history, max(present.now, history.recorded_at))

    async def answer(self, check: Check, caller: Caller) -> Answer:
        """Answer a check; when this returns, the decision is durable.

        Raises Refused where it asks too much; HeadUnknown, NotThereYet, LedgerBroken,
        ClocksDisagree or LogUnavailable where the service cannot know. The caller then has no
        permit.
        """
        _refuse_too_many_ids(check)
        now = await self._arrive(check.consistency)
        found = await (self._explained(check, now) if check.explain else self._judged(check, now))
        if found is None:
            found = await self._in_the_past(check, now if check.at is None else check.at)
        answered_at = self._heads.time().now
        answer = Answer(
            decision_id=name_decision(answered_at, self._random_bytes(RANDOM_BYTES)),
            revision=found.revision,
            evaluated_at=found.instant,
            check=check,
            answers=found.answers,
            explanations=found.explanations,
        )
        await self._log.record(
            LoggedDecision(
                decision_id=answer.decision_id,
                answered_at=answered_at,
                evaluated_at=answer.evaluated_at,
                revision=answer.revision,
                client=caller.client,
                caller=caller.subject,
                use=check.use,
                recipient=check.recipient,
                about=check.about,
                ids=found.logged,
                answers=answer.answers,
                consistency=check.consistency,
                min_policy_version=check.min_policy_version,
                at=check.at,
                explain=check.explain,
                run=check.run,
            )
        )
        return answer

    async def _arrive(self, consistency: Consistency) -> Instant:
        """Wait until the index is as new as asked for, and return the ledger's time."""
        self._follower.require_whole()
        match consistency:
            case AtLeast(revision):
                await self._follower.reach(revision, timeout=self._timeout)
                return await self._ledger_time()
            case MaxStaleness(staleness) if self._fresh_within(staleness):
                return await self._ledger_time()
            case _:
                head = await self._heads.read()
                await self._follower.reach(head.size, timeout=self._timeout)
                return head.now

    def _fresh_within(self, staleness: Duration) -> bool:
        fresh_at = self._follower.fresh_at
        return fresh_at is not None and self._clock.monotonic() - fresh_at <= staleness

    async def _ledger_time(self) -> Instant:
        time = self._heads.time()
        return time.now if time.age <= _FRESH_CLOCK else (await self._heads.read()).now

    async def _judged(self, check: Check, now: Instant, *, still: bool = False) -> _Answered | None:
        """Answer in the present, or return None where the check asks about the past.

        While nobody knows what time it is, nothing is permitted by it (section 4, one clock): by
        silence after a window, or until a yes expires. Who names an instant has said the time.
        """
        asked = Asked(check.use, check.recipient, check.about, check.min_policy_version or 1)
        doubt = check.at is None and not self._heads.time().agrees
        found = await self.judge.judge(
            asked, check.ids, now, at=check.at, doubt_time=doubt, still=still
        )
        if found is None:
            return None
        if found.by_time:
            raise _disagreement()
        logged = check.ids
        if check.about is About.ARTISTS:
            # By reference: the log is never edited, and a platform's id may have to be forgotten.
            logged = self._index.subjects.spelled(found.ordinals, unknown="unknown")
        return _Answered(found.revision, found.instant, found.answers, None, logged)

    async def _explained(self, check: Check, now: Instant) -> _Answered | None:
        """Answer in the present, with the whole chain behind each answer."""
        async with self.stillness.held():
            if check.about is About.CONTENT:
                known = self._index.contents.find_all(check.ids)
                _refuse_too_many_rightsholders(int(self._index.rightsholders.number(known).sum()))
            found = await self._judged(check, now, still=True)
            if found is None:
                return None
            history, queries = self._index.history, self._queries(check)
            explanations = []
            for number, query in enumerate(queries):
                if number % _BETWEEN_PAUSES == 0:
                    await pause()
                explanations.append(self._explain(history, query, found.instant))
        return replace(found, explanations=explanations)

    async def _in_the_past(self, check: Check, at: Instant) -> _Answered:
        """Answer as it was answered then, from the tables."""
        if len(check.ids) > MOST_LOOKED_UP:
            message = f"of the past ask about {MOST_LOOKED_UP:,} at most: send it in parts"
            raise refuse("at", "too_many", message)
        queries = self._queries(check)
        async with self._database.read() as session:
            history = await past_history(
                session,
                self._index.history,
                at,
                content=[query.content for query in queries if query.content is not None],
                subjects=[query.artist for query in queries if query.artist is not None],
                limit=_refuse_too_many_rightsholders,
            )
        decisions, explanations = [], []
        for number, query in enumerate(queries):
            if number % _BETWEEN_PAUSES == 0:
                await pause()
            decisions.append(decide(history, query, at))
            if check.explain:
                explanations.append(self._explain(history, query, at))
        return _Answered(
            revision=history.revision,
            instant=at,
            answers=Answers.of(decisions),
            explanations=explanations if check.explain else None,
            logged=Spelled.of([query.content or query.artist or "unknown" for query in queries]),
        )

    def _explain(self, history: History, query: Query, now: Instant) -> Explanation:
        return explain(history, query, now, self._index.artist_id)

    def _queries(self, check: Check) -> list[Query]:
        by_content = check.about is About.CONTENT
        return [
            Query(
                use=check.use,
                recipient=check.recipient,
                content=one if by_content else None,
                artist=None if by_content else self._index.subject(one),
                min_version=check.min_policy_version or 1,
            )
            for one in check.ids.texts()
        ]

    def trust_windows(self, judged: Iterable[tuple[Query, Decision]], present: Present) -> None:
        """Raise ClocksDisagree where anything is permitted by time, and the clocks disagree."""
        if self._heads.time().agrees:
            return
        for query, decision in judged:
            ends = decision.interval.end is not None
            if decision.permitted and (ends or self._by_window(query, present)):
                raise _disagreement()

    def _by_window(self, query: Query, present: Present) -> bool:
        """Tell whether any rightsholder's part is by window: the reason is the first one's only."""
        why = self._explain(present.history, query, present.now)
        return any(one.reason is Reason.WINDOW_CLOSED for one in why.rightsholders)


def _refuse_too_many_ids(check: Check) -> None:
    if check.explain and len(check.ids) > MOST_LOOKED_UP:
        message = f"have {MOST_LOOKED_UP:,} explained at most: send it in parts"
        raise refuse("explain", "too_many", message)


def _refuse_too_many_rightsholders(number: int) -> None:
    if number > MOST_EXPLAINED:
        message = (
            f"this content has more than {MOST_EXPLAINED:,} rightsholders to look at: send it in "
            "parts"
        )
        raise refuse("content", "too_many_rightsholders", message)


def _disagreement() -> ClocksDisagree:
    return ClocksDisagree("the ledger's and this replica's clocks disagree; no window is trusted")
