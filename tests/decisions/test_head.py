"""Learning the ledger's head: never older than the question, one query for all who wait."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from service.domain.instant import SECOND, to_instant
from service.ledger.head import HeadReader, HeadUnknown
from tests.decisions.following import HandClock
from tests.faults.proxy import Proxy
from tests.ledger.writing import appending, connected, open_ledger, recording_only


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[Proxy]:
    """Stand between the reader and its database."""
    async with Proxy(database_url) as proxy:
        yield proxy


@pytest.fixture
async def clock() -> HandClock:
    """Return a clock that a test can push ahead."""
    return HandClock()


Reader = Callable[[float], HeadReader]


@pytest.fixture
async def reading(proxy: Proxy, clock: HandClock) -> AsyncIterator[Reader]:
    """Return what makes readers, all closed at the end."""
    made: list[HeadReader] = []

    def make(timeout: float) -> HeadReader:
        made.append(HeadReader(proxy.url, clock, timeout=timeout, max_disagreement=5 * SECOND))
        return made[-1]

    yield make
    for reader in made:
        await reader.close()


async def test_a_question_in_flight_is_too_old_for_whoever_asks_now(
    reading: Reader, proxy: Proxy, database_url: str
) -> None:
    """Asked while another's answer is on its way, a read waits for the next one and sees more."""
    reader = reading(30)
    async with appending(database_url) as appender:
        await open_ledger(appender)
        assert (await reader.read()).size == 1
        proxy.stall()
        before = proxy.questions
        early = asyncio.create_task(reader.read())
        await proxy.until_asked(before + 1)
        await appender.submit(recording_only("u"))
        late = asyncio.create_task(reader.read())
        await asyncio.sleep(0)
        proxy.release()

    await early
    assert (await late).size == 2
    assert proxy.questions == before + 2


async def test_all_who_wait_share_one_question(reading: Reader, proxy: Proxy) -> None:
    """A hundred reads asked while one is in flight take one query more."""
    reader = reading(30)
    await reader.read()
    proxy.stall()
    before = proxy.questions
    first = asyncio.create_task(reader.read())
    await proxy.until_asked(before + 1)
    rest = [asyncio.create_task(reader.read()) for _ in range(100)]
    await asyncio.sleep(0)
    proxy.release()

    heads = await asyncio.gather(first, *rest)
    assert proxy.questions == before + 2
    assert len({id(head) for head in heads[1:]}) == 1


async def test_one_who_gives_up_leaves_the_others_waiting(reading: Reader, proxy: Proxy) -> None:
    """A caller that goes away takes nobody's answer along."""
    reader = reading(30)
    await reader.read()
    proxy.stall()
    before = proxy.questions
    first = asyncio.create_task(reader.read())
    await proxy.until_asked(before + 1)
    gone, stays = (asyncio.create_task(reader.read()) for _ in range(2))
    await asyncio.sleep(0)
    for one in (first, gone):
        one.cancel()
    proxy.release()

    assert (await stays).size == 0


async def test_a_head_that_does_not_come_is_unknown_and_the_next_question_is_anew(
    reading: Reader, proxy: Proxy
) -> None:
    """After the time allowed the answer is "unknown"; once the database answers, so does it."""
    reader = reading(0.05)
    proxy.stall()
    for _ in range(2):
        with pytest.raises(HeadUnknown):
            await reader.read()
    proxy.release()
    patient = reading(30)
    assert (await patient.read()).size == 0
    await proxy.cut()
    with pytest.raises(HeadUnknown):
        await patient.read()
    assert (await patient.read()).size == 0


async def test_closing_tells_whoever_waits(reading: Reader, proxy: Proxy) -> None:
    """Neither the one in flight nor those behind it wait for ever."""
    reader = reading(30)
    await reader.read()
    proxy.stall()
    before = proxy.questions
    first = asyncio.create_task(reader.read())
    await proxy.until_asked(before + 1)
    second = asyncio.create_task(reader.read())
    await asyncio.sleep(0)
    await reader.close()
    for one in (first, second):
        with pytest.raises(HeadUnknown):
            await one


async def test_the_ledgers_time_runs_on_by_the_monotonic_clock_alone(
    reading: Reader, clock: HandClock
) -> None:
    """A step of the machine's wall clock moves nothing; time that passes does."""
    reader = reading(30)
    with pytest.raises(HeadUnknown):
        reader.time()
    head = await reader.read()
    clock.wall_ahead = -3_600 * SECOND
    clock.monotonic_ahead = 7 * SECOND
    time = reader.time()
    assert 7 * SECOND <= time.now - head.now < 8 * SECOND
    assert 7 * SECOND <= time.age < 8 * SECOND
    assert time.agrees


async def test_the_ledgers_time_never_runs_ahead_of_the_database(
    reading: Reader, proxy: Proxy, clock: HandClock, database_url: str
) -> None:
    """However long a question was under way, no window closes early on its account."""
    reader = reading(30)
    await reader.read()
    proxy.stall()
    before = proxy.questions
    asked = asyncio.create_task(reader.read())
    await proxy.until_asked(before + 1)
    clock.monotonic_ahead = 2 * SECOND  # it took two seconds, for all the reader knows
    proxy.release()
    await asked

    time = reader.time()
    async with connected(database_url) as connection:
        assert time.now <= to_instant(await connection.fetchval("SELECT clock_timestamp()"))


@pytest.mark.parametrize("apart", [-6 * SECOND, 6 * SECOND])
async def test_clocks_too_far_apart_are_said_to_disagree(
    reading: Reader, clock: HandClock, apart: int
) -> None:
    """In either direction, until they agree again."""
    reader = reading(30)
    clock.wall_ahead = apart
    await reader.read()
    assert not reader.time().agrees
    clock.wall_ahead = 0
    await reader.read()
    assert reader.time().agrees
