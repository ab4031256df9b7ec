"""Many writers at once: one order, no gap, nothing lost, and what fails leaves no trace."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise

import pytest

from service.domain.refusal import Refused, refuse
from service.ledger.append import Appender, IdempotencyClaim, Write
from service.ledger.events import Json
from service.ledger.transaction import Transaction
from tests.ledger.naive_tree import perfect_subtrees
from tests.ledger.writing import (
    appending,
    breaking,
    connected,
    kept,
    naming,
    open_ledger,
    recording_only,
)

APPENDERS = 8
WRITES_EACH = 100


def refusing() -> Write:
    """Return a write that looks at the state and refuses."""

    async def write(_: Transaction) -> Json:
        raise refuse("use", "not_today", "try again tomorrow")

    return write


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one write."""

    use: str
    planned: str
    revision: int | None


async def race(appender: Appender, name: str, rng: random.Random) -> list[Outcome]:
    """Submit a mixture of writes, some ten at a time, and return what became of each."""
    plans = rng.choices(("taken", "refused", "broken"), (80, 12, 8), k=WRITES_EACH)
    outcomes: list[Outcome] = []
    while len(outcomes) < len(plans):
        some = plans[len(outcomes) : len(outcomes) + rng.randint(1, 20)]
        numbered = enumerate(some, start=len(outcomes))
        outcomes += await asyncio.gather(
            *(attempt(appender, f"{name}.n{number}", plan) for number, plan in numbered)
        )
    return outcomes


async def attempt(appender: Appender, use: str, plan: str) -> Outcome:
    """Submit one write and see that it ends as planned."""
    write = {"taken": naming(use), "refused": refusing(), "broken": breaking(use)}[plan]
    try:
        answered = await appender.submit(write)
    except Refused:
        assert plan == "refused"
    except RuntimeError:
        assert plan == "broken"
    else:
        assert plan == "taken"
        return Outcome(use, plan, answered.body["revision"])
    return Outcome(use, plan, None)


async def race_of_all(url: str, rng: random.Random) -> list[Outcome]:
    """Let every appender race against every other one."""
    async with AsyncExitStack() as stack:
        appenders = [await stack.enter_async_context(appending(url)) for _ in range(APPENDERS)]
        await open_ledger(appenders[0])
        racing = (
            race(appender, f"w{n}", random.Random(rng.random()))
            for n, appender in enumerate(appenders)
        )
        return [outcome for some in await asyncio.gather(*racing) for outcome in some]


async def derived_uses(url: str) -> dict[str, int]:
    """Return the derived rows: every use with the revision it was named at."""
    async with connected(url) as connection:
        return dict(await connection.fetch("SELECT use, revision FROM uses"))


async def test_a_race_of_many_connections_leaves_one_gapless_ledger(database_url: str) -> None:
    """Numbers run from 1 without a gap, times rise strictly, the tree is that of the leaves.

    Every acknowledged write is there at the revision it was told, with its derived row; whatever
    was refused or broke is nowhere.
    """
    outcomes = await race_of_all(database_url, random.Random(random.getrandbits(32)))

    found = await kept(database_url)
    assert [event.revision for event in found.events] == list(range(1, len(found.events) + 1))
    assert all(a.recorded_at < b.recorded_at for a, b in pairwise(found.events))
    assert all(sha256(b"\0" + event.leaf).digest() == event.leaf_hash for event in found.events)
    assert found.size == len(found.events)
    assert found.last_at == found.events[-1].recorded_at
    assert found.stack == b"".join(perfect_subtrees([event.leaf for event in found.events]))
    acknowledged = {o.use: o.revision for o in outcomes if o.planned == "taken"}
    assert await derived_uses(database_url) == acknowledged
    leaves = {event.revision: event.leaf for event in found.events}
    assert len(leaves) == 1 + len(acknowledged)  # the charter is the one more
    assert all(f'"use":"{use}"'.encode() in leaves[n or 0] for use, n in acknowledged.items())


async def test_writes_that_wait_together_share_a_commit(database_url: str) -> None:
    """Three hundred writes submitted at once take a handful of transactions."""
    committed: list[None] = []
    async with appending(database_url, on_commit=lambda: committed.append(None)) as appender:
        await open_ledger(appender)
        await asyncio.gather(*(appender.submit(recording_only(f"u{n}")) for n in range(300)))

    async with connected(database_url) as connection:
        transactions = await connection.fetchval("SELECT count(DISTINCT xmin::text) FROM ledger")
    assert transactions == len(committed) <= 1 + 2


async def test_a_write_that_breaks_spares_the_others_of_its_group(database_url: str) -> None:
    """Of ten writes in one group the fifth fails after recording: nine are done, it is not."""
    async with appending(database_url) as appender:
        await open_ledger(appender)
        writes: Sequence[Write] = [breaking("u4") if n == 4 else naming(f"u{n}") for n in range(10)]
        answers = await asyncio.gather(
            *(appender.submit(write) for write in writes), return_exceptions=True
        )

    assert [n for n, answer in enumerate(answers) if isinstance(answer, Exception)] == [4]
    assert isinstance(answers[4], RuntimeError)
    found = await kept(database_url)
    assert sorted(await derived_uses(database_url)) == [f"u{n}" for n in range(10) if n != 4]
    assert found.size == len(found.events) == 1 + 9
    assert not any(b"u4" in event.leaf for event in found.events)


async def test_a_refusal_that_comes_after_recording_leaves_no_trace_either(
    database_url: str,
) -> None:
    """A write that records and then refuses is refused, its event undone, the others done."""

    async def too_late(transaction: Transaction) -> Json:
        await naming("late")(transaction)
        raise refuse("use", "too_late", "this was recorded already")

    async with appending(database_url) as appender:
        await open_ledger(appender)
        answers = await asyncio.gather(
            appender.submit(naming("before")),
            appender.submit(too_late),
            appender.submit(naming("after")),
            return_exceptions=True,
        )

    assert isinstance(answers[1], Refused)
    found = await kept(database_url)
    assert found.size == len(found.events) == 3
    assert sorted(await derived_uses(database_url)) == ["after", "before"]


async def test_one_key_among_many_requests_does_it_once(database_url: str) -> None:
    """The same request under one key, from many appenders at once, is one event."""
    claim = IdempotencyClaim("client", "key", b"fingerprint")
    async with AsyncExitStack() as stack:
        appenders = [await stack.enter_async_context(appending(database_url)) for _ in range(4)]
        await open_ledger(appenders[0])
        answers = await asyncio.gather(
            *(appenders[n % 4].submit(naming("once"), claim) for n in range(40))
        )

    assert [answer.replayed for answer in answers].count(False) == 1
    assert {answer.body["revision"] for answer in answers} == {2}
    assert (await kept(database_url)).size == 2


async def test_a_key_stands_for_one_request_only(database_url: str) -> None:
    """Another request under a known key is refused, in the same group and later."""
    async with appending(database_url) as appender:
        await open_ledger(appender)
        first, other = (
            IdempotencyClaim("client", "key", fingerprint) for fingerprint in (b"1", b"2")
        )
        answers = await asyncio.gather(
            appender.submit(naming("first"), first),
            appender.submit(naming("second"), other),
            return_exceptions=True,
        )
        with pytest.raises(Refused, match="new key"):
            await appender.submit(naming("third"), other)

    assert isinstance(answers[1], Refused)
    assert list(await derived_uses(database_url)) == ["first"]
