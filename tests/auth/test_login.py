"""What must hold before somebody is signed in, by the numbers in login.py and id_token.py."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx2
import pytest

from service.auth.login import Attempt, Login, LoginClient, LoginFailed, LoginTrouble
from service.auth.scopes import Scope
from service.auth.trusted_issuer import TrustedIssuer
from service.auth.verifier import TokenVerifier
from tests.auth.issuers import (
    AUDIENCE,
    ISSUER,
    NOW_S,
    MemoryIssuer,
    StoppedClock,
    signing_key,
)

AUTHORIZE: Final = "https://issuer.example/tenant/authorize?tenant=1"
TOKEN: Final = "https://issuer.example/tenant/token"
LOGOUT: Final = "https://issuer.example/tenant/logout?tenant=1"
PUBLIC: Final = "https://fermata.example/"
CALLBACK: Final = "https://fermata.example/settings/callback"


@dataclass
class Provider:
    """An issuer in memory that logs ana in, and a client of it."""

    issuer: MemoryIssuer
    clock: StoppedClock
    changes: dict[str, object] = field(default_factory=dict)
    header: dict[str, object] = field(default_factory=dict)
    token_answer: httpx2.Response | None = None
    access_token: str = "opaque"
    asked: list[httpx2.Request] = field(default_factory=list)
    nonce: str = ""

    def __post_init__(self) -> None:
        """Announce what is needed for a login."""
        self.issuer.metadata |= {
            "authorization_endpoint": AUTHORIZE,
            "token_endpoint": TOKEN,
            "end_session_endpoint": LOGOUT,
        }

    async def handle(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a token request; leave the rest to the issuer."""
        if str(request.url) != TOKEN:
            return await self.issuer.handle(request)
        self.asked.append(request)
        return self.token_answer or httpx2.Response(
            200,
            json={
                "access_token": self.access_token,
                "token_type": "Bearer",
                "id_token": self.id_token,
            },
        )

    @property
    def id_token(self) -> str:
        """A good ID token for the login under way, but for `changes` and `header`."""
        claims = {"aud": "pages", "nonce": self.nonce, "scope": ..., "client_id": ...}
        header: dict[str, Any] = {"typ": "JWT"} | self.header
        return self.issuer.token(claims | self.changes, **header)

    def login(self, secret: str | None = None, client_id: str = "pages") -> Login:
        """A login at this provider."""
        trusted = TrustedIssuer(issuer=ISSUER, audience=AUDIENCE)
        http = httpx2.AsyncClient(transport=httpx2.MockTransport(self.handle))
        tokens = TokenVerifier(trusted, http, self.clock)
        client = LoginClient(client_id, PUBLIC, secret)
        return Login(trusted, client, tokens.provider, http, self.clock, tokens=tokens)

    async def begin(self, login: Login, *scopes: Scope) -> Attempt:
        """Begin a login, and remember its nonce as a provider does."""
        address, attempt = await login.begin(scopes)
        self.nonce = parse_qs(urlsplit(address).query)["nonce"][0]
        return attempt

    async def logged_in(self, **answer: str) -> str:
        """Log in with the code that a browser brings back; return who did."""
        login = self.login()
        attempt = await self.begin(login)
        query = {"code": "c-1", "state": attempt.state} | answer
        return (await login.finish(attempt, urlencode(query))).subject

    async def trouble(self, **answer: str) -> LoginTrouble:
        """Fail to log in; return why."""
        with pytest.raises(LoginFailed) as caught:
            await self.logged_in(**answer)
        assert caught.value.detail
        return caught.value.trouble


@pytest.fixture
def provider(issuer: MemoryIssuer, clock: StoppedClock) -> Provider:
    """A provider that logs ana in."""
    return Provider(issuer, clock)


async def test_somebody_who_logs_in_is_known(provider: Provider) -> None:
    """By the subject of the ID token, which a token for the API would have too."""
    login = provider.login()
    attempt = await provider.begin(login)
    logged_in = await login.finish(attempt, f"code=c-1&state={attempt.state}")
    assert logged_in.subject == "ana"
    assert logged_in.id_token.count(".") == 2
    assert logged_in.id_token not in repr(logged_in)


async def test_the_request_is_a_code_flow_with_pkce(provider: Provider) -> None:
    """4: the challenge goes ahead, the verifier follows with the code; nothing of either twice."""
    login = provider.login()
    address, attempt = await login.begin()
    sent = dict(parse_qsl(urlsplit(address).query))
    challenge = sha256(attempt.code_verifier.encode()).digest()
    assert address.startswith("https://issuer.example/tenant/authorize?tenant=1&")
    assert sent == {
        "tenant": "1",
        "response_type": "code",
        "client_id": "pages",
        "redirect_uri": CALLBACK,
        "scope": "openid",
        "state": attempt.state,
        "nonce": attempt.nonce,
        "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    provider.nonce = attempt.nonce
    await login.finish(attempt, f"code=c%2B1&state={attempt.state}")
    (request,) = provider.asked
    assert dict(parse_qsl(request.content.decode())) == {
        "grant_type": "authorization_code",
        "client_id": "pages",
        "redirect_uri": CALLBACK,
        "code": "c+1",
        "code_verifier": attempt.code_verifier,
    }
    assert "authorization" not in request.headers
    other = (await login.begin())[1]
    assert not {other.state, other.nonce, other.code_verifier} & {
        attempt.state, attempt.nonce, attempt.code_verifier,
    }  # fmt: skip
    assert attempt.code_verifier not in repr(attempt)


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        (None, "Basic"),
        (["client_secret_post", "client_secret_basic"], "Basic"),
        (["client_secret_post"], ""),
    ],
)
async def test_a_confidential_client_proves_itself(
    provider: Provider, methods: list[str] | None, expected: str
) -> None:
    """In the way that the provider takes; encoded by RFC 6749 section 2.3.1."""
    if methods is not None:
        provider.issuer.metadata["token_endpoint_auth_methods_supported"] = methods
    login = provider.login(secret="a secret: 100 %+", client_id="pages")
    attempt = await provider.begin(login)
    await login.finish(attempt, f"code=c-1&state={attempt.state}")
    (request,) = provider.asked
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    assert scheme == expected
    if expected:
        assert base64.b64decode(credentials) == b"pages:a+secret%3A+100+%25%2B"
    else:
        assert dict(parse_qsl(request.content.decode()))["client_secret"] == "a secret: 100 %+"


@pytest.mark.parametrize("state", ["", "wrong", "é"])
async def test_l2_the_answer_to_another_attempt_is_none(provider: Provider, state: str) -> None:
    """L2: and the code is not even looked at."""
    assert await provider.trouble(state=state) is LoginTrouble.NOT_BEGUN
    assert await provider.trouble(state=state, error="access_denied") is LoginTrouble.NOT_BEGUN
    assert provider.asked == []


async def test_l3_the_answer_of_another_issuer_is_none(provider: Provider) -> None:
    """L3: nor is one without a name, of an issuer that says it names itself."""
    assert await provider.logged_in(iss=ISSUER) == "ana"
    assert await provider.trouble(iss="https://other.example") is LoginTrouble.MISCONFIGURED
    provider.issuer.metadata["authorization_response_iss_parameter_supported"] = True
    assert await provider.trouble() is LoginTrouble.MISCONFIGURED
    assert await provider.logged_in(iss=ISSUER) == "ana"


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://issuer.example/token",
        "http://127.0.0.1/token",
        "ftp://issuer.example/token",
        "https:///token",
        "https://issuer.example/token#here",
        "javascript:alert(1)",
        "",
        5,
        None,
    ],
)
@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint"])
async def test_l5_an_endpoint_is_as_safe_as_its_issuer(
    provider: Provider, name: str, endpoint: object
) -> None:
    """L5: an https issuer that names a plain one is not followed there."""
    provider.issuer.metadata[name] = endpoint
    assert await provider.trouble() is LoginTrouble.MISCONFIGURED
    assert provider.asked == []


async def test_l5_an_answer_is_bounded_and_never_followed_elsewhere(provider: Provider) -> None:
    """L5: neither a flood nor a redirect leads anywhere."""
    provider.token_answer = httpx2.Response(200, content=b"{" + b" " * (1 << 20))
    assert await provider.trouble() is LoginTrouble.MISCONFIGURED
    provider.token_answer = httpx2.Response(307, headers={"Location": "https://evil.example"})
    assert await provider.trouble() is LoginTrouble.MISCONFIGURED
    assert {str(request.url) for request in provider.asked} == {TOKEN}


@pytest.mark.parametrize(
    "answer",
    [{}, {"id_token": None}, {"id_token": 5}, {"access_token": "x", "token_type": "Bearer"}, []],
)
async def test_l6_without_an_id_token_nobody_is_logged_in(
    provider: Provider, answer: object
) -> None:
    """L6: an access token says what a client may do, not who is at the browser."""
    provider.token_answer = httpx2.Response(200, json=answer)
    assert await provider.trouble() is LoginTrouble.MISCONFIGURED


async def test_l6_an_id_token_that_the_browser_brings_is_not_looked_at(provider: Provider) -> None:
    """L6: it could be anybody's."""
    login = provider.login()
    attempt = await provider.begin(login)
    good = provider.id_token
    with pytest.raises(LoginFailed):
        await login.finish(attempt, urlencode({"state": attempt.state, "id_token": good}))


BAD_CLAIMS: Final[Mapping[str, dict[str, object]]] = {
    "7 another issuer": {"iss": "https://other.example"},
    "8 another client": {"aud": "console"},
    "8 the api": {"aud": AUDIENCE},
    "8 nobody": {"aud": ...},
    "9 expired": {"exp": NOW_S},
    "9 for ever": {"exp": ...},
    "10 not yet": {"iat": NOW_S + 31},
    "11 an access token": {"typ": "Bearer"},
    "11 an access token of cognito": {"token_use": "access"},
    "11 a refresh token": {"typ": "Refresh"},
    "12 issued to another": {"azp": "console"},
    "12 shared, to nobody": {"aud": ["pages", "console"]},
    "12 shared, to another": {"aud": ["pages", "console"], "azp": "console"},
    "13 without its time": {"iat": ...},
    "14 another login": {"nonce": "another"},
    "14 no login": {"nonce": ...},
    "14 no text": {"nonce": 5},
    "15 nobody's": {"sub": ...},
    "15 empty": {"sub": ""},
    "15 too long": {"sub": "a" * 256},
    "15 no name": {"sub": "a\nb"},
}


@pytest.mark.parametrize("changes", BAD_CLAIMS.values(), ids=BAD_CLAIMS.keys())
async def test_l7_an_id_token_that_lacks_a_proof_is_refused(
    provider: Provider, changes: dict[str, object]
) -> None:
    """L7: whatever else is right."""
    provider.changes = changes
    assert await provider.trouble() is LoginTrouble.MISCONFIGURED


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ["pages"]},
        {"azp": "pages"},
        {"aud": ["pages", "console"], "azp": "pages"},
        {"typ": "ID"},
        {"token_use": "id"},
        {"iat": NOW_S + 30},
        {"at_hash": "x", "auth_time": NOW_S - 5, "email": "ana@example.org"},
    ],
)
async def test_l7_a_good_id_token_in_another_shape_is_accepted(
    provider: Provider, changes: dict[str, object]
) -> None:
    """As this or that provider makes them."""
    provider.changes = changes
    assert await provider.logged_in() == "ana"


@pytest.mark.parametrize("header", [{"typ": "at+jwt"}, {"typ": "logout+jwt"}, {"kid": "unknown"}])
async def test_l7_the_header_has_to_be_that_of_an_id_token(
    provider: Provider, header: dict[str, object]
) -> None:
    """L7: the issuer signs other things too, and with keys that it publishes."""
    provider.header = header
    assert await provider.trouble() is LoginTrouble.MISCONFIGURED


async def test_l7_a_forged_id_token_is_refused(provider: Provider) -> None:
    """L7: signed by nobody, by another key, or changed afterwards."""
    login = provider.login()
    for forge in (_unsigned, _signed_by_another, _changed):
        attempt = await provider.begin(login)
        id_token = forge(provider)
        provider.token_answer = httpx2.Response(200, json={"id_token": id_token})
        with pytest.raises(LoginFailed) as caught:
            await login.finish(attempt, f"code=c-1&state={attempt.state}")
        assert caught.value.trouble is LoginTrouble.MISCONFIGURED
        assert id_token not in str(caught.value)


def _unsigned(provider: Provider) -> str:
    header = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    return f"{header}.{provider.id_token.split('.')[1]}."


def _signed_by_another(provider: Provider) -> str:
    claims = {"aud": "pages", "nonce": provider.nonce}
    return provider.issuer.token(claims, key=signing_key("P-256", "other"), typ="JWT")


def _changed(provider: Provider) -> str:
    header, payload, signature = provider.id_token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims["sub"] = "mallory"
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"{header}.{forged}.{signature}"


async def test_a_rotated_key_is_picked_up(provider: Provider) -> None:
    """A login in the minute after the issuer changed its keys is as good as any."""
    assert await provider.logged_in() == "ana"
    login = provider.login()
    attempt = await provider.begin(login)
    provider.clock.advance(11)
    provider.issuer.keys = [signing_key("P-256", "second")]
    assert (await login.finish(attempt, f"code=c-1&state={attempt.state}")).subject == "ana"


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        ("access_denied", LoginTrouble.DECLINED),
        ("login_required", LoginTrouble.DECLINED),
        ("temporarily_unavailable", LoginTrouble.UNREACHABLE),
        ("server_error", LoginTrouble.UNREACHABLE),
        ("invalid_request", LoginTrouble.MISCONFIGURED),
        ("unauthorized_client", LoginTrouble.MISCONFIGURED),
        ("made_up", LoginTrouble.MISCONFIGURED),
    ],
)
async def test_an_error_of_the_provider_is_told_apart(
    provider: Provider, error: str, trouble: LoginTrouble
) -> None:
    """By what the person at the browser can do about it."""
    assert await provider.trouble(error=error, error_description="because") is trouble
    assert provider.asked == []


@pytest.mark.parametrize(
    ("status", "body", "trouble"),
    [
        (400, {"error": "invalid_grant"}, LoginTrouble.NOT_BEGUN),
        (401, {"error": "invalid_client"}, LoginTrouble.MISCONFIGURED),
        (200, {"error": ["odd"]}, LoginTrouble.MISCONFIGURED),
        (400, {"no": "error"}, LoginTrouble.MISCONFIGURED),
        (400, [], LoginTrouble.MISCONFIGURED),
        (502, None, LoginTrouble.UNREACHABLE),
        (503, {"message": "later"}, LoginTrouble.UNREACHABLE),
    ],
)
async def test_a_token_request_that_fails_is_told_apart(
    provider: Provider, status: int, body: Any, trouble: LoginTrouble
) -> None:
    """A code that is spent means to start again; a client that is unknown, to ask the operator."""
    provider.token_answer = httpx2.Response(status, json=body)
    assert await provider.trouble() is trouble


async def test_an_issuer_that_is_away_signs_nobody_in(provider: Provider) -> None:
    """Before, and in the middle."""
    login = provider.login()
    attempt = await provider.begin(login)

    def down() -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    provider.clock.advance(10_000)
    provider.issuer.answers["https://issuer.example/tenant/.well-known/openid-configuration"] = down
    for step in (login.begin(), login.finish(attempt, f"code=c-1&state={attempt.state}")):
        with pytest.raises(LoginFailed) as caught:
            await step
        assert caught.value.trouble is LoginTrouble.UNREACHABLE
    assert await login.sign_out_address(None) is None


async def test_signing_out_leads_to_the_provider_where_it_offers_that(provider: Provider) -> None:
    """With who asks, where to come back to, and whose session it is."""
    login = provider.login()
    address = await login.sign_out_address("the.id.token")
    assert address is not None
    assert dict(parse_qsl(urlsplit(address).query)) == {
        "tenant": "1",
        "client_id": "pages",
        "post_logout_redirect_uri": "https://fermata.example/settings/signed-out",
        "id_token_hint": "the.id.token",
    }
    without = await login.sign_out_address(None)
    assert "id_token_hint" not in (without or "")
    for endpoint in ("http://issuer.example/logout", 5):
        provider.issuer.metadata["end_session_endpoint"] = endpoint
        assert await provider.login().sign_out_address(None) is None
    del provider.issuer.metadata["end_session_endpoint"]
    assert await provider.login().sign_out_address(None) is None


@pytest.mark.parametrize("url", ["http://fermata.example", "fermata.example", "", "https://a?b=c"])
def test_pages_are_reached_by_https(url: str) -> None:
    """Or on this very machine."""
    assert LoginClient("pages", "http://127.0.0.1:8080").address("/x") == "http://127.0.0.1:8080/x"
    with pytest.raises(ValueError, match="public URL"):
        LoginClient("pages", url)


def test_a_secret_is_never_shown() -> None:
    """Not in a log, not in a trace."""
    assert "hidden" not in repr(LoginClient("pages", PUBLIC, "hidden"))


async def given(provider: Provider, *asked: Scope) -> frozenset[Scope]:
    """Log in asking for scopes; return those that were given."""
    login = provider.login()
    attempt = await provider.begin(login, *asked)
    return (await login.finish(attempt, f"code=c-1&state={attempt.state}")).scopes


async def test_scopes_are_asked_for_and_those_of_the_access_token_are_given(
    provider: Provider,
) -> None:
    """L8: as the API would take them; never one that this sign-in did not ask for."""
    address, _ = await provider.login().begin([Scope.AUDIT, Scope.CHECK])
    assert parse_qs(urlsplit(address).query)["scope"] == ["openid fermata:audit fermata:check"]
    scope = "openid fermata:audit fermata:policy"
    provider.access_token = provider.issuer.token({"scope": scope})
    assert await given(provider, Scope.AUDIT, Scope.CHECK) == {Scope.AUDIT}
    assert await given(provider) == frozenset()


@pytest.mark.parametrize(
    "changes",
    [
        {"sub": "ben"},
        {"aud": "pages"},
        {"scope": "openid"},
        {"scope": "fermata:auditor"},
        {"exp": NOW_S},
        {"iss": "https://evil.example/"},
    ],
    ids=str,
)
async def test_an_access_token_that_proves_nothing_gives_nothing(
    provider: Provider, changes: dict[str, object]
) -> None:
    """L8: another person's, another audience's, expired: the person is signed in without it."""
    provider.access_token = provider.issuer.token({"scope": "fermata:audit"} | changes)
    assert await given(provider, Scope.AUDIT) == frozenset()


async def test_an_access_token_that_is_no_jwt_gives_nothing(
    provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    """L8: and the operator is told why."""
    assert await given(provider, Scope.AUDIT) == frozenset()
    assert "is not given fermata:audit" in caplog.text
    assert "opaque" not in caplog.text
