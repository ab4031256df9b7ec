"""The pages of a running service, each test with a database of its own."""

from collections.abc import AsyncIterator

import pytest

from tests.api.conftest import begun, door, issuer, movable_url, story
from tests.api.door import Door
from tests.web.surfing import Surfer

__all__ = ["begun", "door", "issuer", "movable_url", "story"]


@pytest.fixture
async def surfer(door: Door) -> AsyncIterator[Surfer]:
    """Somebody at a browser."""
    somebody = Surfer(door.app)
    async with somebody.http:
        yield somebody
