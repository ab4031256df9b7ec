"""Ledgers that are written once; each test that does harm has a copy of its own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from tests.conftest import migrated_database
from tests.verify.exporting import Platform, ran
from tests.verify.seeded import Seeded, copied, seed


@pytest.fixture(scope="session")
def seeded(postgres_url: str) -> Iterator[Seeded]:
    """Return a ledger that nobody may change."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        url = runner.run(stack.enter_async_context(migrated_database(postgres_url)))
        try:
            yield runner.run(seed(url))
        finally:
            runner.run(stack.aclose())


@pytest.fixture
async def copy_url(postgres_url: str, seeded: Seeded) -> AsyncIterator[str]:
    """Return the URL of a copy of it, to be changed."""
    async with copied(postgres_url, seeded.url) as url:
        yield url


@pytest.fixture(scope="session")
def platform(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Return a platform that has run and stopped; nobody may change its database or bundles."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        url = runner.run(stack.enter_async_context(migrated_database(postgres_url)))
        try:
            yield runner.run(ran(url, tmp_path_factory.mktemp("platform")))
        finally:
            runner.run(stack.aclose())
