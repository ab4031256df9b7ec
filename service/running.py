"""One process's services, started in the order in which they need each other.

async with running(settings, around, verifier) as services: ...    # answers, and may send too
async with worker_alone(settings) as worker: ...                   # sends, and answers nobody
"""

import os
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from service.api.context import Services
from service.auth.verifier import TokenVerifier
from service.clock import Clock, SystemClock
from service.db.engine import Database
from service.decisions.check import Checker
from service.decisions.evaluate import Evaluator
from service.decisions.follower import Follower
from service.decisions.index import Index
from service.decisions.log import DecisionLog
from service.decisions.search import Searcher
from service.garbage import spared_from_collection
from service.ledger.append import Appender
from service.ledger.head import HeadReader
from service.ledger.key_check import require_key
from service.ledger.vault import RandomBytes, Vault
from service.notices.carriers import require_sendable
from service.notices.worker import Machinery, Worker
from service.settings import Settings, read_key
from service.telemetry import Telemetry


class NotConfigured(Exception):  # noqa: N818 - names what is missing
    """A setting without which nothing can start is missing."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the app takes from outside: clocks and randomness."""

    clock: Clock
    random_bytes: RandomBytes
    random_id: Callable[[], str]


def real_surroundings() -> Surroundings:
    """Return the machine's own clocks and randomness."""
    return Surroundings(SystemClock(), os.urandom, lambda: f"dec_{uuid.uuid4().hex}")


@asynccontextmanager
async def running(
    settings: Settings, around: Surroundings, verifier: TokenVerifier
) -> AsyncIterator[Services]:
    """Start every service in the order in which they need each other, and stop them in reverse."""
    url, vault = database_url(settings), Vault(key_of(settings), around.random_bytes)
    await require_key(url, vault)
    patience, index = settings.head_timeout, Index()
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
        random_id=around.random_id,
        timeout=patience,
    )
    evaluator = Evaluator(checker, index=index, heads=heads, log=log, random_id=around.random_id)
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
        ):
            await stack.enter_async_context(service)
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
            verifier=verifier,
            telemetry=telemetry,
            random_bytes=around.random_bytes,
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
