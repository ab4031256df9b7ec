"""A platform as its settings page's verbs see it: no HTTP between them and the services."""

from collections.abc import AsyncIterator

import pytest

from service.settings_page.desk import Desk
from tests.api.door import make_clock_movable, make_issuer, open_door
from tests.api.story import Story


@pytest.fixture
async def begun(database_url: str) -> AsyncIterator[Story]:
    """Return a platform with launch terms, two artists and three tracks (`Story.begin`)."""
    await make_clock_movable(database_url)
    async with open_door(database_url, make_issuer()) as door:
        story = Story(door)
        await story.begin()
        yield story


@pytest.fixture
def desk(begun: Story) -> Desk:
    """Return what the verbs work with."""
    services = begun.door.services
    return Desk(services.database, services.checker, services.appender)
