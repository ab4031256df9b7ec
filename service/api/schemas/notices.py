"""Shapes of notices and deliveries."""

from pydantic import Field

from service.api.schemas.types import (
    MOST_ROWS,
    Channel,
    Id,
    InstantOut,
    InstantText,
    Revision,
    Shape,
)
from service.notices.deliveries import Outcome


class DeliveryIn(Shape):
    """What became of a notice at one artist. `reported_at` is evidence and starts nothing."""

    artist: Id
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


class NoticeOut(Shape):
    """A notice and how far it has come."""

    notice: str
    use: str
    version: int
    announced_at: InstantOut
    delivered: int
    bounced: int
    revision: Revision
