"""The packs' pages: sound HTML that stands alone, and that everybody can read."""

from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.async_api import Browser

from service.evidence import eu_summary, licensing
from tests.api.story import ONLY_ASKS
from tests.browser.conftest import browser
from tests.browser.looking import DESK, PHONE, SCHEMES, complaints, keep_picture, visitor
from tests.evidence.tale import MARKUP, Tale

__all__ = ["browser"]

pytestmark = ONLY_ASKS

NAMES = (eu_summary.NAME, licensing.NAME)
_VOID = {"meta", "link", "br", "hr", "img", "input"}
_HEADINGS = ("h1", "h2", "h3", "h4")


@dataclass
class Page(HTMLParser):
    """A page taken apart. Raises AssertionError where its tags do not fit together."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start to read."""
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Hear of a beginning."""
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Hear of an end."""
        assert self.open.pop() == tag, self.getpos()

    def of(self, attribute: str) -> list[str]:
        """Return all values of an attribute."""
        return [value for _, attrs in self.tags if (value := attrs.get(attribute))]


def parsed(path: Path) -> Page:
    """Return a page, all of whose tags are closed."""
    page = Page()
    page.feed(path.read_text("utf-8"))
    page.close()
    assert page.open == []
    return page


@pytest.mark.parametrize("name", NAMES)
async def test_pages_are_sound(tale: Tale, name: str) -> None:
    """One title, headings without a gap, tables with captions and heads, ids that exist."""
    page = parsed(await tale.write(name, await tale.now()) / f"{name}.html")
    count = Counter(tag for tag, _ in page.tags)
    assert (count["h1"], count["title"], count["main"]) == (1, 1, 1)
    assert count["caption"] == count["table"] == count["thead"]
    levels = [_HEADINGS.index(tag) for tag, _ in page.tags if tag in _HEADINGS]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(attrs.get("scope") for tag, attrs in page.tags if tag == "th")
    ids = page.of("id")
    assert len(ids) == len(set(ids))
    assert set(page.of("aria-labelledby")) <= set(ids)
    assert dict(page.tags)["html"]["lang"] == "en"


@pytest.mark.parametrize("name", NAMES)
async def test_pages_need_nothing_beside_them(tale: Tale, name: str) -> None:
    """No script, no picture, no address of anything; what others wrote is text."""
    path = await tale.write(name, await tale.now()) / f"{name}.html"
    page = parsed(path)
    assert not {"script", "img", "link", "iframe", "form"} & {tag for tag, _ in page.tags}
    assert not [*page.of("src"), *page.of("href"), *page.of("onclick")]
    text = path.read_text("utf-8")
    assert "://" not in text
    assert MARKUP not in text
    assert ("&lt;script&gt;" in text) == (name == licensing.NAME)


@pytest.mark.parametrize("name", NAMES)
async def test_everybody_can_read_them(tale: Tale, browser: Browser, name: str) -> None:
    """On a desk by day, on a phone by night: axe has nothing to say, nothing sticks out."""
    text = (await tale.write(name, await tale.now()) / f"{name}.html").read_text("utf-8")
    for screen, scheme in zip((DESK, PHONE), SCHEMES, strict=True):
        async with visitor(browser, screen=screen, scheme=scheme) as page:
            await page.set_content(text)
            assert await complaints(page) == []
            assert await page.evaluate("document.documentElement.scrollWidth") <= screen.width
            await keep_picture(page, name, screen, scheme)
