"""The access file: everything there is about one artist, for them alone, to read or take along."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
import pytest_asyncio
from jinja2 import Environment, FileSystemLoader
from sqlalchemy import case, func
from sqlmodel import col

from service.auth.local_issuer import LocalIssuer
from service.db.tables import DecisionLogRow as Logged
from service.rights.access import written
from service.rights.access.written import LANGUAGES
from tests.api.door import Door, connected, make_clock_movable, open_door
from tests.api.people import AUDITOR, PIPELINE, PLATFORM, Caller, person
from tests.api.story import MUSIC, ONLY_ASKS, RECOMMENDATION, TEXTS, Story
from tests.conftest import migrated_database

NAME: Final = "Ana <b>& the</b> Ants"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def known(postgres_url: str, issuer: LocalIssuer) -> AsyncIterator[Story]:
    """Return a platform that knows something of everything about ana, for those who only ask."""
    async with migrated_database(postgres_url) as url:
        await make_clock_movable(url)
        async with open_door(url, issuer) as door:
            story = Story(door)
            await live(story)
            yield story


async def live(story: Story) -> None:
    """Let something of everything be kept about ana."""
    door = story.door
    await story.begin()
    named = {"artists": [{"artist": "ana", "name": NAME}]}
    await door.done("POST", "/v1/artists", named, by=PLATFORM)
    contact = {"contacts": [{"artist": "ana", "email": "ana@mail.example", "locale": "de-AT"}]}
    await door.done("POST", "/v1/contacts", contact, by=PLATFORM)
    await story.delegate("ana", "label")
    await story.delegate("ben", "ana")
    await story.publish("discovery.radio", "opt_out", "internal", "partner:tuney")
    await story.deliver("discovery.radio:1", "ana", outcome="bounced")
    await story.deliver("discovery.radio:1", "ana")
    shown = [{"use": MUSIC, "version": 1, "locale": "de"}]
    await story.say("ana", "opt_in", MUSIC, shown=shown)
    await story.say("ana", "opt_out", MUSIC, content="song", by=person("label"))
    await story.say("ben", "opt_out", "discovery")
    await story.check(RECOMMENDATION, "song", "tune", "duet")
    asked = {"use": MUSIC, "artists": ["ana", "ben"]}
    await door.done("POST", "/v1/checks", asked, by=PIPELINE)
    hold = {"reason": "a case"}
    await door.done("POST", "/v1/artists/ana/holds", hold, by=AUDITOR)


async def record(door: Door, by: Caller, query: str = "", status: int = 200) -> Any:
    """Return the file as JSON."""
    response = await door.ask("GET", f"/v1/artists/ana/record{query}", by=by)
    assert response.status_code == status, response.text
    return response.json()


@ONLY_ASKS
async def test_it_has_everything(known: Story) -> None:
    """Who they are, what they said, were shown and told, what holds, and what was decided."""
    file = await record(known.door, person("ana"))
    assert file["artist"]["name"] == NAME
    assert file["contact"]["email"] == "ana@mail.example"
    assert [one["delegate"] for one in file["delegates"]] == ["label"]
    assert [one["artist"] for one in file["acts_for"]] == ["ben"]

    said = file["consents"]
    assert [one["answer"] for one in said] == ["opt_in", "opt_out"]
    assert said[0]["pii_processing"]["privacy_notice"][0]["locale"] == "de"
    assert [one["event"][0]["event_state"] for one in said] == [
        "dpv:ConsentGiven",
        "dpv:ConsentRevoked",
    ]
    assert said[1]["event"][0]["entity_id"] == "label"
    words = {(one["use"], one["language"]): one["text"] for one in file["policies"]}
    assert words[MUSIC, "de"] == TEXTS["de"]
    assert words["discovery.radio", "en"] == TEXTS["en"]

    assert [len(file["notices"][kind]) for kind in ("delivered", "bounced")] == [1, 1]
    today = {(one["use"], one["recipient"]): one["reason"] for one in file["today"]}
    assert today[MUSIC, "internal"] == "opted_in"
    assert today["discovery.radio", "partner:tuney"] == "window_open"
    assert [one["content"] for one in file["content"]] == ["duet", "song"]

    decisions = file["decisions"]
    assert decisions["complete"]
    found = [(one["one"], one["reason"]) for one in decisions["latest"]]
    assert sorted(found, key=str) == [
        ("duet", "opted_out"),
        ("song", "window_closed"),
        (None, "opted_in"),
    ]
    assert sum(one["count"] for one in decisions["counts"]) == 3
    kinds = {one["kind"] for one in file["events"]}
    assert kinds == {
        "artists.registered",
        "delegate.granted",
        "content.put",
        "notice.delivered",
        "consent.recorded",
        "hold.placed",
    }


@ONLY_ASKS
async def test_it_says_what_else_there_is_about_nobody_else(known: Story) -> None:
    """Who holds rights beside them, what those said and what was decided about them stays out."""
    file = await record(known.door, person("ana"))
    async with connected(known.door.database_url) as database:
        other = await database.fetchval("SELECT subject FROM artists WHERE artist_id = 'ben'")
    assert other not in json.dumps(file)
    assert "tune" not in {one["one"] for one in file["decisions"]["latest"]}
    assert all(one["pii_principal_id"] == "ana" for one in file["consents"])


@ONLY_ASKS
async def test_why_they_are_held_is_for_auditors(known: Story) -> None:
    """The artist sees that a hold stands, and since when."""
    for by, told in ((AUDITOR, True), (person("ana"), False), (PLATFORM, False)):
        (hold,) = (await record(known.door, by))["legal_holds"]
        assert ("reason" in hold, hold["lifted_at"]) == (told, None)


@ONLY_ASKS
async def test_it_is_for_no_delegate(known: Story) -> None:
    """Whoever acts for an artist has no part in their contact or in what others said for them."""
    for by, status in ((person("label"), 404), (person("ben"), 404), (PIPELINE, 403)):
        await record(known.door, by, status=status)


@ONLY_ASKS
async def test_the_page_is_in_the_artists_language_and_loads_nothing(known: Story) -> None:
    """It is one file: no script, no address that a browser would ask."""
    for query, title in (
        ("?format=html", "Alles, was es über Sie gibt"),
        ("?format=html&lang=fr", "Tout ce qui existe à votre sujet"),
    ):
        response = await known.door.ask("GET", f"/v1/artists/ana/record{query}", by=person("ana"))
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert f"<h1>{title}</h1>" in response.text
        assert "Ana &lt;b&gt;&amp; the&lt;/b&gt; Ants" in response.text
        assert not re.search(r"<script|(?:src|href)=|url\(|@import", response.text)
        for shown in ("ana@mail.example", "discovery.radio:1", "partner:tuney", TEXTS["de"]):
            assert shown in response.text
    asked = known.door.headers(person("ana")) | {"Accept": "text/html,application/xhtml+xml"}
    answer = await known.door.http.get("/v1/artists/ana/record", headers=asked)
    assert answer.headers["content-type"].startswith("text/html")


async def test_what_was_theirs_once_is_in_it(begun: Story) -> None:
    """Taken down or sold: the content, when it went, its events, and what was decided till then."""
    put = [
        (await begun.put("gone", "ana"))["revision"],
        (await begun.put("sold", "ana"))["revision"],
    ]
    await begun.check(RECOMMENDATION, "gone", "sold")
    await begun.put("gone", status="removed")
    await begun.put("sold", "ben")
    await begun.check(RECOMMENDATION, "gone", "sold")
    titled = {"content": "sold", "rightsholders": ["ben"], "title": "Ben's own"}
    await begun.door.done("POST", "/v1/content", {"content": [titled]}, by=PLATFORM)
    file = await record(begun.door, person("ana"))
    held = {one["content"]: one for one in file["content"]}
    assert held.keys() == {"duet", "song", "gone", "sold"}
    assert [held[one]["held_until"] is None for one in ("song", "gone", "sold")] == [
        True,
        False,
        False,
    ]
    assert (held["gone"]["status"], held["sold"]["title"]) == ("active", None)
    assert [one["one"] for one in file["decisions"]["latest"]] == ["gone", "sold"]
    assert file["decisions"]["complete"]
    assert set(put) <= {one["revision"] for one in file["events"]}
    page = await begun.door.ask("GET", "/v1/artists/ana/record?format=html", by=person("ana"))
    assert "<code>sold</code>" in page.text
    assert "Ben" not in page.text


@pytest.mark.parametrize("large", [0, 64])
async def test_large_decisions_are_looked_into_one_by_one(
    begun: Story, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    """What is found is the same."""
    for content in (("song",), ("duet", "tune", "song"), ("tune",), ("duet",)):
        await begun.check(RECOMMENDATION, *content)
    before = (await record(begun.door, AUDITOR))["decisions"]
    assert [one["one"] for one in before["latest"]] == ["duet", "duet", "song", "song"]
    small = case((func.octet_length(col(Logged.outcomes)) <= large, col(Logged.outcomes)))
    monkeypatch.setattr("service.rights.access.decided._SMALL", small)
    assert (await record(begun.door, AUDITOR))["decisions"] == before


@pytest.mark.parametrize(
    ("bound", "least"),
    [("decided.PATIENCE", -1), ("gather.MOST_STRETCHES", 1)],
    ids=["time", "content"],
)
async def test_what_was_left_out_is_said_to_be(
    begun: Story, monkeypatch: pytest.MonkeyPatch, bound: str, least: int
) -> None:
    """Whichever bound was reached; the export that it names has it."""
    await begun.check(RECOMMENDATION, "song", "duet")
    assert (await record(begun.door, AUDITOR))["decisions"]["complete"]
    monkeypatch.setattr(f"service.rights.access.{bound}", least)
    decisions = (await record(begun.door, AUDITOR))["decisions"]
    assert not decisions["complete"]
    assert "the filter `artist`" in decisions["more"]
    page = await begun.door.ask("GET", "/v1/artists/ana/record?format=html", by=AUDITOR)
    assert "Ask the platform for an export" in page.text


async def test_it_names_every_event_that_put_what_is_theirs(begun: Story) -> None:
    """Those as well that a later one has overtaken."""
    put = [
        (await begun.put("song", "ana", status=status))["revision"]
        for status in ("disputed", "active")
    ]
    events = (await record(begun.door, person("ana")))["events"]
    assert {one["revision"] for one in events if one["kind"] == "content.put"} >= set(put)


async def test_long_lists_are_written_bit_by_bit(story: Story) -> None:
    """An artist with more than one piece of everything has all of it in the file."""
    await story.begin()
    rows = [{"content": f"track-{n:05}", "rightsholders": ["ana"]} for n in range(2_500)]
    await story.door.done("POST", "/v1/content", {"content": rows}, by=PLATFORM)
    file = await record(story.door, person("ana"))
    assert len(file["content"]) == 2_502


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_word(language: str) -> None:
    """None is missing, and none is left that no page shows."""
    page = (written._TEMPLATES / "record.html.j2").read_text(encoding="utf-8")
    used = set(re.findall(r"words\.(\w+)", page))
    words = Environment(loader=FileSystemLoader(written._TEMPLATES), autoescape=True)
    module = words.get_template(f"words/{language}.j2").module
    said = {name for name in vars(module) if not name.startswith("_")}
    assert said == used
