"""Somebody who acts for artists: the roster, one answer for many, and who may only say no."""

import pytest
from playwright.async_api import Browser, expect

from tests.browser.looking import visitor
from tests.browser.signing_in import sign_in
from tests.browser.sounds import MUSIC, RECOMMENDATION, Sounds

pytestmark = pytest.mark.asyncio(loop_scope="session")


def _roster(sounds: Sounds) -> None:
    sounds.register("ana", "ben", "eve")
    sounds.put("song", "Song", "ana")
    sounds.put("tune", "Tune", "ben")
    sounds.put("hymn", "Hymn", "eve")
    sounds.delegate("ana", "label", may_opt_in=True)
    sounds.delegate("ben", "label", may_opt_in=False)


@pytest.mark.parametrize("javascript", [True, False], ids=["with scripts", "without scripts"])
async def test_a_delegate_says_no_for_many_having_seen_what_it_changes(
    browser: Browser, sounds: Sounds, *, javascript: bool
) -> None:
    """The preview records nothing; the confirmation records it for each of them at once."""
    _roster(sounds)
    async with visitor(browser, javascript=javascript) as page:
        await sign_in(page, sounds, "label")
        for name in ("Ana", "Ben"):
            await page.get_by_role("checkbox", name=name).check()
        await expect(page.get_by_role("checkbox")).to_have_count(2)
        await page.get_by_label("Their answer about").select_option(label="Recommendations")
        await page.get_by_role("button", name="Preview a no").click()
        for name in ("Ana", "Ben"):
            row = page.get_by_role("row").filter(has_text=name)
            await expect(row).to_contain_text("One use stops")
        assert sounds.said("ana") == []
        await page.get_by_role("button", name="Record it for 2 artists").click()
        await expect(page.get_by_role("status")).to_contain_text("Recorded for 2 artists")
    answers = [sounds.check(RECOMMENDATION, song) for song in ("song", "tune", "hymn")]
    assert answers == [(False, "opted_out"), (False, "opted_out"), (True, "window_closed")]
    assert [one["evidence"]["acting_as"] for one in sounds.said("ana")] == ["delegate"]


async def test_whoever_may_only_say_no_sees_no_yes(browser: Browser, sounds: Sounds) -> None:
    """And is told why; where a yes may be said as well, its button is there."""
    _roster(sounds)
    async with visitor(browser) as page:
        await sign_in(page, sounds, "label")
        await page.get_by_role("link", name="Open the settings of Ben").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("Ben")
        await expect(page.locator("main")).to_contain_text("has let you say no for them, not yes")
        await expect(page.locator("button[value=opt_in]")).to_have_count(0)
        no = page.get_by_role("button", name="No to Recommendations", exact=True)
        await no.click()
        await expect(no).to_have_attribute("aria-pressed", "true")
        await page.get_by_role("link", name="Artists you act for").click()
        await page.get_by_role("link", name="Open the settings of Ana").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("Ana")
        yes = page.get_by_role("button", name="Yes to Models that make music", exact=True)
        await yes.click()
        await expect(yes).to_have_attribute("aria-pressed", "true")
    assert sounds.check(RECOMMENDATION, "tune") == (False, "opted_out")
    assert sounds.check(MUSIC, "song") == (True, "opted_in")


async def test_a_yes_for_somebody_who_allows_only_no_records_nothing(
    browser: Browser, sounds: Sounds
) -> None:
    """For nobody of those who were chosen."""
    _roster(sounds)
    async with visitor(browser) as page:
        await sign_in(page, sounds, "label")
        for name in ("Ana", "Ben"):
            await page.get_by_role("checkbox", name=name).check()
        await page.get_by_label("Their answer about").select_option(label="Models that make music")
        await page.get_by_role("button", name="Preview a yes").click()
        await expect(page.get_by_role("status")).to_contain_text("Nothing was recorded")
    assert sounds.said("ana") == []
    assert sounds.said("ben") == []
