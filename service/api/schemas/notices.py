"""Shapes of notices and deliveries."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from service.api.schemas.types import (
    MOST_ROWS,
    Channel,
    Id,
    InstantOut,
    InstantText,
    Revision,
    Shape,
    storable,
)
from service.notices.deliveries import Outcome
from service.notices.progress import NoticeState
from service.notices.reached import State as ToldState

MessageName = Annotated[
    str, StringConstraints(min_length=1, max_length=400), AfterValidator(storable)
]


class DeliveryIn(Shape):
    """What became of a notice at one artist. `reported_at` is evidence and starts nothing.

    A row names an artist or a message; both where the message was for several artists.
    """

    artist: Id | None = None
    message: MessageName | None = Field(
        default=None,
        description="The id of the message that told the artist (`webhook-id`, or the letter's "
        "`Message-ID`), or the address that its bounce came to.",
    )
    outcome: Outcome = Outcome.DELIVERED
    channel: Channel
    reported_at: InstantText | None = None


class DeliveriesIn(Shape):
    """Reports about one notice."""

    deliveries: list[DeliveryIn] = Field(min_length=1, max_length=MOST_ROWS)


class DeliveriesOut(Shape):
    """What the reports did."""

    notice: str
    delivered: int
    bounced: int
    already_known: int
    revision: Revision


class AcknowledgementOut(Shape):
    """The delivery that opened the artist's window: this one, or one before it."""

    notice: str
    artist: str
    channel: str
    delivered_at: InstantOut
    closes_at: InstantOut
    revision: Revision


class NoticeSummary(Shape):
    """A notice, and how far it is."""

    notice: str
    use: str
    version: int
    announced_at: InstantOut
    revision: Revision
    needs_telling: bool = Field(
        description="Whether the version waits for windows: else nobody has to be told."
    )
    state: NoticeState
    ended_at: InstantOut | None = Field(
        description="When a later version took its place; nobody is told any more from then on."
    )


class NoticeList(Shape):
    """Notices, newest first. `next_before` is where the next page starts, or null."""

    notices: list[NoticeSummary]
    next_before: int | None


class ReachOut(Shape):
    """Everybody concerned, each in one state."""

    reached: int = Field(description="A delivery is recorded.")
    bounced: int = Field(
        description="Not reached; something has come back, and another way is still under way."
    )
    waiting: int = Field(description="Not reached; something is under way.")
    unreachable: int = Field(
        description="Not reached, and nothing is under way: their silence permits nothing."
    )


class NoticeOut(NoticeSummary):
    """A notice in numbers of artists."""

    audience: int = Field(description="Found to be in need of telling so far.")
    audience_complete: bool = Field(
        description="Whether everybody who is registered has been looked at."
    )
    sending: bool = Field(description="Whether there is anything left to send or to look at.")
    delivered: int = Field(description="With a recorded delivery.")
    bounced: int = Field(description="With a recorded bounce, whatever came of it afterwards.")
    reach: ReachOut
    window_open: int | None = Field(
        description="Delivered, and their window runs. This and the next two are null where "
        "nobody has to be told."
    )
    bound: int | None = Field(description="Delivered, and bound when their window closed.")
    overtaken: int | None = Field(
        description="Delivered, but their window decides nothing: a higher version governs before "
        "it has closed, or they were bound without it."
    )
    opted_out: int = Field(
        description="Whose no stands in its way on every recipient, however old that no is."
    )
    sends: dict[str, dict[str, int]] = Field(description="Sends by channel and state.")
    reminders: dict[str, dict[str, int]] = Field(description="Reminders by channel and state.")


class NoticeDay(Shape):
    """One UTC day."""

    day: str = Field(json_schema_extra={"format": "date"})
    delivered: int
    bounced: int
    windows_closing: int
    opted_out: int


class NoticeDays(Shape):
    """The days on which anything happened, or will, in order."""

    notice: str
    opted_out_before: int = Field(description="Whose no is older than the notice's own day.")
    days: list[NoticeDay]


class ToldOut(Shape):
    """One artist concerned. `artist` is null once erased."""

    artist: str | None
    state: ToldState
    channel: str | None = Field(description="Which reached them first.")
    delivered_at: InstantOut | None
    closes_at: InstantOut | None
    opted_out: bool = Field(description="Whether their no stands on every recipient.")
    sends: dict[str, str] = Field(description="What became of the send of each channel.")


class ToldList(Shape):
    """Artists concerned. `next_after` is where the next page starts, or null.

    A page of one state may be short, or empty, and still have a next one.
    """

    notice: str
    artists: list[ToldOut]
    next_after: str | None
