"""One story for all tests of evidence: they only read."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.conftest import migrated_database
from tests.evidence.tale import Tale, told_to_the_end


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def tale(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Tale]:
    """Return the story of `tests/evidence/tale.py`, told to its end."""
    folder = tmp_path_factory.mktemp("packs")
    async with migrated_database(postgres_url) as url, told_to_the_end(url, folder) as told:
        yield told
