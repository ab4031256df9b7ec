"""The service behind its HTTP door, each test with a database of its own."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from service.auth.local_issuer import LocalIssuer
from tests.api.door import Door, make_clock_movable, make_issuer, open_door
from tests.api.story import Story
from tests.conftest import migrated_database


@pytest.fixture(scope="session")
def issuer() -> LocalIssuer:
    """Return the issuer of every token in these tests."""
    return make_issuer()


@pytest.fixture
async def movable_url(database_url: str) -> str:
    """Return the URL of a database of the test's own whose clock can be moved."""
    await make_clock_movable(database_url)
    return database_url


@pytest.fixture
async def door(movable_url: str, issuer: LocalIssuer) -> AsyncIterator[Door]:
    """Run the service over an empty ledger."""
    async with open_door(movable_url, issuer) as opened:
        yield opened


@pytest.fixture
def story(door: Door) -> Story:
    """Return the verbs of a platform whose ledger is not opened yet."""
    return Story(door)


@pytest.fixture
async def begun(story: Story) -> Story:
    """Return a platform with launch terms, two artists and three tracks (`Story.begin`)."""
    await story.begin()
    return story


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def standing(postgres_url: str, issuer: LocalIssuer) -> AsyncIterator[Story]:
    """Return a platform as `begun`, for tests marked `ONLY_ASKS`: they share it."""
    async with migrated_database(postgres_url) as url:
        await make_clock_movable(url)
        async with open_door(url, issuer) as door:
            story = Story(door)
            await story.begin()
            yield story
