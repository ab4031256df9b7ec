"""The way of a check through the service: the short one and the long one, and room on it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx2
import pyarrow as pa
import pytest
from fastapi import FastAPI
from starlette.types import Message

from service.api import body as bodies
from service.api.checks import PATH
from service.decisions.capacity import SMALL, Capacity, Overloaded
from tests.api.arrow import ARROW, ask_arrow, stream
from tests.api.door import ADDRESS, Door
from tests.api.people import AUDITING_PIPELINE, PIPELINE, PLATFORM
from tests.api.story import ONLY_ASKS, RECOMMENDATION, Story

JSON: Final = "application/json"
QUESTION: Final = {"use": RECOMMENDATION, "content": ["song", "nowhere"]}


class LongWay(FastAPI):
    """Makes an app go the way of all its other calls."""

    def __init__(self, app: FastAPI) -> None:
        """Share everything with the app but its front door."""
        self.__dict__ = app.__dict__


# The short way


@pytest.mark.parametrize(
    ("body", "headers", "by"),
    [
        (b'{"use": "discovery.recommendation", "content": ["song"]}', {}, PIPELINE),
        (b'{"use": "discovery.recommendation", "content": []}', {}, PIPELINE),
        (b'{"use": "x", "content": ["song"], "consistency": {"at_least": 999}}', {}, PIPELINE),
        (b"{", {}, PIPELINE),
        (b"{}", {}, None),
        (b"{}", {}, PLATFORM),
        (b"{}", {"Content-Type": "text/plain"}, PIPELINE),
        (b"{}", {"Accept": "text/html"}, PIPELINE),
        (b"{}", {"Content-Length": "99999999"}, PIPELINE),
        (b"no stream", {"Content-Type": ARROW}, PIPELINE),
    ],
)
@ONLY_ASKS
async def test_both_ways_answer_the_same(
    standing: Story, body: bytes, headers: dict[str, str], by: Any
) -> None:
    """Statuses, headers and bodies, but for what differs from answer to answer."""
    door = standing.door
    sent = door.headers(by) | {"Content-Type": JSON} | headers
    short = await door.http.post(PATH, content=body, headers=sent)
    transport = httpx2.ASGITransport(app=LongWay(door.app))
    async with httpx2.AsyncClient(transport=transport, base_url=ADDRESS, timeout=30) as http:
        long = await http.post(PATH, content=body, headers=sent)
    assert (short.status_code, short.headers) == (long.status_code, long.headers)
    kept = {"type", "title", "status", "errors", "results"}
    assert [(name, one) for name, one in short.json().items() if name in kept] == [
        (name, one) for name, one in long.json().items() if name in kept
    ]


@ONLY_ASKS
async def test_other_spellings_of_the_address_are_answered_as_ever(standing: Story) -> None:
    """An encoded letter is that letter; an encoded slash is none; other methods are refused."""
    door = standing.door
    for path, status in (
        ("/v1/%63hecks", 200),
        ("/v1%2Fchecks", 404),
        ("/v1/checks/", 404),
        ("//v1/checks", 404),
        ("/v1/checks?shape=columns", 200),
    ):
        response = await door.ask("POST", path, QUESTION, by=PIPELINE)
        assert response.status_code == status, path
    assert (await door.ask("GET", PATH, by=PIPELINE)).status_code == 405


# What is answered


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (ARROW, ARROW),
        (f"{ARROW}, {JSON};q=0.5", ARROW),
        (f"{JSON};q=0.5, {ARROW}; q=0.4", JSON),
        (f"{ARROW.upper()};v=1", ARROW),
        (f"*/*;q=0.1, {ARROW}", ARROW),
        (f"*/*, {JSON};q=0", ARROW),
        ("text/html, */*;q=0.1", JSON),
        ("application/json;q=nonsense", JSON),
        ("application/json;q=7", JSON),
    ],
)
@ONLY_ASKS
async def test_accept_chooses_the_answer(standing: Story, accept: str | None, kind: str) -> None:
    """By quality, the most specific range first; where it does not say, as was sent."""
    headers = standing.door.headers(PIPELINE) | ({} if accept is None else {"Accept": accept})
    response = await standing.door.http.post(PATH, json=QUESTION, headers=headers)
    assert response.headers["content-type"] == kind


@pytest.mark.parametrize("accept", ["text/html", f"{JSON};q=0, {ARROW};q=0", "*/*;q=0", "nothing"])
@ONLY_ASKS
async def test_who_accepts_neither_is_told_what_there_is(standing: Story, accept: str) -> None:
    """406, before the body is read; nothing is answered, so nothing is logged."""
    headers = standing.door.headers(PIPELINE) | {"Accept": accept}
    response = await standing.door.http.post(PATH, json=QUESTION, headers=headers)
    assert response.status_code == 406
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"] == "urn:fermata:problem:not-acceptable"
    assert ARROW in response.json()["detail"]


@ONLY_ASKS
async def test_an_explanation_is_in_json(standing: Story) -> None:
    """It has no columns, so who accepts only those gets none."""
    headers = standing.door.headers(PIPELINE) | {"Accept": ARROW}
    explain = QUESTION | {"explain": True}
    response = await standing.door.http.post(PATH, json=explain, headers=headers)
    assert response.status_code == 406
    await standing.check(RECOMMENDATION, "song", explain=True)


# Room


@pytest.fixture
def crowded(begun: Story) -> Story:
    """Return a platform whose service has room for one small request and for one large one."""
    use_capacity(begun.door, Capacity(small=(1, SMALL), large=(1, 10 * SMALL)))
    return begun


def use_capacity(door: Door, capacity: Capacity) -> None:
    """Give the running service this room."""
    object.__setattr__(door.services, "capacity", capacity)


class Held:
    """A body of which the end is held back."""

    def __init__(self, body: bytes) -> None:
        """Hold back everything from the last byte on."""
        self._body = body
        self.begun, self.end = asyncio.Event(), asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Send it."""
        self.begun.set()
        yield self._body[:-1]
        await self.end.wait()
        yield self._body[-1:]


async def test_who_finds_no_room_is_refused_and_may_come_again(crowded: Story) -> None:
    """429 with `Retry-After`, and nothing read; once the other is answered there is room."""
    door = crowded.door
    body = b'{"use": "discovery.recommendation", "content": ["song"]}'
    held = Held(body)
    headers = door.headers(PIPELINE) | {"Content-Type": JSON, "Content-Length": str(len(body))}
    first = asyncio.create_task(door.http.post(PATH, content=held, headers=headers))
    await held.begun.wait()
    second = await door.ask("POST", PATH, QUESTION, by=PIPELINE)
    assert second.status_code == 429
    assert second.json()["type"] == "urn:fermata:problem:overloaded"
    assert int(second.headers["retry-after"]) >= 1
    assert second.headers["content-type"] == "application/problem+json"
    held.end.set()
    assert (await first).status_code == 200
    assert (await door.ask("POST", PATH, QUESTION, by=PIPELINE)).status_code == 200
    assert "fermata_checks_overloaded_total 1.0" in (await door.ask("GET", "/metrics")).text


async def test_a_giant_takes_its_room_before_its_body(crowded: Story) -> None:
    """By its declared length, or by the most it may have; small requests go on meanwhile."""
    door = crowded.door
    body = stream(pa_strings(SMALL + 1), about={"use": RECOMMENDATION})
    for more in ({"Content-Length": str(len(body))}, {}):
        use_capacity(door, Capacity(small=(1, SMALL), large=(1, 2_000_000)))
        held = Held(body)
        headers = door.headers(PIPELINE) | {"Content-Type": ARROW} | more
        giant = asyncio.create_task(door.http.post(PATH, content=held, headers=headers))
        await held.begun.wait()
        assert (await ask_arrow(door, body)).status_code == 429
        assert (await door.ask("POST", PATH, QUESTION, by=PIPELINE)).status_code == 200
        held.end.set()
        assert (await giant).status_code == 200
        assert door.services.capacity.in_flight == (0, 0)


def pa_strings(number: int) -> pa.Array:
    """Return so many ids of some hundred bytes."""
    return pa.array([f"{n:0100d}" for n in range(number)])


async def test_many_short_ids_are_as_heavy_as_they_are_many(crowded: Story) -> None:
    """What looked small by its length is weighed again, and may find no room."""
    use_capacity(crowded.door, Capacity(small=(1, SMALL), large=(1, SMALL)))
    body = QUESTION | {"content": ["x"] * (SMALL + 1)}
    response = await crowded.door.ask("POST", PATH, body, by=PIPELINE)
    assert response.status_code == 429
    assert crowded.door.services.capacity.in_flight == (0, 0)


@pytest.mark.parametrize("more", [{"explain": True}, {"at": "2126-01-01T00:00:00Z"}])
async def test_what_is_looked_at_one_by_one_is_heavy(crowded: Story, more: dict[str, Any]) -> None:
    """Each takes fifty times the memory and the time: a few hundred ids are no small check."""
    use_capacity(crowded.door, Capacity(small=(1, SMALL), large=(1, SMALL)))
    for number, status in ((SMALL // 50, 200), (SMALL // 50 + 1, 429)):
        body = QUESTION | {"content": ["song"] * number} | more
        response = await crowded.door.ask("POST", PATH, body, by=AUDITING_PIPELINE)
        assert response.status_code == status


@pytest.mark.parametrize("ends", ["gone", "slow", "refused", "broken"])
async def test_room_is_given_back_however_it_ends(
    crowded: Story, ends: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that goes away or dawdles, a refusal, a failure of ours."""
    door = crowded.door
    sent: list[Message] = []

    async def receive() -> Message:
        if ends == "gone" and sent_some:
            return {"type": "http.disconnect"}
        if ends == "slow" and sent_some:
            await asyncio.Event().wait()
        sent_some.append(True)
        return {"type": "http.request", "body": b"{", "more_body": ends in {"gone", "slow"}}

    async def send(message: Message) -> None:
        sent.append(message)

    sent_some: list[bool] = []
    monkeypatch.setattr(bodies.read_body, "__defaults__", (0.05,))
    if ends == "broken":
        monkeypatch.setattr("service.api.checks.read_check", lambda _: 1 / 0)
    headers = door.headers(PIPELINE) | {"Content-Type": JSON}
    scope = {
        "type": "http",
        "method": "POST",
        "path": PATH,
        "raw_path": PATH.encode(),
        "query_string": b"",
        "headers": [(n.lower().encode(), v.encode()) for n, v in headers.items()],
    }
    try:
        await door.app(scope, receive, send)
    except ZeroDivisionError:
        assert ends == "broken"
    statuses = [one["status"] for one in sent if one["type"] == "http.response.start"]
    assert statuses == {"gone": [], "slow": [408], "refused": [400], "broken": [500]}[ends]
    assert door.services.capacity.in_flight == (0, 0)


async def test_what_the_checker_has_no_room_for_is_refused_alike(
    begun: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever says that it is too much, the caller is told when to come again."""

    async def overloaded(*_: object) -> None:
        raise Overloaded(7)

    monkeypatch.setattr("service.decisions.check.Checker.answer", overloaded)
    response = await begun.door.ask("POST", PATH, QUESTION, by=PIPELINE)
    assert (response.status_code, response.headers["retry-after"]) == (429, "7")


@ONLY_ASKS
async def test_a_large_answer_comes_whole(standing: Story) -> None:
    """It is sent in pieces, as fast as it is taken; its length is that of all of them."""
    body = QUESTION | {"content": ["nowhere"] * 10_000}
    expected = await standing.door.ask("POST", PATH, body, by=PIPELINE)
    assert len(expected.content) > 1_000_000
    assert len(expected.json()["results"]) == 10_000
    assert int(expected.headers["content-length"]) == len(expected.content)
