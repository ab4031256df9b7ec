"""What all tables share: their registry, and the kinds of column they are made of."""

from typing import Any, ClassVar

from sqlalchemy import BigInteger, MetaData, Text
from sqlmodel import Field, SQLModel

from service.db.instants import InstantType

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def text_column(**options: Any) -> Any:
    """Return a column of text."""
    return Field(sa_type=Text, **options)


def instant_column(**options: Any) -> Any:
    """Return a column of instants: microseconds here, a time with its zone in the database."""
    return Field(sa_type=InstantType, **options)


def bigint_column(**options: Any) -> Any:
    """Return a column of 64-bit numbers."""
    return Field(sa_type=BigInteger, **options)


class Table(SQLModel):
    """The base of all tables."""

    metadata: ClassVar[MetaData] = metadata
