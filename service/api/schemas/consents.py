"""Shapes of consent records."""

from typing import Any

from pydantic import Field

from service.api.schemas.types import (
    LARGEST_VERSION,
    Channel,
    Id,
    InstantOut,
    InstantText,
    Locale,
    RecipientName,
    Revision,
    Sha256,
    Shape,
    UseNode,
    UsePath,
)
from service.domain.consent import Answer


class ShownIn(Shape):
    """What the giver was shown for one use."""

    use: UsePath
    version: int = Field(ge=1, le=LARGEST_VERSION)
    locale: Locale | None = None
    text_sha256: Sha256 | None = None


class ConsentIn(Shape):
    """A statement to record."""

    answer: Answer
    use: UseNode
    content: Id | None = None
    recipient: RecipientName | None = None
    expires_at: InstantText | None = None
    channel: Channel
    locale: Locale | None = None
    shown: list[ShownIn] = Field(default_factory=list, max_length=1_000)


_RECEIPT = "/v1/artists/artist-1/consents/8/receipt"


class EvidenceOut(Shape):
    """How a statement is known. `names` are the versions that a yes binds to.

    `actor` is who said it; the reference of one, where it was a delegate who was erased since.
    """

    actor: str
    acting_as: str
    channel: str
    locale: str | None
    names: dict[str, int]
    shown: list[dict[str, Any]]


class ConsentOut(Shape):
    """A consent record."""

    artist: str
    revision: Revision
    recorded_at: InstantOut
    answer: Answer
    use: str
    content: str | None
    recipient: str | None
    expires_at: InstantOut | None
    evidence: EvidenceOut
    receipt: str = Field(description="Where the record's receipt is.", examples=[_RECEIPT])


class ConsentList(Shape):
    """Records, newest first. `next_before` is where the next page starts, or null."""

    consents: list[ConsentOut]
    next_before: int | None
