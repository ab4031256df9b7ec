"""Months of the decision log that are sealed: what their files are, and how far each has come."""

from typing import Any

from sqlalchemy import LargeBinary
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from service.db.tables.base import Table, bigint_column, instant_column, text_column


class SealedPeriod(Table, table=True):
    """One month (UTC), called `2026-03`, derived from its event `decisions.sealed` (`revision`).

    `files` says of each its name, SHA-256 and rows, as the event does, and besides what look-ups
    need to know which to open. `moved_at` is when reading went over to them: from then on nothing
    of the month is read from `decisions`, and soon it is not there any more. `discarded_at` is when
    the files were deleted, because nobody has to keep them. Of a month without decisions `first_at`
    and `last_at` are null.
    """

    __tablename__ = "sealed_periods"

    period: str = text_column(primary_key=True)
    first_at: int | None = instant_column()
    last_at: int | None = instant_column()
    decisions: int = bigint_column(nullable=False)
    outcomes: int = bigint_column(nullable=False)
    root: bytes = Field(sa_type=LargeBinary, nullable=False)
    files: list[dict[str, Any]] = Field(sa_type=JSONB, nullable=False)
    revision: int = bigint_column(nullable=False)
    sealed_at: int = instant_column(nullable=False)
    moved_at: int | None = instant_column()
    discarded_at: int | None = instant_column()
