"""Nobody waits for long, however much there is."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service.audit import bounded as module
from service.audit.bounded import Size, TooMuch, bounded, size_of
from service.db.engine import ReadSession
from tests.audit.history import ARTISTS


async def test_what_takes_too_long_is_given_up(reading: ReadSession) -> None:
    """By the database itself, which stops working on it."""
    with pytest.raises(TooMuch):
        async with bounded(reading, seconds=0.01):
            await reading.execute(text("SELECT pg_sleep(60)"))


async def test_other_errors_are_not_called_too_much(reading: ReadSession) -> None:
    """They have to be noticed."""
    with pytest.raises(DBAPIError):
        async with bounded(reading):
            await reading.execute(text("SELECT 1 / 0"))


async def test_few_rows_are_counted(reading: ReadSession) -> None:
    """Exactly."""
    assert await size_of(reading, "artists") == Size(len(ARTISTS) + 1, exact=True)


async def test_many_rows_are_about_so_many(
    reading: ReadSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At least as many as were counted before it was given up, and called no exact number."""
    monkeypatch.setattr(module, "_COUNTED", 10)
    for table in ("artists", "decisions"):
        size = await size_of(reading, table)
        assert size.rows >= 10
        assert not size.exact
