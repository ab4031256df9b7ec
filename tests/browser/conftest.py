"""What the tests of the pages may ask for: a real browser, with nothing kept from before."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.audit.history import History, history_in
from tests.browser.gallery import Gallery, opened
from tests.browser.sounds import Sounds, example_sounds
from tests.conftest import migrated_database

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

expect.set_options(timeout=20_000)  # milliseconds: a machine under load is no fault of the page's


@pytest_asyncio.fixture(scope="session", loop_scope="session")
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


@pytest.fixture
def sounds(database_url: str) -> Iterator[Sounds]:
    """A platform of the test's own, with its launch terms and no artist."""
    with example_sounds(database_url) as running:
        yield running


@pytest.fixture(scope="session")
def history(postgres_url: str) -> History:
    """Two months of a platform's life; before any loop runs, for it has one of its own."""
    return history_in(postgres_url)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def gallery(postgres_url: str, history: History) -> AsyncIterator[Gallery]:
    """Everything that there is to see; only to be looked at."""
    async with (
        migrated_database(postgres_url) as quiet,
        migrated_database(postgres_url) as busy,
        migrated_database(postgres_url) as closed,
    ):
        with opened(quiet, busy, closed, history) as running:
            yield running
