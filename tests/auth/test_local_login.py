"""The local issuer's sign-in: as strict as a real one about everything but who somebody is."""

from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest
from starlette.applications import Starlette

from service.auth.local_codes import CodesInFolder, CodesInMemory
from service.auth.local_grant import development_clients
from service.auth.local_issuer import LocalIssuer, local_http_client, local_issuer_routes
from service.auth.local_key import new_signing_key
from service.auth.problems import TokenRefused
from service.auth.scopes import Scope
from service.auth.verifier import TokenVerifier
from tests.auth.issuers import StoppedClock

URL: Final = "http://127.0.0.1:8080"
AUTHORIZE: Final = f"{URL}/oauth/authorize"
CALLBACK: Final = f"{URL}/settings/callback"
VERIFIER: Final = "v" * 64
CHALLENGE: Final = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ASKED: Final = {
    "response_type": "code",
    "client_id": "settings-page",
    "redirect_uri": CALLBACK,
    "scope": "openid",
    "state": "s-1",
    "nonce": "n-1",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


@pytest.fixture
def local(clock: StoppedClock) -> LocalIssuer:
    """A local issuer with the development clients."""
    return LocalIssuer(URL, "fermata", clock, clients=development_clients("secret"))


@pytest.fixture
async def http(local: LocalIssuer) -> AsyncIterator[httpx2.AsyncClient]:
    """A client on the same machine."""
    async with local_http_client(local) as client:
        yield client


async def code(http: httpx2.AsyncClient, subject: str = "ana", **changes: str) -> str:
    """Sign in, and return the code that the browser is sent back with."""
    answer = await http.post(AUTHORIZE, data=ASKED | changes | {"subject": subject})
    assert answer.status_code == 303, answer.text
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert (query["state"], query["iss"]) == (["s-1"], [URL])
    return query["code"][0]


async def redeemed(http: httpx2.AsyncClient, spent: str, **changes: str) -> httpx2.Response:
    """Exchange a code as the public client does."""
    form = {
        "grant_type": "authorization_code",
        "code": spent,
        "redirect_uri": CALLBACK,
        "client_id": "settings-page",
        "code_verifier": VERIFIER,
    }
    return await http.post(f"{URL}/oauth/token", data=form | changes)


async def test_a_code_is_exchanged_for_both_tokens(
    local: LocalIssuer, http: httpx2.AsyncClient, clock: StoppedClock
) -> None:
    """Of whoever was typed in; the access token is one for the API, the ID token is not."""
    answer = await redeemed(http, await code(http, " ana "))
    tokens = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    verifier = TokenVerifier(local.trusted, http, clock)
    principal = await verifier.verify(tokens["access_token"])
    assert (principal.subject, principal.scopes) == ("ana", frozenset({Scope.CONSENTS}))
    with pytest.raises(TokenRefused):
        await verifier.verify(tokens["id_token"])


async def test_the_page_asks_whom_to_be(http: httpx2.AsyncClient) -> None:
    """By a form that keeps the request, escaped, and that no other page may frame."""
    answer = await http.get(AUTHORIZE, params=ASKED | {"state": '"><script>'})
    assert answer.status_code == 200
    assert "<script>" not in answer.text
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    empty = await http.post(AUTHORIZE, data=ASKED | {"subject": "  "})
    assert empty.status_code == 200


async def test_whoever_declines_is_sent_back_without_a_code(http: httpx2.AsyncClient) -> None:
    """With the error of RFC 6749 section 4.1.2.1."""
    answer = await http.post(AUTHORIZE, data=ASKED | {"decline": "yes", "subject": "ana"})
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert query == {"error": ["access_denied"], "iss": [URL], "state": ["s-1"]}


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "platform"},
        {"client_id": ""},
        {"redirect_uri": "https://evil.example/settings/callback"},
        {"redirect_uri": "http://evil.example/settings/callback"},
        {"redirect_uri": f"{CALLBACK}?to=elsewhere"},
        {"redirect_uri": f"{CALLBACK}#here"},
        {"redirect_uri": f"{URL}/settings"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": ""},
        {"response_type": "token"},
        {"scope": "fermata:consents"},
        {"code_challenge": ""},
        {"code_challenge": "short"},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": ""},
    ],
)
async def test_a_bad_request_is_refused_and_sends_nobody_anywhere(
    http: httpx2.AsyncClient, changes: dict[str, str]
) -> None:
    """PKCE is no option here, and browsers are only sent to this machine."""
    asked = {name: value for name, value in (ASKED | changes).items() if value}
    for answer in (
        await http.get(AUTHORIZE, params=asked),
        await http.post(AUTHORIZE, data=asked | {"subject": "ana"}),
    ):
        assert answer.status_code == 400
        assert "location" not in answer.headers
        assert answer.json()["error_description"]


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "w" * 64},
        {"code_verifier": ""},
        {"code_verifier": CHALLENGE},
        {"redirect_uri": "http://127.0.0.1:9090/settings/callback"},
        {"client_id": "platform"},
        {"client_id": ""},
        {"code": "another"},
        {"code": ""},
    ],
)
async def test_a_code_counts_with_all_that_belongs_to_it(
    http: httpx2.AsyncClient, changes: dict[str, str]
) -> None:
    """Whoever has only seen it has nothing."""
    answer = await redeemed(http, await code(http), **changes)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


async def test_a_code_counts_once_and_for_a_minute(
    http: httpx2.AsyncClient, clock: StoppedClock
) -> None:
    """A second try gets nothing, not even after a first that failed."""
    first, second, third = [await code(http) for _ in range(3)]
    assert (await redeemed(http, first)).status_code == 200
    assert (await redeemed(http, first)).status_code == 400
    assert (await redeemed(http, second, code_verifier="w" * 64)).status_code == 400
    assert (await redeemed(http, second)).status_code == 400
    clock.advance(60)
    assert (await redeemed(http, third)).status_code == 400


@pytest.mark.parametrize("peer", ["192.0.2.7", "172.17.0.1", "testclient"])
async def test_only_this_machine_can_sign_in(local: LocalIssuer, peer: str) -> None:
    """Even where the service listens on every address."""
    transport: Any = httpx2.ASGITransport(
        app=Starlette(routes=local_issuer_routes(local)), client=(peer, 50_000)
    )
    async with httpx2.AsyncClient(transport=transport) as http:
        for answer in (
            await http.get(AUTHORIZE, params=ASKED),
            await http.post(AUTHORIZE, data=ASKED | {"subject": "ana"}),
            await redeemed(http, "any"),
        ):
            assert answer.status_code == 403


async def test_a_web_page_that_was_pointed_here_signs_nobody_in(http: httpx2.AsyncClient) -> None:
    """DNS rebinding."""
    answer = await http.post(
        AUTHORIZE, data=ASKED | {"subject": "ana"}, headers={"Host": "attacker.example"}
    )
    assert answer.status_code == 403


async def test_a_flood_is_not_read(http: httpx2.AsyncClient) -> None:
    """A request is some hundred bytes."""
    answer = await http.post(AUTHORIZE, content=urlencode(ASKED | {"subject": "a" * 9_000}))
    assert answer.status_code == 400


async def test_a_code_of_one_process_is_redeemed_by_another_once(
    clock: StoppedClock, tmp_path: Path
) -> None:
    """Several at one address share a key and a folder; nobody knows whom the browser reaches."""
    key = new_signing_key()
    issuers = [
        LocalIssuer(URL, "fermata", clock, key=key, codes=CodesInFolder(tmp_path / "codes"))
        for _ in range(2)
    ]
    async with local_http_client(issuers[0]) as here, local_http_client(issuers[1]) as there:
        given, failed, late = [await code(here) for _ in range(3)]
        assert (await redeemed(there, given)).status_code == 200
        assert [(await redeemed(one, given)).status_code for one in (here, there)] == [400, 400]
        assert (await redeemed(there, failed, code_verifier="w" * 64)).status_code == 400
        assert (await redeemed(here, failed)).status_code == 400
        clock.advance(60)
        assert (await redeemed(there, late)).status_code == 400
    assert list((tmp_path / "codes").iterdir()) == []


async def test_codes_that_nobody_redeems_are_forgotten() -> None:
    """The oldest first, once there are a thousand."""
    codes = CodesInMemory()
    for number in range(1_001):
        codes.put(str(number), "known")
    assert (codes.take("0"), codes.take("1"), codes.take("1000")) == (None, "known", "known")


@pytest.mark.parametrize(
    ("asked", "without", "scopes"),
    [
        ("openid", "", {Scope.CONSENTS}),
        ("openid fermata:audit", "", {Scope.CONSENTS, Scope.AUDIT}),
        ("openid fermata:audit", "fermata:audit", {Scope.CONSENTS}),
        ("openid fermata:manage fermata:check", "", {Scope.CONSENTS}),
    ],
)
async def test_people_are_given_the_role_that_is_asked_for_unless_it_is_ticked_off(
    local: LocalIssuer,
    http: httpx2.AsyncClient,
    clock: StoppedClock,
    asked: str,
    without: str,
    scopes: set[Scope],
) -> None:
    """Compliance staff are people; whoever acts as a machine is none."""
    answer = await redeemed(http, await code(http, scope=asked, without=without))
    principal = await TokenVerifier(local.trusted, http, clock).verify(
        answer.json()["access_token"]
    )
    assert principal.scopes == scopes
    page = await http.get(AUTHORIZE, params=ASKED | {"scope": asked})
    assert ("Without fermata:audit" in page.text) == ("fermata:audit" in asked)
