"""Looking many values up at once: one array, however many there are."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Text, any_, literal
from sqlalchemy.orm import Mapped


def among(column: Mapped[Any], values: Collection[str]) -> ColumnElement[bool]:
    """Return the condition that a text column holds one of the values.

    `IN` would take one parameter a value, and PostgreSQL takes 32,767 a statement.
    """
    return column == any_(literal(list(values), ARRAY(Text)))
