"""The ledger: events, what numbers them, and the tree that outsiders check."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
)
from sqlmodel import Field

from service.db.tables.base import Table, bigint_column, instant_column, text_column


class LedgerEvent(Table, table=True):
    """One event: its exact leaf bytes, never updated, never deleted."""

    __tablename__ = "ledger"

    revision: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    recorded_at: int = instant_column(nullable=False, unique=True)
    kind: str = text_column(nullable=False)
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
    size: int = bigint_column(nullable=False)
    stack: bytes = Field(sa_type=LargeBinary, nullable=False)
    recorded_at: int = instant_column(nullable=False)


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
    number: int = bigint_column(nullable=False)
    hashes: bytes = Field(sa_type=LargeBinary, nullable=False)
    root: bytes = Field(sa_type=LargeBinary, nullable=False)


class LedgerCheckpoint(Table, table=True):
    """A checkpoint as this service signed and published it, by the log's origin."""

    __tablename__ = "ledger_checkpoints"
    __table_args__ = (PrimaryKeyConstraint("origin", "size"),)

    origin: str = text_column(nullable=False)
    size: int = bigint_column(nullable=False)
    note: str = text_column(nullable=False)
    signed_at: int = instant_column(nullable=False)


class LedgerCosignature(Table, table=True):
    """A witness's signature line of one checkpoint."""

    __tablename__ = "ledger_cosignatures"
    __table_args__ = (PrimaryKeyConstraint("origin", "size", "witness"),)

    origin: str = text_column(nullable=False)
    size: int = bigint_column(nullable=False)
    witness: str = text_column(nullable=False)
    line: str = text_column(nullable=False)
    received_at: int = instant_column(nullable=False)
