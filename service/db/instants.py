"""Instants in the database: `timestamptz` there, integer microseconds here."""

from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, Dialect
from sqlalchemy.types import TypeDecorator

from service.domain.instant import Instant, to_datetime, to_instant


class InstantType(TypeDecorator[Instant]):
    """A column of instants. PostgreSQL keeps microseconds, so nothing is rounded."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: Instant | None, _dialect: Dialect) -> datetime | None:
        """Turn an instant into what the driver sends."""
        return None if value is None else to_datetime(value)

    def process_result_value(self, value: Any, _dialect: Dialect) -> Instant | None:
        """Turn what the driver read into an instant."""
        return None if value is None else to_instant(value)
