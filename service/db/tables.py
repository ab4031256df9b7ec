"""Every table. The ledger is the truth; all others are derived from it or serve it.

Artists appear by their `subject`, a random reference; the platform's own id stands in `artists`.
What else holds it has the subject beside it, so that erasure finds it: an artist's own consents and
delegates, and the answers kept for idempotency keys.
"""

from typing import Any, ClassVar

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from service.db.instants import InstantType

PRIVATE = "private"
"""The schema of what erasure destroys: keys, and what artists said in their own words."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _text(**options: Any) -> Any:
    return Field(sa_type=Text, **options)


def _instant(**options: Any) -> Any:
    return Field(sa_type=InstantType, **options)


def _bigint(**options: Any) -> Any:
    return Field(sa_type=BigInteger, **options)


class Table(SQLModel):
    """The base of all tables."""

    metadata: ClassVar[MetaData] = metadata


class LedgerEvent(Table, table=True):
    """One event: its exact leaf bytes, never updated, never deleted."""

    __tablename__ = "ledger"

    revision: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    recorded_at: int = _instant(nullable=False, unique=True)
    kind: str = _text(nullable=False)
    leaf: bytes = Field(sa_type=LargeBinary, nullable=False)
    leaf_hash: bytes = Field(sa_type=LargeBinary, nullable=False)


class LedgerHead(Table, table=True):
    """The one row that numbers events: whoever holds its lock appends."""

    __tablename__ = "ledger_head"
    __table_args__ = (
        CheckConstraint("id = 1", name="one_row"),
        {"postgresql_with": {"fillfactor": 10}},
    )

    id: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    size: int = _bigint(nullable=False)
    stack: bytes = Field(sa_type=LargeBinary, nullable=False)
    recorded_at: int = _instant(nullable=False)


class LedgerBatch(Table, table=True):
    """The rows of one bulk event; its leaf carries their digest."""

    __tablename__ = "ledger_batches"

    revision: int = Field(
        sa_column=Column(
            BigInteger, ForeignKey("ledger.revision"), primary_key=True, autoincrement=False
        )
    )
    body: bytes = Field(sa_type=LargeBinary, nullable=False)


class LedgerTile(Table, table=True):
    """A full tile of the ledger's tree: 256 hashes (C2SP tlog-tiles), and the root over them."""

    __tablename__ = "ledger_tiles"
    __table_args__ = (PrimaryKeyConstraint("level", "number"),)

    level: int = Field(sa_type=SmallInteger, nullable=False)
    number: int = _bigint(nullable=False)
    hashes: bytes = Field(sa_type=LargeBinary, nullable=False)
    root: bytes = Field(sa_type=LargeBinary, nullable=False)


class LedgerCheckpoint(Table, table=True):
    """A checkpoint as this service signed and published it, by the log's origin."""

    __tablename__ = "ledger_checkpoints"
    __table_args__ = (PrimaryKeyConstraint("origin", "size"),)

    origin: str = _text(nullable=False)
    size: int = _bigint(nullable=False)
    note: str = _text(nullable=False)
    signed_at: int = _instant(nullable=False)


class LedgerCosignature(Table, table=True):
    """A witness's signature line of one checkpoint."""

    __tablename__ = "ledger_cosignatures"
    __table_args__ = (PrimaryKeyConstraint("origin", "size", "witness"),)

    origin: str = _text(nullable=False)
    size: int = _bigint(nullable=False)
    witness: str = _text(nullable=False)
    line: str = _text(nullable=False)
    received_at: int = _instant(nullable=False)


class Subject(Table, table=True):
    """An artist's own key, wrapped. Destroying it makes every commitment of theirs unreadable."""

    __tablename__ = "subjects"
    __table_args__ = {"schema": PRIVATE}

    subject: str = _text(primary_key=True)
    wrapped_key: bytes = Field(sa_type=LargeBinary, nullable=False)


class KeyCheck(Table, table=True):
    """What tells the key encryption key this database was written with from any other."""

    __tablename__ = "key_check"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"), {"schema": PRIVATE})

    id: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    fingerprint: bytes = Field(sa_type=LargeBinary, nullable=False)


class EventDetail(Table, table=True):
    """The private part of one event: what its leaf commits to, encrypted."""

    __tablename__ = "event_details"
    __table_args__ = {"schema": PRIVATE}

    revision: int = Field(
        sa_column=Column(
            BigInteger, ForeignKey("ledger.revision"), primary_key=True, autoincrement=False
        )
    )
    subject: str = _text(nullable=False, index=True)
    ciphertext: bytes = Field(sa_type=LargeBinary, nullable=False)


class Charter(Table, table=True):
    """The charter as each event left it; the highest revision is in force."""

    __tablename__ = "charter"

    revision: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    platform: str = _text(nullable=False)
    min_notice_period: int = _bigint(nullable=False)
    recorded_at: int = _instant(nullable=False)


class Use(Table, table=True):
    """What a node of the tree of uses is called, by locale."""

    __tablename__ = "uses"

    use: str = _text(primary_key=True)
    names: dict[str, str] = Field(sa_type=JSONB, nullable=False)
    revision: int = _bigint(nullable=False)


class Policy(Table, table=True):
    """One policy version, never edited."""

    __tablename__ = "policies"
    __table_args__ = (PrimaryKeyConstraint("use", "version"),)

    use: str = _text(nullable=False)
    version: int = Field(nullable=False)
    mode: str = _text(nullable=False)
    recipients: list[str] = Field(sa_type=ARRAY(Text), nullable=False)
    notice_period: int = _bigint(nullable=False)
    editorial: bool = Field(nullable=False)
    launch: bool = Field(nullable=False)
    terms: int = Field(nullable=False)
    published_at: int = _instant(nullable=False)
    revision: int = _bigint(nullable=False, unique=True)


class PolicyText(Table, table=True):
    """The exact words of one version in one locale, and their hash as the ledger has it."""

    __tablename__ = "policy_texts"
    __table_args__ = (PrimaryKeyConstraint("use", "version", "locale"),)

    use: str = _text(nullable=False)
    version: int = Field(nullable=False)
    locale: str = _text(nullable=False)
    text: str = _text(nullable=False)
    sha256: str = _text(nullable=False)


class Artist(Table, table=True):
    """An artist: the platform's id, and the reference that stands for it everywhere else."""

    __tablename__ = "artists"

    subject: str = _text(primary_key=True)
    artist_id: str | None = _text(unique=True)
    name: str | None = _text()
    registered_at: int = _instant(nullable=False)
    revision: int = _bigint(nullable=False, index=True)
    erased_at: int | None = _instant()


class Delegate(Table, table=True):
    """Who may act for an artist, and whether also to say yes."""

    __tablename__ = "delegates"
    __table_args__ = (PrimaryKeyConstraint("subject", "delegate"),)

    subject: str = _text(nullable=False)
    delegate: str = _text(nullable=False, index=True)
    may_opt_in: bool = Field(nullable=False)
    granted_at: int = _instant(nullable=False)
    revoked_at: int | None = _instant()
    revision: int = _bigint(nullable=False)


class Content(Table, table=True):
    """One content as it is now."""

    __tablename__ = "content"
    __table_args__ = (Index("ix_content_rightsholders", "rightsholders", postgresql_using="gin"),)

    content_id: str = _text(primary_key=True)
    title: str | None = _text()
    isrc: str | None = _text(index=True)
    status: str = _text(nullable=False)
    rightsholders: list[str] = Field(sa_type=ARRAY(Text), nullable=False)
    put_at: int = _instant(nullable=False)
    revision: int = _bigint(nullable=False)


class ContentHistory(Table, table=True):
    """One content as each event left it, for answers about the past."""

    __tablename__ = "content_history"
    __table_args__ = (PrimaryKeyConstraint("content_id", "revision"),)

    content_id: str = _text(nullable=False)
    revision: int = _bigint(nullable=False)
    status: str = _text(nullable=False)
    rightsholders: list[str] = Field(sa_type=ARRAY(Text), nullable=False)
    put_at: int = _instant(nullable=False)


class Consent(Table, table=True):
    """One consent record with its evidence: who acted, where, and what they were shown."""

    __tablename__ = "consents"
    __table_args__ = (
        Index("ix_consents_subject_revision", "subject", "revision"),
        Index("ix_consents_use_subject", "use", "subject"),
    )

    revision: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    subject: str = _text(nullable=False)
    answer: str = _text(nullable=False)
    use: str = _text(nullable=False)
    content: str | None = _text()
    recipient: str | None = _text()
    expires_at: int | None = _instant()
    recorded_at: int = _instant(nullable=False)
    actor: str = _text(nullable=False)
    acting_as: str = _text(nullable=False)
    channel: str = _text(nullable=False)
    locale: str | None = _text()
    shown: dict[str, Any] = Field(sa_type=JSONB, nullable=False)


class Notice(Table, table=True):
    """The announcement of one policy version. Its id is `use:version`."""

    __tablename__ = "notices"

    notice_id: str = _text(primary_key=True)
    use: str = _text(nullable=False)
    version: int = Field(nullable=False)
    announced_at: int = _instant(nullable=False)
    revision: int = _bigint(nullable=False)


class Delivery(Table, table=True):
    """The first confirmed arrival of a notice at an artist; it starts the window (R6)."""

    __tablename__ = "deliveries"
    __table_args__ = (
        PrimaryKeyConstraint("notice_id", "subject"),
        Index("ix_deliveries_notice_closes", "notice_id", "closes_at"),
    )

    notice_id: str = _text(nullable=False)
    subject: str = _text(nullable=False, index=True)
    channel: str = _text(nullable=False)
    delivered_at: int = _instant(nullable=False)
    closes_at: int = _instant(nullable=False)
    revision: int = _bigint(nullable=False)


class Bounce(Table, table=True):
    """A notice that did not arrive. It starts nothing (R6)."""

    __tablename__ = "bounces"
    __table_args__ = (PrimaryKeyConstraint("notice_id", "subject", "revision"),)

    notice_id: str = _text(nullable=False)
    subject: str = _text(nullable=False)
    channel: str = _text(nullable=False)
    bounced_at: int = _instant(nullable=False)
    revision: int = _bigint(nullable=False)


class Contact(Table, table=True):
    """Where an artist can be reached outside the service, as the platform says.

    It is no event, for it changes no answer. Erasing the artist deletes it. `updated_at` is when
    its address was said, whatever else has changed since.
    """

    __tablename__ = "contacts"
    __table_args__ = {"schema": PRIVATE}

    subject: str = _text(primary_key=True)
    email: str | None = _text()
    locale: str | None = _text()
    updated_at: int = _instant(nullable=False)


class Announcement(Table, table=True):
    """How far the telling of one notice has come. Bookkeeping: it decides nothing.

    Everybody registered up to (`after_revision`, `after_subject`) has been looked at. From
    `ended_at` on nobody is told any more: a later version has taken this one's place.
    """

    __tablename__ = "announcements"

    notice_id: str = _text(primary_key=True)
    after_revision: int = _bigint(nullable=False)
    after_subject: str = _text(nullable=False)
    ended_at: int | None = _instant()


class Audience(Table, table=True):
    """One artist who is to be told of one notice, because only a window can bind them (R7)."""

    __tablename__ = "audience"
    __table_args__ = (PrimaryKeyConstraint("notice_id", "subject"),)

    notice_id: str = _text(nullable=False)
    subject: str = _text(nullable=False, index=True)
    added_at: int = _instant(nullable=False)


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
    notice_id: str = _text(nullable=False)
    channel: str = _text(nullable=False)
    reminder: int = Field(sa_type=SmallInteger, nullable=False)
    occurred_at: int = _instant(nullable=False)
    tries: int = Field(sa_type=SmallInteger, nullable=False)
    due_at: int | None = _instant()
    leased_until: int | None = _instant()
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

    notice_id: str = _text(nullable=False)
    subject: str = _text(nullable=False)
    channel: str = _text(nullable=False)
    reminder: int = Field(sa_type=SmallInteger, nullable=False)
    batch_id: int = _bigint(nullable=False)
    position: int = Field(sa_type=SmallInteger, nullable=False)
    state: str = _text(nullable=False)
    message_id: str | None = _text()
    reason: str | None = _text()
    settled_at: int | None = _instant()


class SendChannel(Table, table=True):
    """What all workers share about one channel: when it is free again, whether it has closed."""

    __tablename__ = "send_channels"

    channel: str = _text(primary_key=True)
    free_at: int = _instant(nullable=False)
    closed_at: int | None = _instant()
    closed_reason: str | None = _text()


class WebhookEndpointRow(Table, table=True):
    """The platform's endpoint for notices. Its keys are sealed under the key encryption key."""

    __tablename__ = "webhook_endpoint"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"), {"schema": PRIVATE})

    id: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    endpoint_id: str = _text(nullable=False)
    url: str = _text(nullable=False)
    sealed_keys: bytes = Field(sa_type=LargeBinary, nullable=False)
    registered_at: int = _instant(nullable=False)
    proven_at: int | None = _instant()


class IdempotencyKey(Table, table=True):
    """The answer one client got for one key, so that a repeated write is answered, not redone.

    `client` is a digest. `subject` names the artist whom the answer speaks of, if it does.
    """

    __tablename__ = "idempotency_keys"
    __table_args__ = (PrimaryKeyConstraint("client", "key"),)

    client: str = _text(nullable=False)
    key: str = _text(nullable=False)
    fingerprint: bytes = Field(sa_type=LargeBinary, nullable=False)
    subject: str | None = _text(index=True)
    answer: dict[str, Any] = Field(sa_type=JSONB, nullable=False)
    recorded_at: int = _instant(nullable=False)


class DecisionLogRow(Table, table=True):
    """One answered check: who asked what, at which revision, and every outcome.

    It lies in the part of its month (UTC). `one` is what was asked about where that was one thing
    alone; `reasons` counts the outcomes by reason. What may be null was not written by the release
    before the one that divided the log: there `request` has use, recipient and so on.
    """

    __tablename__ = "decisions"
    __table_args__ = (
        PrimaryKeyConstraint("answered_at", "decision_id"),
        Index(
            "ix_decisions_of_many",
            "answered_at",
            "decision_id",
            postgresql_where="one IS NULL",
        ),
        Index(
            "ix_decisions_words",
            "one",
            "run",
            "client",
            postgresql_using="brin",
            postgresql_ops=dict.fromkeys(("one", "run", "client"), "text_bloom_ops"),
            postgresql_with={"autosummarize": "on"},
        ),
        {"postgresql_partition_by": "RANGE (answered_at)"},
    )

    decision_id: str = _text(nullable=False)
    answered_at: int = _instant(nullable=False)
    evaluated_at: int = _instant(nullable=False)
    revision: int = _bigint(nullable=False)
    client: str = _text(nullable=False)
    caller: str = _text(nullable=False)
    request: dict[str, Any] = Field(sa_type=JSONB, nullable=False)
    outcomes: bytes = Field(sa_type=LargeBinary, nullable=False)
    use: str | None = _text()
    recipient: str | None = _text()
    about: str | None = _text()
    number: int | None = Field(default=None)
    one: str | None = _text()
    reasons: dict[str, int] | None = Field(default=None, sa_type=JSONB)
    run: str | None = _text()
    job: str | None = _text()
