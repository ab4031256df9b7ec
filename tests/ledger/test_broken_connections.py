"""A connection that breaks: an acknowledged write is never lost, and no key is done twice.

The outcome may be unknown; the same idempotency key then tells, and does it if it was not done.
"""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service.ledger.append import (
    Answered,
    Appender,
    AppenderDown,
    IdempotencyClaim,
    OutcomeUnknown,
    Write,
)
from service.ledger.events import Json
from service.ledger.transaction import Transaction
from tests.faults.proxy import Proxy
from tests.ledger.writing import appending, connected, kept, naming, open_ledger

_OWN_BACKEND = "SELECT pg_terminate_backend(pg_backend_pid())"

# Ends the appender's backend while it commits, after everything else of the transaction is done.
_BREAK_AT_COMMIT = """
CREATE FUNCTION break_here() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_terminate_backend(pg_backend_pid());
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER break_here AFTER INSERT ON uses DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.use = 'u') EXECUTE FUNCTION break_here();
"""


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[Proxy]:
    """Stand between the appender and its database."""
    async with Proxy(database_url) as proxy:
        yield proxy


@pytest.fixture
async def appender(proxy: Proxy) -> AsyncIterator[Appender]:
    """Write to an opened ledger, through the proxy."""
    async with appending(proxy.url) as appender:
        await open_ledger(appender)
        yield appender


def claim(key: str) -> IdempotencyClaim:
    """Return the claim for the one request that has this key."""
    return IdempotencyClaim("client", key, key.encode())


def ending_its_backend(use: str) -> Write:
    """Return a write that is cut off after it has recorded, but for the first time only."""
    ended = False

    async def write(transaction: Transaction) -> Json:
        nonlocal ended
        body = await naming(use)(transaction)
        if not ended:
            ended = True
            await transaction.session.execute(text(_OWN_BACKEND))
        return body

    return write


async def uses(url: str) -> list[str]:
    """Return what was named, once for each event that says so."""
    found = await kept(url)
    assert found.size == len(found.events)
    return sorted(
        event.leaf.split(b'"use":"')[1].split(b'"')[0].decode()
        for event in found.events
        if event.kind == "use.named"
    )


async def test_cut_off_before_the_commit_nothing_has_happened(
    appender: Appender, database_url: str
) -> None:
    """The write fails plainly; asked again it is done."""
    write = ending_its_backend("u")
    with pytest.raises(DBAPIError):
        await appender.submit(write, claim("k"))
    assert await uses(database_url) == []

    assert not (await appender.submit(write, claim("k"))).replayed
    assert await uses(database_url) == ["u"]


async def test_the_others_of_a_group_that_was_cut_off_are_done(
    appender: Appender, database_url: str
) -> None:
    """One write of ten ends the connection: all ten are done after all, each once."""
    writes = [naming("u0"), ending_its_backend("u1"), *(naming(f"u{n}") for n in range(2, 10))]
    answers = await asyncio.gather(
        *(appender.submit(write, claim(f"k{n}")) for n, write in enumerate(writes))
    )

    assert all(isinstance(answer, Answered) for answer in answers)
    assert await uses(database_url) == [f"u{n}" for n in range(10)]


async def test_cut_off_at_the_commit_the_key_tells_that_it_was_not_done(
    appender: Appender, database_url: str
) -> None:
    """The outcome is unknown; the database had not committed; the key does it."""
    async with connected(database_url) as connection:
        await connection.execute(_BREAK_AT_COMMIT)
    with pytest.raises(OutcomeUnknown):
        await appender.submit(naming("u"), claim("k"))
    assert await uses(database_url) == []

    async with connected(database_url) as connection:
        await connection.execute("DROP TRIGGER break_here ON uses")
    assert not (await appender.submit(naming("u"), claim("k"))).replayed
    assert await uses(database_url) == ["u"]


async def test_cut_off_after_the_commit_the_key_tells_that_it_was_done(
    appender: Appender, proxy: Proxy, database_url: str
) -> None:
    """The outcome is unknown; the database had committed; the key answers and does no more."""
    proxy.lose_the_answer_to(b"COMMIT")
    with pytest.raises(OutcomeUnknown):
        await appender.submit(naming("u"), claim("k"))
    assert await uses(database_url) == ["u"]

    assert (await appender.submit(naming("u"), claim("k"))).replayed
    assert await uses(database_url) == ["u"]


async def test_a_group_whose_commit_is_unknown_is_not_tried_again(
    appender: Appender, proxy: Proxy, database_url: str
) -> None:
    """Without a key nobody could tell a repetition from a second wish, so there is none."""
    proxy.lose_the_answer_to(b"COMMIT")
    answers = await asyncio.gather(
        *(appender.submit(naming(f"u{n}")) for n in range(9)), return_exceptions=True
    )

    unknown = [answer for answer in answers if isinstance(answer, OutcomeUnknown)]
    assert unknown
    assert all(isinstance(answer, Answered | OutcomeUnknown) for answer in answers)
    assert await uses(database_url) == [f"u{n}" for n in range(9)]


async def test_a_connection_that_has_gone_silent_is_given_up(
    appender: Appender, proxy: Proxy, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits is told in time, and the next write goes through a new connection."""
    monkeypatch.setattr("service.ledger.append.PATIENCE_SECONDS", 1)
    proxy.freeze()
    with pytest.raises((OutcomeUnknown, DBAPIError)):
        await appender.submit(naming("u0"), claim("k0"))
    assert await uses(database_url) == []

    await appender.submit(naming("u0"), claim("k0"))
    assert await uses(database_url) == ["u0"]


async def test_stopping_in_the_middle_leaves_the_outcome_unknown_and_nobody_waiting(
    database_url: str,
) -> None:
    """A stop tells whoever was being written that nobody knows, and the queue that it did not."""
    async with Proxy(database_url) as proxy:
        async with appending(proxy.url) as appender:
            await open_ledger(appender)
            proxy.stall()
            asked = proxy.questions
            first = asyncio.create_task(appender.submit(naming("u0")))
            await proxy.until_asked(asked + 1)
            later = [asyncio.create_task(appender.submit(naming(f"u{n}"))) for n in range(1, 9)]
            await asyncio.sleep(0)
        with pytest.raises(OutcomeUnknown):
            await first
        for one in later:
            with pytest.raises(AppenderDown):
                await one
        with pytest.raises(AppenderDown):
            await appender.submit(naming("u9"))


async def insist(appender: Appender, use: str) -> int:
    """Ask under one key until it is answered, and return the revision it was told."""
    while True:
        try:
            answered = await appender.submit(naming(use), claim(use))
        except (OutcomeUnknown, OSError, DBAPIError):
            continue
        revision: int = answered.body["revision"]
        return revision


async def write_one_after_the_other(appender: Appender, name: str) -> dict[str, int]:
    """Write thirty times and return the revision that each was told."""
    return {f"{name}.u{n}": await insist(appender, f"{name}.u{n}") for n in range(30)}


async def end_backends(url: str, rng: random.Random) -> None:
    """End some backend of the appenders again and again, at moments nobody chose."""
    async with connected(url) as connection:
        while True:
            await asyncio.sleep(rng.uniform(0, 0.05))
            pids = await connection.fetch(
                "SELECT pid FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            if pids:
                await connection.execute("SELECT pg_terminate_backend($1)", rng.choice(pids)[0])


async def test_whatever_moment_the_connection_ends_at(database_url: str) -> None:
    """Backends are ended at random: all that was acknowledged is there, each key once."""
    async with appending(database_url) as one, appending(database_url) as other:
        await open_ledger(one)
        rng = random.Random(random.getrandbits(32))
        ending = asyncio.create_task(end_backends(database_url, rng))
        told = await asyncio.gather(
            *(write_one_after_the_other((one, other)[n % 2], f"w{n}") for n in range(6))
        )
        ending.cancel()
        await asyncio.gather(ending, return_exceptions=True)

    acknowledged = {use: revision for some in told for use, revision in some.items()}
    found = await kept(database_url)
    assert [event.revision for event in found.events] == list(range(1, 1 + 1 + 6 * 30))
    leaves = {event.revision: event.leaf for event in found.events}
    assert all(f'"use":"{use}"'.encode() in leaves[n] for use, n in acknowledged.items())
