"""Questions of many columns, judged at one moment: one look at the head, few rows in the log."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from service.decisions.check import (
    MOST_ASKED,
    AtLeast,
    Caller,
    Checker,
    Consistency,
    MaxStaleness,
    Present,
    Strong,
    compressed_outcomes,
    consistency_json,
)
from service.decisions.index import Index
from service.decisions.log import DecisionLog, LoggedDecision
from service.domain import uses
from service.domain.decision import Decision, Query
from service.domain.instant import Instant
from service.domain.refusal import refuse
from service.ledger.events import Json
from service.ledger.head import HeadReader

NOBODY: Final = ""
"""No recipient has this name."""
NOTHING: Final = "\0"
"""No content and no artist has this id."""
_UNKNOWN: Final = "unknown"
_FEW: Final = 100
"""Outcomes that are compressed sooner than handed to another thread."""


class About(StrEnum):
    """What a question is about; the values are those of the log."""

    CONTENT = "content"
    ARTISTS = "artists"


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
        random_id: Callable[[], str],
    ) -> None:
        """Take what it answers from."""
        self._checker = checker
        self._index = index
        self._heads = heads
        self._log = log
        self._random_id = random_id

    async def evaluate(
        self, questions: Sequence[Question | None], caller: Caller, *, stop_at: bool | None = None
    ) -> Evaluation:
        """Answer the questions in order; when this returns, every answer is durable.

        What could not be understood is None, and denied. With `stop_at`, the first answer that is
        that (True a permit, False a denial) is the last. Raises as `Checker.answer` does.
        """
        known = [question for question in questions if question is not None]
        present = await self.present({question.column.consistency for question in known})
        revision = present.history.revision
        self._refuse_too_much(known)
        decided: list[tuple[Question, Decision] | None] = []
        for question in questions:
            found = None if question is None else (question, self.decide(question, present))
            decided.append(found)
            if (found is not None and found[1].permitted) is stop_at:
                break
        given = [one for one in decided if one is not None]
        self.trust_windows(given, present)
        ids = iter(await self.record(given, revision, present.now, caller))
        answers = [None if one is None else Judged(next(ids), one[1]) for one in decided]
        return Evaluation(revision, present.now, answers)

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

    def decide(self, question: Question, present: Present) -> Decision:
        """Answer one question in the present; nothing may be awaited in between."""
        return self._index.decide(self._query(question), present.now)

    def rightsholders(self, question: Question) -> int:
        """Return how many artists' answers a question takes."""
        about_content = question.column.about is About.CONTENT
        return self._index.rightsholders((question.one,)) if about_content else 1

    def trust_windows(self, judged: Sequence[tuple[Question, Decision]], present: Present) -> None:
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
        ids = {column: self._random_id() for column in columns}
        rows = [
            LoggedDecision(
                decision_id=ids[column],
                answered_at=self._heads.time().now,
                evaluated_at=evaluated_at,
                revision=revision,
                client=caller.client,
                caller=caller.subject,
                request=_request(column),
                outcomes=await _outcomes(outcomes),
            )
            for column, outcomes in columns.items()
        ]
        await asyncio.gather(*map(self._log.record, rows))
        return [ids[question.column] for question, _ in judged]

    def _refuse_too_much(self, questions: Sequence[Question]) -> None:
        if sum(map(self.rightsholders, questions)) > MOST_ASKED:
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


async def _outcomes(outcomes: Sequence[tuple[str, Decision]]) -> bytes:
    ids, decisions = zip(*outcomes, strict=True)
    if len(ids) <= _FEW:
        return compressed_outcomes(ids, decisions)
    return await asyncio.to_thread(compressed_outcomes, ids, decisions)


def _request(column: Column) -> Json:
    """Return what was asked as the log keeps it: as a check's, and on whose behalf."""
    request: Json = {
        "use": _loggable(column.use),
        "recipient": _loggable(column.recipient),
        "about": column.about.value,
        "consistency": consistency_json(column.consistency),
        "min_policy_version": column.min_policy_version,
        "at": None,
        "explain": False,
        "interface": "authzen",
    }
    if column.job is not None:
        request["job"] = _loggable(column.job)
    if column.run is not None:
        request["run"] = _loggable(column.run)
    return request


def _loggable(text: str) -> str:
    """Return a name as it is, unless it can be nothing's: the log is not for keeping just any text.

    PostgreSQL's text has no NUL besides.
    """
    return text if 0 < len(text) <= uses.LONGEST_PATH and "\0" not in text else _UNKNOWN
