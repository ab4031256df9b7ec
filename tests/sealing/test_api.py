"""`GET /v1/decisions` answers the same before and after a month is sealed."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from service.auth.local_issuer import LocalIssuer
from service.domain.instant import DAY
from service.sealing.sealing import Sealer
from service.storage.objects import Objects
from tests.api.door import Door, make_clock_movable, make_issuer, open_door
from tests.api.people import AUDITOR, PIPELINE
from tests.api.story import MUSIC, RECOMMENDATION, Story
from tests.sealing.months import silent

_SAID = ("decision", "position", "outcome", "recomputed", "rightsholders")
"""What a sheet says whatever the newest checkpoint is."""


@pytest.fixture(scope="module")
def issuer() -> LocalIssuer:
    """Return the issuer of every token in these tests."""
    return make_issuer()


@pytest.fixture
async def begun(database_url: str, issuer: LocalIssuer, tmp_path: Path) -> AsyncIterator[Story]:
    """Return a platform with launch terms, two artists and three tracks, that seals its log."""
    await make_clock_movable(database_url)
    async with open_door(database_url, issuer, sealed_decisions=str(tmp_path / "sealed")) as door:
        story = Story(door)
        await story.begin()
        yield story


async def seal_everything(door: Door, folder: Path) -> None:
    """Seal all months there are, as if they were over."""
    services = door.services
    place = services.settings.sealed_decisions
    assert place is not None
    sealer = Sealer(services.database, services.appender, Objects(place), folder)
    assert await sealer.seal(door.clock.now() + 100 * DAY, tell=silent)


async def read(door: Door, *paths: str) -> list[Any]:
    """Return what is read at some paths, as JSON."""
    return [await door.done("GET", f"/v1/decisions{path}", by=AUDITOR) for path in paths]


async def test_answers_are_the_same_from_files(begun: Story, tmp_path: Path) -> None:
    """Lists by content, by artist and by all else, page by page, and every decision."""
    door = begun.door
    await begun.say("ben", "opt_out")
    await begun.put("tune", "ana")
    await begun.check(RECOMMENDATION, "tune")
    await begun.put("tune", "ben")
    named = [await begun.check(RECOMMENDATION, "tune", "song", "nowhere")]
    named += [await begun.check(RECOMMENDATION, "song", run="r-1") for _ in range(3)]
    for artists in (["ben", "nobody"], ["ben"]):
        body = {"use": MUSIC, "artists": artists}
        named.append(await door.done("POST", "/v1/checks", body, by=PIPELINE))
    paths = [
        *(
            "",
            "?limit=2",
            "?content=song",
            "?content=tune&outcome=denied",
            "?artist=ben",
            "?artist=ben&limit=1",
            "?artist=ana&outcome=denied",
            "?run=r-1",
        ),
        *(f"?use={MUSIC}&limit=1", "?reason=opted_out", "?to=2020-01-01T00:00:00Z"),
        *(f"/{one['decision_id']}" for one in named),
        f"/{named[0]['decision_id']}?start=1&limit=1",
    ]
    before = await read(door, *paths)
    cursor = before[1]["next_cursor"]
    assert cursor is not None
    await seal_everything(door, tmp_path)
    assert await read(door, *paths) == before
    assert await read(door, f"?cursor={cursor}&limit=5") == [
        {"decisions": before[0]["decisions"][2:], "next_cursor": None}
    ]


async def test_the_access_file_is_the_same_from_files(begun: Story, tmp_path: Path) -> None:
    """All decisions about an artist and what they held then, counted once while a month moves."""
    await begun.put("sold", "ana")
    asked = {"use": MUSIC, "artists": ["ana", "ben"]}
    for holder in ("ben", "ana"):
        await begun.check(RECOMMENDATION, "sold", "song", "tune")
        await begun.put("sold", holder)
        await begun.door.done("POST", "/v1/checks", asked, by=PIPELINE)
    before = (await begun.door.done("GET", "/v1/artists/ana/record", by=AUDITOR))["decisions"]
    found = [one["one"] for one in before["latest"]]
    assert found == [None, "song", None, "sold", "song"]
    assert sum(one["count"] for one in before["counts"]) == len(found)
    assert before["complete"]
    await seal_everything(begun.door, tmp_path)
    after = (await begun.door.done("GET", "/v1/artists/ana/record", by=AUDITOR))["decisions"]
    assert after == before
    for path in (tmp_path / "sealed").glob("*/outcomes-*"):
        path.unlink()
    left = (await begun.door.done("GET", "/v1/artists/ana/record", by=AUDITOR))["decisions"]
    assert (left["complete"], left["latest"]) == (False, [])
    assert left["looked_through_since"] > before["latest"][0]["answered_at"]


async def test_sheets_are_the_same_from_files(begun: Story, tmp_path: Path) -> None:
    """Of the only answer, by place, by content and by artist; none of what was not asked about."""
    door = begun.door
    one = await begun.check(RECOMMENDATION, "song")
    many = await begun.check(MUSIC, "nowhere", "tune", "song")
    body = {"use": MUSIC, "artists": ["ana", "ben"]}
    artists = await door.done("POST", "/v1/checks", body, by=PIPELINE)
    sheets = [
        f"/{answer['decision_id']}/explanation{query}"
        for answer, query in (
            (one, ""),
            (many, "?position=1"),
            (many, "?content=song"),
            (artists, "?artist=ben"),
        )
    ]
    before = await read(door, *sheets)
    await seal_everything(door, tmp_path)
    after = await read(door, *sheets)
    assert [sheet["position"] for sheet in after] == [0, 1, 2, 1]
    for sheet, same in zip(after, before, strict=True):
        assert sheet["verdict"] == "recomputed_and_equal"
        assert {name: sheet[name] for name in _SAID} == {name: same[name] for name in _SAID}
    path = f"/v1/decisions/{many['decision_id']}/explanation?content=duet"
    assert (await door.ask("GET", path, by=AUDITOR)).status_code == 404


async def test_a_file_that_was_altered_is_told_and_not_read(begun: Story, tmp_path: Path) -> None:
    """With which it is; what the other files hold is found."""
    door = begun.door
    await begun.check(RECOMMENDATION, "song")
    await seal_everything(door, tmp_path)
    (path,) = (tmp_path / "sealed").glob("*/decisions-*")
    path.write_bytes(path.read_bytes() + b"?")
    answer = await door.ask("GET", "/v1/decisions", by=AUDITOR)
    assert answer.status_code == 503
    assert f"{path.name} was altered" in answer.json()["detail"]


async def test_nobody_is_answered_in_a_month_that_is_sealed(begun: Story, tmp_path: Path) -> None:
    """Nothing is permitted that could not be recorded."""
    await begun.check(RECOMMENDATION, "song")
    await seal_everything(begun.door, tmp_path)
    body = {"use": RECOMMENDATION, "content": ["song"]}
    answer = await begun.door.ask("POST", "/v1/checks", body, by=PIPELINE)
    assert answer.status_code == 503
