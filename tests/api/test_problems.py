"""Every refusal and failure is a problem (RFC 9457) that says what to do, and leaks nothing."""

from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import httpx2
import pytest

from service.auth.local_issuer import LocalIssuer
from tests.api.door import ADDRESS, MAX_BODY_BYTES, Door, open_door
from tests.api.people import PIPELINE, PLATFORM, POLICY_DESK, person
from tests.api.story import MUSIC, RECOMMENDATION, Story, draft

JSON: Final = {"Content-Type": "application/json"}
USE: Final = "/v1/uses/training"
CONSENTS: Final = "/v1/artists/ana/consents"
NO: Final = {"answer": "opt_out", "use": "*", "channel": "email"}


def is_problem(response: httpx2.Response, status: int, kind: str) -> Any:
    """Return the problem that the response is; it has each member of RFC 9457 that it should."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem.keys() - {"errors"} == {"type", "title", "status", "detail"}
    assert problem["type"] == f"urn:fermata:problem:{kind}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    for error in problem.get("errors", []):
        assert error.keys() == {"field", "code", "message"}
        assert all(isinstance(value, str) and value for value in error.values())
    return problem


async def put(door: Door, content: bytes, **headers: str) -> httpx2.Response:
    """Name a use with this exact body."""
    return await door.http.put(
        USE, content=content, headers=door.headers(POLICY_DESK) | JSON | headers
    )


async def check(door: Door, content: bytes, **headers: str) -> httpx2.Response:
    """Ask with this exact body."""
    return await door.http.post(
        "/v1/checks", content=content, headers=door.headers(PIPELINE) | JSON | headers
    )


# One of every status


async def test_every_status_is_a_problem(begun: Story, subtests: pytest.Subtests) -> None:
    """Each refusal that a caller can bring about has its stable type."""
    door = begun.door
    policies = f"/v1/uses/{MUSIC}/policies"
    yes = NO | {"answer": "opt_in"}
    by_field = {"not-allowed", "conflict", "invalid-request", "unauthenticated"}
    await begun.delegate("ana", "label")
    for status, kind, method, path, body, by in (
        (401, "unauthenticated", "GET", "/v1/artists/ana", None, None),
        (403, "scope-missing", "GET", "/v1/artists/ana", None, PIPELINE),
        (403, "not-allowed", "POST", CONSENTS, yes, person("label")),
        (404, "not-found", "GET", "/v1/artists/nobody", None, PLATFORM),
        (404, "not-found", "GET", "/v1/nothing/here", None, PLATFORM),
        (404, "not-found", "GET", "/v1/charter/", None, None),
        (405, "method-not-allowed", "DELETE", "/v1/charter", None, POLICY_DESK),
        (409, "conflict", "POST", policies, draft("opt_in") | {"after": 9}, POLICY_DESK),
        (428, "precondition-required", "POST", CONSENTS, yes, person("ana")),
        (422, "invalid-request", "POST", policies, draft("sometimes"), POLICY_DESK),
        (422, "invalid-request", "POST", policies, draft("open"), POLICY_DESK),
    ):
        with subtests.test(kind=kind, path=path):
            problem = is_problem(await door.ask(method, path, body, by=by), status, kind)
            assert kind not in by_field or problem["errors"]


async def test_what_breaks_inside_says_nothing_of_itself(
    begun: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 is a problem too; what went wrong stands in the log, not in the answer."""

    async def broken(*_: object) -> None:
        message = "a secret of the inside"
        raise ZeroDivisionError(message)

    monkeypatch.setattr("service.decisions.check.Checker.answer", broken)
    transport = httpx2.ASGITransport(app=begun.door.app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=ADDRESS) as http:
        body = {"use": RECOMMENDATION, "content": ["song"]}
        headers = begun.door.headers(PIPELINE)
        response = await http.post("/v1/checks", json=body, headers=headers)
    is_problem(response, 500, "internal")
    assert "secret" not in response.text
    assert "ZeroDivision" not in response.text


# Bodies

MALFORMED: Final = {
    "cut short": b'{"names": {"en": "x"',
    "no JSON": b"names=x",
    "not UTF-8": b'{"names": {"en": "\xff"}}',
    "Latin-1": '{"names": {"en": "ä"}}'.encode("latin-1"),
    "too deep": b'{"names":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a number without end": b'{"names": {"en": ' + b"9" * 5_000 + b"}}",
    "two documents": b"{} {}",
}


MALFORMED_CHECKS: Final = {
    "cut short": b'{"use": "x"',
    "no JSON": b"use=x",
    "not UTF-8": b'{"use": "\xff", "content": ["a"]}',
    "two documents": b'{"use": "a", "content": ["a"]} {}',
}


async def test_what_is_no_json_is_malformed(begun: Story, subtests: pytest.Subtests) -> None:
    """400, for the writers and for the check."""
    for ask, bodies in ((put, MALFORMED), (check, MALFORMED_CHECKS)):
        for name, body in bodies.items():
            with subtests.test(name, ask=ask.__name__):
                is_problem(await ask(begun.door, body), 400, "malformed-request")


async def test_an_empty_body_is_refused(begun: Story) -> None:
    """There is nothing to do for it."""
    is_problem(await put(begun.door, b""), 422, "invalid-request")
    is_problem(await check(begun.door, b""), 400, "malformed-request")


UNSTORABLE: Final = (rb"\u0000", rb"\ud800", rb"\udfff", rb"\udfff\ud800")


async def test_what_cannot_be_stored_is_refused(begun: Story, subtests: pytest.Subtests) -> None:
    """NUL and half a surrogate pair are no text: as a value, a name of a field, or an id."""
    door = begun.door
    for text in UNSTORABLE:
        for body in (
            b'{"names": {"en": "a%bz"}}' % text,
            b'{"names": {"%b": "x"}}' % text,
            b'{"names": {"en": "x"}, "%b": "x"}' % text,
        ):
            with subtests.test(body=body):
                is_problem(await put(door, body), 422, "invalid-request")
        for body in (
            b'{"use": "a", "content": ["a%bz"]}' % text,
            b'{"use": "a", "artists": ["a%bz"]}' % text,
            b'{"use": "a%bz", "content": ["a"]}' % text,
            b'{"use": "a", "content": ["a"], "recipient": "a%bz"}' % text,
        ):
            with subtests.test(body=body):
                assert (await check(door, body)).status_code in {400, 422}
    for path in ("/v1/artists/%00", "/v1/content/a%00b", "/v1/notices/%00"):
        with subtests.test(path=path):
            is_problem(await door.ask("GET", path, by=PLATFORM), 422, "invalid-request")
    assert "names" not in (await door.ask("GET", USE)).json()


async def test_a_pair_of_surrogates_is_a_letter(begun: Story) -> None:
    """Escaped or not, it is one character beyond the first plane."""
    response = await put(begun.door, rb'{"names": {"en": "\ud83c\udfb5"}}')
    assert response.json()["names"] == {"en": "🎵"}


async def test_an_unknown_field_is_refused_by_name(begun: Story, subtests: pytest.Subtests) -> None:
    """A typo is never ignored, on whatever level: it could be the one thing that mattered."""
    door = begun.door
    policies = f"/v1/uses/{MUSIC}/policies"
    artist = {"artist": "eve"}
    content = {"content": "new", "rightsholders": []}
    delivery = {"artist": "ana", "channel": "email"}
    deliveries = f"/v1/notices/{MUSIC}:1/deliveries"
    bodies: list[tuple[str, str, Any, str]] = [
        ("POST", "/v1/charter", {"platform": "x", "typo": 1}, "typo"),
        ("PATCH", "/v1/charter", {"min_notice_period": "P60D", "typo": 1}, "typo"),
        ("PUT", USE, {"names": {"en": "x"}, "typo": 1}, "typo"),
        ("POST", policies, draft("opt_in") | {"typo": 1}, "typo"),
        ("POST", "/v1/artists", {"artists": [artist], "typo": 1}, "typo"),
        ("POST", "/v1/artists", {"artists": [artist | {"typo": 1}]}, "artists[0].typo"),
        ("PUT", "/v1/artists/ana/delegates/x", {"typo": 1}, "typo"),
        ("POST", "/v1/content", {"content": [content], "typo": 1}, "typo"),
        ("POST", "/v1/content", {"content": [content | {"typo": 1}]}, "content[0].typo"),
        ("POST", CONSENTS, NO | {"typo": 1}, "typo"),
        (
            "POST",
            CONSENTS,
            NO | {"shown": [{"use": MUSIC, "version": 1, "typo": 1}]},
            "shown[0].typo",
        ),
        ("POST", deliveries, {"deliveries": [delivery], "typo": 1}, "typo"),
        ("POST", deliveries, {"deliveries": [delivery | {"typo": 1}]}, "deliveries[0].typo"),
    ]
    for method, path, body, field in bodies:
        with subtests.test(path=path, field=field):
            by = POLICY_DESK if path in {"/v1/charter", USE, policies} else PLATFORM
            problem = is_problem(await door.ask(method, path, body, by=by), 422, "invalid-request")
            assert problem["errors"][0]["field"] == field
            assert problem["errors"][0]["code"] == "extra_forbidden"
    problem = is_problem(
        await check(door, b'{"use": "a", "content": ["a"], "typo": 1}'), 422, "invalid-request"
    )
    assert "typo" in problem["detail"]


async def test_of_very_many_errors_a_hundred_are_told(begun: Story) -> None:
    """The answer to a large bad request stays small."""
    body = {"artists": [{"artist": ""}] * 10_000}
    response = await begun.door.ask("POST", "/v1/artists", body, by=PLATFORM)
    problem = is_problem(response, 422, "invalid-request")
    assert len(problem["errors"]) == 100
    assert len(problem["detail"]) < 1_000
    assert problem["errors"][99]["field"] == "artists[99].artist"


async def test_a_long_detail_is_cut_where_the_errors_go_on(begun: Story) -> None:
    """What a rule refuses by row is told by row, and its summary is a summary."""
    rows = [{"artist": f"nobody {n}", "channel": "email"} for n in range(5_000)]
    path = f"/v1/notices/{MUSIC}:1/deliveries"
    response = await begun.door.ask("POST", path, {"deliveries": rows}, by=PLATFORM)
    problem = is_problem(response, 422, "invalid-request")
    assert problem["errors"][0]["field"] == "deliveries[0].artist"
    assert len(problem["detail"]) < 1_000


# Sizes


async def in_parts(size: int) -> AsyncIterator[bytes]:
    """Yield a body without saying before how long it is."""
    for _ in range(size // 65_536 + 1):
        yield b" " * 65_536


@pytest.mark.parametrize("ask", [put, check], ids=["writer", "check"])
async def test_a_body_too_large_is_refused(begun: Story, ask: Callable[..., Any]) -> None:
    """413, whether its length is declared or it comes in parts; the limit is named."""
    door = begun.door
    declared = await ask(door, b" " * (MAX_BODY_BYTES + 1))
    streamed = await ask(door, in_parts(MAX_BODY_BYTES + 1))
    lying = await ask(door, in_parts(MAX_BODY_BYTES + 1), **{"Content-Length": "10"})
    for response in (declared, streamed, lying):
        problem = is_problem(response, 413, "body-too-large")
        assert str(MAX_BODY_BYTES) in problem["detail"]
        assert response.headers["connection"] == "close"


async def test_a_body_too_large_by_its_word_alone_is_not_read(begun: Story) -> None:
    """The first byte is not waited for."""
    read = []

    async def body() -> AsyncIterator[bytes]:
        read.append(True)
        yield b""

    headers = begun.door.headers(POLICY_DESK) | JSON | {"Content-Length": str(MAX_BODY_BYTES + 1)}
    response = await begun.door.http.put(USE, content=body(), headers=headers)
    is_problem(response, 413, "body-too-large")
    assert not read


@pytest.mark.parametrize("length", [b"\xb2", b"-1", b"x", b"", b"1, 1"])
async def test_a_length_that_is_no_number_breaks_nothing(begun: Story, length: bytes) -> None:
    """Servers refuse it; where one does not, the body is counted as it comes."""
    headers = [(name.encode(), value.encode()) for name, value in JSON.items()]
    headers += [(n.encode(), v.encode()) for n, v in begun.door.headers(PIPELINE).items()]
    headers.append((b"Content-Length", length))
    response = await begun.door.http.post("/v1/checks", content=b"{}", headers=headers)
    is_problem(response, 422, "invalid-request")


async def test_the_largest_body_is_read(movable_url: str, issuer: LocalIssuer) -> None:
    """The limit itself is within the limit."""
    async with open_door(movable_url, issuer, max_body_bytes=1_024) as door:
        body = b'{"platform": "x"}'
        headers = door.headers(POLICY_DESK) | JSON
        padded = body + b" " * (1_025 - len(body))
        too_large = await door.http.post("/v1/charter", content=padded, headers=headers)
        is_problem(too_large, 413, "body-too-large")
        fits = await door.http.post("/v1/charter", content=padded[:-1], headers=headers)
        assert fits.status_code == 201


# Content types


@pytest.mark.parametrize("ask", [put, check], ids=["writer", "check"])
async def test_only_json_is_read(begun: Story, ask: Callable[..., Any]) -> None:
    """A body that says it is something else, or nothing, is not guessed at."""
    for sent in ("text/plain", "application/x-www-form-urlencoded", "text/json", "json", ""):
        response = await ask(begun.door, b"{}", **{"Content-Type": sent})
        is_problem(response, 415, "unsupported-media-type")
        arrow = ", application/vnd.apache.arrow.stream" if ask is check else ""
        assert response.headers["accept"] == "application/json" + arrow
    for sent in (
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/merge-patch+json",
    ):
        response = await ask(begun.door, b"{}", **{"Content-Type": sent})
        is_problem(response, 422, "invalid-request")


# Methods


async def test_a_wrong_method_learns_the_right_ones(begun: Story) -> None:
    """All of them, of every route at the path (RFC 9110 section 15.5.6)."""
    for path, allowed in (
        ("/v1/charter", "GET, PATCH, POST"),
        ("/v1/checks", "POST"),
        (f"/v1/uses/{MUSIC}", "PUT"),
        ("/v1/artists/a%2Fb/consents", "GET, POST"),
    ):
        response = await begun.door.ask("TRACE", path)
        is_problem(response, 405, "method-not-allowed")
        assert response.headers["allow"] == allowed


# Tokens


async def test_who_sends_no_token_is_asked_for_one(begun: Story) -> None:
    """Without a reproach: nothing was tried (RFC 6750 section 3.1)."""
    response = await begun.door.ask("GET", "/v1/artists/ana")
    problem = is_problem(response, 401, "unauthenticated")
    assert response.headers["www-authenticate"] == 'Bearer realm="fermata"'
    assert problem["errors"][0]["code"] == "missing"


async def test_a_token_is_asked_for_before_the_body_is_read(begun: Story) -> None:
    """A stranger makes nobody parse anything, however wrong or large it is."""
    read = []

    async def body() -> AsyncIterator[bytes]:
        read.append(True)
        yield b"{"

    for method, path in (("PUT", USE), ("POST", "/v1/checks"), ("POST", CONSENTS)):
        response = await begun.door.http.request(method, path, content=body(), headers=JSON)
        is_problem(response, 401, "unauthenticated")
    assert not read


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("Bearer nonsense", "malformed"),
        ("Bearer", "malformed"),
        ("Basic cGlwZWxpbmU6c2VjcmV0", "malformed"),
        ("Bearer a.b.c", "malformed"),
    ],
)
async def test_a_token_that_proves_nothing_is_refused(begun: Story, sent: str, code: str) -> None:
    """With the reason, in the challenge as well."""
    response = await begun.door.http.get("/v1/artists/ana", headers={"Authorization": sent})
    problem = is_problem(response, 401, "unauthenticated")
    assert problem["errors"][0]["code"] == code
    challenge = response.headers["www-authenticate"]
    assert challenge.startswith('Bearer realm="fermata", error="invalid_token"')
    assert sent.partition(" ")[2] not in problem["detail"] or sent == "Bearer"


async def test_an_expired_token_is_refused(begun: Story) -> None:
    """And no other client's or issuer's would do."""
    door = begun.door
    expired = door.issuer.mint("ana", "settings-page", PLATFORM.scopes, 0)
    other = LocalIssuer("http://127.0.0.1:9999", "fermata", door.clock)
    for token, code in (
        (expired, "expired"),
        (other.mint("ana", "settings-page", PLATFORM.scopes), "unknown_key"),
    ):
        response = await door.http.get(
            "/v1/artists/ana", headers={"Authorization": f"Bearer {token}"}
        )
        problem = is_problem(response, 401, "unauthenticated")
        assert problem["errors"][0]["code"] == code
        assert token not in response.text
