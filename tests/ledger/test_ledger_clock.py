"""One clock, and what is done while nobody can believe it: noes are recorded and nothing else."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import pytest

from service.catalog.artists import ArtistRow, register_artists
from service.consents.admission import Statement
from service.consents.authority import Actor
from service.db.engine import Database
from service.domain.consent import Answer, Scope
from service.domain.instant import SECOND, Instant
from service.domain.policy import Mode, PolicyDraft
from service.ledger.append import Answered, Appender, Write
from service.ledger.head import HeadReader
from service.ledger.ledger_clock import ClocksDisagree, LedgerClock
from service.policies.publish import publish_policy
from tests.ledger.seeing import record_seeing
from tests.ledger.stopped_clock import NOON, set_clock, stop_clock
from tests.ledger.writing import connected, kept, naming, open_ledger, vault

BOUND = 5 * SECOND
HOUR = 3_600 * SECOND


class SteadyClock:
    """A machine whose clocks move together when a test moves them, and not otherwise."""

    def __init__(self) -> None:
        """Start at noon."""
        self.wall: Instant = NOON
        self.steady = 0

    def now(self) -> Instant:
        """Return the wall clock's time."""
        return self.wall

    def monotonic(self) -> int:
        """Return the monotonic clock's time."""
        return self.steady


@dataclass(frozen=True, slots=True)
class Place:
    """A database whose clock a test sets, beside a machine whose clocks it sets as well."""

    url: str
    database: asyncpg.Connection
    machine: SteadyClock

    async def pass_time(self, length: int) -> None:
        """Let time pass for everybody."""
        self.machine.wall += length
        self.machine.steady += length
        await set_clock(self.database, self.machine.wall)

    @asynccontextmanager
    async def appending(self) -> AsyncIterator[Appender]:
        """Write, and watch the database's clock."""
        clock = LedgerClock(self.machine, BOUND)
        async with (
            Database(self.url, pool_size=2) as database,
            Appender(database, vault(), os.urandom, clock) as appender,
        ):
            yield appender

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[HeadReader]:
        """Read the head, and watch the database's clock."""
        reader = HeadReader(self.url, self.machine, timeout=10, max_disagreement=BOUND)
        yield reader
        await reader.close()


@pytest.fixture
async def place(database_url: str) -> AsyncIterator[Place]:
    """Return clocks that agree on its being noon."""
    await stop_clock(database_url)
    async with connected(database_url) as database:
        yield Place(database_url, database, SteadyClock())


def say(answer: Answer) -> Write:
    """Return the write of what ana says about everything."""
    return record_seeing(
        "ana", Statement(answer, Scope("*"), "settings_page"), Actor("ana", is_platform=False)
    )


async def begin(appender: Appender) -> None:
    """Open the ledger, with something to say yes or no to and somebody to say it."""
    await open_ledger(appender)
    terms = PolicyDraft("discovery", Mode.OPT_OUT, frozenset({"internal"}), SECOND, {"en": "A"})
    await appender.submit(publish_policy(terms))
    await appender.submit(register_artists([ArtistRow("ana")]))


WRONG = {
    "an hour ahead": HOUR,
    "an hour behind": -HOUR,
    "a little more ahead than is borne": BOUND + 1,
    "a little more behind than is borne": -BOUND - 1,
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
async def test_while_the_clock_is_not_believed_only_noes_are_recorded(
    place: Place, wrong: int
) -> None:
    """Their order is all that matters of them; what needs a time waits, and leaves no trace."""
    async with place.appending() as appender:
        await begin(appender)
        before = await kept(place.url)
        await set_clock(place.database, place.machine.wall + wrong)
        answers = await asyncio.gather(
            *(appender.submit(write) for write in (say(Answer.OPT_IN), say(Answer.OPT_OUT))),
            *(appender.submit(naming(f"u{n}")) for n in range(3)),
            return_exceptions=True,
        )
        assert isinstance(answers[1], Answered)
        assert all(isinstance(answers[n], ClocksDisagree) for n in (0, 2, 3, 4))

        found = await kept(place.url)
        assert found.size == before.size + 1
        assert before.last_at < found.last_at <= place.machine.wall + SECOND

        await place.pass_time(10 * SECOND)
        await appender.submit(say(Answer.OPT_IN))
        assert (await kept(place.url)).last_at == place.machine.wall


async def test_a_clock_a_little_off_is_believed(place: Place) -> None:
    """Up to the bound and including it, in either direction."""
    async with place.appending() as appender:
        await begin(appender)
        for off in (BOUND, -BOUND):
            await place.pass_time(60 * SECOND)
            await set_clock(place.database, place.machine.wall + off)
            await appender.submit(naming(f"u{off}".replace("-", "_")))
            assert (await kept(place.url)).last_at == place.machine.wall + off


async def test_both_wall_clocks_that_jump_together_are_not_believed(place: Place) -> None:
    """The steady clock tells that no hour has passed; a restart believes what it finds."""
    async with place.appending() as appender:
        await begin(appender)
        place.machine.wall += HOUR
        await set_clock(place.database, place.machine.wall)
        with pytest.raises(ClocksDisagree):
            await appender.submit(say(Answer.OPT_IN))
    async with place.appending() as appender:
        await appender.submit(say(Answer.OPT_IN))


async def test_the_time_of_checks_runs_on_while_the_clock_is_not_believed(place: Place) -> None:
    """From when it last was, by the steady clock: no jump closes a window or opens one."""
    async with place.reading() as reader:
        assert (await reader.read()).now == NOON
        for wrong in (HOUR, -HOUR):
            await place.pass_time(60 * SECOND)
            await set_clock(place.database, place.machine.wall + wrong)
            assert (await reader.read()).now == place.machine.wall
            assert not reader.time().agrees
        await place.pass_time(60 * SECOND)
        assert (await reader.read()).now == place.machine.wall
        assert reader.time().agrees


async def test_time_that_was_given_is_never_taken_back(place: Place) -> None:
    """A clock that is set back a little, still to be believed, waits for what was given."""
    async with place.reading() as reader:
        await reader.read()
        await set_clock(place.database, NOON - 3 * SECOND)
        assert (await reader.read()).now == NOON
        assert reader.time().now >= NOON
