"""`GET /v1/changes`: what became permitted or denied, in pages and as a stream."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any, Final

import pytest

from service.auth.local_issuer import LocalIssuer
from service.auth.scopes import Scope
from service.decisions.changes import events
from service.decisions.log import LoggedDecision, LogUnavailable
from service.domain.instant import SECOND
from tests.api.door import Door, connected, open_door
from tests.api.people import PIPELINE, PLATFORM, machine
from tests.api.story import MUSIC, RECOMMENDATION, VOICE, Story
from tests.api.stream_reader import streamed
from tests.decisions.changes.readers import erasing

PAGES: Final = "application/x-ndjson"
Line = dict[str, Any]


async def page(door: Door, **query: Any) -> list[Line]:
    """Return the lines of one page."""
    headers = door.headers(PIPELINE)
    response = await door.http.get("/v1/changes", params=query, headers=headers)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == PAGES
    return [json.loads(line) for line in response.text.splitlines()]


async def pages(door: Door, since: int | str, **query: Any) -> list[Line]:
    """Return the lines of all pages, but for those that say where to go on."""
    lines: list[Line] = []
    while True:
        *found, last = await page(door, since=since, **query)
        lines += found
        since = last["since"]
        if last["type"] == "reached":
            return lines


def told(lines: Sequence[Line], use: str, recipient: str = "internal") -> dict[str, Line]:
    """Return what was told in one column, by what it is about; the last word counts."""
    return {
        result.get("content") or result["artist"]: result
        for line in lines
        if line["type"] == "answers" and (line["use"], line["recipient"]) == (use, recipient)
        for result in line["results"]
    }


# What is told


async def test_a_no_is_told_of_the_artist_and_of_all_they_hold(begun: Story) -> None:
    """In every column that it covers, and in no other; answers are those of a check."""
    since = await begun.revision()
    await begun.say("ana", "opt_out", RECOMMENDATION)
    *lines, last = await page(begun.door, since=since)
    assert {(line["use"], line["recipient"]) for line in lines} == {(RECOMMENDATION, "internal")}
    found = told(lines, RECOMMENDATION)
    assert {name: one["reason"] for name, one in found.items()} == {
        "ana": "opted_out",
        "song": "opted_out",
        "duet": "opted_out",
    }
    checked = await begun.check(RECOMMENDATION, "song", "duet")
    assert [found["song"], found["duet"]] == checked["results"]
    assert last["type"] == "reached"
    assert last["revision"] == since + 1 == int(last["since"])


async def test_a_yes_for_one_content_is_told_of_that_content_alone(begun: Story) -> None:
    """What is said of one content changes nothing for the others."""
    since = await begun.revision()
    await begun.say("ana", "opt_in", MUSIC, content="song")
    lines = await pages(begun.door, since)
    assert {name: one["permitted"] for name, one in told(lines, MUSIC).items()} == {"song": True}
    assert not told(lines, VOICE)


async def test_a_window_is_told_with_its_end_so_nothing_is_sent_when_it_closes(
    begun: Story,
) -> None:
    """An answer is an interval (R9): whoever holds it knows what will be."""
    await begun.publish(MUSIC, "opt_out", "internal", texts={"en": "New words."})
    since = await begun.revision()
    await begun.deliver(f"{MUSIC}:2", "ben")
    window = told(await pages(begun.door, since), MUSIC)["tune"]
    assert not window["permitted"]
    assert window["permitted_from"] is not None
    level = await begun.revision()
    await begun.door.advance(timedelta(days=31))
    assert await pages(begun.door, level) == []
    (checked,) = (await begun.check(MUSIC, "tune"))["results"]
    assert checked["permitted"]
    assert checked["permitted_from"] == window["permitted_from"]


async def test_a_policy_is_told_as_a_use_to_ask_about_anew(begun: Story) -> None:
    """It moves a whole column; a page that held it all would have no end."""
    since = await begun.revision()
    await begun.publish(MUSIC, "prohibited", "internal", texts={"en": "No more."})
    (line,) = await pages(begun.door, since)
    assert line == {
        "type": "ask_anew",
        "revision": since + 1,
        "use": MUSIC,
        "recipient": None,
        "about": None,
    }


async def test_an_erased_artist_is_not_named(begun: Story) -> None:
    """All they held is denied; whoever holds answers about artists asks about all of them anew."""
    since = await begun.revision()
    await begun.door.services.appender.submit(erasing("ana"))
    lines = await pages(begun.door, since)
    assert {"type": "ask_anew", "about": "artists"}.items() <= lines[0].items()
    found = told(lines, RECOMMENDATION)
    assert {name: one["reason"] for name, one in found.items()} == {
        "song": "artist_erased",
        "duet": "artist_erased",
    }
    assert "ana" not in json.dumps(lines)


async def test_a_permit_that_was_taken_back_is_not_told_any_more(begun: Story) -> None:
    """However far behind a reader is, it is told what holds now."""
    since = await begun.revision()
    await begun.say("ana", "opt_in", MUSIC)
    await begun.say("ana", "opt_out", MUSIC)
    lines = await pages(begun.door, since, limit=1)
    permits = [one for one in lines for result in one["results"] if result["permitted"]]
    assert permits == []


async def test_what_an_artist_says_of_what_nobody_put_is_nobodys_business(begun: Story) -> None:
    """An id that is no content's is not repeated to pipelines."""
    since = await begun.revision()
    await begun.say("ana", "opt_out", MUSIC, content="my-unreleased-song")
    assert await pages(begun.door, since) == []


async def test_a_reader_hears_of_the_columns_it_asks_for(begun: Story) -> None:
    """By a use or a group of them, and by recipient."""
    await begun.publish("training.tagging", "opt_in", "internal", "partner:x")
    since = await begun.revision()
    await begun.say("ana", "opt_out")
    heard = {
        (line["use"], line["recipient"]) for line in await pages(begun.door, since, use="training")
    }
    assert heard == {(MUSIC, "internal"), (VOICE, "internal")} | {
        ("training.tagging", to) for to in ("internal", "partner:x")
    }
    lines = await pages(begun.door, since, recipient="partner:x")
    assert {line["use"] for line in lines} == {"training.tagging"}
    assert await pages(begun.door, since, use="discovery", recipient="partner:x") == []


# Pages


async def test_without_a_position_one_is_told_where_the_ledger_stands(begun: Story) -> None:
    """That is where to go on from."""
    (line,) = await page(begun.door)
    assert (line["type"], line["revision"]) == ("reached", await begun.revision())


@pytest.mark.parametrize("limit", [1, 7, 100, 10_000])
async def test_large_events_span_pages(begun: Story, limit: int) -> None:
    """An artist with many tracks, many tracks at once, many deliveries: nothing is left out."""
    artists = [f"artist-{n}" for n in range(60)]
    await begun.register(*artists)
    rows = [
        {"content": f"track-{n:03}", "rightsholders": ["ana", artists[n % 60]]} for n in range(180)
    ]
    await begun.publish(MUSIC, "opt_out", "internal", texts={"en": "New words."})
    since = await begun.revision()
    await begun.door.done("POST", "/v1/content", {"content": rows}, by=PLATFORM)
    names = {row["content"] for row in rows}
    assert told(await pages(begun.door, since, limit=limit, use=VOICE), VOICE).keys() == names
    since = await begun.revision()
    await begun.deliver(f"{MUSIC}:2", *artists)
    lines = await pages(begun.door, since, limit=limit, use="training")
    assert told(lines, MUSIC).keys() == names | set(artists)
    assert not told(lines, VOICE)
    since = await begun.revision()
    await begun.say("ana", "opt_out", MUSIC)
    found = told(await pages(begun.door, since, limit=limit), MUSIC)
    assert found.keys() == names | {"ana", "song", "duet"}
    if limit < 100:
        one = await page(begun.door, since=since, limit=limit)
        assert sum(len(line["results"]) for line in one[:-1]) <= limit
        assert one[-1]["type"] == "more"


async def test_a_page_can_be_waited_for(begun: Story) -> None:
    """It comes as soon as there is something to tell."""
    since = await begun.revision()
    waiting = asyncio.create_task(page(begun.door, since=since, wait=30))
    await until_read(begun.door, 1)
    await begun.say("ana", "opt_out", RECOMMENDATION)
    async with asyncio.timeout(10):
        *lines, last = await waiting
    assert told(lines, RECOMMENDATION)["song"]["reason"] == "opted_out"
    assert last["revision"] == since + 1


async def until_read(door: Door, number: int) -> None:
    """Return once so many readers are there."""
    while len(door.services.changes.places.taken) != number:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    "since", ["", "x", "-1", "1.", "1.2-3", "1.2-3.A", "1.2-3.AA", "9" * 30, "1" * 2_000]
)
async def test_a_made_up_position_is_refused(begun: Story, since: str) -> None:
    """So is one that the ledger has not reached, as after a restored backup."""
    for sent in (since, str(await begun.revision() + 1)):
        response = await begun.door.http.get(
            "/v1/changes", params={"since": sent}, headers=begun.door.headers(PIPELINE)
        )
        assert response.status_code == 422
        assert response.json()["errors"][0]["field"] == "since"


async def test_a_form_that_is_not_spoken_is_refused(begun: Story) -> None:
    """There are pages and streams."""
    headers = begun.door.headers(PIPELINE) | {"Accept": "application/xml"}
    response = await begun.door.http.get("/v1/changes", headers=headers)
    assert response.status_code == 406


# Streams


async def test_a_no_arrives_on_an_open_stream(begun: Story) -> None:
    """With an id to go on from, and then word that this was all."""
    since = await begun.revision()
    async with streamed(begun.door, since=since) as reader:
        (level,) = await reader.until("reached")
        assert (level.id, level.data["revision"]) == (str(since), since)
        assert reader.headers["content-type"].startswith("text/event-stream")
        await begun.say("ana", "opt_out", RECOMMENDATION)
        *answers, level = await reader.until("reached")
        assert told([one.data for one in answers], RECOMMENDATION)["song"]["permitted"] is False
        assert [one.name for one in answers] == ["answers"] * len(answers)
        assert [one.id for one in answers] == [None] * (len(answers) - 1) + [str(since + 1)]
        assert level.data["revision"] == since + 1


async def test_a_stream_goes_on_where_it_broke_off(begun: Story) -> None:
    """The last event's id goes before the address that the stream was first asked for at."""
    first = await begun.revision()
    await begun.say("ana", "opt_out", MUSIC)
    second = await begun.revision()
    await begun.say("ana", "opt_out", RECOMMENDATION)
    async with streamed(begun.door, since=first, last_event_id=str(second)) as reader:
        answers = await reader.until("reached")
    assert {one.data["use"] for one in answers[:-1]} == {RECOMMENDATION}


async def test_breaking_off_anywhere_loses_nothing(begun: Story) -> None:
    """A reader that goes on from the last id it saw has heard of everything in the end."""
    first = await begun.revision()
    rows = [{"content": f"track-{n:04}", "rightsholders": ["ana"]} for n in range(1_000)]
    await begun.door.done("POST", "/v1/content", {"content": rows}, by=PLATFORM)
    await begun.say("ana", "opt_out")
    lines: list[Line] = []
    last, level = str(first), False
    while not level:
        async with streamed(begun.door, since=first, last_event_id=last) as reader:
            for _ in range(5):
                event = await reader.next()
                last, level = event.id or last, event.name == "reached"
                lines.append(event.data)
                if level:
                    break
    for use in (RECOMMENDATION, MUSIC, VOICE):
        found = told(lines, use)
        assert found.keys() == {row["content"] for row in rows} | {"ana", "song", "duet"}
        assert {one["permitted"] for one in found.values()} == {False}


async def test_breaking_off_on_a_long_way_without_news_begins_nothing_anew(
    begun: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events that a reader does not want to hear of move it on as well: their ids come alone."""
    monkeypatch.setattr(events, "AT_ONCE", 2)
    since = await begun.revision()
    for _ in range(5):
        await begun.say("ana", "opt_out", MUSIC)
    async with streamed(begun.door, since=since, use=VOICE) as reader:
        (level,) = await reader.until("reached")
    assert level.id == str(since + 5)
    assert f"\n\nid: {since + 2}\n\nid: {since + 4}\n\n".encode() in reader.body


@asynccontextmanager
async def set_up(url: str, issuer: LocalIssuer, **settings: Any) -> AsyncIterator[Story]:
    """Run the service with settings of the test's, begun."""
    async with open_door(url, issuer, **settings) as door:
        story = Story(door)
        await story.begin()
        yield story


async def test_while_nothing_happens_the_stream_says_where_it_is(
    movable_url: str, issuer: LocalIssuer
) -> None:
    """With the ledger's time, so that a reader knows how old what it holds is."""
    async with set_up(movable_url, issuer, changes_heartbeat_ms=10) as story:
        since = await story.revision()
        async with streamed(story.door, since=since) as reader:
            beats = [await reader.next() for _ in range(3)]
            await story.door.advance(timedelta(days=1))
            await reader.next()
            later = (await reader.next()).data["at"]
    assert {beat.data["revision"] for beat in beats} == {since}
    instants = [beat.data["at"] for beat in beats]
    assert sorted(set(instants)) == instants
    assert later > instants[-1]


async def test_a_slow_reader_holds_nothing_up_and_is_told_what_holds_by_then(
    begun: Story,
) -> None:
    """It is not waited for, nothing is kept for it, and what it missed is read when it comes."""
    since = await begun.revision()
    async with (
        streamed(begun.door, since=since) as slow,
        streamed(begun.door, since=since) as quick,
    ):
        await slow.until("reached")
        await quick.until("reached")
        slow.takes.clear()
        for answer in ("opt_out", "opt_in") * 10:
            revision = (await begun.say("ana", answer, RECOMMENDATION))["revision"]
            *answers, _ = await quick.until_reached(revision)
            lines = [one.data for one in answers if one.name == "answers"]
            assert told(lines, RECOMMENDATION)["song"]["permitted"] == (answer == "opt_in")
        revision = (await begun.say("ana", "opt_out", RECOMMENDATION))["revision"]
        slow.takes.set()
        events = await slow.until_reached(revision)
    lines = [one.data for one in events if one.name == "answers"]
    assert told(lines, RECOMMENDATION)["song"]["permitted"] is False
    assert len(lines) <= 4  # what was on its way, and what held when it was ready again


async def test_whoever_is_too_far_behind_is_told_where_to_go_on(
    movable_url: str, issuer: LocalIssuer
) -> None:
    """A page is refused; a stream that has fallen behind ends with the same word."""
    async with set_up(movable_url, issuer, changes_max_behind=3) as story:
        revision = await story.revision()
        headers = story.door.headers(PIPELINE)
        response = await story.door.http.get("/v1/changes?since=1", headers=headers)
        assert response.status_code == 410
        problem = response.json()
        assert problem["type"] == "urn:fermata:problem:too-far-behind"
        assert problem["earliest"] == revision - 3
        await page(story.door, since=problem["earliest"])
        async with streamed(story.door, since=revision) as reader:
            await reader.until("reached")
            reader.takes.clear()
            for answer in ("opt_out", "opt_in") * 3:
                await story.say("ana", answer, RECOMMENDATION)
            reader.takes.set()
            events = await reader.end()
    assert events[-1].name == "problem"
    assert events[-1].data["earliest"] == revision + 3


# What must never happen


async def logged(door: Door) -> dict[str, Any]:
    """Return the rows of the decision log by name."""
    async with connected(door.database_url) as connection:
        rows = await connection.fetch("SELECT * FROM decisions")
    return {row["decision_id"]: row for row in rows}


async def test_whatever_is_told_is_in_the_log(begun: Story) -> None:
    """One row for each column told, by the name that the reader is given."""
    since = await begun.revision()
    await begun.say("ana", "opt_out")
    lines = await pages(begun.door, since)
    rows = await logged(begun.door)
    assert len(lines) == len(rows)
    for line in lines:
        row = rows[line["decision_id"]]
        assert row["caller"] == PIPELINE.subject
        assert row["revision"] == line["revision"]


async def test_what_cannot_be_logged_is_not_told(
    begun: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream ends, saying so; the reader goes on from where it was."""
    since = await begun.revision()
    real = begun.door.services.log.record

    async def broken(decision: LoggedDecision) -> None:
        message = "the log is full"
        raise LogUnavailable(message)

    async with streamed(begun.door, since=since) as reader:
        await reader.until("reached")
        monkeypatch.setattr(begun.door.services.log, "record", broken)
        await begun.say("ana", "opt_out", RECOMMENDATION)
        (last,) = await reader.end()
        assert (last.name, last.data["status"]) == ("problem", 503)
    monkeypatch.setattr(begun.door.services.log, "record", real)
    assert told(await pages(begun.door, since), RECOMMENDATION)["song"]["permitted"] is False


async def test_while_clocks_disagree_no_window_is_told_as_closed(begun: Story) -> None:
    """The page is refused whole, the stream ends; nothing is skipped once they agree again."""
    since = await begun.revision()
    await begun.put("fresh", "ben")
    begun.door.clock.apart = 3_600 * SECOND
    headers = begun.door.headers(PIPELINE)
    response = await begun.door.http.get(f"/v1/changes?since={since}", headers=headers)
    assert response.status_code == 503
    assert response.json()["type"] == "urn:fermata:problem:clocks-disagree"
    denials = await pages(begun.door, since, use=MUSIC)
    assert told(denials, MUSIC)["fresh"]["reason"] == "no_opt_in"
    begun.door.clock.apart = 0
    assert told(await pages(begun.door, since), RECOMMENDATION)["fresh"]["permitted"] is True


async def test_only_so_many_readers_are_taken_at_once(
    movable_url: str, issuer: LocalIssuer
) -> None:
    """One more is told when to come back; who leaves makes room."""
    async with set_up(movable_url, issuer, changes_max_readers=1) as story:
        headers = story.door.headers(PIPELINE)
        async with streamed(story.door) as reader:
            await reader.until("reached")
            response = await story.door.http.get("/v1/changes", headers=headers)
            assert response.status_code == 429
            assert int(response.headers["retry-after"]) > 0
        await page(story.door)
        assert not story.door.services.changes.places.taken


async def test_a_stream_lasts_as_long_as_its_token(begun: Story) -> None:
    """Then it says so and ends."""
    by = machine("short-lived", Scope.CHECK)
    begun.door._tokens[by] = begun.door.issuer.mint(by.subject, by.client_id, by.scopes, 60)
    async with streamed(begun.door, by=by) as reader:
        await reader.until("reached")
        await begun.door.advance(timedelta(minutes=2))
        await begun.say("ana", "opt_out", MUSIC)
        *_, last = await reader.end()
    assert (last.name, last.data["status"]) == ("problem", 401)


async def test_readers_are_sent_away_when_the_process_ends(begun: Story) -> None:
    """At once, also one that takes in nothing; a page that is waited for comes as it is."""
    since = await begun.revision()
    waiting = asyncio.create_task(page(begun.door, since=since, wait=30))
    async with (
        streamed(begun.door, since=since) as quick,
        streamed(begun.door, since=since, takes=False),
    ):
        await quick.until("reached")
        await until_read(begun.door, 3)
        begun.door.services.changes.places.close()
        async with asyncio.timeout(5):
            assert (await waiting)[-1]["revision"] == since
            await quick.end()
            await until_read(begun.door, 0)


async def test_readers_at_the_same_place_share_the_work(
    begun: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger is asked once for all of them, and the index once for each column."""
    since = await begun.revision()
    events = begun.door.services.changes._events
    asked: list[int] = []
    real = events.after

    async def counted(revision: int, most: int) -> Any:
        asked.append(revision)
        return await real(revision, most)

    monkeypatch.setattr(events, "after", counted)
    async with AsyncExitStack() as stack:
        streams = [streamed(begun.door, since=since) for _ in range(10)]
        readers = [await stack.enter_async_context(stream) for stream in streams]
        for reader in readers:
            await reader.until("reached")
        await begun.say("ana", "opt_out", RECOMMENDATION)
        for reader in readers:
            *answers, _ = await reader.until("reached")
            assert told([one.data for one in answers], RECOMMENDATION)["song"]
    assert asked == [since]


async def test_many_readers_do_not_fill_the_log_all_at_once(
    begun: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are told one or two after another, so that checks are logged in between."""
    log, waiting, seen = begun.door.services.log, 0, list[int]()
    record = log.record

    async def counted(decision: LoggedDecision) -> None:
        nonlocal waiting
        waiting += 1
        seen.append(waiting)
        await record(decision)
        waiting -= 1

    monkeypatch.setattr(log, "record", counted)
    since = await begun.revision()
    async with AsyncExitStack() as stack:
        readers = [
            await stack.enter_async_context(streamed(begun.door, since=since)) for _ in range(6)
        ]
        for reader in readers:
            await reader.until("reached")
        await begun.say("ana", "opt_out")
        for reader in readers:
            await reader.until("reached")
    assert max(seen) == 2 * len(seen) // 6
