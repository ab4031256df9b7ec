"""Questions of many columns, judged at one moment: one look at the head, few rows in the log."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from service.decisions.check import Checker, Present
from service.decisions.compiled.answers import Answers
from service.decisions.compiled.spelling import Spelled
from service.decisions.index import Index
from service.decisions.judging import Asked, pause
from service.decisions.log import DecisionLog
from service.decisions.log.name import RANDOM_BYTES, name_decision
from service.decisions.log.row import LoggedDecision
from service.decisions.question import (
    About,
    AtLeast,
    Caller,
    Consistency,
    MaxStaleness,
    Strong,
)
from service.domain import uses
from service.domain.decision import Decision, Query
from service.domain.instant import Instant
from service.domain.refusal import refuse
from service.ledger.head import HeadReader
from service.ledger.vault import RandomBytes

MOST_ASKED: Final = 50_000
"""Rightsholders whose answers one request may take."""
NOBODY: Final = ""
"""No recipient has this name."""
NOTHING: Final = "\0"
"""No content and no artist has this id."""
_UNKNOWN: Final = "unknown"
_BETWEEN_PAUSES: Final = 100
"""Questions that are answered before everybody else has their turn."""
_LOGGED_AT_ONCE: Final = 250
"""Rows of the log that are made in one go: all of a request's, unless each asks something else."""


@dataclass(frozen=True, slots=True)
class Column:
    """What the questions of one row of the log have in common.

    `job` is the pipeline on whose behalf the caller asks, `run` the run it asks for; both are only
    recorded.
    """

    use: str
    recipient: str
    about: About
    consistency: Consistency
    min_policy_version: int | None = None
    job: str | None = None
    run: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One content or artist, by the platform's id, under one column."""

    column: Column
    one: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A decision, and the row of the log that holds it."""

    decision_id: str
    decision: Decision


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was answered, in order, all at one revision and instant.

    There is None for every question that could not be understood.
    """

    revision: int
    evaluated_at: Instant
    answers: Sequence[Judged | None]


class Evaluator:
    """Answers questions of any columns together, none older than asked for, none unlogged."""

    def __init__(
        self,
        checker: Checker,
        *,
        index: Index,
        heads: HeadReader,
        log: DecisionLog,
        random_bytes: RandomBytes,
    ) -> None:
        """Take what it answers from."""
        self._checker = checker
        self._index = index
        self._heads = heads
        self._log = log
        self._random_bytes = random_bytes
        self.stillness = checker.stillness

    async def evaluate(
        self, questions: Sequence[Question | None], caller: Caller, *, stop_at: bool | None = None
    ) -> Evaluation:
        """Answer the questions in order; when this returns, every answer is durable.

        What could not be understood is None, and denied. With `stop_at`, the first answer that is
        that (True a permit, False a denial) is the last. Raises as `Checker.answer` does.
        """
        known = [question for question in questions if question is not None]
        arrived = await self.present({question.column.consistency for question in known})
        decided: list[tuple[Question, Decision] | None] = []
        async with self.stillness.held():
            present = self._checker.later(arrived)
            revision = present.history.revision
            self._refuse_too_much(known)
            found = await self._judged(questions, present.now)
            for number, question in enumerate(questions):
                if number % _BETWEEN_PAUSES == _BETWEEN_PAUSES - 1:
                    await pause()
                one = None if question is None else (question, found(number))
                decided.append(one)
                if (one is not None and one[1].permitted) is stop_at:
                    break
            given = [one for one in decided if one is not None]
            self.trust_windows(given, present)
        ids = iter(await self.record(given, revision, present.now, caller))
        answers = [None if one is None else Judged(next(ids), one[1]) for one in decided]
        return Evaluation(revision, present.now, answers)

    async def _judged(
        self, questions: Sequence[Question | None], now: Instant
    ) -> Callable[[int], Decision]:
        """Judge all questions, a column at a time; return the decision of each by its number."""
        columns: dict[Column, list[int]] = {}
        for number, question in enumerate(questions):
            if question is not None:
                columns.setdefault(question.column, []).append(number)
        where: dict[int, tuple[Answers, int]] = {}
        for turn, (column, numbers) in enumerate(columns.items(), start=1):
            if turn % _BETWEEN_PAUSES == 0:
                await pause()
            ids = Spelled.of([one.one for one in map(questions.__getitem__, numbers) if one])
            judged = await self._checker.judge.judge_still(_asked(column), ids, now)
            where |= {number: (judged.answers, place) for place, number in enumerate(numbers)}

        def decision(number: int) -> Decision:
            answers, place = where[number]
            return answers.decision(place)

        return decision

    async def present(self, consistencies: Collection[Consistency]) -> Present:
        """Return a present that is as new as each of these asks for, by one look at the head."""
        revisions = [one.revision for one in consistencies if isinstance(one, AtLeast)]
        stale = [one.staleness for one in consistencies if isinstance(one, MaxStaleness)]
        present = None
        if revisions:
            present = await self._checker.present(AtLeast(max(revisions)))
        if any(isinstance(one, Strong) for one in consistencies):
            present = await self._checker.present()
        elif stale:
            present = await self._checker.present(MaxStaleness(min(stale)))
        return present or await self._checker.present(MaxStaleness(_ANY_AGE))

    def later(self, present: Present) -> Present:
        """Return the present as it is now: the ledger may have gone on since."""
        return self._checker.later(present)

    async def decide(self, question: Question, present: Present) -> Decision:
        """Answer one question in the present, for a caller that holds the index."""
        one = Spelled.of([question.one])
        judged = await self._checker.judge.judge_still(_asked(question.column), one, present.now)
        return judged.answers.decision(0)

    def trust_windows(self, judged: Iterable[tuple[Question, Decision]], present: Present) -> None:
        """Raise ClocksDisagree where anything is permitted by time, and the clocks disagree."""
        queries = ((self._query(question), decision) for question, decision in judged)
        self._checker.trust_windows(queries, present)

    async def record(
        self,
        judged: Sequence[tuple[Question, Decision]],
        revision: int,
        evaluated_at: Instant,
        caller: Caller,
    ) -> list[str]:
        """Log what was decided, a row for each column, and return each one's decision id.

        When this returns it is durable. Raises LogUnavailable: then nothing may be given.
        """
        columns: dict[Column, list[tuple[str, Decision]]] = {}
        for question, decision in judged:
            logged = columns.setdefault(question.column, [])
            logged.append((self._logged_id(question), decision))
        answered_at = self._heads.time().now

        def row(column: Column, outcomes: Sequence[tuple[str, Decision]]) -> LoggedDecision:
            return LoggedDecision(
                decision_id=name_decision(answered_at, self._random_bytes(RANDOM_BYTES)),
                answered_at=answered_at,
                evaluated_at=evaluated_at,
                revision=revision,
                client=caller.client,
                caller=caller.subject,
                use=_loggable(column.use),
                recipient=_loggable(column.recipient),
                about=column.about,
                ids=Spelled.of([one for one, _ in outcomes]),
                answers=Answers.of([decision for _, decision in outcomes]),
                consistency=column.consistency,
                min_policy_version=column.min_policy_version,
                interface="authzen",
                run=column.run and _loggable(column.run),
                job=column.job and _loggable(column.job),
            )

        rows: dict[Column, LoggedDecision] = {}
        left = iter(columns.items())
        while some := dict(islice(left, _LOGGED_AT_ONCE)):
            group = {column: row(column, outcomes) for column, outcomes in some.items()}
            await asyncio.gather(*map(self._log.record, group.values()))
            rows |= group
        return [rows[question.column].decision_id for question, _ in judged]

    def _refuse_too_much(self, questions: Sequence[Question]) -> None:
        content = [q.one for q in questions if q.column.about is About.CONTENT]
        known = self._index.contents.find_all(Spelled.of(content))
        if int(self._index.rightsholders.number(known).sum()) > MOST_ASKED:
            message = (
                f"all this has more than {MOST_ASKED:,} rightsholders to ask: send it in parts"
            )
            raise refuse("evaluations", "too_many_rightsholders", message)

    def _query(self, question: Question) -> Query:
        column, about_content = question.column, question.column.about is About.CONTENT
        return Query(
            use=column.use,
            recipient=column.recipient,
            content=question.one if about_content else None,
            artist=None if about_content else self._index.subject(question.one),
            min_version=column.min_policy_version or 1,
        )

    def _logged_id(self, question: Question) -> str:
        """Return what was asked about, artists by their reference: the log is never edited."""
        if question.column.about is About.CONTENT:
            return _loggable(question.one)
        return self._index.subject(question.one) or _UNKNOWN


_ANY_AGE: Final[Instant] = 2**62


def _asked(column: Column) -> Asked:
    return Asked(column.use, column.recipient, column.about, column.min_policy_version or 1)


def _loggable(text: str) -> str:
    """Return a name as it is, unless it can be nothing's: the log is not for keeping just any text.

    PostgreSQL's text has no NUL besides.
    """
    return text if 0 < len(text) <= uses.LONGEST_PATH and "\0" not in text else _UNKNOWN
