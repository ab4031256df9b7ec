"""A platform under way, and a Policy Enforcement Point that asks about it."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from service.auth.local_issuer import LocalIssuer
from tests.api.authzen.asking import Pep
from tests.api.door import make_clock_movable, open_door
from tests.api.story import MUSIC, RECOMMENDATION, VOICE, Story
from tests.conftest import migrated_database


async def make_partnered(story: Story) -> None:
    """Begin a platform whose launch terms name a partner as well.

    `discovery.recommendation` is `opt_out` for `internal` and `partner:musiio`, the two uses in
    training are `opt_in`, for `internal` alone; ana and ben have a track each and one of both.
    """
    await story.open_charter()
    await story.publish(RECOMMENDATION, "opt_out", "internal", "partner:musiio")
    await story.publish(MUSIC, "opt_in", "internal")
    await story.publish(VOICE, "opt_in", "internal")
    await story.register("ana", "ben")
    await story.put("song", "ana")
    await story.put("tune", "ben")
    await story.put("duet", "ana", "ben")


@pytest.fixture
async def partnered(story: Story) -> Story:
    """Return a platform with a partner (`make_partnered`)."""
    await make_partnered(story)
    return story


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def standing_partnered(postgres_url: str, issuer: LocalIssuer) -> AsyncIterator[Story]:
    """Return a platform as `partnered`, for tests marked `ONLY_ASKS`: they share it."""
    async with migrated_database(postgres_url) as url:
        await make_clock_movable(url)
        async with open_door(url, issuer) as door:
            story = Story(door)
            await make_partnered(story)
            yield story


@pytest.fixture
def pep(partnered: Story) -> Pep:
    """Return who asks."""
    return Pep(partnered.door)


@pytest.fixture
def standing_pep(standing_partnered: Story) -> Pep:
    """Return who asks the platform that tests share."""
    return Pep(standing_partnered.door)
