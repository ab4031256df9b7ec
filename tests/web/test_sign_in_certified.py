"""Signing in to the pages against the certified `oidc-provider`, over HTTP on loopback."""

import os
import select
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest
from fastapi import FastAPI

from service.app import create_app
from service.running import Surroundings, real_surroundings
from service.settings import Settings
from service.web.session import COOKIE
from tests.api.door import ADDRESS, KEY, MovableClock
from tests.auth.oidc_provider.install import installed_modules, node
from tests.web.surfing import Page, Surfer

PROGRAM: Final = Path(__file__).parents[1] / "auth" / "oidc_provider" / "provider.mjs"
START_S: Final = 30
PUBLIC: Final[dict[str, Any]] = {"login_client_id": "fermata-pages"}
CONFIDENTIAL: Final[dict[str, Any]] = {
    "login_client_id": "fermata-pages-with-secret",
    "login_client_secret": "a secret: 100 %+&",
}


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """The issuer URL of a provider for these tests."""
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


@asynccontextmanager
async def running(database_url: str, provider: str, **settings: Any) -> AsyncIterator[FastAPI]:
    """Run the service for people of this provider."""
    around = real_surroundings()
    app = create_app(
        Settings(
            database_url=database_url,
            key_encryption_key=KEY,
            issuer=provider,
            public_url=ADDRESS,
            **settings,
        ),
        surroundings=Surroundings(MovableClock(), around.random_bytes),
    )
    async with app.router.lifespan_context(app):
        yield app


@asynccontextmanager
async def surfing(app: FastAPI) -> AsyncIterator[Surfer]:
    """Open a browser that reaches the service and the provider."""
    surfer = Surfer(app, elsewhere=True)
    async with surfer.http:
        yield surfer


async def to_the_callback(surfer: Surfer, login: str = "ana", **query: str) -> str:
    """Go to the provider and log in; return the address by which it leads back to us."""
    answer = await surfer.follow(await surfer.http.get("/settings/sign-in", params=query))
    while answer.has_redirect_location:
        answer = await surfer.http.get(answer.url.join(answer.headers["location"]))
    answer = await surfer.http.post(answer.url, data={"login": login})
    while not (address := str(answer.url.join(answer.headers["location"]))).startswith(ADDRESS):
        answer = await surfer.http.get(address)
    return address


@pytest.mark.parametrize("client", [PUBLIC, CONFIDENTIAL], ids=["public", "confidential"])
async def test_an_artist_signs_in_and_out(
    database_url: str, provider: str, client: dict[str, Any]
) -> None:
    """With a code and PKCE, in; by a form of ours, out: here first, and then at the provider."""
    async with running(database_url, provider, **client) as app, surfing(app) as surfer:
        callback = await to_the_callback(surfer, to="/settings/tracks?q=night")
        back = await surfer.get(callback)
        assert back.status_code == 303, back.text
        assert back.headers["location"] == "/settings/tracks?q=night"
        assert app.state.web.sessions is not None
        ours = surfer.session(app)
        assert ours is not None
        assert ours.subject == "ana"

        out = await surfer.post("/settings/sign-out", {"csrf_token": ours.csrf_token})
        assert out.status_code == 200
        assert surfer.cookie(COOKIE) is None
        address = out.headers["refresh"].removeprefix("0; url=")
        assert address in Page(out.text).links
        assert address.startswith(f"{provider}/session/end?")
        asked = await surfer.http.get(address)
        fields = Page(asked.text).form(f"{provider}/session/end/confirm")
        ended = await surfer.http.post(
            f"{provider}/session/end/confirm", data=fields | {"logout": "yes"}
        )
        assert ended.headers["location"] == f"{ADDRESS}/settings/signed-out"
        assert (await surfer.follow(ended)).status_code == 200


async def test_the_way_to_the_provider_has_all_that_it_must(
    database_url: str, provider: str
) -> None:
    """Code flow, PKCE with S256, a state and a nonce, and no more scope than to know who it is."""
    async with running(database_url, provider, **PUBLIC) as app, surfing(app) as surfer:
        began = await surfer.get("/settings/sign-in")
        query = parse_qs(urlsplit(began.headers["location"]).query)
        again = parse_qs(
            urlsplit((await surfer.get("/settings/sign-in")).headers["location"]).query
        )
    assert query["response_type"] == ["code"]
    assert query["code_challenge_method"] == ["S256"]
    assert query["scope"] == ["openid"]
    assert query["redirect_uri"] == [f"{ADDRESS}/settings/callback"]
    for once in ("state", "nonce", "code_challenge"):
        assert len(query[once][0]) >= 43
        assert query[once] != again[once]


async def test_without_pkce_the_provider_gives_no_code(database_url: str, provider: str) -> None:
    """The provider insists on what we always send; a copy without it gets nowhere."""
    async with running(database_url, provider, **PUBLIC) as app, surfing(app) as surfer:
        began = await surfer.get("/settings/sign-in")
        address = httpx2.URL(began.headers["location"])
        for name in ("code_challenge", "code_challenge_method"):
            address = address.copy_remove_param(name)
        answer = await surfer.http.get(address)
        assert "error=invalid_request" in answer.headers["location"]
        refused = await surfer.follow(answer)
    assert refused.status_code == 502
    assert surfer.cookie(COOKIE) is None


async def test_a_code_counts_once(database_url: str, provider: str) -> None:
    """Even for the very browser that it was given to, with all that belongs to it."""
    async with running(database_url, provider, **PUBLIC) as app, surfing(app) as surfer:
        callback = await to_the_callback(surfer)
        attempt = surfer.cookie("__Host-fermata-signing-in")
        assert (await surfer.get(callback)).status_code == 303
        surfer.http.cookies.clear()
        replayed = await surfer.get(callback, Cookie=f"__Host-fermata-signing-in={attempt}")
        assert replayed.status_code == 400
        assert "start again" in Page(replayed.text).words
        assert surfer.cookie(COOKIE) is None


async def test_a_code_is_nothing_in_another_browser(database_url: str, provider: str) -> None:
    """Somebody who is led to the end of another's sign-in is not signed in as them."""
    async with (
        running(database_url, provider, **PUBLIC) as app,
        surfing(app) as mallory,
        surfing(app) as ana,
    ):
        stolen = await to_the_callback(mallory, "mallory")
        without = await ana.get(stolen)
        await ana.get("/settings/sign-in")
        with_her_own = await ana.get(stolen)
        assert {without.status_code, with_her_own.status_code} == {400}
        assert ana.cookie(COOKIE) is None


async def test_a_code_of_another_sign_in_is_refused_for_its_verifier(
    database_url: str, provider: str
) -> None:
    """A code injected under the right state: the provider sees that the verifier is another."""
    async with (
        running(database_url, provider, **PUBLIC) as app,
        surfing(app) as mallory,
        surfing(app) as ana,
    ):
        code = parse_qs(urlsplit(await to_the_callback(mallory, "mallory")).query)["code"]
        hers = urlsplit(await to_the_callback(ana))
        query = {name: values[0] for name, values in parse_qs(hers.query).items()}
        injected = query | {"code": code[0]}
        refused = await ana.get(f"/settings/callback?{urlencode(injected)}")
        assert refused.status_code == 400
        assert ana.cookie(COOKIE) is None


async def test_whoever_cancels_is_told_so(database_url: str, provider: str) -> None:
    """And nothing is logged as an error of anybody's."""
    async with running(database_url, provider, **PUBLIC) as app, surfing(app) as surfer:
        cancelled = await surfer.get(await to_the_callback(surfer, ""))
    assert cancelled.status_code == 403
    assert "cancelled" in Page(cancelled.text).words


async def test_a_client_that_the_provider_does_not_know_is_told_in_words(
    database_url: str, provider: str
) -> None:
    """The wrong secret is the operator's to mend; the artist is told that it is not their fault."""
    wrong = CONFIDENTIAL | {"login_client_secret": "another"}
    async with running(database_url, provider, **wrong) as app, surfing(app) as surfer:
        answer = await surfer.get(await to_the_callback(surfer))
    assert answer.status_code == 502
    assert "not your fault" in Page(answer.text).words


async def test_a_provider_that_is_away_is_said_to_be(database_url: str) -> None:
    """Nobody waits for long, and nobody is signed in."""
    nowhere = "http://127.0.0.1:9"
    async with running(database_url, nowhere, **PUBLIC) as app, surfing(app) as surfer:
        answer = await surfer.get("/settings/sign-in")
    assert answer.status_code == 503
    assert "does not answer" in Page(answer.text).words


async def test_without_a_client_the_pages_say_that_sign_in_is_not_set_up(
    database_url: str, provider: str
) -> None:
    """With the way to the platform's own page, where there is one."""
    own = "https://sounds.example/settings"
    async with (
        running(database_url, provider, platform_settings_url=own) as app,
        surfing(app) as surfer,
    ):
        answer = await surfer.follow(await surfer.get("/settings"))
    assert answer.status_code == 503
    assert "not set up on this platform yet" in Page(answer.text).words
    assert own in Page(answer.text).links


async def test_names_of_settings_are_only_for_those_who_run_the_service(
    database_url: str, provider: str
) -> None:
    """They are folded away beneath what everybody is to read."""
    async with running(database_url, provider) as app, surfing(app) as surfer:
        answer = await surfer.follow(await surfer.get("/settings"))
    before, _, folded = answer.text.partition("<details>")
    assert "Please ask the platform" in before
    assert "FERMATA_" not in before
    assert "FERMATA_PUBLIC_URL" in folded
