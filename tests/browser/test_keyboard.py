"""Without a mouse and without being led: all is reached, and yes and no weigh the same."""

from typing import Any, Final

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.gallery import Gallery
from tests.browser.looking import DESK, PHONE, Screen, visitor
from tests.browser.signing_in import sign_in
from tests.browser.sounds import RECOMMENDATION, Sounds

pytestmark = pytest.mark.asyncio(loop_scope="session")

_CONTROLS: Final = "a[href], button, summary, input:not([type=hidden]), select, [tabindex='0']"
_NUMBERED: Final = """(controls) => {
  const seen = [...document.querySelectorAll(controls)].filter((one) => one.checkVisibility());
  seen.forEach((one, place) => { one.dataset.place = place; });
  return seen.length;
}"""
_WHERE: Final = """() => {
  const one = document.activeElement, style = getComputedStyle(one);
  return { place: one.dataset.place ?? null, name: one.textContent.trim().slice(0, 40),
           outlined: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
           box: one.getBoundingClientRect().toJSON() };
}"""
_WIDTH: Final = "(one) => one.getBoundingClientRect().width"
_PAIRS: Final = """() => [...document.querySelectorAll('main .answers')]
  .map((pair) => [...pair.querySelectorAll('button')])
  .filter((pair) => pair.length === 2)
  .map((pair) => pair.map((one) => {
    const { fontSize, fontWeight, backgroundColor, color, borderColor } = getComputedStyle(one);
    return { value: one.value, box: one.getBoundingClientRect().toJSON(),
             pressed: one.getAttribute('aria-pressed') === 'true',
             look: [fontSize, fontWeight, backgroundColor, color, borderColor].join() };
  }))"""


async def _tabbed(page: Page) -> list[dict[str, Any]]:
    """Press Tab until the page is left, and return where that led, one by one."""
    count = await page.evaluate(_NUMBERED, _CONTROLS)
    stops = []
    for _ in range(count + 5):
        await page.keyboard.press("Tab")
        where = await page.evaluate(_WHERE)
        if where["place"] is None:
            break
        stops.append(where)
    assert len(stops) == count, f"{count} controls, but Tab comes to {len(stops)}"
    return stops


@pytest.mark.parametrize("path", ["/settings", "/settings/roster", "/settings/artists/ada/history"])
async def test_tab_comes_to_every_control_in_order_and_shows_where_it_is(
    browser: Browser, gallery: Gallery, path: str
) -> None:
    """With everything unfolded that can be; and never behind the edge of the page."""
    async with visitor(browser) as page:
        await sign_in(page, gallery.busy, "label" if "roster" in path else "ada", path)
        await page.evaluate("document.querySelectorAll('details').forEach((d) => d.open = true)")
        stops = await _tabbed(page)
    assert [int(one["place"]) for one in stops] == list(range(len(stops)))
    assert [one["name"] for one in stops if not one["outlined"]] == []
    assert [one["name"] for one in stops if one["box"]["width"] < 1] == []


async def test_the_first_stop_skips_to_the_content(browser: Browser, gallery: Gallery) -> None:
    """Unseen until it is reached; the next stop is then inside the content."""
    async with visitor(browser) as page:
        await sign_in(page, gallery.busy, "ada")
        skip = page.get_by_role("link", name="Skip to the content")
        assert await skip.evaluate(_WIDTH) <= 1
        await page.keyboard.press("Tab")
        await expect(skip).to_be_focused()
        assert await skip.evaluate(_WIDTH) > 50
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        inside = "document.querySelector('main').contains(document.activeElement)"
        assert await page.evaluate(inside)


@pytest.mark.parametrize("key", ["Enter", "Space"])
async def test_answers_are_given_by_key_and_focus_stays_where_it_was(
    browser: Browser, sounds: Sounds, key: str
) -> None:
    """A no, and its undoing; whoever cannot see the page hears both, and does not lose their place.

    The button that undoes is gone once it is pressed: then the next best place has the focus.
    """
    sounds.register("ana")
    sounds.put("song", "Song", "ana")
    async with visitor(browser) as page:
        await sign_in(page, sounds, "ana")
        no = page.get_by_role("button", name="No to Recommendations", exact=True)
        await no.focus()
        await page.keyboard.press(key)
        await expect(page.locator("#announcement")).to_contain_text("Recorded: no")
        await expect(no).to_have_attribute("aria-pressed", "true")
        await expect(no).to_be_focused()
        assert sounds.check(RECOMMENDATION, "song") == (False, "opted_out")
        await page.get_by_role("button", name="Undo").focus()
        await page.keyboard.press(key)
        await expect(page.locator("#announcement")).to_contain_text("Taken back")
        assert sounds.check(RECOMMENDATION, "song") == (True, "window_closed")
        await expect(page.locator("form.choice:focus-within").filter(has=no)).to_have_count(1)


async def test_all_of_it_is_unfolded_by_key(browser: Browser, gallery: Gallery) -> None:
    """Terms, answers for each company, languages."""
    async with visitor(browser) as page:
        await sign_in(page, gallery.busy, "ada")
        folded = page.locator("details:not([open])")
        for left in range(await folded.count(), 0, -1):
            await folded.locator("> summary").first.focus()
            await page.keyboard.press("Enter")
            await expect(folded).to_have_count(left - 1)


@pytest.mark.parametrize("screen", [PHONE, DESK], ids=lambda screen: screen.name)
@pytest.mark.parametrize("who", ["ada", "cleo"])
@pytest.mark.parametrize("language", ["en", "de"])
async def test_yes_and_no_are_equally_big_near_and_plain(
    browser: Browser, gallery: Gallery, screen: Screen, who: str, language: str
) -> None:
    """No is first; neither is larger, further away, or painted more invitingly than the other."""
    async with visitor(browser, screen=screen) as page:
        await sign_in(page, gallery.busy, who, f"/settings?lang={language}")
        await page.evaluate("document.querySelectorAll('details').forEach((d) => d.open = true)")
        pairs = await page.evaluate(_PAIRS)
    assert pairs
    for no, yes in pairs:
        assert (no["value"], yes["value"]) == ("opt_out", "opt_in")
        a, b = no["box"], yes["box"]
        assert a["width"] == pytest.approx(b["width"], abs=1)
        assert a["height"] == pytest.approx(b["height"], abs=1)
        assert a["top"] == pytest.approx(b["top"], abs=1)
        assert 0 < b["left"] - a["right"] < 24
        assert a["height"] >= 44
        assert no["look"] == yes["look"] or no["pressed"] != yes["pressed"]


@pytest.mark.parametrize(
    ("who", "path"),
    [("ada", "/settings"), ("cleo", "/settings"), ("label", "/settings/roster")],
)
async def test_nothing_is_chosen_beforehand(
    browser: Browser, gallery: Gallery, who: str, path: str
) -> None:
    """No box is ticked, and only what was said shows as pressed."""
    async with visitor(browser) as page:
        await sign_in(page, gallery.busy, who, path)
        await expect(page.locator("input:checked")).to_have_count(0)
        pressed = page.locator("button[aria-pressed=true]")
        if who != "cleo":
            await expect(pressed).to_have_count(0)
        else:
            assert await pressed.count() > 0
