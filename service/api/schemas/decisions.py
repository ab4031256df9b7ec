"""Shapes of the decision log."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from service.api.schemas.types import (
    Id,
    InstantOut,
    InstantText,
    RecipientName,
    Revision,
    Shape,
    UsePath,
    storable,
)
from service.decisions.log.name import PATTERN
from service.decisions.question import About
from service.domain.assessment import Reason

DecisionId = Annotated[
    str,
    StringConstraints(pattern=PATTERN),
    Field(description="A decision's id, as its answer named it."),
]
Word = Annotated[str, StringConstraints(min_length=1, max_length=400), AfterValidator(storable)]


class Way(StrEnum):
    """Which way an answer went."""

    PERMITTED = "permitted"
    DENIED = "denied"


class DecisionsWanted(Shape):
    """Which decisions somebody looks for: those to which everything applies that is given."""

    content: Id | None = Field(default=None, description="Decisions about this content.")
    artist: Id | None = Field(
        default=None,
        description="Decisions about this artist, or about content that they held a right in at "
        "the revision of the decision.",
    )
    client: Word | None = Field(default=None, description="Asked by this client.")
    job: Word | None = Field(default=None, description="Asked for this pipeline.")
    run: Word | None = Field(default=None, description="Asked for this run.")
    use: UsePath | None = None
    recipient: RecipientName | None = None
    outcome: Way | None = Field(
        default=None,
        description="With such an answer: about the content that is looked for, about the artist "
        "or anything of theirs, or about any.",
    )
    reason: Reason | None = Field(default=None, description="Likewise, with this reason.")
    since: InstantText | None = Field(
        default=None, alias="from", description="Answered then or later."
    )
    until: InstantText | None = Field(default=None, alias="to", description="Answered before then.")
    cursor: str | None = Field(default=None, max_length=200, description="A `next_cursor`.")
    limit: int = Field(default=100, ge=1, le=1_000)


class OutcomeOut(Shape):
    """One answer as it was given. `artist` is null where nobody has their id any more."""

    content: str | None = Field(description="Where content was asked about.")
    artist: str | None = Field(description="Where artists were asked about.")
    permitted: bool
    reason: Reason
    policy_version: int | None
    permitted_from: InstantOut | None
    valid_until: InstantOut | None


class DecisionOut(Shape):
    """Who asked what, when and at which revision, and what came of it in numbers."""

    decision_id: str
    answered_at: InstantOut
    evaluated_at: InstantOut
    revision: Revision
    client: str
    caller: str = Field(description="The subject of the client's token.")
    use: str
    recipient: str
    about: About
    run: str | None
    job: str | None = Field(description="The pipeline that the client asked for, if it said.")
    interface: str = Field(description="`checks`, or `authzen`.")
    consistency: Any = Field(description="As it was asked for.")
    min_policy_version: int | None
    at: InstantOut | None = Field(description="The instant asked about, if it was another.")
    explain: bool
    number: int = Field(description="How many content or artists were asked about.")
    reasons: dict[str, int] = Field(description="How many answers there were of each reason.")


class DecisionFound(DecisionOut):
    """One decision in a list.

    `result` is the answer about what was looked for, or about the only one that was asked about. Of
    several about what is one artist's it is the first that is wanted.
    """

    result: OutcomeOut | None


class DecisionList(Shape):
    """Decisions, newest first. `next_cursor` is where to go on, or null where there are no more.

    A page may be short, or empty, and still have a next one: there was much to look into.
    """

    decisions: list[DecisionFound]
    next_cursor: str | None


class DecisionWhole(DecisionOut):
    """One decision with its answers in the order asked. `next_start` is where to go on, or null."""

    results: list[OutcomeOut]
    next_start: int | None
