"""An office of each test's own: what it tells, it really sends, and time stands still."""

from collections.abc import AsyncIterator

import pytest

from tests.notices.office import Office, open_office


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[Office]:
    """A platform that nobody is registered at, with an endpoint that has proven itself."""
    async with open_office(database_url) as opened:
        await opened.put_endpoint()
        yield opened
