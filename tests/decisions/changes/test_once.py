"""Work that many ask for is done once, and nobody who gives up takes it from the others."""

import asyncio

import pytest

from service.decisions.changes.once import Once


class Work:
    """Something that takes until a test lets it end."""

    def __init__(self) -> None:
        """Start with nothing done."""
        self.times = 0
        self.end = asyncio.Event()
        self.fails = False

    async def __call__(self) -> int:
        """Do it, and return how often it has been done."""
        self.times += 1
        done = self.times
        await self.end.wait()
        if self.fails:
            raise ConnectionError
        return done


async def test_all_who_ask_meanwhile_get_the_same_result() -> None:
    """And whoever asks afterwards, while it is kept."""
    once, work = Once[str, int](2), Work()
    asking = [asyncio.create_task(once.get("a", work)) for _ in range(5)]
    await asyncio.sleep(0)
    work.end.set()
    assert await asyncio.gather(*asking) == [1] * 5
    assert await once.get("a", work) == 1
    for other in ("b", "c"):
        await once.get(other, work)
    assert await once.get("a", work) == 4


async def test_whoever_gives_up_stops_nobody_else() -> None:
    """It goes on for those who still wait."""
    once, work = Once[str, int](2), Work()
    first = asyncio.create_task(once.get("a", work))
    await asyncio.sleep(0)
    second = asyncio.create_task(once.get("a", work))
    await asyncio.sleep(0)
    first.cancel()
    work.end.set()
    assert await second == 1
    assert first.cancelled()


async def test_a_failure_is_told_to_all_and_not_kept() -> None:
    """The next one tries again."""
    once, work = Once[str, int](2), Work()
    work.fails = True
    work.end.set()
    with pytest.raises(ConnectionError):
        await once.get("a", work)
    work.fails = False
    assert await once.get("a", work) == 2


async def test_a_result_that_is_not_good_enough_is_made_anew_for_all() -> None:
    """Whoever finds it too old has another one made, once."""
    once, work = Once[str, int](2), Work()
    work.end.set()
    assert await once.get("a", work) == 1
    asking = [once.get("a", work, lambda known: known > 1) for _ in range(3)]
    assert await asyncio.gather(*asking) == [2] * 3


async def test_what_is_being_made_is_given_up_at_the_end() -> None:
    """Nothing is left running."""
    once, work = Once[str, int](2), Work()
    waiting = asyncio.create_task(once.get("a", work))
    await asyncio.sleep(0)
    await once.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
