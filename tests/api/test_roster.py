"""A delegate's roster, and changes for many artists at once: for all of them, or for none."""

import asyncio
from datetime import timedelta
from typing import Any, Final

import httpx2

from service.consents.roster import MOST_ARTISTS
from tests.api.door import Door, connected
from tests.api.people import AUDITOR, PIPELINE, PLATFORM, Caller, machine, person
from tests.api.refusals import refused
from tests.api.story import MUSIC, RECOMMENDATION, VOICE, Story
from tests.api.test_settings import RADIO, WORDS, Counted
from tests.api.whole_database import changed, everything

LABEL: Final = person("label")
ROSTER: Final = "/v1/roster"
SAY: Final = f"{ROSTER}/consents"
PREVIEW: Final = f"{SAY}/preview"


def saying(answer: str, *artists: str, use: str = MUSIC, **more: Any) -> Any:
    """Return the body of a statement for many."""
    return {
        "answer": answer,
        "use": use,
        "channel": "label_desk",
        "artists": list(artists),
        **more,
    }


async def say(
    door: Door,
    answer: str,
    *artists: str,
    seen: str | None = None,
    by: Caller = LABEL,
    **more: Any,
) -> httpx2.Response:
    """Say something for many."""
    return await door.ask("POST", SAY, saying(answer, *artists, **more), by=by, seen=seen)


async def previewed(door: Door, answer: str, *artists: str, **more: Any) -> httpx2.Response:
    """Ask what it would change."""
    response = await door.ask("POST", PREVIEW, saying(answer, *artists, **more), by=LABEL)
    assert response.status_code == 200, response.text
    return response


async def represented(story: Story, *artists: str, may_opt_in: bool = True) -> None:
    """Let the label act for artists."""
    for artist in artists:
        await story.delegate(artist, "label", may_opt_in=may_opt_in)


async def page(door: Door, query: str = "", by: Caller = LABEL) -> Any:
    """Read a page of the roster."""
    return await door.done("GET", f"{ROSTER}{query}", by=by)


# Who is on it


async def test_a_roster_names_those_one_may_act_for(begun: Story) -> None:
    """With what they allow, what is planned for them, and whether they want no AI at all."""
    door = begun.door
    assert await page(door) == {"artists": [], "next_after": None}
    await represented(begun, "ana")
    await represented(begun, "ben", may_opt_in=False)
    await begun.publish(RADIO, "opt_out", "internal")
    await begun.deliver(f"{RADIO}:1", "ana")
    await begun.say("ben", "opt_out")
    closes_at = (await door.done("GET", "/v1/artists/ana/settings", by=LABEL))["pending"][0]
    assert await page(door) == {
        "artists": [
            {
                "artist": "ana",
                "name": None,
                "may_opt_in": True,
                "pending": 1,
                "nearest": closes_at["closes_at"],
                "no_ai": False,
            },
            {
                "artist": "ben",
                "name": None,
                "may_opt_in": False,
                "pending": 0,
                "nearest": None,
                "no_ai": True,
            },
        ],
        "next_after": None,
    }
    await door.done("DELETE", "/v1/artists/ana/delegates/label", by=person("ana"))
    assert [row["artist"] for row in (await page(door))["artists"]] == ["ben"]


async def test_it_is_everybodys_own(begun: Story) -> None:
    """A platform has none, an auditor asks about artists, a nameless client is nobody."""
    await represented(begun, "ana")
    assert (await page(begun.door, by=person("ana")))["artists"] == []
    for by, status in ((PLATFORM, 403), (AUDITOR, 403), (PIPELINE, 403)):
        assert (await begun.door.ask("GET", ROSTER, by=by)).status_code == status
    bot = machine("label", *LABEL.scopes)
    refused(await begun.door.ask("GET", ROSTER, by=bot), 404, "unknown_artist")


async def test_it_comes_in_pages_and_can_be_searched(begun: Story) -> None:
    """By part of a name or an id, in any case; what looks like a pattern is meant literally."""
    door = begun.door
    names = {"a1": "Anna", "a2": "50%_off", "a3": "BANNER", "b1": None}
    rows = [{"artist": artist, "name": name} for artist, name in names.items()]
    await door.done("POST", "/v1/artists", {"artists": rows}, by=PLATFORM)
    await represented(begun, *names)
    found: list[str] = []
    after = ""
    while True:
        one = await page(door, f"?limit=1{after}")
        found += [row["artist"] for row in one["artists"]]
        if one["next_after"] is None:
            break
        after = f"&after={one['next_after']}"
    assert found == ["a1", "a2", "a3", "b1"]
    for q, expected in (
        ("ANN", ["a1", "a3"]),
        ("B1", ["b1"]),
        ("%25_", ["a2"]),
        ("%25", ["a2"]),
        ("_", ["a2"]),
        ("nobody", []),
    ):
        assert [row["artist"] for row in (await page(door, f"?q={q}"))["artists"]] == expected, q
    for wrong in ("limit=0", "limit=201", "q=", "after="):
        assert (await door.ask("GET", f"{ROSTER}?{wrong}", by=LABEL)).status_code == 422


async def test_a_page_is_few_queries(begun: Story) -> None:
    """As many for two hundred artists as for one."""
    door = begun.door
    await represented(begun, "ana")
    counted = Counted(door.services.database)
    await page(door)
    few = len(counted.statements)
    await with_artists(begun, 50)
    counted.statements.clear()
    assert len((await page(door))["artists"]) == 51
    assert len(counted.statements) == few == 3  # one of them begins a snapshot


async def with_artists(story: Story, number: int) -> list[str]:
    """Register artists whose label this is."""
    artists = [f"many-{n:03}" for n in range(number)]
    await story.register(*artists)
    await asyncio.gather(*(story.delegate(one, "label", may_opt_in=True) for one in artists))
    return artists


# One statement for many


async def test_a_no_for_many_is_one_event_each(begun: Story) -> None:
    """In the order named, in force at once, with the evidence of each; whatever page it was on."""
    door = begun.door
    await represented(begun, "ana", "ben", may_opt_in=False)
    before = await begun.revision()
    answer = (await say(door, "opt_out", "ben", "ana", use="*", seen='"old"')).json()
    assert answer == {
        "recorded": 2,
        "first_revision": before + 1,
        "last_revision": before + 2,
    }
    assert await begun.reasons(RECOMMENDATION, "song", "tune") == ["opted_out"] * 2
    for number, artist in enumerate(("ben", "ana"), start=1):
        listed = await door.done("GET", f"/v1/artists/{artist}/consents", by=person(artist))
        (said,) = listed["consents"]
        assert said["revision"] == before + number
        assert (said["evidence"]["actor"], said["evidence"]["acting_as"]) == ("label", "delegate")
        assert said["evidence"]["channel"] == "label_desk"


async def test_many_hold_the_ledger_hardly_longer_than_one(begun: Story) -> None:
    """The head row is locked for as many statements for forty artists as for two."""
    door = begun.door
    artists = await with_artists(begun, 40)
    counted = Counted(door.services.database)
    for answer in ("opt_out", "inherit"):
        sent = []
        for some in (artists[:2], artists):
            counted.statements.clear()
            assert (await say(door, answer, *some)).status_code == 201
            sent.append(len(counted.statements))
        assert sent[0] == sent[1], counted.statements


async def test_it_is_all_or_nothing(begun: Story) -> None:
    """One who is not known, or may not be spoken for, is named, and nobody's no is recorded."""
    door = begun.door
    await represented(begun, "ana")
    before = await everything(door.database_url)
    for others in (["ben"], ["nobody"], ["ben", "nobody"]):
        response = await say(door, "opt_out", "ana", *others)
        refused(response, 404, "unknown_artist", "artists[1]")
        assert len(response.json()["errors"]) == len(others)
        assert others[0] in response.json()["errors"][0]["message"]
    refused(await say(door, "opt_out", "ana", "ana"), 422, "repeated", "artists[1]")
    assert (await say(door, "opt_out")).status_code == 422
    most = [f"x{n}" for n in range(MOST_ARTISTS + 1)]
    assert (await say(door, "opt_out", *most)).status_code == 422
    assert changed(before, await everything(door.database_url)) == []


async def test_a_yes_that_is_not_allowed_for_one_is_refused_for_all(begun: Story) -> None:
    """Each of those who have not allowed it is named; taking back a no is no less."""
    door = begun.door
    await begun.register("cleo")
    await represented(begun, "ana")
    await represented(begun, "ben", "cleo", may_opt_in=False)
    await begun.say("cleo", "opt_out", MUSIC)
    for path in (SAY, PREVIEW):
        yes = await door.ask("POST", path, saying("opt_in", "ana", "ben", "cleo"), by=LABEL)
        refused(yes, 403, "delegate_may_not_opt_in", "artists[1]")
        assert [error["field"] for error in yes.json()["errors"]] == ["artists[1]", "artists[2]"]
        back = await door.ask("POST", path, saying("inherit", "ana", "ben", "cleo"), by=LABEL)
        assert [error["field"] for error in back.json()["errors"]] == ["artists[2]"]
    assert (await say(door, "inherit", "ana", "ben")).status_code == 201


async def test_a_yes_for_many_needs_what_it_was_shown(begun: Story) -> None:
    """The tag of its preview, or of a page with exactly these artists; while it stands."""
    door = begun.door
    await represented(begun, "ana", "ben")
    refused(await say(door, "opt_in", "ana", "ben"), 428, "precondition_required", "If-Match")
    shown = (await door.ask("GET", ROSTER, by=LABEL)).headers["etag"]
    refused(await say(door, "opt_in", "ana", seen=shown), 412, "outdated_settings")
    assert (await say(door, "opt_in", "ben", "ana", seen=shown)).status_code == 201
    refused(await say(door, "opt_in", "ana", "ben", seen=shown), 412, "outdated_settings")
    await begun.publish(RADIO, "opt_out", "internal")
    for step in (
        begun.publish(VOICE, "opt_in", texts=WORDS),
        begun.say("ben", "opt_out", VOICE),
        begun.deliver(f"{RADIO}:1", "ana"),
        begun.delegate("ben", "manager"),
    ):
        seen = (await previewed(door, "opt_in", "ana", "ben")).headers["etag"]
        await step
        refused(await say(door, "opt_in", "ana", "ben", seen=seen), 412, "outdated_settings")
    seen = (await previewed(door, "opt_in", "ana", "ben")).headers["etag"]
    await begun.register("cleo")
    await begun.say("cleo", "opt_out")
    assert (await say(door, "opt_in", "ana", "ben", seen=seen)).status_code == 201
    assert await begun.reasons(MUSIC, "song", "tune", "duet") == ["opted_in"] * 3


async def test_a_preview_says_what_would_change_for_whom(begun: Story) -> None:
    """For each artist, and in sum; nothing is recorded; then it is what happens."""
    door = begun.door
    await represented(begun, "ana", "ben")
    await begun.say("ana", "opt_in", VOICE, content="song")
    await begun.say("ben", "opt_out", RECOMMENDATION)
    before = await everything(door.database_url)
    found = (await previewed(door, "opt_out", "ana", "ben", use="*")).json()
    assert changed(before, await everything(door.database_url)) == []
    ana, ben = found["artists"]
    assert [(flip["use"], flip["permitted_after"]) for flip in ana["flips"]] == [
        (RECOMMENDATION, False)
    ]
    assert (ana["tracks_stopped"], ben["flips"], ben["tracks_stopped"]) == (1, [], 0)
    assert found["totals"] == {
        "artists": 2,
        "changed": 1,
        "stopped": 1,
        "permitted": 0,
        "tracks_stopped": 1,
        "tracks_restored": 0,
        "pending_stopped": 0,
    }
    assert (await say(door, "opt_out", "ana", "ben", use="*")).status_code == 201
    assert await begun.reasons(RECOMMENDATION, "song", "tune") == ["opted_out"] * 2
    assert await begun.reasons(VOICE, "song") == ["opted_out"]


async def test_a_repeated_request_is_done_once(begun: Story) -> None:
    """Its answer names nobody, so that it may be kept whoever is erased."""
    door = begun.door
    await represented(begun, "ana", "ben")
    body = saying("opt_out", "ana", "ben")
    first = await door.ask("POST", SAY, body, by=LABEL, key="k")
    again = await door.ask("POST", SAY, body, by=LABEL, key="k")
    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
    async with connected(door.database_url) as connection:
        row = await connection.fetchrow(
            "SELECT subject, answer::text FROM idempotency_keys WHERE key = 'k'"
        )
    assert row is not None
    assert row["subject"] is None
    assert "ana" not in row["answer"]


async def test_one_may_speak_for_oneself_or_as_the_platform(begun: Story) -> None:
    """The role is each artist's own, as for a single statement."""
    door = begun.door
    assert (await say(door, "opt_out", "ana", by=person("ana"))).status_code == 201
    assert (await say(door, "opt_out", "ana", "ben", by=PLATFORM)).status_code == 201
    listed = await door.done("GET", "/v1/artists/ana/consents", by=person("ana"))
    roles = [said["evidence"]["acting_as"] for said in listed["consents"]]
    assert roles == ["platform", "artist"]


async def test_what_was_recorded_for_many_can_be_read_back(begun: Story) -> None:
    """Each event is sealed under its artist's own key; another replica reads all of them."""
    door = begun.door
    artists = await with_artists(begun, 20)
    assert (await say(door, "opt_out", *artists, use="*")).status_code == 201
    await door.advance(timedelta(seconds=1))
    rows = (await page(door))["artists"]
    assert [row["no_ai"] for row in rows] == [True] * 20
    answer = await door.done(
        "POST", "/v1/checks", {"use": RECOMMENDATION, "artists": artists}, by=PIPELINE
    )
    assert {result["reason"] for result in answer["results"]} == {"opted_out"}
