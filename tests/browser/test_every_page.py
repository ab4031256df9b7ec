"""Every page, as people see it: nothing for axe to find, nothing off the side, and a picture."""

import os
from collections.abc import Sequence
from typing import Final

import pytest
from playwright.async_api import Browser, Page

from tests.browser.gallery import SIGHTS, Gallery, Sight
from tests.browser.looking import (
    DESK,
    PHONE,
    SCHEMES,
    Scheme,
    Screen,
    complaints,
    keep_picture,
    visitor,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

_NARROWEST = 320  # CSS pixels; WCAG 2.2, 1.4.10
# A rule of axe looks at the width or at the colours, and none at both.
_JUDGED: Final[Sequence[tuple[Screen, Scheme]]] = ((PHONE, "light"), (DESK, "dark"))
_EVERY: Final = [(screen, scheme) for screen in (PHONE, DESK) for scheme in SCHEMES]
_OPEN_ALL = "document.querySelectorAll('main details').forEach((one) => { one.open = true; })"
_OFF_THE_SIDE = """() => {
  const edge = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= edge) return [];
  return [...document.querySelectorAll('body *')]
    .filter((one) => one.getBoundingClientRect().right > edge + 1)
    .map((one) => `${one.tagName}.${one.className} ${one.textContent.trim().slice(0, 40)}`);
}"""


@pytest.mark.parametrize("sight", SIGHTS, ids=lambda sight: sight.name)
async def test_a_page_is_there_for_everybody(
    browser: Browser, gallery: Gallery, sight: Sight
) -> None:
    """By day and by night, on a phone and on a desk, with everything on it unfolded.

    Nobody has to scroll sideways, at 320 pixels or with letters of twice the size.
    """
    async with visitor(browser) as page:
        gallery.rendered.clear()
        await sight.go(page, gallery)
        assert gallery.rendered[-1] == sight.template
        if os.environ.get("FERMATA_PICTURES"):
            await _take_pictures(page, sight)
        await page.evaluate(_OPEN_ALL)
        for screen, scheme in _JUDGED:
            await page.set_viewport_size({"width": screen.width, "height": screen.height})
            await page.emulate_media(color_scheme=scheme)
            assert await complaints(page) == []
        await page.set_viewport_size({"width": _NARROWEST, "height": PHONE.height})
        assert await page.evaluate(_OFF_THE_SIDE) == []
        await page.evaluate("document.documentElement.style.fontSize = '212.5%'")
        for screen in (PHONE, DESK):
            await page.set_viewport_size({"width": screen.width, "height": screen.height})
            assert await page.evaluate(_OFF_THE_SIDE) == [], screen.name


async def _take_pictures(page: Page, sight: Sight) -> None:
    for screen, scheme in _JUDGED if sight.in_brief else _EVERY:
        await page.set_viewport_size({"width": screen.width, "height": screen.height})
        await page.emulate_media(color_scheme=scheme)
        await keep_picture(page, sight.name, screen, scheme)
