"""The local issuer: a real one for its own verifier, and nothing beside or beyond it."""

import base64
import json
import multiprocessing
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from service.auth.local_grant import (
    SETTINGS_PAGE,
    DevelopmentClient,
    GrantRefused,
    TokenGrant,
    decide_grant,
    development_clients,
)
from service.auth.local_issuer import (
    LocalIssuer,
    RealIssuerConfigured,
    local_http_client,
    local_issuer_routes,
    refuse_if_real_issuer,
)
from service.auth.local_key import (
    UnusableSigningKey,
    _write_unless_there,
    kept_signing_key,
    new_signing_key,
)
from service.auth.principal import Principal
from service.auth.problems import Reason, TokenRefused
from service.auth.scopes import Scope
from service.auth.verifier import TokenVerifier
from service.domain.instant import SECOND
from tests.auth.issuers import NOW_S, MemoryIssuer, StoppedClock, verifier_of

URL = "http://127.0.0.1:8080"
SECRET = "made up for this test: 100 % & ü"


@pytest.fixture
def local(clock: StoppedClock) -> LocalIssuer:
    """A local issuer with the development clients."""
    return LocalIssuer(URL, "fermata", clock, clients=development_clients(SECRET))


@pytest.fixture
async def http(local: LocalIssuer) -> AsyncIterator[httpx2.AsyncClient]:
    """A client on the same machine."""
    async with local_http_client(local) as client:
        yield client


@pytest.fixture
def own_verifier(
    local: LocalIssuer, http: httpx2.AsyncClient, clock: StoppedClock
) -> TokenVerifier:
    """What the service verifies the local issuer's tokens with."""
    return TokenVerifier(local.trusted, http, clock)


async def token_from(http: httpx2.AsyncClient, client: str, **form: str) -> httpx2.Response:
    """The answer to a token request with these fields added or changed."""
    return await http.post(
        f"{URL}/oauth/token",
        data={"grant_type": "client_credentials"} | form,
        auth=(client, SECRET),
    )


async def test_its_tokens_pass_its_own_verifier(
    local: LocalIssuer, own_verifier: TokenVerifier
) -> None:
    """By way of its discovery document and its keys, like those of any issuer."""
    token = local.mint("ana", SETTINGS_PAGE, [Scope.CONSENTS], 60)
    assert await own_verifier.verify(token) == Principal(
        issuer=URL,
        subject="ana",
        client_id=SETTINGS_PAGE,
        scopes=frozenset({Scope.CONSENTS}),
        expires_at=(NOW_S + 60) * SECOND,
    )


async def test_its_tokens_end(
    local: LocalIssuer, own_verifier: TokenVerifier, clock: StoppedClock
) -> None:
    """After the lifetime asked for."""
    token = local.mint("ana", SETTINGS_PAGE, [Scope.CONSENTS], 60)
    clock.advance(60)
    with pytest.raises(TokenRefused) as caught:
        await own_verifier.verify(token)
    assert caught.value.reason is Reason.EXPIRED


async def test_its_tokens_prove_nothing_to_a_real_issuers_verifier(
    local: LocalIssuer, clock: StoppedClock
) -> None:
    """Neither by another name nor by pretending to be the real one: its key is not published."""
    real = MemoryIssuer()
    token = local.mint("ana", SETTINGS_PAGE, Scope)
    with pytest.raises(TokenRefused) as caught:
        await verifier_of(real, clock, audience="fermata").verify(token)
    assert caught.value.reason is Reason.UNKNOWN_KEY


async def test_its_tokens_prove_nothing_even_with_a_real_issuers_key(
    clock: StoppedClock,
) -> None:
    """Were the key the same, the name still would not be."""
    real = MemoryIssuer()
    key: Any = real.keys[0]
    token = LocalIssuer(URL, "fermata", clock, key=key).mint("ana", SETTINGS_PAGE, Scope)
    with pytest.raises(TokenRefused) as caught:
        await verifier_of(real, clock, audience="fermata").verify(token)
    assert caught.value.reason is Reason.WRONG_ISSUER


def test_it_refuses_to_start_beside_a_real_issuer() -> None:
    """And says what to do about it."""
    refuse_if_real_issuer(None)
    for configured in ("https://issuer.example", ""):
        with pytest.raises(RealIssuerConfigured, match="unset the real one"):
            refuse_if_real_issuer(configured)


@pytest.mark.parametrize(
    "url",
    [
        "https://fermata.example",
        "http://192.0.2.1:8080",
        "http://0.0.0.0:8080",
        "http://localhost.example:8080",
        "127.0.0.1:8080",
        URL + "/below",
        URL + "?a=b",
        "",
    ],
)
def test_it_has_a_loopback_address_only(url: str, clock: StoppedClock) -> None:
    """Nobody elsewhere could be meant to trust it."""
    with pytest.raises(ValueError, match="local issuer"):
        LocalIssuer(url, "fermata", clock)


async def test_its_documents_hold_no_secret(local: LocalIssuer, http: httpx2.AsyncClient) -> None:
    """The key set is the public half; secrets are nowhere, not even in a printed client."""
    keys = await http.get(f"{URL}/oauth/jwks")
    discovery = await http.get(f"{URL}/.well-known/openid-configuration")
    assert "d" not in keys.json()["keys"][0]
    assert keys.headers["content-type"] == "application/jwk-set+json"
    assert discovery.json()["issuer"] == URL
    assert SECRET not in keys.text + discovery.text + repr(local.clients)


@pytest.mark.parametrize("client", development_clients(SECRET), ids=lambda client: client.client_id)
async def test_each_client_gets_its_own_scopes(
    http: httpx2.AsyncClient, own_verifier: TokenVerifier, client: DevelopmentClient
) -> None:
    """By the client credentials grant, with the answer of RFC 6749 section 5.1."""
    answer = await token_from(http, client.client_id)
    body = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3600)
    principal = await own_verifier.verify(body["access_token"])
    assert (principal.subject, principal.scopes) == (client.client_id, client.scopes)
    assert principal.is_client


async def test_every_scope_has_a_client() -> None:
    """Or a newcomer could not try it."""
    assert {scope for client in development_clients("x") for scope in client.scopes} == set(Scope)


async def test_the_settings_page_gets_a_token_for_an_artist(
    http: httpx2.AsyncClient, own_verifier: TokenVerifier
) -> None:
    """`subject` stands for the login that a real issuer would ask for."""
    answer = await token_from(http, SETTINGS_PAGE, subject="ana")
    principal = await own_verifier.verify(answer.json()["access_token"])
    assert (principal.subject, principal.client_id) == ("ana", SETTINGS_PAGE)
    assert not principal.is_client


async def test_fewer_scopes_can_be_asked_for(
    http: httpx2.AsyncClient, own_verifier: TokenVerifier
) -> None:
    """A token should do what it is for."""
    answer = await token_from(http, "platform", scope="fermata:catalog")
    assert (await own_verifier.verify(answer.json()["access_token"])).scopes == {Scope.CATALOG}


async def test_credentials_may_come_in_the_form(http: httpx2.AsyncClient) -> None:
    """RFC 6749 section 2.3.1's second way."""
    form = {"grant_type": "client_credentials", "client_id": "pipeline", "client_secret": SECRET}
    answer = await http.post(f"{URL}/oauth/token", data=form)
    assert "access_token" in answer.json()


@pytest.mark.parametrize(
    ("client", "form", "status", "error"),
    [
        ("nobody", {}, 401, "invalid_client"),
        ("", {}, 401, "invalid_client"),
        ("pipeline", {"grant_type": "password"}, 400, "unsupported_grant_type"),
        ("pipeline", {"grant_type": ""}, 400, "unsupported_grant_type"),
        ("pipeline", {"subject": "ana"}, 400, "unauthorized_client"),
        ("platform", {"subject": "ana"}, 400, "unauthorized_client"),
        (SETTINGS_PAGE, {"subject": ""}, 400, "invalid_request"),
        ("pipeline", {"scope": "fermata:audit"}, 400, "invalid_scope"),
        ("pipeline", {"scope": "fermata:check openid"}, 400, "invalid_scope"),
        ("pipeline", {"scope": ""}, 400, "invalid_scope"),
        ("pipeline", {"padding": "a" * 9000}, 400, "unsupported_grant_type"),
    ],
)
async def test_anything_else_is_refused(
    http: httpx2.AsyncClient, client: str, form: dict[str, str], status: int, error: str
) -> None:
    """With the error codes of RFC 6749 section 5.2."""
    answer = await token_from(http, client, **form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["error_description"]


async def test_another_scheme_is_refused_even_with_the_secret(http: httpx2.AsyncClient) -> None:
    """Basic is the one that says what is inside."""
    pair = base64.b64encode(f"pipeline:{quote_plus(SECRET)}".encode()).decode()
    statuses = [
        (
            await http.post(
                f"{URL}/oauth/token",
                data={"grant_type": "client_credentials"},
                headers={"Authorization": f"{scheme} {pair}"},
            )
        ).status_code
        for scheme in ("Basic", "basic", "Bearer", "Digest")
    ]
    assert statuses == [200, 200, 401, 401]


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic %%%",
        "Basic cGlwZWxpbmU=",
        "Bearer abc",
        "Basic cGlwZWxpbmU6d3Jvbmc=",
        "Basic /w==",
    ],
)
async def test_a_wrong_secret_is_refused(http: httpx2.AsyncClient, header: str) -> None:
    """And the answer names the way to authenticate; the form cannot make up for the header."""
    form = {"grant_type": "client_credentials", "client_id": "pipeline", "client_secret": SECRET}
    answer = await http.post(f"{URL}/oauth/token", data=form, headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize("peer", ["192.0.2.7", "172.17.0.1", "::ffff:192.0.2.7", "testclient"])
async def test_only_this_machine_gets_tokens(local: LocalIssuer, peer: str) -> None:
    """Even where the service listens on every address."""
    app = Starlette(routes=local_issuer_routes(local))
    transport = httpx2.ASGITransport(app=app, client=(peer, 50_000))
    async with httpx2.AsyncClient(transport=transport) as http:
        answer = await token_from(http, "pipeline")
    assert answer.status_code == 403
    assert "access_token" not in answer.json()


async def test_a_web_page_that_was_pointed_here_gets_none(http: httpx2.AsyncClient) -> None:
    """DNS rebinding: the browser is on this machine, but asks for a name that is not."""
    answer = await http.post(
        f"{URL}/oauth/token",
        data={"grant_type": "client_credentials"},
        auth=("pipeline", SECRET),
        headers={"Host": "attacker.example"},
    )
    assert answer.status_code == 403


async def test_a_token_is_only_given_for_a_post(http: httpx2.AsyncClient) -> None:
    """So that no secret is ever in an address."""
    assert (await http.get(f"{URL}/oauth/token")).status_code == 405


@given(
    st.dictionaries(
        st.sampled_from(["grant_type", "scope", "subject", "client_id", "client_secret"]),
        st.text(max_size=20) | st.sampled_from(["client_credentials", "pipeline", SECRET]),
    ),
    st.none() | st.text(max_size=20) | st.text(max_size=20).map("Basic ".__add__),
)
def test_whatever_is_asked_is_answered(form: dict[str, str], header: str | None) -> None:
    """A grant never exceeds what its client may have."""
    granted = decide_grant(development_clients(SECRET), form, header)
    if isinstance(granted, TokenGrant):
        assert form["client_secret"] == SECRET
        assert granted.client_id == form["client_id"] == "pipeline"
        assert granted.scopes == {Scope.CHECK}
    else:
        assert isinstance(granted, GrantRefused)


# The key


async def test_a_kept_key_lets_tokens_survive_a_restart(
    tmp_path: Path, clock: StoppedClock
) -> None:
    """A token of before is good after."""
    path = tmp_path / "issuer.json"
    before = LocalIssuer(URL, "fermata", clock, key=kept_signing_key(path))
    after = LocalIssuer(URL, "fermata", clock, key=kept_signing_key(path))
    async with local_http_client(after) as http:
        verifier = TokenVerifier(after.trusted, http, clock)
        assert (await verifier.verify(before.mint("ana", "page", []))).subject == "ana"


async def test_without_one_tokens_end_with_the_process(clock: StoppedClock) -> None:
    """Each start makes a key of its own."""
    before, after = (LocalIssuer(URL, "fermata", clock) for _ in range(2))
    async with local_http_client(after) as http:
        with pytest.raises(TokenRefused):
            await TokenVerifier(after.trusted, http, clock).verify(before.mint("ana", "page", []))


def test_the_key_file_is_its_owners_alone(tmp_path: Path) -> None:
    """From the first moment, and nothing else is left in the folder."""
    path = tmp_path / "issuer.json"
    kept_signing_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """Whoever read it can mint tokens."""
    path = tmp_path / "issuer.json"
    kept_signing_key(path)
    path.chmod(mode)
    with pytest.raises(UnusableSigningKey, match="chmod 600"):
        kept_signing_key(path)


def public_half(path: Path) -> str:
    """The kept key's public half, as a process of its own would find it."""
    return json.dumps(kept_signing_key(path).as_dict(private=False))


@pytest.mark.parametrize("content", ["", "{}", "[]", "no json", '{"kty": "oct", "k": "c2VjcmV0"}'])
def test_a_file_without_a_key_is_refused(tmp_path: Path, content: str) -> None:
    """It is never overwritten: it may be something else."""
    path = tmp_path / "issuer.json"
    path.touch(0o600)
    path.write_text(content)
    with pytest.raises(UnusableSigningKey, match="delete it"):
        kept_signing_key(path)
    assert path.read_text() == content


def test_a_file_with_half_a_key_is_refused(tmp_path: Path) -> None:
    """A public key signs nothing."""
    path = tmp_path / "issuer.json"
    content = public_half(path)
    path.write_text(content)
    with pytest.raises(UnusableSigningKey, match="private"):
        kept_signing_key(path)


def test_a_key_that_another_process_made_first_is_kept(tmp_path: Path) -> None:
    """Whoever comes second uses it and leaves nothing behind."""
    path = tmp_path / "issuer.json"
    first = kept_signing_key(path)
    _write_unless_there(path, new_signing_key())
    assert kept_signing_key(path).kid == first.kid
    assert list(tmp_path.iterdir()) == [path]


def test_processes_that_start_at_once_have_one_key(tmp_path: Path) -> None:
    """Or a token of one would not pass another."""
    path = tmp_path / "issuer.json"
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert len(set(pool.map(public_half, [path] * 8))) == 1
