"""Platforms to export: one that is told once and shared, and one of each test's own."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

import pytest
import pytest_asyncio

from service.auth.local_issuer import LocalIssuer
from service.exports.datasets import DATASETS
from tests.api.door import connected, make_clock_movable, make_issuer, open_door
from tests.api.people import PIPELINE, PLATFORM, person
from tests.api.story import MUSIC, RECOMMENDATION, Story
from tests.conftest import migrated_database
from tests.exports.bundles import Bundle, Office, opened_office

_NOTHING_WAITS: Final = """
UPDATE exports SET state = 'failed', fence = fence + 1 WHERE state IN ('queued', 'running')
"""


@pytest.fixture(scope="session")
def export_issuer() -> LocalIssuer:
    """Return the issuer of every token in these tests."""
    return make_issuer()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def told(
    postgres_url: str, export_issuer: LocalIssuer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Office]:
    """Return the office of a platform where everything has happened once; nobody changes it."""
    async with migrated_database(postgres_url) as url:
        await make_clock_movable(url)
        async with (
            open_door(url, export_issuer) as door,
            opened_office(door, tmp_path_factory.mktemp("bundles")) as office,
        ):
            await tell(Story(door))
            yield office


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def everything(told: Office) -> Bundle:
    """Return a bundle of every dataset, narrowed by nothing, with openings, in Parquet."""
    return await told.bundle(*DATASETS, openings=True)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def workplace(
    postgres_url: str, export_issuer: LocalIssuer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Office]:
    """Return the office of a platform as it begins (`Story.begin`), which tests may change."""
    async with migrated_database(postgres_url) as url:
        await make_clock_movable(url)
        async with (
            open_door(url, export_issuer) as door,
            opened_office(door, tmp_path_factory.mktemp("bundles")) as office,
        ):
            await Story(door).begin()
            yield office


@pytest_asyncio.fixture(loop_scope="session")
async def office(workplace: Office) -> Office:
    """Return the shared office, where nothing waits that another test has asked for."""
    async with connected(workplace.door.database_url) as connection:
        await connection.execute(_NOTHING_WAITS)
    return workplace


async def tell(story: Story) -> None:
    """Tell a story with something in it for every dataset. Revisions are named where they count."""
    door = story.door
    await story.begin()  # revisions 1 to 8
    named = {"artists": [{"artist": "cleo", "name": "=Cléo, “the one”"}]}
    await door.done("POST", "/v1/artists", named, by=PLATFORM)  # 9
    titled = {"content": "odd", "rightsholders": ["cleo"], "title": "-1+2", "isrc": "QZES71982312"}
    await door.done("POST", "/v1/content", {"content": [titled]}, by=PLATFORM)  # 10
    await story.publish(MUSIC, "opt_out", "internal", "partner:tuney", texts={"en": "New\nwords."})
    await story.deliver(f"{MUSIC}:2", "ana", "cleo")  # 12
    await story.deliver(f"{MUSIC}:2", "ben", outcome="bounced")  # 13
    await story.delegate("ana", "label", may_opt_in=True)  # 14
    await story.say("ana", "opt_out", "training", by=person("label"))  # 15
    await story.say("ben", "opt_in", MUSIC, content="tune", locale="de")  # 16
    await story.say("cleo", "opt_out", RECOMMENDATION, recipient="internal")  # 17
    await story.put("song", "ana", "ben", status="disputed")  # 18
    await story.check(RECOMMENDATION, "song", "tune", "odd", run="nightly")
    await story.check(MUSIC, "tune", run="nightly")
    artists = {"use": RECOMMENDATION, "artists": ["ana", "cleo", "nobody"]}
    await door.done("POST", "/v1/checks", artists, by=PIPELINE)
    await door.advance(timedelta(days=31))
    await story.check(MUSIC, "odd")
