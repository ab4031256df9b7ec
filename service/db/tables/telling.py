"""Notices, whom they reached, and the sending of them."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
)
from sqlmodel import Field

from service.db.tables.base import Table, bigint_column, instant_column, text_column
from service.db.tables.private import PRIVATE


class Notice(Table, table=True):
    """The announcement of one policy version. Its id is `use:version`."""

    __tablename__ = "notices"

    notice_id: str = text_column(primary_key=True)
    use: str = text_column(nullable=False)
    version: int = Field(nullable=False)
    announced_at: int = instant_column(nullable=False)
    revision: int = bigint_column(nullable=False)


class Delivery(Table, table=True):
    """The first confirmed arrival of a notice at an artist; it starts the window (R6)."""

    __tablename__ = "deliveries"
    __table_args__ = (
        PrimaryKeyConstraint("notice_id", "subject"),
        Index("ix_deliveries_notice_closes", "notice_id", "closes_at"),
    )

    notice_id: str = text_column(nullable=False)
    subject: str = text_column(nullable=False, index=True)
    channel: str = text_column(nullable=False)
    delivered_at: int = instant_column(nullable=False)
    closes_at: int = instant_column(nullable=False)
    revision: int = bigint_column(nullable=False)


class Bounce(Table, table=True):
    """A notice that did not arrive. It starts nothing (R6)."""

    __tablename__ = "bounces"
    __table_args__ = (PrimaryKeyConstraint("notice_id", "subject", "revision"),)

    notice_id: str = text_column(nullable=False)
    subject: str = text_column(nullable=False)
    channel: str = text_column(nullable=False)
    bounced_at: int = instant_column(nullable=False)
    revision: int = bigint_column(nullable=False)


class Contact(Table, table=True):
    """Where an artist can be reached outside the service, as the platform says.

    It is no event, for it changes no answer. Erasing the artist deletes it. `updated_at` is when
    its address was said, whatever else has changed since.
    """

    __tablename__ = "contacts"
    __table_args__ = ({"schema": PRIVATE},)

    subject: str = text_column(primary_key=True)
    email: str | None = text_column()
    locale: str | None = text_column()
    updated_at: int = instant_column(nullable=False)


class Announcement(Table, table=True):
    """How far the telling of one notice has come. Bookkeeping: it decides nothing.

    Everybody registered up to (`after_revision`, `after_subject`) has been looked at. From
    `ended_at` on nobody is told any more: a later version has taken this one's place.
    """

    __tablename__ = "announcements"

    notice_id: str = text_column(primary_key=True)
    after_revision: int = bigint_column(nullable=False)
    after_subject: str = text_column(nullable=False)
    ended_at: int | None = instant_column()


class Audience(Table, table=True):
    """One artist who is to be told of one notice, because only a window can bind them (R7)."""

    __tablename__ = "audience"
    __table_args__ = (PrimaryKeyConstraint("notice_id", "subject"),)

    notice_id: str = text_column(nullable=False)
    subject: str = text_column(nullable=False, index=True)
    added_at: int = instant_column(nullable=False)


class SendBatch(Table, table=True):
    """Sends that one worker takes at once, always the same ones in the same order.

    `due_at` is when it may be tried next, null where nothing is left to do. A worker holds it
    until `leased_until`; `fence` grows with each taking, so that a worker which lost its lease
    can tell. `occurred_at` is what its messages say. `tries` counts.
    """

    __tablename__ = "send_batches"
    __table_args__ = (
        Index("ix_send_batches_due", "channel", "due_at", postgresql_where="due_at IS NOT NULL"),
        Index("ix_send_batches_notice", "notice_id"),
    )

    batch_id: int | None = Field(
        default=None, sa_column=Column(BigInteger, primary_key=True, autoincrement=True)
    )
    notice_id: str = text_column(nullable=False)
    channel: str = text_column(nullable=False)
    reminder: int = Field(sa_type=SmallInteger, nullable=False)
    occurred_at: int = instant_column(nullable=False)
    tries: int = Field(sa_type=SmallInteger, nullable=False)
    due_at: int | None = instant_column()
    leased_until: int | None = instant_column()
    fence: int = Field(nullable=False)


class Send(Table, table=True):
    """One artist told of one notice by one channel: the notice (`reminder` 0) or its n-th reminder.

    The key is what keeps anybody from being told twice.
    """

    __tablename__ = "sends"
    __table_args__ = (
        PrimaryKeyConstraint("notice_id", "subject", "channel", "reminder"),
        Index("ix_sends_batch", "batch_id", "position"),
        Index("ix_sends_message", "message_id", postgresql_where="message_id IS NOT NULL"),
    )

    notice_id: str = text_column(nullable=False)
    subject: str = text_column(nullable=False)
    channel: str = text_column(nullable=False)
    reminder: int = Field(sa_type=SmallInteger, nullable=False)
    batch_id: int = bigint_column(nullable=False)
    position: int = Field(sa_type=SmallInteger, nullable=False)
    state: str = text_column(nullable=False)
    message_id: str | None = text_column()
    reason: str | None = text_column()
    settled_at: int | None = instant_column()


class SendChannel(Table, table=True):
    """What all workers share about one channel: when it is free again, whether it has closed."""

    __tablename__ = "send_channels"

    channel: str = text_column(primary_key=True)
    free_at: int = instant_column(nullable=False)
    closed_at: int | None = instant_column()
    closed_reason: str | None = text_column()


class WebhookEndpointRow(Table, table=True):
    """The platform's endpoint for notices. Its keys are sealed under the key encryption key."""

    __tablename__ = "webhook_endpoint"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"), {"schema": PRIVATE})

    id: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    endpoint_id: str = text_column(nullable=False)
    url: str = text_column(nullable=False)
    sealed_keys: bytes = Field(sa_type=LargeBinary, nullable=False)
    registered_at: int = instant_column(nullable=False)
    proven_at: int | None = instant_column()
