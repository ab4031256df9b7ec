"""What a check asks, who asks it, and what it is answered with: batches, never one object an id."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from service.decisions.compiled.answers import Answers
from service.decisions.compiled.spelling import Spelled
from service.decisions.explanation import Explanation
from service.domain.instant import SECOND, Duration, Instant
from service.ledger.events import Json


class About(StrEnum):
    """What a question is about; the values are those of the log."""

    CONTENT = "content"
    ARTISTS = "artists"


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


def consistency_json(consistency: Consistency) -> str | Json:
    """Return a consistency as it is asked for and logged."""
    match consistency:
        case Strong():
            return "strong"
        case AtLeast(revision):
            return {"at_least": revision}
        case MaxStaleness(staleness):
            return {"max_staleness_ms": staleness * 1_000 // SECOND}


@dataclass(frozen=True, slots=True)
class Check:
    """What a pipeline asks: one column, and the platform's ids of the content or artists.

    `at` asks for the answer at another instant: before now as it was given then, after now as it
    will be if nothing more is said. `run` is the pipeline's job; it is only recorded.
    """

    use: str
    recipient: str
    about: About
    ids: Spelled
    consistency: Consistency = STRONG
    min_policy_version: int | None = None
    at: Instant | None = None
    explain: bool = False
    run: str | None = None


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
    answers: Answers
    explanations: Sequence[Explanation] | None
