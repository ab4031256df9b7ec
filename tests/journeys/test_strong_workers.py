"""A no is final when it is acknowledged, whichever of one machine's processes is asked."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from service.cli.local import free_port
from tests.faults.asking import over_the_network
from tests.faults.process import served
from tests.faults.traffic import USE, Ask, Traffic
from tests.faults.waiting import until_found
from tests.faults.workers import answered, client
from tests.journeys.stale import Checked, Said, stale, wrong

WORKERS: Final = 4
WRITERS: Final = 8
READERS: Final = 24
ROUNDS: Final = 12
NEVER: Final = "3600000"
"""Milliseconds after which a worker would look for news by itself."""
CHECK: Final = {"use": USE, "content": ["t1"]}


@dataclass
class Crowd:
    """Many who write and many who ask, about one artist, over many connections."""

    ask: Ask
    said: list[Said] = field(default_factory=list)
    checks: list[Checked] = field(default_factory=list)
    over: bool = False

    async def gather(self) -> None:
        """Let all write and ask at once; the writers' last word is no."""
        async with asyncio.TaskGroup() as readers:
            for _ in range(READERS):
                readers.create_task(self._keep_asking())
            async with asyncio.TaskGroup() as writers:
                for _ in range(WRITERS):
                    writers.create_task(self._keep_writing())
            await self.say("opt_out")
            self.over = True

    async def say(self, answer: str) -> None:
        """Say one thing about everything, and remember when it was acknowledged."""
        shown = [{"use": USE, "version": 1}]
        body = {"answer": answer, "use": USE, "channel": "settings_page", "shown": shown}
        called = time.monotonic_ns()
        response = await self.ask("POST", "/v1/artists/ana/consents", body, who="platform")
        assert response.is_success, response.text
        revision = response.json()["revision"]
        self.said.append(Said(called, time.monotonic_ns(), revision, answer))

    async def check(self) -> bool:
        """Ask once, and remember what was answered."""
        called = time.monotonic_ns()
        response = await self.ask("POST", "/v1/checks", CHECK, who="pipeline")
        assert response.is_success, response.text
        told = response.json()
        permitted: bool = told["results"][0]["permitted"]
        self.checks.append(Checked(called, time.monotonic_ns(), told["revision"], permitted))
        return permitted

    async def _keep_writing(self) -> None:
        for number in range(ROUNDS):
            await self.say("opt_out" if number % 2 else "opt_in")

    async def _keep_asking(self) -> None:
        while not self.over:
            await self.check()


@asynccontextmanager
async def four_workers(folder: Path) -> AsyncIterator[tuple[str, Ask]]:
    """Run four over a ledger with an artist and a track. They look for news only when they must."""
    settings = {"workers": str(WORKERS), "tail_interval_ms": NEVER, "send_notices": "false"}
    async with (
        served(folder / "data", free_port(), **settings) as service,
        over_the_network(service.url) as ask,
    ):
        await Traffic(ask).begin()
        yield service.url, ask


async def test_no_worker_overlooks_a_no_that_has_returned(scratch_dir: Path) -> None:
    """Everybody asks everywhere at once: no answer is older than what had been acknowledged."""
    async with four_workers(scratch_dir) as (url, ask), client(url) as http:
        crowd = Crowd(ask)
        await crowd.gather()
        for _ in range(ROUNDS):  # one at a time, so that nothing is fetched on another's account
            await crowd.say("opt_in")
            await crowd.say("opt_out")
            permits = await asyncio.gather(*(crowd.check() for _ in range(READERS)))
            assert not any(permits)

        async def all_have_answered() -> bool:
            counts = await answered(http)
            return len(counts) == WORKERS and sum(counts.values()) == len(crowd.checks)

        await until_found(all_have_answered)
        assert min((await answered(http)).values()) > ROUNDS

    assert {check.permitted for check in crowd.checks} == {True, False}
    assert list(stale(crowd.said, crowd.checks)) == []
    assert list(wrong(crowd.said, crowd.checks)) == []
