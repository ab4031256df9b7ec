"""How the lines of `/v1/changes` are described in the contract; `changes_wire` writes them."""

from typing import Literal, TypeAlias

from pydantic import BaseModel, Field, RootModel

from service.api.schemas.types import InstantOut, Revision
from service.domain.assessment import Reason


class ChangedContent(BaseModel):
    """What a content is answered with from now on; as in a check."""

    content: str
    permitted: bool
    reason: Reason
    policy_version: int | None
    permitted_from: InstantOut | None
    valid_until: InstantOut | None


class ChangedArtist(BaseModel):
    """What an artist is answered with from now on; as in a check."""

    artist: str
    permitted: bool
    reason: Reason
    policy_version: int | None
    permitted_from: InstantOut | None
    valid_until: InstantOut | None


class AnswersLine(BaseModel):
    """What holds in one column of content or artists that an event touched."""

    type: Literal["answers"]
    decision_id: str
    revision: Revision
    evaluated_at: InstantOut
    use: str
    recipient: str
    results: list[ChangedContent] | list[ChangedArtist]


class AskAnewLine(BaseModel):
    """More changed than is told one by one: drop what you hold of this, and ask about it anew."""

    type: Literal["ask_anew"]
    revision: Revision
    use: str | None = Field(description="The use, or null for every use.")
    recipient: None = Field(description="Always null: every recipient.")
    about: Literal["content", "artists"] | None = Field(description="null stands for both.")


class ReachedLine(BaseModel):
    """All that changed up to this revision has been told. It comes again while nothing changes."""

    type: Literal["reached"]
    revision: Revision
    at: InstantOut = Field(description="The ledger's time at which this was so.")
    since: str = Field(description="Where to go on.")


class MoreLine(BaseModel):
    """The page is full: ask for the next one."""

    type: Literal["more"]
    since: str = Field(description="Where to go on.")


Line: TypeAlias = AnswersLine | AskAnewLine | ReachedLine | MoreLine


class ChangeLine(RootModel[Line]):
    """One line of a page; the last is `reached` or `more`."""
