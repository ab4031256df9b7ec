"""What artists' rights need beside the ledger: holds, how long things are kept, erasures to finish.

The first two are derived from events. What is private in them goes with the artist.
"""

from sqlalchemy import BigInteger, Column, Index
from sqlmodel import Field

from service.db.tables.base import Table, bigint_column, instant_column, text_column
from service.db.tables.private import PRIVATE


class LegalHold(Table, table=True):
    """A reason why nothing of an artist's may be destroyed. Its number is its event's revision."""

    __tablename__ = "legal_holds"
    __table_args__ = (
        Index("ix_legal_holds_subject", "subject"),
        {"schema": PRIVATE},
    )

    revision: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    subject: str = text_column(nullable=False)
    reason: str = text_column(nullable=False)
    placed_by: str = text_column(nullable=False)
    placed_at: int = instant_column(nullable=False)
    lifted_by: str | None = text_column()
    lifted_at: int | None = instant_column()
    lifted_revision: int | None = bigint_column()


class RetentionRule(Table, table=True):
    """How long one kind of thing is kept; `keep` is null where that is for ever.

    `applied_at` is when it was last looked for what is older, by the ledger's clock, and
    `discarded` counts all that was.
    """

    __tablename__ = "retention_rules"

    what: str = text_column(primary_key=True)
    keep: str | None = text_column()
    set_at: int = instant_column(nullable=False)
    revision: int = bigint_column(nullable=False)
    applied_at: int | None = instant_column()
    discarded: int = bigint_column(nullable=False)


class Erasure(Table, table=True):
    """An artist who was erased, until nothing of theirs is left outside of the ledger's database.

    `finished_at` is null until then.
    """

    __tablename__ = "erasures"
    __table_args__ = (
        Index("ix_erasures_unfinished", "revision", postgresql_where="finished_at IS NULL"),
    )

    revision: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    subject: str = text_column(nullable=False)
    erased_at: int = instant_column(nullable=False)
    finished_at: int | None = instant_column()
