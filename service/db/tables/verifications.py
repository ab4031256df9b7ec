"""What `fermata verify --record` found, each time it was asked to write it down."""

from typing import Any

from sqlalchemy import BigInteger, Column, Identity, LargeBinary
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from service.db.tables.base import Table, bigint_column, instant_column


class Verification(Table, table=True):
    """One run of the verifier over this database: what it looked at, and whether all of it holds.

    It is a note for people, no proof: whoever can write in the database can write one. `revision`
    and `root` are the tree's as the verifier computed it; `what` is its report as `--json` prints
    it.
    """

    __tablename__ = "verifications"

    id: int | None = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    began_at: int = instant_column(nullable=False)
    ended_at: int = instant_column(nullable=False, index=True)
    revision: int = bigint_column(nullable=False)
    root: bytes = Field(sa_type=LargeBinary, nullable=False)
    passed: bool = Field(nullable=False)
    what: dict[str, Any] = Field(sa_type=JSONB, nullable=False)
