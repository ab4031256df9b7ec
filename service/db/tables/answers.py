"""What was answered: to writes that may be repeated, and to checks."""

from typing import Any

from sqlalchemy import Index, LargeBinary, PrimaryKeyConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from service.db.tables.base import Table, bigint_column, instant_column, text_column


class IdempotencyKey(Table, table=True):
    """The answer one client got for one key, so that a repeated write is answered, not redone.

    `client` is a digest. `subject` names the artist whom the answer speaks of, if it does.
    """

    __tablename__ = "idempotency_keys"
    __table_args__ = (PrimaryKeyConstraint("client", "key"),)

    client: str = text_column(nullable=False)
    key: str = text_column(nullable=False)
    fingerprint: bytes = Field(sa_type=LargeBinary, nullable=False)
    subject: str | None = text_column(index=True)
    answer: dict[str, Any] = Field(sa_type=JSONB, nullable=False)
    recorded_at: int = instant_column(nullable=False)


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

    decision_id: str = text_column(nullable=False)
    answered_at: int = instant_column(nullable=False)
    evaluated_at: int = instant_column(nullable=False)
    revision: int = bigint_column(nullable=False)
    client: str = text_column(nullable=False)
    caller: str = text_column(nullable=False)
    request: dict[str, Any] = Field(sa_type=JSONB, nullable=False)
    outcomes: bytes = Field(sa_type=LargeBinary, nullable=False)
    use: str | None = text_column()
    recipient: str | None = text_column()
    about: str | None = text_column()
    number: int | None = Field(default=None)
    one: str | None = text_column()
    reasons: dict[str, int] | None = Field(default=None, sa_type=JSONB)
    run: str | None = text_column()
    job: str | None = text_column()
