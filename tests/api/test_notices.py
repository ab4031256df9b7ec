"""How far notices have come: whom they reached, whose windows run, who has said no."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

import pytest

from service.auth.local_issuer import LocalIssuer
from service.domain.assessment import Column
from service.domain.binding import window_matters
from service.domain.history import Artist
from service.notices.audience import announce, behind, fill_page
from service.notices.cursor import Cursors
from tests.api.door import Door, connected, open_door
from tests.api.people import AUDITOR, PLATFORM, POLICY_DESK
from tests.api.refusals import refused
from tests.api.story import MUSIC, RECOMMENDATION, VOICE, Story, draft

NOTICE: Final = f"{MUSIC}:2"
MONTH: Final = timedelta(days=30)
SILENCE: Final = {"en": "From now on, unless you object."}
ARTISTS: Final = tuple(f"artist {n}" for n in range(12))


@pytest.fixture
async def door(movable_url: str, issuer: LocalIssuer) -> AsyncIterator[Door]:
    """A service whose worker does nothing by itself, with a mail server to its name."""
    async with open_door(
        movable_url,
        issuer,
        send_notices=False,
        smtp_host="mail.example",
        mail_from="notices@mail.example",
    ) as opened:
        yield opened


async def announced(story: Story, *recipients: str) -> None:
    """Begin, and announce an `opt_out` version of a use that was `opt_in`."""
    await story.begin()
    await story.publish(MUSIC, "opt_out", *recipients, texts=SILENCE)


async def look_at_everybody(story: Story) -> None:
    """Do what the worker does first: find whom each notice is for."""
    database, now = story.door.services.database, story.door.clock.now()
    async with database.keep() as session:
        await announce(session, now)
    async with database.keep() as session:
        for telling in await behind(session):
            while await fill_page(session, telling, now) is not None:
                pass


async def execute(story: Story, statement: str, *values: Any) -> None:
    """Change the bookkeeping as the sender would."""
    async with connected(story.door.database_url) as connection:
        await connection.execute(statement, *values)


async def send(story: Story, artist: str, channel: str, state: str, reminder: int = 0) -> None:
    """Note a send to an artist."""
    await execute(
        story,
        "INSERT INTO sends (notice_id, subject, channel, reminder, batch_id, position, state)"
        " SELECT $1, subject, $2, $3, 1, 0, $4 FROM artists WHERE artist_id = $5",
        NOTICE,
        channel,
        reminder,
        state,
        artist,
    )


async def has_mail(story: Story, *artists: str) -> None:
    """Know an address of these artists."""
    await execute(
        story,
        "INSERT INTO private.contacts (subject, email, updated_at)"
        " SELECT subject, 'somebody@mail.example', now() FROM artists WHERE artist_id = ANY($1)",
        list(artists),
    )


async def read(story: Story, path: str = "", notice: str = NOTICE) -> Any:
    """Read about a notice."""
    return await story.door.done("GET", f"/v1/notices/{notice}{path}", by=AUDITOR)


async def states(story: Story) -> dict[str, str]:
    """Return everybody's state."""
    return {one["artist"]: one["state"] for one in (await read(story, "/artists"))["artists"]}


# All notices


async def test_notices_are_listed_newest_first(story: Story) -> None:
    """Every version has one; which of them anybody has to be told of is said."""
    await announced(story)
    listed = (await story.door.done("GET", "/v1/notices", by=AUDITOR))["notices"]
    assert [(one["notice"], one["needs_telling"], one["state"]) for one in listed] == [
        (NOTICE, True, "waiting"),
        (f"{VOICE}:1", False, "not_needed"),
        (f"{MUSIC}:1", False, "not_needed"),
        (f"{RECOMMENDATION}:1", False, "not_needed"),
    ]
    first = await story.door.done("GET", "/v1/notices?limit=3", by=AUDITOR)
    rest = f"/v1/notices?limit=3&before={first['next_before']}"
    second = await story.door.done("GET", rest, by=AUDITOR)
    assert first["notices"] + second["notices"] == listed
    assert second["next_before"] is None


async def test_a_notice_is_current_until_another_version_comes(story: Story) -> None:
    """An editorial one changes nothing; any other ends it, at its own publication."""
    await announced(story)
    waiting = await read(story)
    assert (waiting["state"], waiting["audience_complete"]) == ("waiting", False)
    assert waiting["sending"]
    await look_at_everybody(story)
    current = await read(story)
    assert (current["state"], current["audience_complete"]) == ("current", True)
    assert not current["sending"]
    await story.publish(
        MUSIC, "opt_out", texts={"en": "From now on unless you object"}, editorial=True
    )
    assert (await read(story))["state"] == "current"
    assert (await read(story, notice=f"{MUSIC}:3"))["state"] == "not_needed"
    later = await story.publish(MUSIC, "prohibited", texts={"en": "Never."})
    ended = await read(story)
    assert (ended["state"], ended["ended_at"]) == ("ended", later["published_at"])


# Whom it reached


async def test_everybody_concerned_is_in_one_state(story: Story) -> None:
    """What was tried, what came back and what is left to try decide between them."""
    await announced(story)
    await story.register("cleo", "dora", "emil", "fred", "gina")
    await look_at_everybody(story)
    await story.deliver(NOTICE, "ana", channel="push")
    await send(story, "ben", "email", "handed_over")
    await send(story, "cleo", "webhook", "failed")
    await send(story, "dora", "webhook", "failed")
    await send(story, "dora", "email", "waiting")
    await send(story, "emil", "email", "handed_over")
    await story.deliver(NOTICE, "emil", outcome="bounced")
    await has_mail(story, "fred")
    assert await states(story) == {
        "ana": "reached",
        "ben": "waiting",
        "cleo": "unreachable",
        "dora": "bounced",
        "emil": "unreachable",
        "fred": "waiting",
        "gina": "unreachable",
    }
    notice = await read(story)
    assert notice["reach"] == {"reached": 1, "bounced": 1, "waiting": 2, "unreachable": 3}
    assert (notice["audience"], notice["audience_complete"]) == (7, True)
    assert (notice["delivered"], notice["bounced"]) == (1, 1)
    assert notice["sends"] == {
        "email": {"handed_over": 2, "waiting": 1},
        "webhook": {"failed": 2},
    }


async def test_those_nobody_could_reach_are_listed(story: Story) -> None:
    """Each with what was tried; an address found later takes them off the list."""
    await announced(story)
    await look_at_everybody(story)
    await send(story, "ben", "email", "bounced")
    listed = (await read(story, "/artists?state=unreachable"))["artists"]
    assert {one["artist"]: one["sends"] for one in listed} == {
        "ana": {},
        "ben": {"email": "bounced"},
    }
    await has_mail(story, "ana")
    listed = (await read(story, "/artists?state=unreachable"))["artists"]
    assert [one["artist"] for one in listed] == ["ben"]


async def test_a_proven_endpoint_reaches_everybody(story: Story) -> None:
    """Until it closes itself: then nothing is under way to those without an address."""
    await announced(story)
    await look_at_everybody(story)
    assert (await read(story))["reach"]["unreachable"] == 2
    await execute(
        story,
        "INSERT INTO private.webhook_endpoint VALUES (1, 'ep', 'https://hooks.example', '', now(),"
        " now())",
    )
    assert (await read(story))["reach"]["waiting"] == 2
    await execute(story, "INSERT INTO send_channels VALUES ('webhook', now(), now(), 'gone')")
    assert (await read(story))["reach"]["unreachable"] == 2


async def test_when_a_notice_ends_what_waits_is_not_under_way_any_more(story: Story) -> None:
    """Nobody is told any more; what a channel has taken may still arrive."""
    await announced(story)
    await look_at_everybody(story)
    await send(story, "ana", "email", "waiting")
    await send(story, "ben", "email", "handed_over")
    assert await states(story) == {"ana": "waiting", "ben": "waiting"}
    await story.publish(MUSIC, "prohibited", texts={"en": "Never."})
    assert await states(story) == {"ana": "unreachable", "ben": "waiting"}


async def test_somebody_outside_the_audience_who_was_told_is_listed_too(story: Story) -> None:
    """Reports are facts, whoever they are about."""
    await announced(story)
    await story.deliver(NOTICE, "ana")
    await story.deliver(NOTICE, "ben", outcome="bounced")
    assert await states(story) == {"ana": "reached", "ben": "unreachable"}
    notice = await read(story)
    assert (notice["audience"], notice["reach"]["reached"]) == (0, 1)


async def test_artists_are_listed_in_pages(story: Story) -> None:
    """Everybody once, whatever the pages' length, with a state or without."""
    await announced(story)
    await story.register(*ARTISTS)
    await look_at_everybody(story)
    await story.deliver(NOTICE, *ARTISTS[::2])
    for state, expected in (("", {*ARTISTS, "ana", "ben"}), ("&state=reached", set(ARTISTS[::2]))):
        found, after = [], ""
        while True:
            page = await read(story, f"/artists?limit=5{state}{after}")
            found += [one["artist"] for one in page["artists"]]
            if page["next_after"] is None:
                break
            after = f"&after={page['next_after']}"
        assert len(found) == len(expected)
        assert set(found) == expected


@pytest.mark.parametrize("cursor", ["", "x", "ana", "%C3%A4", "A" * 43 + "="])
async def test_a_made_up_cursor_is_refused(story: Story, cursor: str) -> None:
    """It would silently start somewhere else."""
    await announced(story)
    path = f"/v1/notices/{NOTICE}/artists?after={cursor}"
    refused(await story.door.ask("GET", path, by=AUDITOR), 422, "unknown_cursor", "after")


def test_a_cursor_says_nothing_of_the_reference() -> None:
    """And leads back to it."""
    cursors, subject = Cursors(b"k" * 32), "0123456789abcdef" * 2
    assert cursors.read(cursors.write(subject)) == subject
    assert subject not in cursors.write(subject)


# Windows and noes, against the rules


@pytest.mark.parametrize("seed", range(3))
async def test_windows_are_counted_by_the_rules(story: Story, seed: int) -> None:
    """Open, bound or overtaken, as the pure domain judges each artist, after every step."""
    generator = random.Random(seed)
    await announced(story)
    await story.register(*ARTISTS)
    for step in steps(generator):
        await step(story)
        await story.door.advance(timedelta(days=generator.randint(0, 20)))
        for number in range(2, len(await versions(story)) + 1):
            expected = await windows_by_rule(story, number)
            found = await read(story, notice=f"{MUSIC}:{number}")
            if found["needs_telling"]:
                counted = {name: found[name] for name in ("window_open", "bound", "overtaken")}
                assert counted == expected, number


def steps(generator: random.Random) -> Iterator[Any]:
    """Yield what can come to a use: deliveries, other terms, their return, spelling, an end."""

    async def deliver(story: Story) -> None:
        latest = len(await versions(story))
        number = generator.randint(max(2, latest - 2), latest)
        await story.deliver(f"{MUSIC}:{number}", *generator.sample(ARTISTS, 4))

    async def publish(story: Story) -> None:
        mode = generator.choice(["opt_out", "opt_out", "opt_in", "prohibited"])
        words = {"en": generator.choice(["one", "two", "three"])}
        await story.publish(MUSIC, mode, "internal", texts=words)

    async def spell(story: Story) -> None:
        last = (await versions(story))[-1]
        body = draft(last.mode, *last.recipients, texts={"en": str(generator.random())})
        body["editorial"] = True
        await story.door.done("POST", f"/v1/uses/{MUSIC}/policies", body, by=POLICY_DESK)

    for _ in range(6):
        yield deliver
        yield deliver
        yield generator.choice([publish, publish, spell])


async def versions(story: Story) -> Sequence[Any]:
    """Return the versions of the use as the index has them."""
    services = story.door.services
    head = await services.heads.read()
    await services.follower.reach(head.size, timeout=5)
    return services.index.history.versions[MUSIC]


async def artists(story: Story) -> Sequence[Artist]:
    """Return all artists as the index has them."""
    await versions(story)
    return list(story.door.services.index.history.artists.values())


async def windows_by_rule(story: Story, number: int) -> dict[str, int]:
    """Judge one artist after the other."""
    known, now = await versions(story), (await story.door.services.heads.read()).now
    found = Counter({"window_open": 0, "bound": 0, "overtaken": 0})
    for artist in await artists(story):
        told = artist.deliveries(MUSIC)
        if number not in told:
            continue
        closes_at = told[number] + known[number - 1].notice_period
        if window_matters(known, number, artist.registered_at, told, now):
            found["window_open" if closes_at > now else "bound"] += 1
        else:
            found["overtaken"] += 1
    return dict(found)


async def test_a_window_of_whoever_goes_on_under_the_same_terms_decides_nothing(
    story: Story,
) -> None:
    """They were bound when the version was published: no silence of theirs is waited for."""
    await announced(story)
    await story.deliver(NOTICE, "ana")
    await story.door.advance(MONTH)
    await story.publish(MUSIC, "opt_out", texts=SILENCE)
    await story.deliver(f"{MUSIC}:3", "ana", "ben")
    expected = {"delivered": 2, "window_open": 1, "bound": 0, "overtaken": 1}
    found = await read(story, notice=f"{MUSIC}:3")
    assert {name: found[name] for name in expected} == expected
    await story.door.advance(MONTH)
    found = await read(story, notice=f"{MUSIC}:3")
    assert (found["window_open"], found["bound"], found["overtaken"]) == (0, 1, 1)


@pytest.mark.parametrize("seed", range(3))
async def test_noes_are_counted_by_the_rules(story: Story, seed: int) -> None:
    """Whatever was said at whatever scope: a no that stands on every recipient, and no other."""
    generator = random.Random(seed)
    await announced(story, "internal", "partner:tuney")
    await story.register(*ARTISTS)
    await look_at_everybody(story)
    for _ in range(60):
        await say_something(story, generator)
        await story.door.advance(timedelta(hours=generator.randint(0, 40)))
    known, now = await versions(story), (await story.door.services.heads.read()).now
    expected = {
        story.door.services.index.artist_id(subject)
        for subject, artist in story.door.services.index.history.artists.items()
        if all(
            any(
                one.denies_since is not None and one.lifted_by is None
                for one in Column(artist, known, recipient, None).assess(now).applied
            )
            for recipient in known[-1].recipients
        )
    }
    listed = (await read(story, "/artists"))["artists"]
    assert {one["artist"] for one in listed if one["opted_out"]} == expected
    assert 0 < len(expected) < len(listed)
    assert (await read(story))["opted_out"] == len(expected)
    days = await read(story, "/days")
    by_day = sum(day["opted_out"] for day in days["days"])
    assert by_day + days["opted_out_before"] == len(expected)


async def say_something(story: Story, generator: random.Random) -> None:
    """Say anything at any scope."""
    artist = generator.choice(ARTISTS)
    use = generator.choice(["*", "training", MUSIC, "discovery"])
    answer = generator.choice(["opt_out", "opt_out", "opt_out", "opt_in", "inherit"])
    recipient = generator.choice([None, None, "internal", "partner:tuney"])
    shown = [{"use": one, "version": 2 if one == MUSIC else 1} for one in (MUSIC, VOICE)]
    body: dict[str, Any] = {
        "answer": answer,
        "use": use,
        "channel": "settings_page",
        "recipient": recipient,
    }
    if answer == "opt_in":
        body |= {"use": MUSIC, "shown": shown[:1]}
    path = f"/v1/artists/{artist}/consents"
    response = await story.door.ask("POST", path, body, by=PLATFORM)
    assert response.status_code in {201, 422, 428}, response.text


async def test_a_no_counts_of_whoever_is_listed(story: Story) -> None:
    """Also of somebody who is concerned only because a bounce was reported of them."""
    await announced(story)
    await story.deliver(NOTICE, "ana", outcome="bounced")
    await story.say("ana", "opt_out", MUSIC)
    listed = (await read(story, "/artists"))["artists"]
    assert [one["artist"] for one in listed if one["opted_out"]] == ["ana"]
    assert (await read(story))["opted_out"] == 1


async def test_nothing_is_being_sent_of_a_notice_that_has_ended(story: Story) -> None:
    """What is left of it waits to be put away, which no channel may ever come for."""
    await announced(story)
    await look_at_everybody(story)
    await execute(
        story,
        "INSERT INTO send_batches"
        " (notice_id, channel, reminder, occurred_at, tries, due_at, fence)"
        " VALUES ($1, 'webhook', 0, now(), 0, now(), 0)",
        NOTICE,
    )
    assert (await read(story))["sending"]
    await story.publish(MUSIC, "prohibited", texts={"en": "Never."})
    await look_at_everybody(story)
    assert not (await read(story))["sending"]
    await execute(story, "UPDATE send_batches SET reminder = 1")
    assert (await read(story))["sending"]


async def test_days_say_when_what_happened(story: Story) -> None:
    """Deliveries, bounces, noes and the windows that close, by UTC day; older noes apart."""
    await story.begin()
    await story.say("ana", "opt_out", "training")
    await story.door.advance(timedelta(days=40))
    await story.publish(MUSIC, "opt_out", texts=SILENCE)
    await look_at_everybody(story)
    told = await story.deliver(NOTICE, "ana")
    await story.deliver(NOTICE, "ben", outcome="bounced")
    await story.door.advance(timedelta(days=2))
    await story.say("ben", "opt_out", MUSIC)
    found = await read(story, "/days")
    assert told["delivered"] == 1
    assert found["opted_out_before"] == 1
    first, second, third = found["days"]
    assert (first["delivered"], first["bounced"], first["opted_out"]) == (1, 1, 0)
    assert (second["delivered"], second["opted_out"], second["windows_closing"]) == (0, 1, 0)
    assert third["windows_closing"] == 1
    assert first["day"] < second["day"] < third["day"]


async def test_no_window_is_counted_where_none_is_needed(story: Story) -> None:
    """Launch terms bind without one, whatever was reported about their notice."""
    await story.begin()
    await story.deliver(f"{RECOMMENDATION}:1", "ana")
    found = await read(story, notice=f"{RECOMMENDATION}:1")
    assert (found["delivered"], found["window_open"], found["bound"]) == (1, None, None)


async def test_an_unknown_notice_is_refused_everywhere(story: Story) -> None:
    """There is nothing to count."""
    await story.begin()
    for path in ("", "/days", "/artists"):
        response = await story.door.ask("GET", f"/v1/notices/{MUSIC}:9{path}", by=AUDITOR)
        refused(response, 404, "unknown_notice")


# Before publishing


async def test_a_dry_run_says_how_many_wait_and_cannot_be_reached(story: Story) -> None:
    """Only those whom the version makes wait count, and only what reaches them now."""
    await story.begin()
    await has_mail(story, "ana")

    async def dry(use: str, *recipients: str, mode: str = "opt_out") -> tuple[int, int]:
        body = draft(mode, *recipients, texts=SILENCE)
        path = f"/v1/uses/{use}/policies?dry_run=true"
        found = await story.door.done("POST", path, body, by=POLICY_DESK)
        return found["waiting"], found["unreachable"]

    assert await dry(MUSIC) == (2, 1)
    assert await dry(MUSIC, mode="prohibited") == (0, 0)
    same_words = draft("opt_out", "internal")
    path = f"/v1/uses/{RECOMMENDATION}/policies?dry_run=true"
    found = await story.door.done("POST", path, same_words, by=POLICY_DESK)
    assert (found["waiting"], found["unreachable"]) == (0, 0)
    assert await dry(RECOMMENDATION, "internal", "partner:tuney") == (2, 1)
