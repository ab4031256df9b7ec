"""What events made stale is compiled in the background, and checks find it done."""

import asyncio
import logging

import pytest

from service.clock import SystemClock
from service.decisions.index import Index
from service.decisions.refreshing import refreshed
from tests.decisions.compiled.compiling import HASHING
from tests.decisions.following import replica
from tests.ledger.writing import appending, open_ledger


class Stale(Index):
    """An index of which so many slices are stale."""

    slices = 0
    looks = 0

    def refresh(self, most: int = 1) -> bool:
        """Compile one."""
        self.looks += 1
        self.slices -= self.slices > 0
        return self.slices > 0


async def test_whatever_an_event_made_stale_is_compiled_slice_by_slice(database_url: str) -> None:
    """Nobody has to ask; and after the last slice it is left alone until something happens."""
    async with appending(database_url) as appender:
        await open_ledger(appender)
    async with replica(database_url) as one:
        index = Stale(HASHING)
        index.slices = 20
        async with refreshed(index, one.follower, SystemClock()):
            async with asyncio.timeout(10):
                while index.slices:  # noqa: ASYNC110 - nobody says when it is done
                    await asyncio.sleep(0.001)
            looks = index.looks
            assert looks >= 20
            for _ in range(100):
                await asyncio.sleep(0)
            assert index.looks <= looks + 1


async def test_what_goes_wrong_in_the_background_is_logged_and_ends_nothing(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Answers do not rest on it: they compile what they ask about."""

    class Broken(Stale):
        def refresh(self, most: int = 1) -> bool:
            raise ZeroDivisionError

    async with appending(database_url) as appender:
        await open_ledger(appender)
    async with replica(database_url) as one:
        index = Broken(HASHING)
        with caplog.at_level(logging.ERROR):
            async with refreshed(index, one.follower, SystemClock()):
                await asyncio.sleep(0)
                await asyncio.sleep(0)
        assert "nothing is compiled ahead any more" in caplog.text
