"""What the ledger amounts to, for pages and exports; written with the event it follows from."""

from typing import Any

from sqlalchemy import ARRAY, BigInteger, Column, Index, PrimaryKeyConstraint, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from service.db.tables.base import Table, bigint_column, instant_column, text_column


class Charter(Table, table=True):
    """The charter as each event left it; the highest revision is in force."""

    __tablename__ = "charter"

    revision: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    platform: str = text_column(nullable=False)
    min_notice_period: int = bigint_column(nullable=False)
    recorded_at: int = instant_column(nullable=False)


class Use(Table, table=True):
    """What a node of the tree of uses is called, by locale."""

    __tablename__ = "uses"

    use: str = text_column(primary_key=True)
    names: dict[str, str] = Field(sa_type=JSONB, nullable=False)
    revision: int = bigint_column(nullable=False)


class Policy(Table, table=True):
    """One policy version, never edited."""

    __tablename__ = "policies"
    __table_args__ = (PrimaryKeyConstraint("use", "version"),)

    use: str = text_column(nullable=False)
    version: int = Field(nullable=False)
    mode: str = text_column(nullable=False)
    recipients: list[str] = Field(sa_type=ARRAY(Text), nullable=False)
    notice_period: int = bigint_column(nullable=False)
    editorial: bool = Field(nullable=False)
    launch: bool = Field(nullable=False)
    terms: int = Field(nullable=False)
    published_at: int = instant_column(nullable=False)
    revision: int = bigint_column(nullable=False, unique=True)


class PolicyText(Table, table=True):
    """The exact words of one version in one locale, and their hash as the ledger has it."""

    __tablename__ = "policy_texts"
    __table_args__ = (PrimaryKeyConstraint("use", "version", "locale"),)

    use: str = text_column(nullable=False)
    version: int = Field(nullable=False)
    locale: str = text_column(nullable=False)
    text: str = text_column(nullable=False)
    sha256: str = text_column(nullable=False)


class Artist(Table, table=True):
    """An artist: the platform's id, and the reference that stands for it everywhere else."""

    __tablename__ = "artists"

    subject: str = text_column(primary_key=True)
    artist_id: str | None = text_column(unique=True)
    name: str | None = text_column()
    registered_at: int = instant_column(nullable=False)
    revision: int = bigint_column(nullable=False, index=True)
    erased_at: int | None = instant_column()


class Delegate(Table, table=True):
    """Who may act for an artist, and whether also to say yes.

    `reference` stands for the delegate in what they say for this artist, so that only this row
    tells who it was; null where the release before granted it and nothing was said since.
    """

    __tablename__ = "delegates"
    __table_args__ = (PrimaryKeyConstraint("subject", "delegate"),)

    subject: str = text_column(nullable=False)
    delegate: str = text_column(nullable=False, index=True)
    may_opt_in: bool = Field(nullable=False)
    granted_at: int = instant_column(nullable=False)
    revoked_at: int | None = instant_column()
    revision: int = bigint_column(nullable=False)
    reference: str | None = text_column()


class Content(Table, table=True):
    """One content as it is now."""

    __tablename__ = "content"
    __table_args__ = (Index("ix_content_rightsholders", "rightsholders", postgresql_using="gin"),)

    content_id: str = text_column(primary_key=True)
    title: str | None = text_column()
    isrc: str | None = text_column(index=True)
    status: str = text_column(nullable=False)
    rightsholders: list[str] = Field(sa_type=ARRAY(Text), nullable=False)
    put_at: int = instant_column(nullable=False)
    revision: int = bigint_column(nullable=False)


class ContentHistory(Table, table=True):
    """One content as each event left it, for answers about the past."""

    __tablename__ = "content_history"
    __table_args__ = (PrimaryKeyConstraint("content_id", "revision"),)

    content_id: str = text_column(nullable=False)
    revision: int = bigint_column(nullable=False)
    status: str = text_column(nullable=False)
    rightsholders: list[str] = Field(sa_type=ARRAY(Text), nullable=False)
    put_at: int = instant_column(nullable=False)


class Consent(Table, table=True):
    """One consent record with its evidence: who acted, where, and what they were shown.

    `actor` is the artist, the platform's client, or the reference of a delegate.
    """

    __tablename__ = "consents"
    __table_args__ = (
        Index("ix_consents_subject_revision", "subject", "revision"),
        Index("ix_consents_use_subject", "use", "subject"),
    )

    revision: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    subject: str = text_column(nullable=False)
    answer: str = text_column(nullable=False)
    use: str = text_column(nullable=False)
    content: str | None = text_column()
    recipient: str | None = text_column()
    expires_at: int | None = instant_column()
    recorded_at: int = instant_column(nullable=False)
    actor: str = text_column(nullable=False)
    acting_as: str = text_column(nullable=False)
    channel: str = text_column(nullable=False)
    locale: str | None = text_column()
    shown: dict[str, Any] = Field(sa_type=JSONB, nullable=False)
