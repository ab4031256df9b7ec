"""What the tests of the pages may ask for: a real browser, with nothing kept from before."""

import os
import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, async_playwright

_NAMES = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
_QUIET = (
    "--no-sandbox",  # as root there is none; it only ever sees this machine
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium of the system's. Where there is none, the test is skipped, not in CI."""
    found = next((path for name in _NAMES if name and (path := shutil.which(name))), None)
    if found is None:
        missing = "no Chromium on this machine: run `make browser`"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=found, args=list(_QUIET))
        try:
            yield launched
        finally:
            await launched.close()
