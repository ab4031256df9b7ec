"""Signing in as somebody by the service's own issuer, and going from page to page."""

from urllib.parse import quote

from playwright.async_api import Locator, Page

from tests.browser.sounds import Sounds


async def sign_in(page: Page, sounds: Sounds, who: str, to: str = "/settings") -> None:
    """Sign in, and be led to a page of the settings."""
    await page.goto(f"{sounds.service.url}/settings/sign-in?to={quote(to)}")
    await page.get_by_role("textbox").fill(who)
    await follow(page, page.get_by_role("button", name="Sign in", exact=True))


async def visit(page: Page, sounds: Sounds, path: str) -> None:
    """Open a page of the platform."""
    await page.goto(f"{sounds.service.url}{path}")


async def follow(page: Page, link: Locator) -> None:
    """Click what leads to another page, and wait until that is there with its colours and all."""
    async with page.expect_navigation(wait_until="load"):
        await link.click()
