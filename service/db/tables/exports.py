"""What is exported for audits, and how far it has come."""

from typing import Any

from sqlalchemy import Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from service.db.tables.base import Table, bigint_column, instant_column, text_column


class Export(Table, table=True):
    """One export that was asked for. The row stays when its files are gone.

    `revision` and `as_of` are the state that it shows, `head` how many events there were when it
    was asked for: an erasure after that takes it away. An artist stands in `request` by their
    reference. A worker holds it until `leased_until`; `fence` grows with each taking, so that a
    worker which lost its lease can tell. `progress` is what is finished, for whoever goes on.
    """

    __tablename__ = "exports"
    __table_args__ = (Index("ix_exports_requested", "requested_at", "export_id"),)

    export_id: str = text_column(primary_key=True)
    client: str = text_column(nullable=False)
    caller: str = text_column(nullable=False)
    requested_at: int = instant_column(nullable=False)
    request: dict[str, Any] = Field(sa_type=JSONB, nullable=False)
    state: str = text_column(nullable=False)
    revision: int = bigint_column(nullable=False)
    as_of: int = instant_column(nullable=False)
    head: int = bigint_column(nullable=False)
    progress: dict[str, Any] = Field(sa_type=JSONB, nullable=False)
    manifest: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    error: str | None = text_column()
    leased_until: int | None = instant_column()
    fence: int = Field(nullable=False)
    finished_at: int | None = instant_column()
    expires_at: int | None = instant_column()
