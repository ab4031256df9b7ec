"""What erasure destroys: keys, and what artists said in their own words."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, LargeBinary, SmallInteger
from sqlmodel import Field

from service.db.tables.base import Table, text_column

PRIVATE = "private"
"""The schema of what erasure destroys."""


class Subject(Table, table=True):
    """An artist's own key, wrapped. Destroying it makes every commitment of theirs unreadable."""

    __tablename__ = "subjects"
    __table_args__ = ({"schema": PRIVATE},)

    subject: str = text_column(primary_key=True)
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
    __table_args__ = ({"schema": PRIVATE},)

    revision: int = Field(
        sa_column=Column(
            BigInteger, ForeignKey("ledger.revision"), primary_key=True, autoincrement=False
        )
    )
    subject: str = text_column(nullable=False, index=True)
    ciphertext: bytes = Field(sa_type=LargeBinary, nullable=False)
