"""The latest version of each leaf, which every statement reads while others wait."""

from unittest import mock

from service.domain.policy import PolicyVersion
from service.policies import versions
from service.policies.versions import latest_versions, load_versions
from tests.api.story import MUSIC, RECOMMENDATION, Story


async def test_the_latest_versions_are_the_last_of_all(begun: Story) -> None:
    """With the hashes of their words in each language, in order of their paths."""
    await begun.publish(MUSIC, "opt_out", texts={"en": "Silence will do.", "fr": "Le silence."})
    await begun.publish(RECOMMENDATION, "prohibited", texts={"en": "Nobody."})
    await begun.publish(MUSIC, "opt_in", texts={"en": "Only with a yes."})
    async with begun.door.services.database.read() as session:
        everything = await load_versions(session)
        latest = await latest_versions(session)
    assert latest == [known[-1] for known in everything.values()]
    assert [(one.use, one.version) for one in latest][:2] == [(RECOMMENDATION, 2), (MUSIC, 3)]


async def test_no_older_version_is_read(begun: Story) -> None:
    """However many there are: it happens under the lock of the head."""
    for number in range(5):
        await begun.publish(MUSIC, "opt_out", texts={"en": f"Words {number}."})
    async with begun.door.services.database.read() as session:
        with mock.patch.object(versions, "PolicyVersion", wraps=PolicyVersion) as made:
            latest = await latest_versions(session)
    assert made.call_count == len(latest)


async def test_before_anything_is_published_there_is_none(story: Story) -> None:
    """And nothing to fail on."""
    async with story.door.services.database.read() as session:
        assert await latest_versions(session) == []
