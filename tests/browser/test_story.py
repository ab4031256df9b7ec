"""The whole story in a browser: from signing in to a no that the pipeline hears at once."""

import os
import re
import select
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2
import pytest
from playwright.async_api import Browser, Locator, Page, expect

from client import fixed_token
from service.auth.scopes import Scope
from tests.auth.oidc_provider.install import installed_modules, node
from tests.browser.looking import visitor
from tests.browser.sounds import MUSIC, RECOMMENDATION, VOICE, Sounds, example_sounds

pytestmark = pytest.mark.asyncio(loop_scope="session")

PROGRAM: Final = Path(__file__).parents[1] / "auth" / "oidc_provider" / "provider.mjs"
AUDIENCE: Final = "https://fermata.example/"
START_S: Final = 30


@dataclass(frozen=True, slots=True)
class Told:
    """A platform whose people sign in at a provider, and what its artist has been told of."""

    sounds: Sounds
    provider: str


@pytest.fixture
def told(database_url: str) -> Iterator[Told]:
    """Ana has two tracks, and models that imitate voices are planned."""
    listening = socket.create_server(("127.0.0.1", 0))
    origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
    with (
        _provider(origin) as issuer,
        example_sounds(
            database_url,
            fixed_token(_machine_token(issuer)),
            listening=listening,
            issuer=issuer,
            audience=AUDIENCE,
            public_url=origin,
            login_client_id="fermata-pages",
        ) as sounds,
    ):
        sounds.register("ana")
        sounds.put("bus", "Night Bus", "ana")
        sounds.put("rain", "Rain on Tin", "ana")
        sounds.publish(VOICE, "opt_out")
        yield Told(sounds, issuer)


@pytest.mark.parametrize("javascript", [True, False], ids=["with scripts", "without scripts"])
async def test_an_artist_decides_and_the_pipeline_obeys(
    browser: Browser, told: Told, *, javascript: bool
) -> None:
    """Everything that an artist comes for, in one sitting."""
    sounds = told.sounds
    async with visitor(browser, javascript=javascript) as page:
        await _sign_in(page, told)
        if javascript:
            await page.evaluate("window.sameDocument = true")
        await _read_what_is_planned(page)
        await _say_no_to_it(page, sounds)
        await _undo_a_no(page, sounds)
        await _stop_all(page, sounds)
        if javascript:
            assert await page.evaluate("window.sameDocument"), "a statement reloaded the page"
        await _allow_one_track(page, sounds)
        await _sign_out(page, told)


async def _sign_in(page: Page, told: Told) -> None:
    """Go by the provider's own pages, and come back where one wanted to go."""
    await page.goto(f"{told.sounds.service.url}/settings")
    assert page.url.startswith(f"{told.provider}/")
    await page.locator("input[name=login]").fill("ana")
    await page.get_by_role("button", name="Log in").click()
    await expect(page).to_have_url(f"{told.sounds.service.url}/settings")


async def _read_what_is_planned(page: Page) -> None:
    """It comes first; its window opens when it is said to be read, not when it is seen."""
    headings = page.get_by_role("heading", level=2)
    await expect(headings.first).to_have_text("Planned")
    planned = _planned(page)
    await expect(planned).to_contain_text("Our machines listen to your tracks.")
    await expect(planned.locator(".days")).to_have_count(0)
    await page.reload()
    await expect(planned.locator(".days")).to_have_count(0)
    if await page.evaluate("'htmx' in window"):
        await page.evaluate("window.sameDocument = true")
    await planned.get_by_role("button", name="I have read this").click()
    await expect(planned.locator(".days")).to_have_text(re.compile(r"30\s+days left to say no"))
    await expect(page.locator("#announcement")).to_contain_text("Recorded that this has been read")


async def _say_no_to_it(page: Page, sounds: Sounds) -> None:
    """In one click, which is announced; and the pipeline is told the very next time it asks."""
    assert sounds.check(VOICE, "bus") == (False, "no_opt_in")
    await _planned(page).get_by_role("button", name="No to").click()
    await expect(page.locator("#announcement")).to_contain_text("Recorded: no to Models that imit")
    assert sounds.check(VOICE, "bus") == (False, "opted_out")
    await expect(_planned(page)).to_contain_text("There is a no already")


async def _undo_a_no(page: Page, sounds: Sounds) -> None:
    """What a no stops is allowed again after undoing it."""
    assert sounds.check(RECOMMENDATION, "bus") == (True, "window_closed")
    card = _use(page, "Recommendations")
    no = card.get_by_role("button", name="No to Recommendations", exact=True)
    await no.click()
    await expect(page.locator("#announcement")).to_contain_text("Recorded: no to Recommendations")
    assert sounds.check(RECOMMENDATION, "bus") == (False, "opted_out")
    await expect(no).to_have_attribute("aria-pressed", "true")
    await page.get_by_role("button", name="Undo").click()
    await expect(page.locator("#announcement")).to_contain_text("Taken back")
    await expect(no).not_to_have_attribute("aria-pressed", "true")
    assert sounds.check(RECOMMENDATION, "bus") == (True, "window_closed")


async def _stop_all(page: Page, sounds: Sounds) -> None:
    """One switch; what it does not reach is said next to it."""
    switch = page.get_by_role("region", name="No AI")
    await expect(switch).to_contain_text("Not reached: Search by sound")
    await switch.get_by_role("button", name="No to all use by AI").click()
    await expect(page.locator("#announcement")).to_contain_text("Recorded: no to all use by AI")
    for use in (RECOMMENDATION, MUSIC, VOICE):
        assert sounds.check(use, "rain") == (False, "opted_out")


async def _allow_one_track(page: Page, sounds: Sounds) -> None:
    """Found by its title; a yes is for it alone."""
    await page.get_by_role("searchbox").fill("night")
    await page.get_by_role("button", name="Find").click()
    await page.get_by_role("link", name="Night Bus").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Night Bus")
    yes = page.get_by_role("button", name="Yes to Models that make music")
    await yes.click()
    await expect(yes).to_have_attribute("aria-pressed", "true")
    assert sounds.check(MUSIC, "bus") == (True, "opted_in")
    assert sounds.check(MUSIC, "rain") == (False, "opted_out")
    await page.get_by_role("link", name="Back to all settings").click()
    await expect(page.get_by_role("region", name="Tracks")).to_contain_text("Night Bus")


async def _sign_out(page: Page, told: Told) -> None:
    """Here and at the provider; afterwards the settings ask who it is."""
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url(f"{told.provider}/**")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page).to_have_url(f"{told.sounds.service.url}/settings/signed-out")
    await page.goto(f"{told.sounds.service.url}/settings")
    await expect(page.locator("input[name=login]")).to_be_visible()


def _planned(page: Page) -> Locator:
    return page.get_by_role("article", name="Models that imitate voices").first


def _use(page: Page, name: str) -> Locator:
    return page.locator("#today").get_by_role("article", name=name)


@contextmanager
def _provider(origin: str) -> Iterator[str]:
    """Run a certified provider that knows the pages of this origin; yield its URL."""
    process = subprocess.Popen(
        [node(), PROGRAM, installed_modules(), origin],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:  # leaving closes its standard input, which ends it
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], START_S)
        assert ready, f"the provider did not start within {START_S} s"
        yield os.fsdecode(process.stdout.readline()).strip()


def _machine_token(issuer: str) -> str:
    answer = httpx2.post(
        f"{issuer}/token",
        data={
            "grant_type": "client_credentials",
            "resource": AUDIENCE,
            "scope": " ".join(scope.value for scope in Scope),
        },
        auth=("pipeline", "a-secret-for-the-pipeline"),
    )
    return str(answer.raise_for_status().json()["access_token"])
