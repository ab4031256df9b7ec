"""A ledger with two months of history, only to be looked at."""

from collections.abc import AsyncIterator

import pytest

from service.db.engine import Database, ReadSession
from tests.audit.history import history_in


@pytest.fixture(scope="session")
def history_url(postgres_url: str) -> str:
    """URL of the one database with the history."""
    return history_in(postgres_url).url


@pytest.fixture
async def reading(history_url: str) -> AsyncIterator[ReadSession]:
    """A session on it."""
    async with Database(history_url, pool_size=1) as database, database.read() as session:
        yield session
