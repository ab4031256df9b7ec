"""What a check rests on, put together by hand so that a test can reach in between the parts."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from service.clock import Clock, SystemClock
from service.db.engine import Database
from service.decisions.check import Checker
from service.decisions.compiled.spelling import Hashing, Spelled
from service.decisions.follower import Follower
from service.decisions.index import Index
from service.decisions.log import DecisionLog
from service.decisions.question import About, Answer, Caller, Check
from service.domain.decision import Decision
from service.domain.instant import SECOND, Duration, Instant
from service.ledger.head import HeadReader
from service.running import real_surroundings
from tests.ledger.writing import vault

CALLER = Caller("pipeline", "pipeline")


def about_content(use: str, *content: str, **more: Any) -> Check:
    """Return the question about content in the platform's own hands."""
    return Check(use, "internal", About.CONTENT, Spelled.of(content), **more)


def about_artists(use: str, *artists: str, **more: Any) -> Check:
    """Return the question about artists in the platform's own hands."""
    return Check(use, "internal", About.ARTISTS, Spelled.of(artists), **more)


def decisions(answer: Answer) -> list[Decision]:
    """Return the answers one by one."""
    return [answer.answers.decision(n) for n in range(len(answer.answers))]


class HandClock(SystemClock):
    """The machine's clocks, pushed ahead by a test."""

    def __init__(self) -> None:
        """Start with the machine's own time."""
        self.monotonic_ahead = 0
        self.wall_ahead = 0

    def now(self) -> Instant:
        """Return the wall clock's time."""
        return super().now() + self.wall_ahead

    def monotonic(self) -> int:
        """Return the monotonic clock's time."""
        return super().monotonic() + self.monotonic_ahead


@dataclass(frozen=True, slots=True)
class Replica:
    """An index that follows the ledger, and a checker over it."""

    index: Index
    follower: Follower
    heads: HeadReader
    checker: Checker

    async def catch_up(self) -> None:
        """Return once the index holds everything that has been written."""
        await self.follower.reach((await self.heads.read()).size, timeout=30)


@asynccontextmanager
async def replica(
    url: str,
    *,
    tables_url: str | None = None,
    clock: Clock | None = None,
    interval: float = 0.02,
    max_disagreement: Duration = 5 * SECOND,
    timeout: float = 10,  # noqa: ASYNC109 - what the parts are told
) -> AsyncIterator[Replica]:
    """Follow the ledger at `url`; the log and the tables may lie elsewhere, as the crow flies."""
    clock, index = clock or SystemClock(), Index(Hashing(bytes(range(32))))
    heads = HeadReader(url, clock, timeout=timeout, max_disagreement=max_disagreement)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(heads.close)
        follower = await stack.enter_async_context(
            Follower(url, vault(), index, heads, clock, interval=interval)
        )
        database = await stack.enter_async_context(Database(tables_url or url))
        log = await stack.enter_async_context(DecisionLog(tables_url or url, timeout=timeout))
        checker = Checker(
            index=index,
            follower=follower,
            heads=heads,
            log=log,
            database=database,
            clock=clock,
            random_bytes=real_surroundings().random_bytes,
            timeout=timeout,
        )
        yield Replica(index, follower, heads, checker)
