"""Against the certified OpenID provider `oidc-provider`, over HTTP on loopback."""

import os
import select
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from service.auth.problems import IssuerUnreachable, Reason, TokenRefused
from service.auth.provider import KeyFreshness
from service.auth.scopes import Scope
from service.auth.trusted_issuer import TrustedIssuer
from service.auth.verifier import TokenVerifier
from service.clock import SystemClock
from tests.auth.oidc_provider.install import installed_modules, node

AUDIENCE = "https://fermata.example/"
PROGRAM = Path(__file__).parent / "oidc_provider" / "provider.mjs"
START_S = 30


@pytest.fixture
def provider() -> Iterator[str]:
    """The issuer URL of a provider of this test's own, which the test may rotate or break."""
    process = subprocess.Popen(
        [node(), PROGRAM, installed_modules()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:  # leaving closes its standard input, which ends it
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], START_S)
        assert ready, f"the provider did not start within {START_S} s"
        yield os.fsdecode(process.stdout.readline()).strip()


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    """A client with a browser's cookies."""
    async with httpx2.AsyncClient() as client:
        yield client


def verifier_of(provider: str, http: httpx2.AsyncClient) -> TokenVerifier:
    """A verifier that is impatient, so that no test waits."""
    impatient = KeyFreshness(ask_again_after_s=0, retry_after_s=0)
    trusted = TrustedIssuer(issuer=provider, audience=AUDIENCE)
    return TokenVerifier(trusted, http, SystemClock(), freshness=impatient)


async def client_token(
    http: httpx2.AsyncClient, provider: str, resource: str = AUDIENCE, scope: str = "fermata:check"
) -> str:
    """A token by the client credentials grant, for the audience that the resource stands for."""
    answer = await http.post(
        f"{provider}/token",
        data={"grant_type": "client_credentials", "resource": resource, "scope": scope},
        auth=("pipeline", "a-secret-for-the-pipeline"),
    )
    return str(answer.raise_for_status().json()["access_token"])


async def login(
    http: httpx2.AsyncClient, provider: str, artist: str, **token_request: str
) -> dict[str, str]:
    """Log an artist in as a browser and a settings page would; return the token response."""
    asked = {
        "client_id": "settings-page",
        "response_type": "code",
        "redirect_uri": "https://page.example/back",
        "scope": "openid fermata:consents",
        "resource": AUDIENCE,
        "login_hint": artist,
        "nonce": "n-1",
    }
    answer = await http.get(f"{provider}/auth", params=asked)
    for _ in range(2):  # to the page where she logs in, and from there back
        answer = await http.get(answer.url.join(answer.headers["location"]))
    code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": asked["redirect_uri"],
    }
    page = ("settings-page", "a-secret-for-the-page")
    token = await http.post(f"{provider}/token", data=form | token_request, auth=page)
    return dict(token.raise_for_status().json())


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "Ed25519", "EdDSA"])
async def test_a_clients_token_for_us_is_accepted(
    provider: str, http: httpx2.AsyncClient, algorithm: str
) -> None:
    """Found by discovery, whichever way it is signed."""
    token = await client_token(http, provider, f"{AUDIENCE}?alg={algorithm}")
    principal = await verifier_of(provider, http).verify(token)
    assert principal.issuer == provider
    assert principal.scopes == {Scope.CHECK}
    assert (principal.subject, principal.client_id) == ("pipeline", "pipeline")
    assert principal.is_client


async def test_a_token_for_somebody_else_is_refused(
    provider: str, http: httpx2.AsyncClient
) -> None:
    """The same issuer, the same client, another audience."""
    token = await client_token(http, provider, "https://other.example/")
    with pytest.raises(TokenRefused) as caught:
        await verifier_of(provider, http).verify(token)
    assert caught.value.reason is Reason.WRONG_AUDIENCE


async def test_an_artist_logs_in(provider: str, http: httpx2.AsyncClient) -> None:
    """The access token names her, the page that acts for her, and what it may do."""
    tokens = await login(http, provider, "ana", resource=AUDIENCE)
    principal = await verifier_of(provider, http).verify(tokens["access_token"])
    assert (principal.subject, principal.client_id) == ("ana", "settings-page")
    assert principal.scopes == {Scope.CONSENTS}
    assert not principal.is_client


async def test_an_opaque_token_is_refused(provider: str, http: httpx2.AsyncClient) -> None:
    """Such as this issuer gives to whoever names no audience."""
    tokens = await login(http, provider, "ana")
    with pytest.raises(TokenRefused, match="this audience") as caught:
        await verifier_of(provider, http).verify(tokens["access_token"])
    assert caught.value.reason is Reason.MALFORMED


async def test_the_id_token_of_that_login_is_refused(
    provider: str, http: httpx2.AsyncClient
) -> None:
    """By its audience; and where somebody gave us and the page one name, by what it is."""
    id_token = (await login(http, provider, "ana"))["id_token"]
    with pytest.raises(TokenRefused) as caught:
        await verifier_of(provider, http).verify(id_token)
    assert caught.value.reason is Reason.WRONG_AUDIENCE
    confused = TrustedIssuer(issuer=provider, audience="settings-page")
    with pytest.raises(TokenRefused) as caught:
        await TokenVerifier(confused, http, SystemClock()).verify(id_token)
    assert caught.value.reason is Reason.NOT_AN_ACCESS_TOKEN


async def test_rotated_keys_are_picked_up(provider: str, http: httpx2.AsyncClient) -> None:
    """A token by a new key is accepted at once; from then on the old key's are refused."""
    verifier = verifier_of(provider, http)
    old = await client_token(http, provider)
    await verifier.verify(old)
    await http.post(f"{provider}/test/rotate")
    new = await client_token(http, provider)
    assert (await verifier.verify(new)).subject == "pipeline"
    with pytest.raises(TokenRefused) as caught:
        await verifier.verify(old)
    assert caught.value.reason is Reason.UNKNOWN_KEY


async def test_withdrawn_keys_are_refused(provider: str, http: httpx2.AsyncClient) -> None:
    """An issuer that publishes nothing any more is trusted in nothing any more."""
    token = await client_token(http, provider)
    freshness = KeyFreshness(max_age_s=0)
    trusted = TrustedIssuer(issuer=provider, audience=AUDIENCE)
    verifier = TokenVerifier(trusted, http, SystemClock(), freshness=freshness)
    await verifier.verify(token)
    await http.post(f"{provider}/test/withdraw")
    with pytest.raises(TokenRefused) as caught:
        await verifier.verify(token)
    assert caught.value.reason is Reason.UNKNOWN_KEY


async def test_another_name_for_the_same_place_is_another_issuer(
    provider: str, http: httpx2.AsyncClient
) -> None:
    """`localhost` and 127.0.0.1 are one machine and two issuers; the operator is told."""
    token = await client_token(http, provider)
    elsewhere = provider.replace("127.0.0.1", "localhost")
    with pytest.raises(IssuerUnreachable, match="names the issuer"):
        await verifier_of(elsewhere, http).verify(token)
