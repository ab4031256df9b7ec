"""A platform under way, and a Policy Enforcement Point that asks about it."""

import pytest

from tests.api.authzen.asking import Pep
from tests.api.story import MUSIC, RECOMMENDATION, VOICE, Story


@pytest.fixture
async def partnered(story: Story) -> Story:
    """Return a platform whose launch terms name a partner as well.

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
    return story


@pytest.fixture
def pep(partnered: Story) -> Pep:
    """Return who asks."""
    return Pep(partnered.door)
