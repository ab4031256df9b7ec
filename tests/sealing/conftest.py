"""Logs of several months, each test's own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.sealing.months import Months, several_months


@pytest.fixture
async def months(database_url: str, tmp_path: Path) -> AsyncIterator[Months]:
    """Return an empty log, and what seals it."""
    async with several_months(database_url, tmp_path) as opened:
        yield opened
