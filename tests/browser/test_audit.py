"""The console as staff use it: by keyboard, without a script, and with charts read aloud."""

import pytest
from playwright.async_api import Browser, expect

from tests.audit.history import TRACK
from tests.browser.gallery import Gallery
from tests.browser.looking import PHONE, visitor
from tests.browser.signing_in import follow

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_decision_is_found_by_keyboard_alone(browser: Browser, gallery: Gallery) -> None:
    """From the overview: an id into the box, its page, and the newest decision about it."""
    async with visitor(browser, javascript=False) as page:
        await page.goto(f"{gallery.audited.url}/audit")
        await page.keyboard.type("carla")
        async with page.expect_navigation(wait_until="load"):
            await page.keyboard.press("Enter")
        await page.get_by_role("searchbox").focus()
        await page.keyboard.type(TRACK)
        async with page.expect_navigation(wait_until="load"):
            await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Night Bus")
        link = page.locator("main a[href^='/audit/decisions/dec_']").first
        await link.focus()
        async with page.expect_navigation(wait_until="load"):
            await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_contain_text(TRACK)


async def test_a_chart_is_a_picture_with_its_numbers_beneath(
    browser: Browser, gallery: Gallery
) -> None:
    """Read aloud it is one picture with a name and what it shows; the table unfolds by a key."""
    async with visitor(browser, screen=PHONE) as page:
        await page.goto(f"{gallery.audited.url}/settings/sign-in?to=/audit/consents")
        await page.get_by_role("textbox").fill("carla")
        await follow(page, page.get_by_role("button", name="Sign in", exact=True))
        chart = page.get_by_role("img", name="Yes and no by day")
        table = page.get_by_role("table", name="Yes and no by day")
        await expect(table).to_be_hidden()
        await page.get_by_text("Yes and no by day, as a table").focus()
        await page.keyboard.press("Enter")
        await expect(table.get_by_role("row")).to_have_count(31)
        bars = await chart.locator("rect.yes, rect.no").count()
        assert 0 < bars <= 60
