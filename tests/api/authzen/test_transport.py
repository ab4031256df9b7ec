"""Section 10, the HTTPS binding, and what section 11 asks of it: JSON, errors, request ids."""

import re
from typing import Any, Final

import httpx2
import pytest

from tests.api.authzen.asking import (
    EVALUATION,
    EVALUATIONS,
    EVERY_PATH,
    PIPE,
    SEARCHES,
    USE,
    Pep,
    asking,
    track,
    without,
)
from tests.api.door import ADDRESS, MAX_BODY_BYTES
from tests.api.people import PIPELINE, PLATFORM, Caller
from tests.api.story import ONLY_ASKS, Story

pytestmark = ONLY_ASKS

SCHEME: Final = re.compile(r"Bearer\b.*", re.DOTALL)
AS_IT_WAS_SENT: Final = 'bfe9 "7e" / é\t~'


@pytest.fixture
def partnered(standing_partnered: Story) -> Story:
    """Return the platform that all of these ask."""
    return standing_partnered


def body_for(path: str) -> dict[str, Any]:
    """Return a request that is fine for every one of the five."""
    return asking("song")


@pytest.mark.parametrize("path", EVERY_PATH)
async def test_10_1_a_success_is_200_and_json(pep: Pep, path: str) -> None:
    """With an object at the top."""
    answer = await pep.answer(path, body_for(path))
    assert isinstance(answer, dict)


@pytest.mark.parametrize("path", EVERY_PATH)
@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "", "application/x-www-form-urlencoded", "application/merge-patch+json"],
)
async def test_10_1_the_content_type_has_to_be_json(pep: Pep, path: str, content_type: str) -> None:
    """400, and a message that says what to send."""
    content = b'{"subject":{"type":"pipeline","id":"x"}}'
    response = await pep.raw(path, content, **{"Content-Type": content_type})
    assert response.status_code == 400
    assert "Content-Type: application/json" in response.json()["detail"]


@pytest.mark.parametrize("declared", ["application/json; charset=utf-8", "Application/JSON"])
async def test_10_1_parameters_and_case_of_the_content_type_do_not_count(
    pep: Pep, declared: str
) -> None:
    """They are the same media type (RFC 9110 section 8.3.1)."""
    content = b'{"subject":{"type":"pipeline","id":"x"},"action":{"name":"x"},'
    content += b'"resource":{"type":"track","id":"song"}}'
    response = await pep.raw(EVALUATION, content, **{"Content-Type": declared})
    assert response.status_code == 200


@pytest.mark.parametrize("path", EVERY_PATH)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"song"',
        b"{} {}",
        b"{'subject': 1}",
        b"\xff",
        b'{"subject":{"type":"\xff","id":"x"}}',
        b'{"subject":{"type":"\\ud800","id":"x"}}',
        b'{"subject":' + b"[" * 100_000,
        b'{"unknown":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
async def test_10_1_1_a_body_is_a_json_object(pep: Pep, path: str, content: bytes) -> None:
    """Anything else is 400, however it is broken."""
    response = await pep.raw(path, content)
    assert response.status_code == 400
    assert response.json()["detail"]


async def test_deep_properties_break_nothing(pep: Pep) -> None:
    """Nesting attacks are refused where they go too far (section 11.8)."""
    deep = b"[" * 3_000 + b"]" * 3_000
    for path in EVERY_PATH:
        content = (
            b'{"subject":{"type":"pipeline","id":"x","properties":{"p":' + deep + b"}},"
            b'"action":{"name":"x"},"resource":{"type":"track","id":"x"}}'
        )
        assert (await pep.raw(path, content)).status_code in {200, 400}


@pytest.mark.parametrize("number", [b"1e999", b"1" * 5_000, b"-0.0", b"12345678901234567890123"])
async def test_odd_numbers_break_nothing(pep: Pep, number: bytes) -> None:
    """They are nobody's to understand in properties and context."""
    for path in EVERY_PATH:
        content = (
            b'{"subject":{"type":"pipeline","id":"x","properties":{"p":' + number + b"}},"
            b'"action":{"name":"x"},"resource":{"type":"track","id":"x"},'
            b'"context":{"n":' + number + b"}}"
        )
        assert (await pep.raw(path, content)).status_code in {200, 400}


@pytest.mark.parametrize("path", [EVALUATION, EVALUATIONS])
@pytest.mark.parametrize(
    ("name", "inner"),
    [
        ("subject", "type"),
        ("subject", "id"),
        ("action", "name"),
        ("resource", "type"),
        ("resource", "id"),
    ],
)
async def test_10_1_1_what_is_required_and_omitted_is_a_bad_request(
    pep: Pep, path: str, name: str, inner: str
) -> None:
    """Omitted, null, or of the wrong type: 400, and the message names it."""
    body = asking("song")
    for wrong in (
        without(body, name),
        body | {name: None},
        body | {name: "alice"},
        body | {name: [body[name]]},
        body | {name: without(body[name], inner)},
        body | {name: body[name] | {inner: None}},
        body | {name: body[name] | {inner: 123}},
        body | {name: body[name] | {inner: {}}},
        body | {name: body[name] | {"properties": "x"}},
    ):
        response = await pep.send(path, wrong)
        assert response.status_code == 400, wrong
        assert name in response.json()["detail"]


@pytest.mark.parametrize("path", EVERY_PATH)
async def test_10_1_1_unknown_fields_are_ignored(pep: Pep, path: str) -> None:
    """At the top, in entities, in the context, in options and in the page."""
    more: dict[str, Any] = {"foo": "bar", "futureField": {"nested": True}}
    body = {name: value | more for name, value in body_for(path).items()} | more
    with_more = body | {"context": more, "options": more, "page": more}
    plain = await pep.answer(path, body_for(path))
    answer = await pep.answer(path, with_more)
    assert answer.get("decision") == plain.get("decision")
    assert answer.get("results") == plain.get("results")


async def test_10_1_1_the_order_of_members_does_not_count(pep: Pep) -> None:
    """Objects are unordered."""
    resource = {"id": "song", "type": "track"}
    body = {"resource": resource, "action": USE, "subject": dict(reversed(PIPE.items()))}
    assert (await pep.answer(EVALUATION, body))["decision"]


# Errors


@pytest.mark.parametrize("path", EVERY_PATH)
async def test_10_1_2_and_11_3_401_is_about_the_caller(partnered: Story, path: str) -> None:
    """Without a token, or with one that is none: 401, and the scheme that is expected."""
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic eDp5"}):
        response = await partnered.door.http.post(path, json=body_for(path), headers=headers)
        assert response.status_code == 401
        assert SCHEME.fullmatch(response.headers["www-authenticate"])
        assert response.json()["detail"]


@pytest.mark.parametrize("path", EVERY_PATH)
async def test_10_1_2_403_is_about_the_scope(partnered: Story, path: str) -> None:
    """A good token that does not allow this is told which scope would."""
    for by in (PLATFORM, Caller("console", "somebody", frozenset())):
        response = await partnered.door.ask("POST", path, body_for(path), by=by)
        assert response.status_code == 403
        assert 'scope="fermata:check"' in response.headers["www-authenticate"]


@pytest.mark.parametrize("path", EVERY_PATH)
async def test_strangers_make_nobody_read_their_body(partnered: Story, path: str) -> None:
    """The token comes first: without one, a broken body is 401 and not 400."""
    response = await partnered.door.http.post(path, content=b"{")
    assert response.status_code == 401


async def test_a_body_that_is_too_large_is_refused(pep: Pep) -> None:
    """It is not read to its end (section 11.8)."""
    response = await pep.raw(EVALUATION, b" " * (MAX_BODY_BYTES + 1))
    assert response.status_code == 413


@pytest.mark.parametrize("path", EVERY_PATH)
async def test_requests_are_made_by_post(partnered: Story, path: str) -> None:
    """Nothing else is served there."""
    response = await partnered.door.ask("GET", path, by=PIPELINE)
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


# Request ids


@pytest.mark.parametrize("path", EVERY_PATH)
async def test_10_1_3_the_request_id_comes_back(partnered: Story, path: str) -> None:
    """The same, to the byte, whatever is answered; and none where there was none."""
    door = partnered.door
    good = door.headers(PIPELINE)
    for headers, content, status in (
        (good, body_for(path), 200),
        (good, {}, 400),
        ({}, body_for(path), 401),
        (door.headers(PLATFORM), body_for(path), 403),
    ):
        sent: list[tuple[bytes, bytes]] = [
            (name.encode(), value.encode()) for name, value in headers.items()
        ]
        named = [*sent, (b"X-Request-ID", AS_IT_WAS_SENT.encode())]
        response = await door.http.post(path, json=content, headers=named)
        assert response.status_code == status
        raw = [value for name, value in response.headers.raw if name.lower() == b"x-request-id"]
        assert raw == [AS_IT_WAS_SENT.encode()]
        unnamed = await door.http.post(path, json=content, headers=sent)
        assert "x-request-id" not in unnamed.headers


async def test_10_1_3_it_comes_back_with_other_errors_too(partnered: Story) -> None:
    """Wrong methods, unknown paths, too large a body, and what broke here."""
    door = partnered.door
    headers = door.headers(PIPELINE) | {"X-Request-ID": "7"}

    class Broken:
        async def evaluate(self, *_: Any, **__: Any) -> None:
            raise RuntimeError("nobody foresaw this")

    large = b" " * (MAX_BODY_BYTES + 1)
    json = headers | {"Content-Type": "application/json"}
    answers = [
        await door.http.get(EVALUATION, headers=headers),
        await door.http.post("/access/v1/nothing", headers=headers),
        await door.http.post(EVALUATION, content=large, headers=json),
    ]
    whole = door.services.evaluator
    object.__setattr__(door.services, "evaluator", Broken())
    transport = httpx2.ASGITransport(app=door.app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=ADDRESS) as http:
        answers.append(await http.post(EVALUATION, json=asking("song"), headers=headers))
    object.__setattr__(door.services, "evaluator", whole)
    assert [answer.status_code for answer in answers] == [405, 404, 413, 500]
    assert all(answer.headers["x-request-id"] == "7" for answer in answers)
    assert all(answer.json()["detail"] for answer in answers)


async def test_repetition_changes_nothing(pep: Pep) -> None:
    """The same request has the same answer, each time, as long as nobody says anything."""
    for one, permitted in (("song", True), ("nowhere", False)):
        answers = [await pep.decision(one) for _ in range(10)]
        assert {answer["decision"] for answer in answers} == {permitted}
        assert len({answer["context"]["decision_id"] for answer in answers}) == 10
    search = {"subject": PIPE, "action": USE, "resource": track("song")}
    found = [await pep.answer(SEARCHES["resource"], search) for _ in range(3)]
    assert all(one["results"] == found[0]["results"] for one in found)
