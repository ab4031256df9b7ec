"""A no is final when it is acknowledged: on every replica, for every check that starts later."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from tests.api.door import Door, make_issuer, open_door
from tests.api.people import PIPELINE, PLATFORM
from tests.api.story import Story
from tests.journeys.stale import Checked, Said, stale, wrong

WRITERS: Final = 32
READERS: Final = 32
ROUNDS: Final = ("opt_out", "opt_in")
LAST: Final = "opt_out"
USE: Final = "discovery"
WHEN_I_LIKE: Final = {"max_staleness_ms": 86_400_000}
"""A consistency under which a check takes whatever its replica happens to have."""


class Crowd:
    """Many who write and many who ask, about one artist, at some replicas."""

    def __init__(self, written: Sequence[Door], asked: Sequence[Door], consistency: Any) -> None:
        """Take the replicas that are written to, and those that are asked, and how they are."""
        self._written = written
        self._asked = asked
        self._consistency = consistency
        self._turns = asyncio.Barrier(WRITERS)
        self._over = False
        self.said: list[Said] = []
        self.checks: list[Checked] = []

    async def gather(self) -> None:
        """Let all write and ask at once; the writers' last word is no, each of them."""
        async with asyncio.TaskGroup() as readers:
            for number in range(READERS):
                readers.create_task(self._read(self._asked[number % len(self._asked)]))
            async with asyncio.TaskGroup() as writers:
                for number in range(WRITERS):
                    writers.create_task(self._write(self._written[number % len(self._written)]))
            self._over = True

    async def _write(self, door: Door) -> None:
        for answer in ROUNDS:
            await self._say(door, answer)
        await self._turns.wait()  # from here on nobody says yes any more
        await self._say(door, LAST)

    async def _say(self, door: Door, answer: str) -> None:
        # Many say yes at once, so through the platform, which says itself what was shown.
        shown = [{"use": USE, "version": 1}]
        body = {"answer": answer, "use": USE, "channel": "settings_page", "shown": shown}
        called = time.monotonic_ns()
        told = await door.done("POST", "/v1/artists/ana/consents", body, by=PLATFORM)
        self.said.append(Said(called, time.monotonic_ns(), told["revision"], answer))

    async def _read(self, door: Door) -> None:
        body = {"use": USE, "content": ["t1"], "consistency": self._consistency}
        while True:
            last = self._over
            called = time.monotonic_ns()
            answer = await door.done("POST", "/v1/checks", body, by=PIPELINE)
            permitted = answer["results"][0]["permitted"]
            self.checks.append(Checked(called, time.monotonic_ns(), answer["revision"], permitted))
            if last:
                return


@asynccontextmanager
async def replicas(url: str) -> AsyncIterator[list[Door]]:
    """Run two replicas over one ledger with one artist, launch terms and a track.

    Once they have caught up they do not look at the ledger of their own accord any more.
    """
    async with AsyncExitStack() as stack:
        doors = [
            await stack.enter_async_context(
                open_door(url, make_issuer(), tail_interval_ms=3_600_000, head_timeout_ms=30_000)
            )
            for _ in range(2)
        ]
        story = Story(doors[0])
        await story.open_charter()
        await story.publish(USE, "opt_out", "internal")
        await story.register("ana")
        await story.put("t1", "ana")
        for door in doors:
            await door.done("GET", "/readyz", by=PIPELINE)
        yield doors


async def test_no_check_that_starts_after_a_no_returned_overlooks_it(database_url: str) -> None:
    """64 write and 64 ask, at two replicas at once: nobody ever sees an older state."""
    async with replicas(database_url) as doors:
        crowd = Crowd(doors, doors, "strong")
        await crowd.gather()

    assert len(crowd.said) == WRITERS * (len(ROUNDS) + 1)
    assert len(crowd.checks) > 4 * READERS
    assert {check.permitted for check in crowd.checks} == {True, False}
    assert list(stale(crowd.said, crowd.checks)) == []
    assert list(wrong(crowd.said, crowd.checks)) == []
    assert permits_after_the_last_word(crowd) == []


def permits_after_the_last_word(crowd: Crowd) -> list[Checked]:
    """Return the permits to checks that started when nothing but noes was being said any more.

    This much is plain without any thought about revisions: no yes was under way, a no had returned.
    """
    last_yes = max(one.returned for one in crowd.said if one.answer == "opt_in")
    first_no = min(one.returned for one in crowd.said if one.called > last_yes)
    return [check for check in crowd.checks if check.called > first_no and check.permitted]


async def test_checks_that_do_not_ask_for_the_head_are_found_out(database_url: str) -> None:
    """The same crowd, but the replica that is asked answers from what it has: that is seen."""
    async with replicas(database_url) as doors:
        crowd = Crowd(doors[:1], doors[1:], WHEN_I_LIKE)
        await crowd.gather()

    assert list(stale(crowd.said, crowd.checks)) != []
    assert list(wrong(crowd.said, crowd.checks)) == []
    assert permits_after_the_last_word(crowd) != []
