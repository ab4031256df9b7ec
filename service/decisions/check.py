"""The check: one question about many content or artists, answered at one revision."""

import asyncio
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec

from service.clock import Clock
from service.db.engine import Database
from service.decisions.explanation import Explanation, explain
from service.decisions.follower import Follower
from service.decisions.index import Index
from service.decisions.log import DecisionLog, LoggedDecision
from service.decisions.past import past_history
from service.domain.assessment import Reason
from service.domain.decision import Decision, Query, decide
from service.domain.history import History
from service.domain.instant import SECOND, Duration, Instant, format_instant
from service.domain.refusal import refuse
from service.ledger.events import Json
from service.ledger.head import HeadReader
from service.ledger.ledger_clock import ClocksDisagree

MOST_ASKED: Final = 50_000
"""Rightsholders whose answers one check may take: well under a second, even when none is kept."""

MOST_EXPLAINED: Final = 12_000
"""Likewise where each is explained as well."""

_FRESH_CLOCK: Final = 10 * SECOND
"""A weaker consistency may judge by a clock read this long ago; older ones are read anew."""


@dataclass(frozen=True, slots=True)
class Strong:
    """See every write that was acknowledged before the check began."""


@dataclass(frozen=True, slots=True)
class AtLeast:
    """See the ledger at this revision or a later one."""

    revision: int


@dataclass(frozen=True, slots=True)
class MaxStaleness:
    """See every write that was acknowledged this long before the check began."""

    staleness: Duration


Consistency: TypeAlias = Strong | AtLeast | MaxStaleness

STRONG: Final = Strong()


@dataclass(frozen=True, slots=True)
class Check:
    """What a pipeline asks. Exactly one of `content` and `artists` is given.

    `at` asks for the answer at another instant: before now as it was given then, after now as it
    will be if nothing more is said.
    """

    use: str
    recipient: str
    content: tuple[str, ...] | None = None
    artists: tuple[str, ...] | None = None
    consistency: Consistency = STRONG
    min_policy_version: int | None = None
    at: Instant | None = None
    explain: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the client, and the subject of its token."""

    client: str
    subject: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The answers in the order asked, the revision and the instant they were judged at."""

    decision_id: str
    revision: int
    evaluated_at: Instant
    check: Check
    decisions: Sequence[Decision]
    explanations: Sequence[Explanation] | None


@dataclass(frozen=True, slots=True)
class Present:
    """The state at the ledger's head and the ledger's time, for whoever looks without checking.

    The history grows while anything is awaited: take what is needed from it first.
    """

    history: History
    now: Instant


@dataclass(frozen=True, slots=True)
class _Moment:
    """The state and the instant that one check is judged at."""

    history: History
    instant: Instant
    present: bool


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
        random_id: Callable[[], str],
        timeout: float,
    ) -> None:
        """Take what it answers from; `timeout` in seconds bounds the wait for the index."""
        self._index = index
        self._follower = follower
        self._heads = heads
        self._log = log
        self._database = database
        self._clock = clock
        self._random_id = random_id
        self._timeout = timeout

    async def present(self, consistency: Consistency = STRONG) -> Present:
        """Return the present, which holds every write acknowledged before this call.

        With a weaker consistency it is only as new as that asks for. The instant is never before
        the history's last event. Raises HeadUnknown, NotThereYet or LedgerBroken where the present
        cannot be known.
        """
        now = await self._arrive(consistency)
        history = self._index.history
        return Present(history, max(now, history.recorded_at))

    async def answer(self, check: Check, caller: Caller) -> Answer:
        """Answer a check; when this returns, the decision is durable.

        Raises Refused where it asks too much; HeadUnknown, NotThereYet, LedgerBroken,
        ClocksDisagree or LogUnavailable where the service cannot know. The caller then has no
        permit.
        """
        self._refuse_too_much(check)
        moment = await self._moment(check)
        answer = self._evaluate(check, moment)
        self._trust_windows(answer, moment)
        await self._log.record(await self._row(answer, caller))
        return answer

    def _refuse_too_much(self, check: Check) -> None:
        """Raise Refused for a question whose answer would keep everybody else waiting."""
        most = MOST_EXPLAINED if check.explain else MOST_ASKED
        if check.content is not None and self._index.rightsholders(check.content) > most:
            message = f"this content has more than {most:,} rightsholders to ask: send it in parts"
            raise refuse("content", "too_many_rightsholders", message)

    async def _moment(self, check: Check) -> _Moment:
        now = await self._arrive(check.consistency)
        history = self._index.history
        now = max(now, history.recorded_at)
        if check.at is None or check.at >= history.recorded_at:
            return _Moment(history, now if check.at is None else check.at, present=True)
        subjects = [self._index.subject(artist) for artist in check.artists or ()]
        async with self._database.read() as session:
            past = await past_history(
                session, history, check.at, content=check.content or (), subjects=subjects
            )
        return _Moment(past, check.at, present=False)

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

    def _evaluate(self, check: Check, moment: _Moment) -> Answer:
        """Answer without pause, so that every result belongs to one revision."""
        queries = [self._query(check, one) for one in check.content or check.artists or ()]
        if moment.present:
            decisions = [self._index.decide(query, moment.instant) for query in queries]
        else:
            decisions = [decide(moment.history, query, moment.instant) for query in queries]
        explanations = None
        if check.explain:
            explanations = [
                explain(moment.history, query, moment.instant, self._index.artist_id)
                for query in queries
            ]
        return Answer(
            decision_id=self._random_id(),
            revision=moment.history.revision,
            evaluated_at=moment.instant,
            check=check,
            decisions=decisions,
            explanations=explanations,
        )

    def _query(self, check: Check, one: str) -> Query:
        by_content = check.content is not None
        return Query(
            use=check.use,
            recipient=check.recipient,
            content=one if by_content else None,
            artist=None if by_content else self._index.subject(one),
            min_version=check.min_policy_version or 1,
        )

    def _trust_windows(self, answer: Answer, moment: _Moment) -> None:
        """Refuse to permit by time while nobody knows what time it is (section 4, one clock).

        Time decides where a window has closed, and where a yes will expire.
        """
        check = answer.check
        if check.at is None:
            asked = check.content or check.artists or ()
            queries = (self._query(check, one) for one in asked)
            judged = zip(queries, answer.decisions, strict=True)
            self.trust_windows(judged, Present(moment.history, moment.instant))

    def trust_windows(self, judged: Iterable[tuple[Query, Decision]], present: Present) -> None:
        """Raise ClocksDisagree where anything is permitted by time, and the clocks disagree."""
        if self._heads.time().agrees:
            return
        for query, decision in judged:
            ends = decision.interval.end is not None
            if decision.permitted and (ends or self._by_window(query, present)):
                message = "the ledger's and this replica's clocks disagree; no window is trusted"
                raise ClocksDisagree(message)

    def _by_window(self, query: Query, present: Present) -> bool:
        """Tell whether any rightsholder's part is by window: the reason is the first one's only."""
        why = explain(present.history, query, present.now, self._index.artist_id)
        return any(one.reason is Reason.WINDOW_CLOSED for one in why.rightsholders)

    async def _row(self, answer: Answer, caller: Caller) -> LoggedDecision:
        ids = self._logged_ids(answer.check)
        outcomes = await asyncio.to_thread(compressed_outcomes, ids, answer.decisions)
        return LoggedDecision(
            decision_id=answer.decision_id,
            answered_at=self._heads.time().now,
            evaluated_at=answer.evaluated_at,
            revision=answer.revision,
            client=caller.client,
            caller=caller.subject,
            request=_request(answer.check),
            outcomes=outcomes,
        )

    def _logged_ids(self, check: Check) -> Sequence[str]:
        """Return what was asked about, artists by their reference: the log is never edited."""
        if check.content is not None:
            return check.content
        return [self._index.subject(artist) or "unknown" for artist in check.artists or ()]


def compressed_outcomes(ids: Sequence[str], decisions: Sequence[Decision]) -> bytes:
    """Return every outcome as compressed JSON: [id, reason, version, from, until] each."""
    rows = [
        (one, d.reason.value, d.policy_version, d.interval.start, d.interval.end)
        for one, d in zip(ids, decisions, strict=True)
    ]
    return zlib.compress(msgspec.json.encode(rows), level=1)


def _request(check: Check) -> Json:
    return {
        "use": check.use,
        "recipient": check.recipient,
        "about": "content" if check.content is not None else "artists",
        "consistency": consistency_json(check.consistency),
        "min_policy_version": check.min_policy_version,
        "at": None if check.at is None else format_instant(check.at),
        "explain": check.explain,
    }


def consistency_json(consistency: Consistency) -> str | Json:
    """Return a consistency as it is asked for and logged."""
    match consistency:
        case Strong():
            return "strong"
        case AtLeast(revision):
            return {"at_least": revision}
        case MaxStaleness(staleness):
            return {"max_staleness_ms": staleness * 1_000 // SECOND}
