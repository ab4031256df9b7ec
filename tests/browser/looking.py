"""Looking at a page as people do: on a phone and on a desk, by day and by night, and with axe."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from playwright.async_api import Browser, BrowserContext, Page

ROOT: Final = Path(__file__).resolve().parents[2]
SCREENSHOTS: Final = ROOT / ".cache" / "screenshots"
"""Where a person finds what `make pictures` saw, by page, width and colours."""

_AXE: Final = ROOT / "tools" / "node" / "node_modules" / "axe-core" / "axe.min.js"
_RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

Scheme = Literal["light", "dark"]
SCHEMES: Final[tuple[Scheme, ...]] = ("light", "dark")


@dataclass(frozen=True, slots=True)
class Screen:
    """What somebody holds or sits at."""

    name: str
    width: int
    height: int


PHONE: Final = Screen("phone", 390, 844)
DESK: Final = Screen("desk", 1280, 900)


@asynccontextmanager
async def visitor(
    browser: Browser,
    *,
    screen: Screen = DESK,
    scheme: Scheme = "light",
    locale: str = "en-GB",
    javascript: bool = True,
) -> AsyncIterator[Page]:
    """Yield an empty page of somebody with no history, who notices whatever goes wrong on it.

    An error in a script, something the Content-Security-Policy stopped, or a request to anybody
    but loopback fails the test at the end.
    """
    context = await browser.new_context(
        viewport={"width": screen.width, "height": screen.height},
        color_scheme=scheme,
        reduced_motion="reduce",  # or colours are looked at while they change
        locale=locale,
        java_script_enabled=javascript,
        timezone_id="UTC",
    )
    noticed: list[str] = []
    await _watch(context, noticed)
    try:
        yield await context.new_page()
        assert noticed == []
    finally:
        await context.close()


_HARMLESS: Final = (
    # A refused form answers 4xx, which browser and htmx repeat.
    "Failed to load resource",
    "Response Status Error Code 4",
    # A no has taken the place of a yes that was on its way.
    "htmx:sendAbort",
    "htmx:afterRequest",
)
"""What the console says that is no fault of the page."""


async def _watch(context: BrowserContext, noticed: list[str]) -> None:
    def requested(request: Any) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "http://localhost:", "data:")):
            noticed.append(f"asked somebody else: {request.url}")

    def said(message: Any) -> None:
        if message.type == "error" and not message.text.startswith(_HARMLESS):
            noticed.append(f"console: {message.text}")

    context.on("request", requested)
    context.on("console", said)
    context.on("weberror", lambda error: noticed.append(f"script: {error.error}"))


async def complaints(page: Page) -> list[str]:
    """Return what axe-core finds wrong with the page as it is now, readable."""
    # Evaluated, not added as a script: the page's policy would rightly refuse that.
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(_AXE.read_text("utf-8"))
    options = json.dumps({"runOnly": {"type": "tag", "values": _RULES}})
    found = await page.evaluate(f"axe.run(document, {options})")
    return [
        f"{one['id']} ({one['help']}): {', '.join(str(n['target']) for n in one['nodes'][:5])}"
        for one in found["violations"]
    ]


async def keep_picture(page: Page, name: str, screen: Screen, scheme: Scheme) -> Path:
    """Write what the whole page looks like where a person can look at it."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / f"{name}-{screen.name}-{scheme}.png"
    await page.screenshot(path=path, full_page=True)
    return path
