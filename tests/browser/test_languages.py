"""Five languages: nothing is left in English, and dates are as the language writes them."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from babel.messages.pofile import read_po
from playwright.async_api import Browser, Page, expect

from service.web import i18n
from tests.browser.gallery import TRANSLATED, Gallery
from tests.browser.looking import visitor

pytestmark = pytest.mark.asyncio(loop_scope="session")

OTHERS: Final = [code for code in i18n.OWN_NAMES if code != "en"]
_LOCALES: Final = Path(i18n.__file__).parent / "locales"
_PLACEHOLDER: Final = re.compile(r"%\(\w+\)[sd]")
_TEXTS: Final = """() => {
  const own = document.documentElement.lang;
  const ours = (one) => one.closest('[lang]').lang === own;
  const found = [document.title];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = walk.nextNode(); text; text = walk.nextNode())
    if (ours(text.parentElement)) found.push(text.data);
  const names = ['aria-label', 'title', 'alt', 'placeholder', 'data-label'];
  for (const one of document.querySelectorAll(names.map((name) => `[${name}]`).join()))
    for (const name of names)
      if (ours(one) && one.hasAttribute(name)) found.push(one.getAttribute(name));
  return found.map((text) => text.trim().replace(/\\s+/g, ' ')).filter((text) => text);
}"""
_MISWRITTEN: Final = """() => {
  const own = document.documentElement.lang;
  const day = new Intl.DateTimeFormat(own, { dateStyle: 'long', timeZone: 'UTC' });
  return [...document.querySelectorAll('time')]
    .filter((one) => !one.textContent.startsWith(day.format(new Date(one.dateTime))))
    .map((one) => `${one.dateTime}: ${one.textContent}`);
}"""


@pytest.mark.parametrize("code", OTHERS)
@pytest.mark.parametrize("part", range(4))
async def test_no_page_has_a_sentence_left_in_english(
    browser: Browser, gallery: Gallery, code: str, part: int
) -> None:
    """Every page of the gallery; and each says in which language it is."""
    async with visitor(browser, locale=code) as page:
        for sight in TRANSLATED[part::4]:
            await page.context.clear_cookies()
            await sight.go(page, gallery)
            await expect(page.locator("html")).to_have_attribute("lang", code)
            texts: list[str] = await page.evaluate(_TEXTS)
            assert list(_english(texts, code)) == [], sight.name
            assert await page.evaluate(_MISWRITTEN) == [], sight.name


async def test_english_dates_are_english(browser: Browser, gallery: Gallery) -> None:
    """As the others are judged, so is it."""
    async with visitor(browser) as page:
        for sight in TRANSLATED:
            if sight.name in {"policies", "policy-planned", "settings-planned"}:
                await sight.go(page, gallery)
                assert await page.locator("time").count() > 0
                assert await page.evaluate(_MISWRITTEN) == [], sight.name


async def test_the_language_that_is_chosen_stays(browser: Browser, gallery: Gallery) -> None:
    """Without scripts, by a link on every page; the browser's own wish comes after it."""
    async with visitor(browser, locale="en-GB", javascript=False) as page:
        await page.goto(f"{gallery.busy.service.url}/policies")
        await page.locator(".languages summary").click()
        await page.get_by_role("link", name="Deutsch").click()
        await _is_german(page)
        await page.goto(f"{gallery.busy.service.url}/policies/training.generative.music")
        await _is_german(page)
        await expect(page.get_by_role("heading", level=1)).to_have_text("Modelle, die Musik machen")


async def _is_german(page: Page) -> None:
    await expect(page.locator("html")).to_have_attribute("lang", "de")


def _english(texts: Sequence[str], code: str) -> Iterator[str]:
    """Yield what is on the page in English although the language has words of its own for it."""
    words, stretches = _messages(code)
    for text in texts:
        if text in words or stretches.search(text):
            yield text


@cache
def _messages(code: str) -> tuple[frozenset[str], re.Pattern[str]]:
    """Return English messages of one word, and the stretches between what is put into others."""
    with (_LOCALES / code / "LC_MESSAGES" / "messages.po").open("rb") as file:
        translated = read_po(file, locale=code)
    with (_LOCALES / "messages.pot").open("rb") as file:
        messages = [one for one in read_po(file) if one.id]
    words: set[str] = set()
    stretches: set[str] = set()
    for message in messages:
        known = translated.get(message.id, message.context)
        own = " ".join(_forms(known.string)) if known else ""
        for one in _forms(message.id):
            for stretch in (" ".join(part.split()) for part in _PLACEHOLDER.split(one)):
                if stretch and stretch not in own:
                    (stretches if " " in stretch else words).add(stretch)
    any_of = "|".join(map(re.escape, sorted(stretches)))
    return frozenset(words), re.compile(rf"(?<!\w)(?:{any_of})(?!\w)")


def _forms(text: Any) -> Sequence[str]:
    """Return singular and plural, or the only form there is; Babel does not tell types which."""
    return [form or "" for form in (text if isinstance(text, list | tuple) else [text])]
