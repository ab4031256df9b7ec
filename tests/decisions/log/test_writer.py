"""What has been recorded is in the database; what could not be is said not to be."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import pytest

from service.decisions.log import DecisionLog, LoggedDecision, LogUnavailable
from service.decisions.log.lane import LARGEST_GROUP
from service.decisions.log.writer import MOST_WAITING
from service.decisions.question import AtLeast
from service.domain.assessment import Reason
from service.domain.instant import to_instant
from tests.api.door import connected, lock_awaited
from tests.decisions.log.deciding import LAUNCH, Said, decision, outcomes_of


@pytest.fixture
async def log(database_url: str) -> AsyncIterator[DecisionLog]:
    """Run a log over an empty database."""
    async with DecisionLog(database_url, timeout=10) as opened:
        yield opened


async def rows(url: str) -> Sequence[asyncpg.Record]:
    """Return the whole log, oldest first."""
    async with connected(url) as connection:
        found: Sequence[asyncpg.Record] = await connection.fetch(
            "SELECT *, request::text AS asked, reasons::text AS counts, xmin::text AS transaction"
            " FROM decisions ORDER BY answered_at, decision_id"
        )
    return found


async def record_all(log: DecisionLog, decisions: Sequence[LoggedDecision]) -> list[Any]:
    """Record all of these at once, and return what became of each."""
    return await asyncio.gather(*map(log.record, decisions), return_exceptions=True)


async def test_everything_about_a_decision_is_kept(log: DecisionLog, database_url: str) -> None:
    """Who, what, when, how asked and what came of it, each in its column."""
    one = decision(
        ["song"],
        [Said(Reason.OPTED_OUT, 3, -1)],
        at=LAUNCH + 1_234_567,
        evaluated_at=LAUNCH + 1,
        revision=2**40,
        client="nightly",
        caller="worker ünïcode",
        recipient="partner:x",
        consistency=AtLeast(12),
        min_policy_version=2,
        explain=True,
        interface="authzen",
        run="run-1",
        job="embeddings",
    )
    await log.record(one)
    (row,) = await rows(database_url)
    assert row["decision_id"] == one.decision_id
    assert to_instant(row["answered_at"]) == LAUNCH + 1_234_567
    assert to_instant(row["evaluated_at"]) == LAUNCH + 1
    assert row["revision"] == 2**40
    assert [row[name] for name in ("client", "caller", "use", "recipient", "about")] == [
        "nightly",
        "worker ünïcode",
        "discovery.recommendation",
        "partner:x",
        "content",
    ]
    assert [row[name] for name in ("run", "job", "one", "number")] == [
        "run-1",
        "embeddings",
        "song",
        1,
    ]
    assert row["asked"] == (
        '{"explain": true, "interface": "authzen", "consistency": {"at_least": 12},'
        ' "min_policy_version": 2}'
    )
    assert row["counts"] == '{"opted_out": 1}'
    assert outcomes_of(row["outcomes"]) == [["song", "opted_out", 3, None, None]]


@pytest.mark.parametrize("number", [2, 300, 600, 20_000])
async def test_a_decision_about_many_is_one_row(
    log: DecisionLog, database_url: str, number: int
) -> None:
    """Every outcome in the order asked, packed here or in another thread."""
    ids = [f"t{n}" for n in range(number)]
    said = [Said(start=LAUNCH + n % 3, version=n % 2 + 1) for n in range(number)]
    await log.record(decision(ids, said))
    (row,) = await rows(database_url)
    assert row["one"] is None
    assert row["number"] == number
    assert row["counts"] == f'{{"window_closed": {number}}}'
    assert outcomes_of(row["outcomes"]) == [
        [one, "window_closed", s.version, s.start, None] for one, s in zip(ids, said, strict=True)
    ]


async def test_many_share_a_commit(log: DecisionLog, database_url: str) -> None:
    """A thousand that wait at once take a handful of transactions, and all of them are there."""
    decisions = [decision([f"t{n}"], at=LAUNCH + n) for n in range(1_000)]
    assert await record_all(log, decisions) == [None] * 1_000
    found = await rows(database_url)
    assert [row["decision_id"] for row in found] == [one.decision_id for one in decisions]
    transactions = {row["transaction"] for row in found}
    assert 1_000 // LARGEST_GROUP <= len(transactions) <= 20


async def test_what_cannot_be_text_fails_nobody(log: DecisionLog, database_url: str) -> None:
    """A NUL or half a character in a name, or an id, does not fail those who wait beside it."""
    decisions = [
        decision(["song"], client="a\0b", run="\ud800"),
        decision(["x\0y"]),
        decision(["\ud800"]),
        decision(["song"]),
    ]
    assert await record_all(log, decisions) == [None] * 4
    found = {row["decision_id"]: row for row in await rows(database_url)}
    odd, nul, half, plain = (found[one.decision_id] for one in decisions)
    assert (odd["client"], odd["run"]) == ("a\ufffdb", "?")
    assert (nul["one"], half["one"], plain["one"]) == (None, None, "song")
    assert outcomes_of(nul["outcomes"])[0][0] == "x\0y"
    assert outcomes_of(half["outcomes"])[0][0] == "\ud800"


async def test_nothing_is_recorded_before_it_is_written(
    log: DecisionLog, database_url: str
) -> None:
    """While the table is locked nobody is told anything, and what gave up is not answered."""
    await log.record(decision(["before"]))
    async with connected(database_url) as connection:
        async with connection.transaction():
            await connection.execute("LOCK TABLE decisions IN ACCESS EXCLUSIVE MODE")
            waiting = asyncio.create_task(log.record(decision(["during"], at=LAUNCH + 1)))
            await lock_awaited(database_url)
            given_up = asyncio.create_task(log.record(decision(["given up"])))
            await asyncio.sleep(0)
            assert not waiting.done()
            given_up.cancel()
        await waiting
    assert [row["one"] for row in await rows(database_url)] == ["before", "during"]


async def test_the_queue_is_bounded(log: DecisionLog, database_url: str) -> None:
    """Beyond the bound a decision is refused at once; those before it are recorded in the end."""
    await log.record(decision(["before"]))
    async with connected(database_url) as connection:
        async with connection.transaction():
            await connection.execute("LOCK TABLE decisions IN ACCESS EXCLUSIVE MODE")
            waiting = [
                asyncio.create_task(log.record(decision([f"t{n}"]))) for n in range(MOST_WAITING)
            ]
            await lock_awaited(database_url)
            with pytest.raises(LogUnavailable, match="too far behind"):
                await log.record(decision(["one more"]))
            for task in waiting[1:]:
                task.cancel()
        await waiting[0]
    await log.record(decision(["after"]))
    assert {row["one"] for row in await rows(database_url)} >= {"before", "t0", "after"}


async def test_so_many_ids_may_wait(log: DecisionLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids count as well; but one decision is taken however many it has, if it waits alone."""
    monkeypatch.setattr("service.decisions.log.writer.MOST_IDS_WAITING", 1_000)
    huge = decision([f"t{n}" for n in range(2_000)])
    results = await record_all(log, [huge, decision(["t"])])
    assert results[0] is None
    assert isinstance(results[1], LogUnavailable)


async def test_a_log_that_does_not_run_takes_nothing(database_url: str) -> None:
    """Neither before it is started nor after it has stopped."""
    log = DecisionLog(database_url, timeout=10)
    with pytest.raises(LogUnavailable):
        await log.record(decision(["t"]))
    async with log:
        await log.record(decision(["t"]))
    for refused in (log.record(decision(["t"])), log.require_writable()):
        with pytest.raises(LogUnavailable):
            await refused


async def test_who_waits_while_it_stops_is_told(database_url: str) -> None:
    """Nobody waits for ever, neither for a write that is under way nor for the next one."""
    async with DecisionLog(database_url, timeout=10) as log:
        await log.record(decision(["t"]))
        async with connected(database_url) as connection, connection.transaction():
            await connection.execute("LOCK TABLE decisions IN ACCESS EXCLUSIVE MODE")
            first = asyncio.create_task(log.record(decision(["t"])))
            await lock_awaited(database_url)
            second = asyncio.create_task(log.record(decision(["t"])))
            await asyncio.sleep(0)
            await log.__aexit__()
            for told in (first, second):
                with pytest.raises(LogUnavailable):
                    await told


async def test_short_decisions_do_not_wait_behind_long_ones(
    log: DecisionLog, database_url: str
) -> None:
    """Long ones go over a connection of their own."""
    await record_all(log, [decision(["t"]), decision([f"{n:030x}" for n in range(30_000)])])
    async with connected(database_url) as connection:
        backends = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%decisions%'"
            " AND datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert backends == 2
