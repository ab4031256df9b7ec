"""The platform's webhook, against a real https server: what it is told, and what its answers do."""

import asyncio
import json
import ssl
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.instant import DAY, SECOND
from service.notices.channels.channel import Fate, Text
from service.notices.channels.retries import LONGEST_WAIT, MINUTE
from service.notices.channels.safe_address import AddressRules
from service.notices.channels.safe_post import SafePoster
from service.notices.channels.standard_webhooks import Genuine, verify
from service.notices.channels.webhook import (
    MOST_PER_CALL,
    THROTTLED_FOR,
    WebhookChannel,
    WebhookEndpoint,
)
from service.notices.channels.webhook_events import MOST_BYTES, notice_bodies
from service.notices.channels.webhook_keys import KeyPair, KeyRing, SharedSecret, rotate
from tests.notices.channels.listening import Heard, Listener, answer
from tests.notices.channels.telling import NOW, StoppedClock, artist, message, text

SECRET, NEWER = SharedSecret(b"s" * 32), SharedSecret(b"n" * 32)
PAIR = KeyPair(b"p" * 32)


def to(listener: Listener, endpoint_id: str = "main") -> WebhookEndpoint:
    """The endpoint that a listener is, with a key of each kind."""
    return WebhookEndpoint(
        endpoint_id,
        f"https://hooks.example:{listener.port}/fermata",
        KeyRing(SECRET),
        KeyRing(PAIR),
    )


@pytest.fixture
def channel(endpoint: Listener, poster: SafePoster, clock: StoppedClock) -> WebhookChannel:
    """The channel to the listening endpoint."""
    return WebhookChannel(to(endpoint), poster, clock)


def told(heard: Heard) -> list[str]:
    """The artists that one request named."""
    return [entry["artist"] for entry in json.loads(heard.body)["data"]["artists"]]


async def test_a_notice_is_told_by_ids_and_hashes(
    endpoint: Listener, channel: WebhookChannel
) -> None:
    """The body names notice, use, version, window, texts and artists, and holds no words."""
    outcomes = await channel.send(message(), [artist(1), artist(2)], attempt_id="try-1")

    heard = endpoint.heard[0]
    assert json.loads(heard.body) == {
        "type": "notice.announced",
        "timestamp": "2026-03-01T11:59:59.000000Z",
        "data": {
            "notice": "training.generative.music:2",
            "use": "training.generative.music",
            "version": 2,
            "notice_period": "P30D",
            "texts": [
                {"locale": "de", "sha256": message().texts["de"].sha256},
                {"locale": "en", "sha256": message().texts["en"].sha256},
            ],
            "artists": [{"artist": "artist-1"}, {"artist": "artist-2"}],
        },
    }
    assert heard.headers["content-type"] == "application/json"
    assert heard.headers["fermata-attempt"] == "try-1"
    assert [outcome.fate for outcome in outcomes] == [Fate.HANDED_OVER] * 2


async def test_a_reminder_says_when_each_window_closes(
    endpoint: Listener, channel: WebhookChannel
) -> None:
    """Windows open at each artist's own delivery, so each has a deadline of their own."""
    await channel.send(
        message(reminder=2),
        [artist(1, closes_at=NOW + DAY), artist(2, closes_at=NOW + 2 * DAY)],
        attempt_id="try-1",
    )

    event = json.loads(endpoint.heard[0].body)
    assert event["type"] == "notice.reminder"
    assert event["data"]["reminder"] == 2
    assert event["data"]["artists"] == [
        {"artist": "artist-1", "closes_at": "2026-03-02T12:00:00.000000Z"},
        {"artist": "artist-2", "closes_at": "2026-03-03T12:00:00.000000Z"},
    ]


async def test_it_says_nothing_that_would_name_an_artist_to_a_stranger(
    endpoint: Listener, channel: WebhookChannel
) -> None:
    """No e-mail address, no link by which anybody could answer, no reference of the ledger."""
    await channel.send(message(), [artist(7)], attempt_id="try-1")

    body = endpoint.heard[0].body.decode()
    for secret in (artist(7).email, artist(7).opt_out_link, artist(7).subject):
        assert str(secret) not in body


async def test_it_is_signed_in_both_ways(
    endpoint: Listener, channel: WebhookChannel, clock: StoppedClock
) -> None:
    """A receiver with either key verifies it; the id is the outcome's."""
    (outcome,) = await channel.send(message(), [artist(1)], attempt_id="try-1")

    heard = endpoint.heard[0]
    for key in (SECRET, PAIR.public):
        verified = verify(heard.headers, heard.body, [key], clock.now())
        assert verified == Genuine(outcome.message_id, NOW)


async def test_during_a_rotation_old_and_new_key_sign(
    endpoint: Listener, poster: SafePoster, clock: StoppedClock
) -> None:
    """And a day later only the new one."""
    ring = rotate(KeyRing(SECRET), NEWER, clock.now())
    channel = WebhookChannel(WebhookEndpoint("main", to(endpoint).url, secrets=ring), poster, clock)

    await channel.send(message(), [artist(1)], attempt_id="try-1")
    clock.advance(DAY)
    await channel.send(message(), [artist(1)], attempt_id="try-2")

    def who_verifies(heard: Heard, now: int) -> list[bool]:
        return [
            isinstance(verify(heard.headers, heard.body, [key], now), Genuine)
            for key in (SECRET, NEWER)
        ]

    assert who_verifies(endpoint.heard[0], NOW) == [True, True]
    assert who_verifies(endpoint.heard[1], NOW + DAY) == [False, True]


def test_an_endpoint_without_keys_is_refused(poster: SafePoster, clock: StoppedClock) -> None:
    """Nothing is ever sent unsigned."""
    with pytest.raises(ValueError, match="unsigned"):
        WebhookChannel(WebhookEndpoint("main", "https://hooks.example/"), poster, clock)


async def test_a_retry_is_the_same_message(
    endpoint: Listener, poster: SafePoster, clock: StoppedClock
) -> None:
    """After a crash, by another process, later: same id, same body, a new time and signature."""
    people = [artist(1), artist(2)]
    first = await WebhookChannel(to(endpoint), poster, clock).send(
        message(), people, attempt_id="try-1"
    )
    clock.advance(3_600 * SECOND)
    second = await WebhookChannel(to(endpoint), poster, clock).send(
        message(), people, attempt_id="try-2"
    )

    before, after = endpoint.heard
    assert before.body == after.body
    assert before.headers["webhook-id"] == after.headers["webhook-id"]
    assert before.headers["webhook-timestamp"] != after.headers["webhook-timestamp"]
    assert [one.message_id for one in first] == [one.message_id for one in second]


async def test_what_is_told_otherwise_is_another_message(
    endpoint: Listener, poster: SafePoster, clock: StoppedClock
) -> None:
    """Other artists, another version, a reminder or another endpoint: each has its own id."""
    tellings = [
        (to(endpoint), message(), [artist(1)]),
        (to(endpoint), message(), [artist(2)]),
        (to(endpoint), message(), [artist(1), artist(2)]),
        (to(endpoint), message(notice_id="training.generative.music:3"), [artist(1)]),
        (to(endpoint), message(notice_id="training.generative_music:2"), [artist(1)]),
        (to(endpoint), message(reminder=1), [artist(1)]),
        (to(endpoint), message(reminder=2), [artist(1)]),
        (to(endpoint, "other"), message(), [artist(1)]),
    ]
    for where, what, whom in tellings:
        await WebhookChannel(where, poster, clock).send(what, whom, attempt_id="try-1")

    ids = {heard.headers["webhook-id"] for heard in endpoint.heard}
    assert len(ids) == len(tellings)
    assert all(id_.startswith("msg_training_generative_music_") for id_ in ids)


async def test_many_artists_share_a_request(endpoint: Listener, channel: WebhookChannel) -> None:
    """As many as one call may name fit into one, where their ids are of usual length."""
    people = [artist(n) for n in range(MOST_PER_CALL)]

    await channel.send(message(), people, attempt_id="try-1")

    assert [told(heard) for heard in endpoint.heard] == [[one.artist_id for one in people]]


async def test_long_ids_are_divided_among_requests(
    endpoint: Listener, channel: WebhookChannel
) -> None:
    """Every artist once, in order, each request under 20 kB and with an id of its own."""
    people = [artist(n, artist_id=f"{n:03d}" + "ü" * 197) for n in range(40)]

    outcomes = await channel.send(message(), people, attempt_id="try-1")

    named = [one for heard in endpoint.heard for one in told(heard)]
    assert named == [person.artist_id for person in people]
    assert all(len(heard.body) < MOST_BYTES for heard in endpoint.heard)
    assert len({heard.headers["webhook-id"] for heard in endpoint.heard}) == len(endpoint.heard) > 1
    assert [outcome.artist_id for outcome in outcomes] == [p.artist_id for p in people]


@given(
    st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=200), max_size=60),
    st.integers(1, 100),
    st.booleans(),
)
def test_every_body_is_under_20_kb(ids: list[str], locales: int, closing: bool) -> None:  # noqa: FBT001
    """For any ids the API takes and any number of locales; nobody is left out or told twice."""
    texts = {f"x{n:03d}": Text("", "0" * 64) for n in range(locales)}
    closes_at = NOW if closing else None
    people = [
        artist(n, artist_id=artist_id, closes_at=closes_at) for n, artist_id in enumerate(ids)
    ]

    bodies = list(notice_bodies(message(texts=texts), people))

    assert [one for named, _ in bodies for one in named] == people
    assert all(len(body) < MOST_BYTES for _, body in bodies)
    for named, body in bodies:
        artists = json.loads(body)["data"]["artists"]
        assert [entry["artist"] for entry in artists] == [one.artist_id for one in named]


async def test_telling_nobody_asks_nobody(endpoint: Listener, channel: WebhookChannel) -> None:
    """An empty call is no request."""
    assert list(await channel.send(message(), [], attempt_id="try-1")) == []
    assert endpoint.connections == 0


@pytest.mark.parametrize("status", ["301 Moved", "400 Bad", "404 No", "500 Oops", "503 Busy"])
async def test_other_statuses_are_tried_again(
    endpoint: Listener, channel: WebhookChannel, status: str
) -> None:
    """With what the endpoint said as the reason; the next call asks again at once."""
    endpoint.answers = [answer(status, b"because\r\n\x00\xff"), answer("200 OK")]

    (outcome,) = await channel.send(message(), [artist(1)], attempt_id="try-1")

    assert (outcome.fate, outcome.not_before) == (Fate.TRY_AGAIN, 0)
    assert f"answered {status[:3]}: because" in outcome.reason
    (outcome,) = await channel.send(message(), [artist(1)], attempt_id="try-2")
    assert outcome.fate is Fate.HANDED_OVER


async def test_retry_after_is_honoured(endpoint: Listener, channel: WebhookChannel) -> None:
    """On any failure, as seconds or as a date; never for longer than a day."""
    endpoint.answers = [
        answer("503 Busy", b"", "Retry-After: 90"),
        answer("500 Oops", b"", "Retry-After: Sun, 01 Mar 2026 12:02:00 GMT"),
        answer("500 Oops", b"", "Retry-After: 99999999"),
    ]

    waits = [
        (await channel.send(message(), [artist(1)], attempt_id="try"))[0].not_before
        for _ in range(3)
    ]

    assert waits == [90 * SECOND, 2 * MINUTE, LONGEST_WAIT]


@pytest.mark.parametrize("status", ["429 Slow", "502 Gate", "504 Gate"])
async def test_an_overloaded_endpoint_is_left_alone(
    endpoint: Listener, channel: WebhookChannel, clock: StoppedClock, status: str
) -> None:
    """Other artists' notices wait too, without a request, until the time it asked for is over."""
    endpoint.answers = [answer(status, b"", "Retry-After: 120"), answer("200 OK")]

    (first,) = await channel.send(message(), [artist(1)], attempt_id="try-1")
    clock.advance(20 * SECOND)
    (second,) = await channel.send(message(), [artist(2)], attempt_id="try-1")

    assert (first.fate, first.not_before) == (Fate.TRY_AGAIN, 120 * SECOND)
    assert (second.fate, second.not_before) == (Fate.TRY_AGAIN, 100 * SECOND)
    assert endpoint.connections == 1
    clock.advance(100 * SECOND)
    (third,) = await channel.send(message(), [artist(2)], attempt_id="try-2")
    assert third.fate is Fate.HANDED_OVER


async def test_an_overloaded_endpoint_that_says_nothing_gets_a_minute(
    endpoint: Listener, channel: WebhookChannel
) -> None:
    """Rather than the next batch at once."""
    endpoint.answers = [answer("429 Slow")]

    (outcome,) = await channel.send(message(), [artist(1)], attempt_id="try-1")

    assert outcome.not_before == THROTTLED_FOR


async def test_an_endpoint_that_is_gone_is_asked_no_more(
    endpoint: Listener, channel: WebhookChannel
) -> None:
    """410 closes the channel for all artists, those of the same call included; nobody bounced."""
    endpoint.answers = [answer("410 Gone"), answer("200 OK")]
    people = [artist(n, artist_id=f"{n:03d}" + "ü" * 197) for n in range(40)]

    outcomes = await channel.send(message(), people, attempt_id="try-1")

    assert {outcome.fate for outcome in outcomes} == {Fate.CLOSED}
    assert len(outcomes) == 40
    (later,) = await channel.send(message(), [artist(1)], attempt_id="try-2")
    assert later.fate is Fate.CLOSED
    assert endpoint.connections == 1


async def test_one_failed_request_does_not_stop_the_others(
    endpoint: Listener, channel: WebhookChannel
) -> None:
    """Each request of a call stands or falls alone."""
    endpoint.answers = [answer("500 Oops"), answer("200 OK")]
    people = [artist(n, artist_id=f"{n:03d}" + "ü" * 197) for n in range(40)]

    outcomes = await channel.send(message(), people, attempt_id="try-1")

    failed = told(endpoint.heard[0])
    assert {one.artist_id for one in outcomes if one.fate is Fate.TRY_AGAIN} == set(failed)
    assert {one.fate for one in outcomes} == {Fate.TRY_AGAIN, Fate.HANDED_OVER}


async def test_only_an_excerpt_of_an_answer_is_kept(
    endpoint: Listener, channel: WebhookChannel
) -> None:
    """An endpoint's pages are its own business."""
    endpoint.answers = [answer("500 Oops", b"x" * 10_000)]

    (outcome,) = await channel.send(message(), [artist(1)], attempt_id="try-1")

    assert outcome.reason.count("x") == 200


async def test_where_it_is_not_safe_nothing_is_sent(
    endpoint: Listener, trusting: ssl.SSLContext, clock: StoppedClock
) -> None:
    """A name that has come to lead inside: to be tried again, for it is no artist's fault."""

    async def inside(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    rules = AddressRules(ports=frozenset({endpoint.port}))
    channel = WebhookChannel(to(endpoint), SafePoster(rules, tls=trusting, resolve=inside), clock)

    (outcome,) = await channel.send(message(), [artist(1)], attempt_id="try-1")

    assert outcome.fate is Fate.TRY_AGAIN
    assert "not a public address" in outcome.reason
    assert endpoint.connections == 0


async def test_a_broken_connection_is_tried_again(
    endpoint: Listener, channel: WebhookChannel
) -> None:
    """Taken or not, it will be the same message."""

    async def breaking(writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    endpoint.answers = [breaking, answer("200 OK")]

    (first,) = await channel.send(message(), [artist(1)], attempt_id="try-1")
    (second,) = await channel.send(message(), [artist(1)], attempt_id="try-2")

    assert (first.fate, second.fate) == (Fate.TRY_AGAIN, Fate.HANDED_OVER)
    assert first.message_id == second.message_id
    assert endpoint.heard[0].body == endpoint.heard[1].body


def test_words_never_count_towards_a_body() -> None:
    """However long the terms are, the event has only their hash."""
    short = [body for _, body in notice_bodies(message(), [artist(1)])]
    long = message(texts={"en": text("word " * 40_000)})

    assert len(next(body for _, body in notice_bodies(long, [artist(1)]))) < len(short[0])
