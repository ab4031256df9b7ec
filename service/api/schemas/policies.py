"""Shapes of the charter, uses and policies."""

from typing import Literal

from pydantic import Field

from service.api.schemas.types import (
    LARGEST_VERSION,
    DurationOut,
    DurationText,
    InstantOut,
    Locale,
    Name,
    RecipientName,
    Revision,
    Shape,
    Words,
)
from service.domain.policy import Mode


class CharterIn(Shape):
    """The charter that opens the ledger."""

    platform: Name = Field(examples=["Example Sounds"])
    min_notice_period: DurationText = "P30D"


class CharterTightening(Shape):
    """A longer shortest window."""

    min_notice_period: DurationText


class CharterOut(Shape):
    """The charter in force."""

    platform: str
    min_notice_period: DurationOut
    revision: Revision
    recorded_at: InstantOut


class UseNames(Shape):
    """What a node of the tree of uses is called, by locale."""

    names: dict[Locale, Name] = Field(min_length=1, max_length=100)


class UseOut(Shape):
    """A named node."""

    use: str
    names: dict[str, str]
    revision: Revision


class PolicyIn(Shape):
    """A policy version to publish."""

    mode: Mode
    recipients: list[RecipientName] = Field(max_length=500, examples=[["internal"]])
    notice_period: DurationText
    texts: dict[Locale, Words] = Field(
        min_length=1,
        max_length=100,
        description="The words, by locale. Every byte counts.",
        examples=[{"en": "# Recommendations\n\nWe suggest your tracks to listeners."}],
    )
    editorial: bool = Field(
        default=False, description="Spelling or translation only; publicly marked as such for ever."
    )
    after: int | None = Field(
        default=None,
        ge=0,
        le=LARGEST_VERSION,
        description="The latest version you know; another one is a conflict.",
    )


class TextOut(Shape):
    """One locale's exact words and their SHA-256."""

    text: str
    sha256: str


class PolicyOut(Shape):
    """A published version. `terms` is the version whose terms it carries."""

    use: str
    version: int
    mode: Mode
    recipients: list[str]
    notice_period: DurationOut
    texts: dict[str, TextOut]
    editorial: bool
    launch: bool
    terms: int
    published_at: InstantOut
    revision: Revision
    notice: str


class ColumnPreview(Shape):
    """How many artists a version would bind under one recipient, and when."""

    recipient: str
    at_publication: int
    as_pending_windows_close: int
    when_their_own_window_closes: int


class PolicyPreview(Shape):
    """What publishing would do. Nothing has been done."""

    dry_run: Literal[True] = True
    use: str
    version: int
    launch: bool
    resumes_terms_of: int | None
    artists: int
    waiting: int = Field(
        description="Artists who would have to be told: only a window of their own can bind them."
    )
    unreachable: int = Field(
        description="Those of them whom no channel reaches now, but for the settings page."
    )
    earliest_window_closes_at: InstantOut | None
    columns: list[ColumnPreview]


class UseSummary(Shape):
    """A leaf's latest version, without its words."""

    use: str
    names: dict[str, str]
    latest_version: int | None
    mode: Mode | None
    recipients: list[str]


class UseList(Shape):
    """Every node that has a name or a policy."""

    uses: list[UseSummary]


class PolicyList(Shape):
    """All versions of a use, in order."""

    policies: list[PolicyOut]
