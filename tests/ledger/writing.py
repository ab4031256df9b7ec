"""Appenders over a test's own database, small writes for them, and a reader of what they wrote."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from service.clock import SystemClock
from service.db.engine import Database
from service.domain.instant import LATEST, SECOND, Instant, to_instant
from service.ledger.append import Appender, Write
from service.ledger.events import Json
from service.ledger.facts import use_event
from service.ledger.ledger_clock import LedgerClock
from service.ledger.transaction import Transaction
from service.ledger.vault import Vault
from service.policies.charter import open_charter
from service.policies.publish import name_use

KEY: Final = bytes(range(32))
"""The key encryption key of these tests."""


def vault() -> Vault:
    """Return the vault that these tests write with."""
    return Vault(KEY, os.urandom)


@asynccontextmanager
async def appending(
    url: str, *, on_commit: Callable[[], None] = lambda: None
) -> AsyncIterator[Appender]:
    """Run an appender with connections of its own."""
    believing = LedgerClock(SystemClock(), max_disagreement=LATEST)
    async with (
        Database(url, pool_size=2) as database,
        Appender(database, vault(), os.urandom, believing, on_commit=on_commit) as appender,
    ):
        yield appender


async def open_ledger(appender: Appender) -> None:
    """Open the ledger, so that anything else can be written: its first event."""
    await appender.submit(open_charter("Example Sounds", SECOND))


def naming(use: str) -> Write:
    """Return a write that records one event and derives one row from it, in `uses`."""
    return name_use(use, {"en": f"The use {use}"})


def breaking(use: str) -> Write:
    """Return a write that records its event, derives its row, and then fails unexpectedly."""

    async def write(transaction: Transaction) -> Json:
        await naming(use)(transaction)
        message = f"{use} broke"
        raise RuntimeError(message)

    return write


def recording_only(use: str) -> Write:
    """Return a write that records an event and derives nothing, as cheap as a write can be."""

    async def write(transaction: Transaction) -> Json:
        recorded = await transaction.record(use_event(use, {"en": use}))
        return {"revision": recorded.revision}

    return write


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    """Open a connection of the test's own."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@dataclass(frozen=True, slots=True)
class Row:
    """One event as it lies in the database."""

    revision: int
    recorded_at: Instant
    kind: str
    leaf: bytes
    leaf_hash: bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """Everything that the ledger's own tables hold."""

    events: list[Row]
    size: int
    stack: bytes
    last_at: Instant
    batches: dict[int, bytes]


async def kept(url: str) -> Kept:
    """Read the whole ledger as it lies there, past the code that is tested."""
    async with connected(url) as connection:
        rows: list[Any] = await connection.fetch("SELECT * FROM ledger ORDER BY revision")
        head = await connection.fetchrow("SELECT size, stack, recorded_at FROM ledger_head")
        batches = await connection.fetch("SELECT revision, body FROM ledger_batches")
    return Kept(
        events=[
            Row(
                row["revision"],
                to_instant(row["recorded_at"]),
                row["kind"],
                row["leaf"],
                row["leaf_hash"],
            )
            for row in rows
        ],
        size=head["size"],
        stack=head["stack"],
        last_at=to_instant(head["recorded_at"]),
        batches={row["revision"]: row["body"] for row in batches},
    )
