"""The link in a letter, in a browser: only its button says anything, and only no."""

import pytest
from playwright.async_api import Browser, expect

from tests.browser.looking import visitor
from tests.browser.sounds import VOICE, Sounds

pytestmark = pytest.mark.asyncio(loop_scope="session")

_AHEAD_OF_TIME = """async (address) => {
  for (const purpose of ['prefetch', 'prefetch;prerender']) {
    await fetch(address, { headers: { 'Purpose': purpose, 'X-Moz': purpose } });
  }
}"""


async def _letter(sounds: Sounds) -> str:
    """Let Ana be told of a new use; return the address in her letter."""
    sounds.register("ana")
    sounds.put("song", "Song", "ana")
    notice = sounds.publish(VOICE, "opt_out")
    sounds.deliver(notice, "ana")
    return await sounds.opt_out_link("ana", notice)


async def test_opening_the_link_says_nothing(browser: Browser, sounds: Sounds) -> None:
    """However often, however it is looked at, and by whatever follows links by itself."""
    link = await _letter(sounds)
    before = sounds.revision()
    async with visitor(browser) as page:
        await page.goto(link)
        await page.goto(link)
        await page.reload()
        await page.request.head(link)
        await page.request.get(link, headers={"Sec-Purpose": "prefetch;prerender"})
        await page.goto(f"{sounds.service.url}/policies")
        await page.evaluate(_AHEAD_OF_TIME, link)
    assert sounds.revision() == before
    assert sounds.said("ana") == []


@pytest.mark.parametrize("javascript", [True, False], ids=["with scripts", "without scripts"])
async def test_the_one_button_says_no_at_once(
    browser: Browser, sounds: Sounds, *, javascript: bool
) -> None:
    """Signed in nowhere; and the page says so the next time, too."""
    link = await _letter(sounds)
    assert sounds.check(VOICE, "song") == (False, "no_opt_in")
    async with visitor(browser, javascript=javascript) as page:
        await page.goto(link)
        button = page.locator("main").get_by_role("button")
        await expect(button).to_have_count(1)
        await button.click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("You have said no")
        assert sounds.check(VOICE, "song") == (False, "opted_out")
        await page.goto(link)
        await expect(page.get_by_role("heading", level=1)).to_contain_text("You have said no")
        await expect(page.locator("main").get_by_role("button")).to_have_count(0)
    (record,) = sounds.said("ana")
    assert (record["answer"], record["use"]) == ("opt_out", VOICE)


async def test_no_form_makes_a_yes_of_it(browser: Browser, sounds: Sounds) -> None:
    """Whatever is sent there: it is a no, or nothing."""
    link = await _letter(sounds)
    async with visitor(browser) as page:
        await page.goto(link)
        form = page.locator("main form")
        await form.evaluate(
            """(form) => {
                for (const [name, value] of [["answer", "opt_in"], ["use", "*"]]) {
                    const field = document.createElement("input");
                    field.name = name;
                    field.value = value;
                    form.append(field);
                }
            }"""
        )
        await form.get_by_role("button").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("You have said no")
    assert [(one["answer"], one["use"]) for one in sounds.said("ana")] == [("opt_out", VOICE)]


async def test_a_changed_link_does_nothing_and_says_where_to_go(
    browser: Browser, sounds: Sounds
) -> None:
    """A letter of its own that got lost on the way."""
    link = await _letter(sounds)
    last = "b" if link.endswith("a") else "a"
    async with visitor(browser) as page:
        await page.goto(f"{link[:-1]}{last}")
        await expect(page.get_by_role("heading", level=1)).to_have_text("This link does nothing")
        await page.get_by_role("link", name="Sign in to your settings").click()
        await expect(page.get_by_role("textbox")).to_be_visible()
    assert sounds.said("ana") == []
