"""The story of the writers of artists and content: in bulk, by row, and as often as one likes."""

from functools import partial
from typing import Any, Final
from urllib.parse import quote

import pytest

from tests.api.people import AUDITOR, PLATFORM
from tests.api.refusals import refused
from tests.api.story import RECOMMENDATION, VOICE, Story

# Artists


async def test_artists_are_registered_in_bulk_and_once(begun: Story) -> None:
    """Those who are there stay as they are; one event holds all new ones."""
    rows = [{"artist": f"artist {n}"} for n in range(10_000)]
    revision = await begun.revision()
    first = await begun.door.done("POST", "/v1/artists", {"artists": rows}, by=PLATFORM)
    assert first == {"registered": 10_000, "already_registered": 0, "revision": revision + 1}
    rows[0] = {"artist": "one more"}
    second = await begun.door.done("POST", "/v1/artists", {"artists": rows}, by=PLATFORM)
    assert second == {"registered": 1, "already_registered": 9_999, "revision": revision + 2}
    third = await begun.door.done("POST", "/v1/artists", {"artists": rows}, by=PLATFORM)
    assert third == {"registered": 0, "already_registered": 10_000, "revision": revision + 2}
    rows.append({"artist": "too many"})
    response = await begun.door.ask("POST", "/v1/artists", {"artists": rows}, by=PLATFORM)
    refused(response, 422, "too_long", "artists")


async def test_registering_again_changes_a_name_and_no_more(begun: Story) -> None:
    """The date of registration decides what binds an artist; a name is only for reading."""
    before = await begun.door.done("GET", "/v1/artists/ana", by=PLATFORM)
    assert before["name"] is None
    for row, name in (({"name": "Ana"}, "Ana"), ({}, "Ana"), ({"name": "Ana María"}, "Ana María")):
        body = {"artists": [{"artist": "ana"} | row]}
        await begun.door.done("POST", "/v1/artists", body, by=PLATFORM)
        now = await begun.door.done("GET", "/v1/artists/ana", by=AUDITOR)
        assert now == before | {"name": name}
    refused(await begun.door.ask("GET", "/v1/artists/nobody", by=PLATFORM), 404, "unknown_artist")


NAMES: Final = (
    *("a", "x" * 200, "ä" * 200, "a b", "a:b@c+d", "'; --", "🎵", "%", "100%25", "\ufffd"),
    *("a/b", "a/consents", "/", "//", "a?b#c", "a%2Fb", "a%252Fb", "https://x.example/y"),
)


async def test_an_id_is_whatever_the_platform_uses(begun: Story, subtests: pytest.Subtests) -> None:
    """Opaque: percent-encoded, any text of up to 200 characters is one segment of a path."""
    await begun.register(*NAMES)
    for name in NAMES:
        with subtests.test(name=name):
            for encode in (every_byte, partial(quote, safe="")):
                path = f"/v1/artists/{encode(name)}"
                found = await begun.door.done("GET", path, by=PLATFORM)
                assert found["artist"] == name
                delegate = f"{path}/delegates/{encode(f'friend of {name}'[:200])}"
                granted = await begun.door.done("PUT", delegate, {}, by=PLATFORM)
                assert (granted["artist"], granted["delegate"]) == (
                    name,
                    f"friend of {name}"[:200],
                )


def every_byte(text: str) -> str:
    """Encode more than has to be; it means the same."""
    return "".join(f"%{byte:02x}" for byte in text.encode())


# Content


async def put(story: Story, *rows: dict[str, Any]) -> Any:
    """Put rows of content."""
    return await story.door.done("POST", "/v1/content", {"content": list(rows)}, by=PLATFORM)


async def test_content_is_put_in_bulk_and_once(begun: Story) -> None:
    """Ten thousand are one event; repeating changes nothing, and one change is one change."""
    rows: list[dict[str, Any]] = [
        {"content": f"track {n}", "rightsholders": ["ana", "ben"][: 1 + n % 2]}
        for n in range(10_000)
    ]
    revision = await begun.revision()
    first = await put(begun, *rows)
    assert first == {"put": 10_000, "unchanged": 0, "revision": revision + 1}
    assert await put(begun, *rows) == {
        "put": 0,
        "unchanged": 10_000,
        "revision": revision + 1,
    }
    rows[7] = {"content": "track 7", "rightsholders": ["ben"]}
    assert await put(begun, *rows) == {
        "put": 1,
        "unchanged": 9_999,
        "revision": revision + 2,
    }
    body = {"content": [*rows, {"content": "too many", "rightsholders": []}]}
    refused(await begun.door.ask("POST", "/v1/content", body, by=PLATFORM), 422, "too_long")


async def test_content_is_read_as_it_was_put_last(begun: Story) -> None:
    """Rightsholders in their own order; title and ISRC where given."""
    row = {
        "content": "hymn",
        "rightsholders": ["ben", "ana"],
        "status": "disputed",
        "isrc": "USRC17607839",
        "title": "Hymn",
    }
    done = await put(begun, row)
    read = await begun.door.done("GET", "/v1/content/hymn", by=AUDITOR)
    assert read == {**row, "put_at": read["put_at"], "revision": done["revision"]}
    await put(begun, {"content": "hymn", "rightsholders": ["ana"]})
    now = await begun.door.done("GET", "/v1/content/hymn", by=PLATFORM)
    assert (now["rightsholders"], now["status"], now["isrc"]) == (["ana"], "active", None)
    refused(await begun.door.ask("GET", "/v1/content/no", by=PLATFORM), 404, "unknown_content")


async def test_a_new_title_is_no_event(begun: Story) -> None:
    """It is for people to read, and changes no answer."""
    revision = await begun.revision()
    row = {"content": "song", "rightsholders": ["ana"], "title": "A new title"}
    assert await put(begun, row) == {"put": 0, "unchanged": 1, "revision": revision}
    assert (await begun.door.done("GET", "/v1/content/song", by=PLATFORM))["title"] == "A new title"


async def test_unknown_rightsholders_are_refused_by_row(begun: Story) -> None:
    """All of it or none: each row in the way is named, and nothing of the others is put."""
    body = {
        "content": [
            {"content": "good", "rightsholders": ["ana"]},
            {"content": "bad", "rightsholders": ["ana", "nobody"]},
            {"content": "twice", "rightsholders": ["ana", "ben", "ana"]},
            {"content": "worse", "rightsholders": ["who"]},
        ]
    }
    response = await begun.door.ask("POST", "/v1/content", body, by=PLATFORM)
    assert [(e["field"], e["code"]) for e in response.json()["errors"]] == [
        ("content[1].rightsholders[1]", "unknown_artist"),
        ("content[2].rightsholders[2]", "repeated"),
        ("content[3].rightsholders[0]", "unknown_artist"),
    ]
    assert await begun.reasons(RECOMMENDATION, "good") == ["unknown_content"]


async def test_a_status_takes_effect_at_once(begun: Story) -> None:
    """Removed and disputed content is out whatever was said, and active again it is back."""
    await begun.say("ana", "opt_in", RECOMMENDATION, content="song")
    for status, reason in (
        ("removed", "content_removed"),
        ("disputed", "content_disputed"),
        ("active", "opted_in"),
    ):
        await begun.put("song", "ana", status=status)
        assert await begun.reasons(RECOMMENDATION, "song") == [reason]


async def test_new_rightsholders_decide_from_now_on(begun: Story) -> None:
    """A track that changes hands is judged by whoever holds it."""
    await begun.say("ana", "opt_out")
    assert await begun.reasons(RECOMMENDATION, "song") == ["opted_out"]
    await begun.put("song", "ben")
    assert await begun.reasons(RECOMMENDATION, "song") == ["window_closed"]
    await begun.put("song")
    assert await begun.reasons(RECOMMENDATION, "song") == ["no_rightsholder"]


async def test_launch_terms_end_with_the_first_artist(story: Story) -> None:
    """What is published later has to wait for windows, even for artists who come after it."""
    await story.open_charter()
    early = await story.publish(RECOMMENDATION, "opt_out")
    await story.register("ana")
    late = await story.publish(VOICE, "opt_out")
    assert (early["launch"], late["launch"]) == (True, False)
    await story.register("ben")
    await story.put("tune", "ben")
    assert await story.reasons(RECOMMENDATION, "tune") == ["window_closed"]
    assert await story.reasons(VOICE, "tune") == ["not_notified"]
