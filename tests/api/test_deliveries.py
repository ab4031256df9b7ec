"""Notices and what became of them: only a first confirmed delivery starts a window."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import httpx2
import pytest

from service.auth.local_issuer import LocalIssuer
from service.domain.instant import DAY, format_instant, parse_instant
from service.ledger.append import AppenderDown
from service.notices import deliveries
from service.notices.deliveries import PART
from tests.api.door import connected, open_door
from tests.api.people import AUDITING_PIPELINE as AUDITING
from tests.api.people import AUDITOR, PIPELINE, PLATFORM, POLICY_DESK, Caller, person
from tests.api.refusals import refused
from tests.api.story import MUSIC, VOICE, Story, draft
from tests.api.whole_database import changed, everything

NOTICE: Final = f"{MUSIC}:2"
DELIVERIES: Final = f"/v1/notices/{NOTICE}/deliveries"
MONTH: Final = timedelta(days=30)


async def announced(story: Story) -> None:
    """Begin, and announce an `opt_out` version of a use that was `opt_in`."""
    await story.begin()
    await story.publish(MUSIC, "opt_out", texts={"en": "From now on, unless you object."})


async def window(story: Story, content: str = "song") -> Any:
    """Return the one window of a content's artist, or None."""
    answer = await story.check(MUSIC, content, explain=True)
    windows = answer["results"][0]["explanation"]["rightsholders"][0]["windows"]
    return windows[0] if windows else None


async def recorded_at(story: Story, revision: int) -> str:
    """Return the ledger's time of an event."""
    async with connected(story.door.database_url) as connection:
        at = await connection.fetchval(
            "SELECT recorded_at FROM ledger WHERE revision = $1", revision
        )
    return f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"


async def test_a_notice_counts_whom_it_reached(story: Story) -> None:
    """It is announced by the version's publication; how far it has come is the platform's."""
    await announced(story)
    version = (await story.door.ask("GET", f"/v1/uses/{MUSIC}/policies/2")).json()
    await story.deliver(NOTICE, "ana")
    await story.deliver(NOTICE, "ben", outcome="bounced")
    await story.deliver(NOTICE, "ben", outcome="bounced")
    counted = {
        "notice": NOTICE,
        "use": MUSIC,
        "version": 2,
        "announced_at": version["published_at"],
        "delivered": 1,
        "bounced": 1,
        "revision": version["revision"],
    }
    found = await story.door.done("GET", f"/v1/notices/{NOTICE}", by=AUDITOR)
    assert {name: found[name] for name in counted} == counted
    unknown = await story.door.ask("GET", f"/v1/notices/{MUSIC}:3", by=PLATFORM)
    assert unknown.status_code == 404


async def test_the_window_runs_from_the_recording_to_the_microsecond(story: Story) -> None:
    """Half open: the closing instant itself is permitted, the microsecond before is not (R6)."""
    await announced(story)
    told = await story.deliver(NOTICE, "ana")
    opened = await recorded_at(story, told["revision"])
    closes_at = format_instant(parse_instant(opened) + 30 * DAY)
    assert await window(story) == {
        "policy_version": 2,
        "opens_at": opened,
        "closes_at": closes_at,
    }
    for at, reason in (
        (format_instant(parse_instant(closes_at) - 1), "no_opt_in"),
        (closes_at, "window_closed"),
    ):
        assert await story.reasons(MUSIC, "song", by=AUDITING, at=at) == [reason]


async def test_a_second_delivery_changes_nothing(story: Story) -> None:
    """The first one counts; repeating is no event."""
    await announced(story)
    first = await story.deliver(NOTICE, "ana")
    before = await window(story)
    await story.door.advance(timedelta(days=3))
    again = await story.deliver(NOTICE, "ana", channel="push")
    assert again == {
        "notice": NOTICE,
        "delivered": 0,
        "bounced": 0,
        "already_known": 1,
        "revision": first["revision"],
    }
    assert await window(story) == before


async def test_a_bounce_starts_nothing(story: Story) -> None:
    """Nobody is bound by what did not reach them; a later delivery starts the window."""
    await announced(story)
    bounced = await story.deliver(NOTICE, "ana", outcome="bounced")
    assert (bounced["delivered"], bounced["bounced"]) == (0, 1)
    again = await story.deliver(NOTICE, "ana", outcome="bounced")
    assert (again["already_known"], again["revision"]) == (1, bounced["revision"])
    assert await window(story) is None
    await story.door.advance(MONTH * 2)
    assert await story.reasons(MUSIC, "song") == ["no_opt_in"]
    told = await story.deliver(NOTICE, "ana")
    assert (await window(story))["opens_at"] == await recorded_at(story, told["revision"])


async def test_every_way_that_an_artist_was_tried_by_comes_back_apart(story: Story) -> None:
    """A second bounce by another channel is news: only with it is there no way left."""
    await announced(story)
    first = await story.deliver(NOTICE, "ana", outcome="bounced", channel="webhook")
    second = await story.deliver(NOTICE, "ana", outcome="bounced", channel="email")
    again = await story.deliver(NOTICE, "ana", outcome="bounced", channel="webhook")
    assert [one["bounced"] for one in (first, second, again)] == [1, 1, 0]
    assert again["already_known"] == 1
    found = await story.door.done("GET", f"/v1/notices/{NOTICE}", by=AUDITOR)
    assert found["bounced"] == 1


async def test_a_bounce_after_a_delivery_stops_nothing(story: Story) -> None:
    """It arrived once: a later failure of some other message does not undo that."""
    await announced(story)
    await story.deliver(NOTICE, "ana")
    before = await window(story)
    bounced = await story.deliver(NOTICE, "ana", outcome="bounced")
    assert (bounced["bounced"], bounced["already_known"]) == (0, 1)
    assert await window(story) == before


async def test_a_claimed_time_moves_no_window(story: Story) -> None:
    """`reported_at` is evidence: neither the past nor the future counts (R6)."""
    await announced(story)
    for artist, content, claimed in (
        ("ana", "song", "2020-01-01T00:00:00Z"),
        ("ben", "tune", "2126-01-01T00:00:00Z"),
    ):
        told = await story.deliver(NOTICE, artist, reported_at=claimed)
        opened = (await window(story, content))["opens_at"]
        assert opened == await recorded_at(story, told["revision"])
    assert await story.reasons(MUSIC, "song") == ["no_opt_in"]


async def test_an_unknown_artist_is_refused_by_row(story: Story) -> None:
    """All of it or none: the good rows beside it are not recorded either."""
    await announced(story)
    rows = [{"artist": artist, "channel": "email"} for artist in ("ana", "nobody", "ben", "no one")]
    response = await story.door.ask("POST", DELIVERIES, {"deliveries": rows}, by=PLATFORM)
    assert response.status_code == 422
    assert [(e["field"], e["code"]) for e in response.json()["errors"]] == [
        ("deliveries[1].artist", "unknown_artist"),
        ("deliveries[3].artist", "unknown_artist"),
    ]
    assert await window(story) is None


async def test_ten_thousand_are_confirmed_at_once(story: Story) -> None:
    """Some delivered and some not, recorded a part at a time so that others come between."""
    await announced(story)
    artists = [f"artist {n}" for n in range(10_000)]
    await story.register(*artists)
    rows = [
        {"artist": artist, "channel": "email", "outcome": ("delivered", "bounced")[n % 2]}
        for n, artist in enumerate(artists)
    ]
    revision = await story.revision()
    done = await story.door.done("POST", DELIVERIES, {"deliveries": rows}, by=PLATFORM)
    assert done == {
        "notice": NOTICE,
        "delivered": 5_000,
        "bounced": 5_000,
        "already_known": 0,
        "revision": revision + 5,
    }
    again = await story.door.done("POST", DELIVERIES, {"deliveries": rows}, by=PLATFORM)
    assert (again["already_known"], again["revision"]) == (10_000, revision + 5)
    await story.door.advance(MONTH)
    body = {"use": MUSIC, "artists": artists, "shape": "columns"}
    columns = (await story.door.done("POST", "/v1/checks", body, by=PIPELINE))["results"]
    assert columns["permitted"] == [True, False] * 5_000


async def test_many_with_one_that_is_refused_leave_no_trace(story: Story) -> None:
    """A row of the last part keeps those of the first from being recorded, and is named."""
    await announced(story)
    artists = [f"artist {n}" for n in range(PART + 1)]
    await story.register(*artists)
    rows = [{"artist": artist, "channel": "email"} for artist in [*artists, "nobody", "ana"]]
    before = await everything(story.door.database_url)
    response = await story.door.ask(
        "POST", DELIVERIES, {"deliveries": rows}, by=PLATFORM, key="many"
    )
    assert [error["field"] for error in response.json()["errors"]] == [
        f"deliveries[{PART + 1}].artist"
    ]
    assert changed(before, await everything(story.door.database_url)) == []


async def test_many_that_broke_off_are_completed_under_their_key(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The repetition does what is left, and answers for the whole as if nothing had happened."""
    await announced(story)
    monkeypatch.setattr(deliveries, "PART", 2)
    await story.register(*"abcde")
    body = {"deliveries": [{"artist": artist, "channel": "email"} for artist in "abcde"]}
    submit, begun = story.door.services.appender.submit, 0

    async def break_off(*args: Any, **more: Any) -> Any:
        nonlocal begun
        begun += 1
        if begun > 1:
            message = "stopped"
            raise AppenderDown(message)
        return await submit(*args, **more)

    with monkeypatch.context() as broken:
        broken.setattr(story.door.services.appender, "submit", break_off)
        response = await story.door.ask("POST", DELIVERIES, body, by=PLATFORM, key="many")
        assert response.status_code == 503
    first = await story.door.done("POST", DELIVERIES, body, by=PLATFORM, key="many")
    again = await story.door.done("POST", DELIVERIES, body, by=PLATFORM, key="many")
    assert (first["delivered"], first["already_known"]) == (5, 0)
    assert again == first


async def test_the_longest_use_has_a_notice_too(story: Story) -> None:
    """A use of 200 characters can be announced and confirmed like any other."""
    await story.begin()
    use = "a." + "b" * 198
    published = await story.publish(use, "opt_out")
    assert (await story.deliver(published["notice"], "ana"))["delivered"] == 1
    path = f"/v1/notices/{published['notice']}"
    assert (await story.door.done("GET", path, by=POLICY_DESK))["delivered"] == 1


async def test_each_version_has_windows_of_its_own(story: Story) -> None:
    """A delivery of one version's notice is none of the next one's."""
    await announced(story)
    await story.deliver(NOTICE, "ana")
    await story.door.advance(MONTH)
    assert await story.reasons(MUSIC, "song") == ["window_closed"]
    body = draft("opt_out", texts={"en": "And more."})
    await story.door.done("POST", f"/v1/uses/{MUSIC}/policies", body, by=POLICY_DESK)
    answer = await story.check(MUSIC, "song", min_policy_version=3)
    assert answer["results"][0]["reason"] == "not_notified"
    assert (await story.check(MUSIC, "song"))["results"][0]["policy_version"] == 2


async def test_the_same_reported_at_once_is_recorded_once(story: Story) -> None:
    """Whichever comes second finds out while it waits, and changes nothing."""
    await announced(story)
    found = await asyncio.gather(*(story.deliver(NOTICE, "ana", "ben") for _ in range(5)))
    assert sorted(one["delivered"] for one in found) == [0, 0, 0, 0, 2]
    assert sorted(one["already_known"] for one in found) == [0, 2, 2, 2, 2]


async def test_a_late_delivery_opens_a_window_that_decides_nothing(story: Story) -> None:
    """It is a fact like any other, and recorded; but the version that came after governs (R7)."""
    await story.begin()
    await story.publish(VOICE, "opt_out", texts={"en": "Unless you object."})
    await story.publish(VOICE, "prohibited", texts={"en": "Never."})
    told = await story.deliver(f"{VOICE}:2", "ana")
    assert told["delivered"] == 1
    await story.door.advance(MONTH * 2)
    assert await story.reasons(VOICE, "song") == ["prohibited"]
    notice = await story.door.done("GET", f"/v1/notices/{VOICE}:2", by=AUDITOR)
    assert (notice["delivered"], notice["bound"], notice["overtaken"]) == (1, 0, 1)


async def test_a_version_withdrawn_in_its_window_binds_nobody(story: Story) -> None:
    """Those told before are not bound when their window closes, nor those who are told after."""
    await announced(story)
    await story.deliver(NOTICE, "ana")
    await story.door.advance(MONTH / 2)
    await story.publish(MUSIC, "opt_in")  # in the words and the mode of the first version
    await story.deliver(NOTICE, "ben")
    await story.door.advance(MONTH * 2)
    assert await story.reasons(MUSIC, "song", "tune") == ["no_opt_in", "no_opt_in"]


# Messages


async def sent(story: Story, artists: Sequence[str], channel: str, message: str) -> None:
    """Have told these artists by one message, as the sender notes it."""
    async with connected(story.door.database_url) as connection:
        await connection.execute(
            "INSERT INTO sends (notice_id, subject, channel, reminder, batch_id, position, state,"
            " message_id) SELECT $1, subject, $2, 0, 1, 0, 'handed_over', $3 FROM artists"
            " WHERE artist_id = ANY($4) ON CONFLICT DO NOTHING",
            NOTICE,
            channel,
            message,
            list(artists),
        )


async def report(story: Story, **row: Any) -> httpx2.Response:
    """Report one row."""
    body = {"deliveries": [{"channel": "email", **row}]}
    return await story.door.ask("POST", DELIVERIES, body, by=PLATFORM)


LETTER: Final = f"msg_training_generative_music_2_{'a1' * 16}"


@pytest.mark.parametrize(
    "named",
    [
        LETTER,
        f"<{LETTER}@mail.example>",
        f"{LETTER}@mail.example",
        f"bounces+{'a1' * 16}@mx.example",
    ],
)
async def test_a_letter_says_whom_it_was_for(
    movable_url: str, issuer: LocalIssuer, named: str
) -> None:
    """By its id, its Message-ID or the address that its bounces go to."""
    async with open_door(
        movable_url, issuer, bounce_address="bounces@mx.example", send_notices=False
    ) as door:
        story = Story(door)
        await announced(story)
        await sent(story, ["ana"], "email", LETTER)
        response = await report(story, message=named, outcome="bounced")
        assert response.json()["bounced"] == 1
        assert (await report(story, artist="ana", outcome="bounced")).json()["already_known"] == 1


async def test_a_webhook_told_many_and_its_report_names_one(story: Story) -> None:
    """A message of several artists says nothing about any one of them."""
    await announced(story)
    await sent(story, ["ana", "ben"], "webhook", "msg_many")
    refused(await report(story, message="msg_many"), 422, "message_names_several")
    told = await report(story, message="msg_many", artist="ana")
    assert told.json()["delivered"] == 1


@pytest.mark.parametrize(
    ("row", "code", "field"),
    [
        ({}, "names_nobody", "deliveries[0]"),
        ({"message": "msg_unknown"}, "unknown_message", "deliveries[0].message"),
        ({"message": "who@mail.example"}, "unknown_message", "deliveries[0].message"),
        ({"message": "msg_many", "artist": "cleo"}, "not_in_message", "deliveries[0].artist"),
        ({"message": "msg_many", "artist": "nobody"}, "unknown_artist", "deliveries[0].artist"),
    ],
)
async def test_a_report_about_nobody_is_refused(
    story: Story, row: Mapping[str, str], code: str, field: str
) -> None:
    """It names the row, and what to do."""
    await announced(story)
    await story.register("cleo")
    await sent(story, ["ana", "ben"], "webhook", "msg_many")
    refused(await report(story, **row), 422, code, field)


async def test_an_artist_named_twice_is_refused_however_named(story: Story) -> None:
    """By id and by a message: of two reports about one artist at once neither is the first."""
    await announced(story)
    await sent(story, ["ana"], "email", LETTER)
    rows = [{"artist": "ana", "channel": "email"}, {"message": LETTER, "channel": "email"}]
    response = await story.door.ask("POST", DELIVERIES, {"deliveries": rows}, by=PLATFORM)
    refused(response, 422, "repeated", "deliveries[1]")


# In the app


async def acknowledged(
    story: Story, artist: str, by: Caller, key: str | None = None
) -> httpx2.Response:
    """Acknowledge the notice."""
    path = f"/v1/artists/{artist}/notices/{NOTICE}/acknowledgement"
    return await story.door.ask("POST", path, by=by, key=key)


async def test_an_acknowledgement_is_a_delivery(story: Story) -> None:
    """Whoever has it before them has been told; saying so again changes nothing."""
    await announced(story)
    first = (await acknowledged(story, "ana", person("ana"))).json()
    assert (first["artist"], first["channel"]) == ("ana", "in_app")
    assert first["delivered_at"] == await recorded_at(story, first["revision"])
    assert (await window(story))["closes_at"] == first["closes_at"]
    await story.door.advance(timedelta(days=3))
    assert (await acknowledged(story, "ana", person("ana"))).json() == first
    assert (await story.deliver(NOTICE, "ana"))["already_known"] == 1


async def test_an_acknowledgement_after_a_letter_finds_its_window(story: Story) -> None:
    """The first confirmed delivery counts, whatever it came by."""
    await announced(story)
    told = await story.deliver(NOTICE, "ana")
    found = (await acknowledged(story, "ana", person("ana"))).json()
    assert (found["channel"], found["revision"]) == ("email", told["revision"])


async def test_a_delegate_and_the_platform_acknowledge_too(story: Story) -> None:
    """Who may say yes for an artist has it before them for the artist; others see nobody there.

    A delegate who may only say no starts no window: silence would permit when it closes.
    """
    await announced(story)
    await story.delegate("ana", "label")
    only_no = await acknowledged(story, "ana", person("label"))
    refused(only_no, 403, "delegate_may_not_opt_in")
    assert await window(story) is None
    await story.delegate("ana", "label", may_opt_in=True)
    stranger = await acknowledged(story, "ben", person("label"))
    nobody = await acknowledged(story, "nobody", person("label"))
    assert stranger.status_code == 404
    assert stranger.content == nobody.content
    assert (await acknowledged(story, "ana", person("label"))).status_code == 200
    assert (await acknowledged(story, "ben", PLATFORM)).status_code == 200


async def test_an_acknowledgement_can_be_repeated_under_its_key(story: Story) -> None:
    """It has no body, and is idempotent like every write."""
    await announced(story)
    first = await acknowledged(story, "ana", person("ana"), "once")
    again = await acknowledged(story, "ana", person("ana"), "once")
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"


async def test_an_unknown_notice_cannot_be_acknowledged(story: Story) -> None:
    """There is nothing that could have been read."""
    await story.begin()
    refused(await acknowledged(story, "ana", person("ana")), 404, "unknown_notice")


async def test_an_audit_does_not_confirm(story: Story) -> None:
    """Who may read everything may still start no window."""
    await announced(story)
    body = {"deliveries": [{"artist": "ana", "channel": "email"}]}
    assert (await story.door.ask("POST", DELIVERIES, body, by=AUDITOR)).status_code == 403
    assert await window(story) is None
