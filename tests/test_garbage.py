"""What stays is spared from collection, and nothing is before it is there."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from service.clock import SystemClock
from service.domain.instant import SECOND, Instant
from service.garbage import spared_from_collection


class Slow(SystemClock):
    """A clock by which every walk of the collector takes as long as a test says."""

    step: Instant = 0

    def __init__(self) -> None:
        """Start at zero."""
        self._now = 0

    def monotonic(self) -> Instant:
        """Return a later time each time it is asked."""
        self._now += self.step
        return self._now


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Count what would be frozen here: this process is not the service's alone.

    Nothing is collected but what a test collects, and nobody else hears of it.
    """
    calls: list[int] = []
    monkeypatch.setattr(gc, "freeze", lambda: calls.append(1))
    listening = gc.callbacks[:]
    gc.callbacks.clear()
    gc.disable()
    yield calls
    gc.enable()
    gc.callbacks[:] = listening


async def test_what_was_loaded_is_spared_once_it_is_there(frozen: list[int]) -> None:
    """Not before: what comes later would be walked all the same."""
    loaded = asyncio.Event()
    async with spared_from_collection(loaded, SystemClock()):
        await asyncio.sleep(0.01)
        assert frozen == []
        loaded.set()
        await asyncio.sleep(0.01)
        assert frozen == [1]


@pytest.mark.parametrize(("took", "spared"), [(SECOND // 10, 2), (SECOND // 1_000, 1)])
async def test_what_grew_since_is_spared_where_walking_it_takes_long(
    frozen: list[int], took: int, spared: int
) -> None:
    """And where it does not, it is left as it is: what is frozen is never collected."""
    clock, loaded = Slow(), asyncio.Event()
    clock.step = took
    loaded.set()
    async with spared_from_collection(loaded, clock):
        await asyncio.sleep(0.01)
        gc.collect()
        assert len(frozen) == spared
        gc.collect(0)
        assert len(frozen) == spared
    gc.collect()
    assert len(frozen) == spared
