"""One process's services, started in the order in which they need each other.

async with running(settings, around, verifier) as services: ...    # answers, and may send too
async with worker_alone(settings) as worker: ...                   # sends, and answers nobody
"""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from service.api.context import Services
from service.auth.verifier import TokenVerifier
from service.clock import Clock, SystemClock
from service.db.engine import Database
from service.decisions.changes.events import Events
from service.decisions.changes.places import Places
from service.decisions.changes.reading import Changes
from service.decisions.check import Checker
from service.decisions.compiled.spelling import Hashing
from service.decisions.evaluate import Evaluator
from service.decisions.follower import Follower
from service.decisions.index import Index
from service.decisions.log import DecisionLog
from service.decisions.refreshing import refreshed
from service.decisions.search import Searcher
from service.decisions.snapshots.keeper import Pace, SnapshotKeeper, Writer
from service.decisions.snapshots.restore import restore
from service.domain.instant import parse_duration
from service.garbage import spared_from_collection
from service.ledger.append import Appender
from service.ledger.head import HeadReader
from service.ledger.key_check import require_key
from service.ledger.vault import RandomBytes, Vault
from service.notices.carriers import require_sendable
from service.notices.worker import Machinery, Worker
from service.settings import Settings, read_key
from service.telemetry import Telemetry
from service.transparency.opened import public_log


class NotConfigured(Exception):  # noqa: N818 - names what is missing
    """A setting without which nothing can start is missing."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the app takes from outside: clocks and randomness."""

    clock: Clock
    random_bytes: RandomBytes


def real_surroundings() -> Surroundings:
    """Return the machine's own clocks and randomness."""
    return Surroundings(SystemClock(), os.urandom)


@asynccontextmanager
async def running(
    settings: Settings, around: Surroundings, verifier: TokenVerifier
) -> AsyncIterator[Services]:
    """Start every service in the order in which they need each other, and stop them in reverse."""
    url, vault = database_url(settings), Vault(key_of(settings), around.random_bytes)
    await require_key(url, vault)
    patience, folder = settings.head_timeout, settings.snapshot_dir
    index = await restore(folder, key_of(settings), url, vault) if folder is not None else None
    if index is None:
        index = Index(Hashing(around.random_bytes(32)))
    heads = HeadReader(
        url, around.clock, timeout=patience, max_disagreement=settings.max_clock_disagreement
    )
    follower = Follower(
        url, vault, index, heads, around.clock, interval=settings.tail_interval_ms / 1_000
    )
    database, log = Database(url), DecisionLog(url, timeout=patience)
    appender = Appender(
        database, vault, around.random_bytes, heads.ledger_clock, on_commit=follower.look
    )
    checker = Checker(
        index=index,
        follower=follower,
        heads=heads,
        log=log,
        database=database,
        clock=around.clock,
        random_bytes=around.random_bytes,
        timeout=patience,
    )
    evaluator = Evaluator(
        checker, index=index, heads=heads, log=log, random_bytes=around.random_bytes
    )
    changes = Changes(
        Events(url, vault),
        checker,
        index=index,
        follower=follower,
        heads=heads,
        log=log,
        random_bytes=around.random_bytes,
        timeout=patience,
        most_behind=settings.changes_max_behind,
        places=Places(settings.changes_max_readers),
    )
    telemetry = Telemetry()
    async with AsyncExitStack() as stack:
        for closing in (verifier.aclose, heads.close):
            stack.push_async_callback(closing)
        for service in (
            database,
            follower,
            log,
            appender,
            spared_from_collection(follower.caught_up, around.clock),
            refreshed(index, follower, around.clock),
            changes,
        ):
            await stack.enter_async_context(service)
        if folder is not None:
            await stack.enter_async_context(_keeper(settings, folder, index, follower, around))
        opened = public_log(settings, key_of(settings), url, around.clock, telemetry)
        public = await stack.enter_async_context(opened)
        if settings.send_notices:
            await stack.enter_async_context(_working(settings, around, appender, heads, telemetry))
        yield Services(
            settings=settings,
            clock=around.clock,
            database=database,
            appender=appender,
            index=index,
            follower=follower,
            heads=heads,
            checker=checker,
            evaluator=evaluator,
            searcher=Searcher(evaluator, index),
            log=log,
            changes=changes,
            verifier=verifier,
            telemetry=telemetry,
            random_bytes=around.random_bytes,
            signer=public.signer,
            publication=public.publication,
        )


@asynccontextmanager
async def worker_alone(
    settings: Settings, *, surroundings: Surroundings | None = None
) -> AsyncIterator[Worker]:
    """Run a worker by itself: it answers nobody, and so it needs no index.

    Raises what `create_app` raises, and WrongKey.
    """
    around = surroundings or real_surroundings()
    require_sendable(settings)
    url, vault = database_url(settings), Vault(key_of(settings), around.random_bytes)
    await require_key(url, vault)
    heads = HeadReader(
        url,
        around.clock,
        timeout=settings.head_timeout,
        max_disagreement=settings.max_clock_disagreement,
    )
    async with AsyncExitStack() as stack:
        stack.push_async_callback(heads.close)
        database = await stack.enter_async_context(Database(url, pool_size=1))
        appender = await stack.enter_async_context(
            Appender(database, vault, around.random_bytes, heads.ledger_clock)
        )
        yield await stack.enter_async_context(
            _working(settings, around, appender, heads, Telemetry())
        )


def _keeper(
    settings: Settings, folder: Path, index: Index, follower: Follower, around: Surroundings
) -> SnapshotKeeper:
    """Return what keeps this process's snapshots."""
    key = settings.key_encryption_key
    return SnapshotKeeper(
        folder,
        index,
        Writer.of(database_url(settings), key.get_secret_value() if key else "", folder),
        Pace(settings.snapshot_events, parse_duration(settings.snapshot_interval)),
        around.clock,
        follower.caught_up,
    )


@asynccontextmanager
async def _working(
    settings: Settings,
    around: Surroundings,
    appender: Appender,
    heads: HeadReader,
    telemetry: Telemetry,
) -> AsyncIterator[Worker]:
    """Run a worker with a pool of its own, so that it never keeps a request waiting for one."""
    async with Database(database_url(settings), pool_size=4) as database:
        machinery = Machinery(
            database, appender, heads, around.clock, around.random_bytes, telemetry
        )
        async with Worker(settings, key_of(settings), machinery) as worker:
            yield worker


def database_url(settings: Settings) -> str:
    """Return where the database is. Raises NotConfigured where nobody has said."""
    if settings.database_url is None:
        message = "set DATABASE_URL, or start with `fermata serve`, which embeds a PostgreSQL"
        raise NotConfigured(message)
    return settings.database_url


def key_of(settings: Settings) -> bytes:
    """Return the key encryption key. Raises ValueError where there is none that can be used."""
    key = settings.key_encryption_key
    return read_key(key.get_secret_value() if key is not None else "")
