"""A page that was opened earlier: its yes is asked for again, its no is taken."""

import asyncio

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.browser.looking import visitor
from tests.browser.signing_in import sign_in, visit
from tests.browser.sounds import MUSIC, WORDS, Sounds

pytestmark = pytest.mark.asyncio(loop_scope="session")

NEW_WORDS = {locale: f"{text}\n\nUntil 2031." for locale, text in WORDS.items()}


async def _two_tabs(page: Page, sounds: Sounds) -> Page:
    """Sign Ana in, let new terms be published behind her back, and return her second tab."""
    sounds.register("ana")
    sounds.put("song", "Song", "ana")
    await sign_in(page, sounds, "ana")
    other = await page.context.new_page()
    await visit(other, sounds, "/settings")
    sounds.publish(MUSIC, "opt_in", words=NEW_WORDS)
    return other


@pytest.mark.parametrize("javascript", [True, False], ids=["with scripts", "without scripts"])
async def test_a_yes_to_words_that_have_changed_is_not_recorded(
    browser: Browser, sounds: Sounds, *, javascript: bool
) -> None:
    """The page comes back as it is now and says why; a yes to that one counts."""
    async with visitor(browser, javascript=javascript) as page:
        await _two_tabs(page, sounds)
        yes = page.get_by_role("button", name="Yes to Models that make music", exact=True)
        await yes.click()
        await expect(page.locator(".message")).to_contain_text("This yes was not recorded")
        await expect(page.locator("#announcement")).to_contain_text("This yes was not recorded")
        card = page.locator("#today").get_by_role("article", name="Models that make music")
        await expect(card.locator(".terms")).to_contain_text("Until 2031.")
        assert sounds.said("ana") == []
        assert sounds.check(MUSIC, "song") == (False, "no_opt_in")
        await yes.click()
        await expect(page.locator("#announcement")).to_contain_text("Recorded: yes to")
    assert [one["answer"] for one in sounds.said("ana")] == ["opt_in"]
    assert sounds.check(MUSIC, "song") == (True, "opted_in")


async def test_a_no_does_not_wait_for_a_yes_that_is_on_its_way(
    browser: Browser, sounds: Sounds
) -> None:
    """Whoever presses the wrong button and then the right one has said no."""
    on_its_way = asyncio.Event()

    async def hold(route: Route) -> None:
        if "answer=opt_in" in (route.request.post_data or ""):
            on_its_way.set()
        else:
            await route.continue_()

    sounds.register("ana")
    async with visitor(browser) as page:
        await sign_in(page, sounds, "ana")
        await page.route("**/say", hold)
        await page.get_by_role("button", name="Yes to Models that make music", exact=True).click()
        await on_its_way.wait()
        await page.get_by_role("button", name="No to Models that make music", exact=True).click()
        await expect(page.locator("#announcement")).to_contain_text("Recorded: no to")
    assert [one["answer"] for one in sounds.said("ana")] == ["opt_out"]


@pytest.mark.parametrize("javascript", [True, False], ids=["with scripts", "without scripts"])
async def test_an_answer_after_the_session_has_ended_is_not_lost_in_silence(
    browser: Browser, sounds: Sounds, *, javascript: bool
) -> None:
    """The page says that it was not recorded, and leads to signing in."""
    async with visitor(browser, javascript=javascript) as page:
        await _two_tabs(page, sounds)
        await page.context.clear_cookies()
        await page.get_by_role("button", name="No to Models that make music", exact=True).click()
        await expect(page.locator("#content")).to_contain_text("this was not recorded")
        await page.locator("#content").get_by_role("link", name="Your settings").click()
        await expect(page.get_by_role("textbox")).to_be_visible()
    assert sounds.said("ana") == []


@pytest.mark.parametrize("javascript", [True, False], ids=["with scripts", "without scripts"])
async def test_a_no_is_taken_however_old_the_page_is(
    browser: Browser, sounds: Sounds, *, javascript: bool
) -> None:
    """Even after a yes in the other tab."""
    async with visitor(browser, javascript=javascript) as page:
        other = await _two_tabs(page, sounds)
        await page.reload()
        await page.get_by_role("button", name="Yes to Models that make music", exact=True).click()
        await expect(page.locator("#announcement")).to_contain_text("Recorded: yes to")
        await other.get_by_role("button", name="No to Models that make music", exact=True).click()
        await expect(other.locator("#announcement")).to_contain_text("Recorded: no to")
    assert [one["answer"] for one in sounds.said("ana")] == ["opt_out", "opt_in"]
    assert sounds.check(MUSIC, "song") == (False, "opted_out")
