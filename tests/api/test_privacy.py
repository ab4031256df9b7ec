"""Where artists' ids are kept, and that they are kept nowhere else."""

import re
from typing import Final

import pytest

from tests.api.door import Door, connected
from tests.api.people import PIPELINE, PLATFORM, Caller, person
from tests.api.story import MUSIC, RECOMMENDATION, VOICE, Story
from tests.api.whole_database import fields_with, noted_fields

ARTIST: Final = "an-unmistakable-artist"
OTHER: Final = "another-unmistakable-artist"
DELEGATE: Final = "an-unmistakable-manager"
MARK: Final = "unmistakable"

WHERE_IDS_ARE: Final = {
    "artists.artist_id",
    "consents.actor",
    "delegates.delegate",
    "idempotency_keys.answer",
}
"""All of these are found by the artist's reference, and emptied with them."""


async def live(story: Story) -> None:
    """Let every kind of thing happen around two artists, much of it with idempotency keys."""
    door = story.door
    await story.open_charter()
    for use, mode in ((RECOMMENDATION, "opt_out"), (MUSIC, "opt_in"), (VOICE, "opt_in")):
        await story.publish(use, mode, "internal")
    body = {"artists": [{"artist": ARTIST}, {"artist": OTHER}]}
    await door.done("POST", "/v1/artists", body, by=PLATFORM, key="register")
    await story.put("song", ARTIST)
    await story.put("duet", ARTIST, OTHER)
    await story.publish("discovery.radio", "opt_out", "internal")
    await story.deliver("discovery.radio:1", ARTIST)
    await story.deliver("discovery.radio:1", OTHER, outcome="bounced")
    await told(door, person(ARTIST), "opt_in", "own")
    leave = {"may_opt_in": True}
    for key in ("grant", "grant again"):
        await door.done("PUT", DELEGATES, leave, by=person(ARTIST), key=key)
    await told(door, person(DELEGATE), "opt_out", "delegate")
    await told(door, PLATFORM, "inherit", "platform")
    for key in ("revoke", "revoke again"):
        await door.done("DELETE", DELEGATES, by=person(ARTIST), key=key)
    await story.check(RECOMMENDATION, "song", "duet", explain=True)
    asked = {"use": MUSIC, "artists": [ARTIST, OTHER, "unmistakable-nobody"], "explain": True}
    await door.done("POST", "/v1/checks", asked, by=PIPELINE)


DELEGATES: Final = f"/v1/artists/{ARTIST}/delegates/{DELEGATE}"


async def told(door: Door, by: Caller, answer: str, key: str) -> None:
    """Say something for the artist, with a key."""
    body = {"answer": answer, "use": MUSIC, "channel": "email"}
    response = await door.ask_seeing("POST", f"/v1/artists/{ARTIST}/consents", body, by=by, key=key)
    assert response.is_success, response.text


async def test_artists_ids_are_only_where_they_can_be_erased(story: Story) -> None:
    """Neither the ledger nor a decision nor any other row that is kept for ever names anybody."""
    await live(story)
    assert await fields_with(story.door.database_url, MARK) == WHERE_IDS_ARE
    assert WHERE_IDS_ARE.isdisjoint(await noted_fields(story.door.database_url))


async def test_the_planner_notes_no_keys_and_nothing_they_open(story: Story) -> None:
    """Whoever has an artist's key could read what is left of them in old copies."""
    await live(story)
    noted = await noted_fields(story.door.database_url)
    assert "private.subjects.subject" in noted
    assert noted.isdisjoint({"private.subjects.wrapped_key", "private.event_details.ciphertext"})


async def test_what_is_kept_for_ever_was_searched(story: Story) -> None:
    """The search sees into leaves, batches and outcomes: it finds the reference in each of them."""
    await live(story)
    async with connected(story.door.database_url) as database:
        subject = await database.fetchval("SELECT subject FROM artists WHERE artist_id=$1", ARTIST)
    found = await fields_with(story.door.database_url, subject)
    assert {"ledger.leaf", "ledger_batches.body", "decisions.outcomes"} <= found


async def test_idempotency_keys_tell_callers_apart_without_naming_them(story: Story) -> None:
    """A digest is kept; the same key of two callers is two keys."""
    await live(story)
    for by in (person(ARTIST), PLATFORM):
        await told(story.door, by, "opt_out", "shared")
    async with connected(story.door.database_url) as database:
        rows = await database.fetch("SELECT client FROM idempotency_keys WHERE key = 'shared'")
    assert len({row["client"] for row in rows}) == 2
    assert all(re.fullmatch("[0-9a-f]{64}", row["client"]) for row in rows)


@pytest.mark.parametrize("key", ["own", "delegate", "platform", "grant", "revoke"])
async def test_an_answer_about_an_artist_is_kept_under_their_reference(
    story: Story, key: str
) -> None:
    """So that it is found when they are erased."""
    await live(story)
    assert await unfindable(story, key) == []


@pytest.mark.parametrize("key", ["grant again", "revoke again"])
async def test_so_is_one_that_changed_nothing(story: Story, key: str) -> None:
    """It names the artist just as well."""
    await live(story)
    assert await unfindable(story, key) == []


async def unfindable(story: Story, key: str) -> list[str]:
    """Return this key's answers if they name an artist and are not kept under the reference."""
    async with connected(story.door.database_url) as database:
        rows = await database.fetch(
            "SELECT answer::text, subject = (SELECT subject FROM artists WHERE artist_id = $2)"
            " AS findable FROM idempotency_keys WHERE key = $1",
            key,
            ARTIST,
        )
    assert rows
    return [row["answer"] for row in rows if MARK in row["answer"] and not row["findable"]]
