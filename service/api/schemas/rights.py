"""Shapes of what artists' rights are exercised with: erasure, holds, retention."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from service.api.schemas.types import InstantOut, Revision, Shape, storable
from service.rights.period import PATTERN, Period
from service.rights.retention import Kept


def _period(text: str) -> str:
    return str(Period.parse(text))


PeriodText = Annotated[
    str,
    AfterValidator(_period),
    Field(
        description="An ISO 8601 period by the calendar: years, months, days.",
        examples=["P7Y"],
        json_schema_extra={"pattern": PATTERN},
    ),
]
HoldReason = Annotated[
    str, StringConstraints(min_length=1, max_length=2_000), AfterValidator(storable)
]


class ErasureOut(Shape):
    """What was destroyed, or with `dry_run` would be. The artist is named by their reference.

    `destroyed` counts rows by what they are. `revision` and `erased_at` are null in a dry run.
    """

    dry_run: bool
    subject: str
    revision: Revision | None
    erased_at: InstantOut | None
    destroyed: dict[str, int]


class ErasureIn(Shape):
    """Whether an erasure is meant: it cannot be undone, so there is no default."""

    dry_run: bool = Field(strict=True, description="Only say what would be destroyed.")


class HoldIn(Shape):
    """A hold to place."""

    reason: HoldReason = Field(description="Why, in words for whoever may lift it one day.")


class HoldOut(Shape):
    """A legal hold, called by the revision it was placed at. It stands until it is lifted."""

    artist: str
    revision: Revision
    reason: str
    placed_by: str
    placed_at: InstantOut
    lifted_by: str | None
    lifted_at: InstantOut | None
    lifted_revision: Revision | None


class HoldList(Shape):
    """Every hold there is or was of an artist, oldest first."""

    holds: list[HoldOut]


class RuleIn(Shape):
    """How long one thing is kept."""

    what: Kept
    keep: PeriodText


class RetentionIn(Shape):
    """Every rule there shall be. What is not named is kept for ever."""

    rules: list[RuleIn] = Field(max_length=len(Kept))


class RuleOut(Shape):
    """The rule about one thing; `keep` null is for ever.

    `at_least` is the shortest there may be. `applied_at` is when it was last looked for what is
    older, and `discarded` counts what was destroyed so far.
    """

    what: Kept
    keep: str | None
    at_least: str
    set_at: InstantOut | None
    revision: Revision | None
    applied_at: InstantOut | None
    discarded: int


class RetentionOut(Shape):
    """The rules that hold."""

    rules: list[RuleOut]
