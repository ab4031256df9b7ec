"""One process's services, started in the order in which they need each other.

async with running(settings, around, verifier) as services: ...    # answers, and may send too
async with worker_alone(settings) as worker: ...                   # sends, and answers nobody
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
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
from service.decisions.snapshots.keeper import Pace, SnapshotKeeper, snapshot_process
from service.decisions.snapshots.restore import restore
from service.domain.instant import parse_duration
from service.exports.opened import BundlesForgotten, Exports, OldBundles, exporting
from service.garbage import spared_from_collection
from service.ledger.append import Appender
from service.ledger.derived_keys import REPEATED_WRITES, derived_key
from service.ledger.head import HeadReader
from service.ledger.key_check import require_key
from service.ledger.vault import RandomBytes, Vault
from service.notices.carriers import require_sendable
from service.notices.worker import Machinery, Worker
from service.replay.sheets import Sheets
from service.rights.chores import Chores
from service.rights.discarding import Discarder, Discarders, OldAnswers, SealedMonths
from service.rights.forgetting import Forgetter, Forgetters
from service.rights.receipts import Receipts
from service.rights.retention import Kept
from service.sealing.find import SealedLog
from service.sealing.keeper import SealingKeeper, sealing_process
from service.sealing.opened import sealed_log
from service.settings import Settings, read_key
from service.storage.objects import Objects
from service.telemetry import Telemetry
from service.transparency.opened import PublicLog, public_log


class NotConfigured(Exception):  # noqa: N818 - names what is missing
    """A setting without which nothing can start is missing."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the app takes from outside: clocks, randomness, and what is the process's.

    `alone` says that the process is this service's alone: then it keeps the garbage collector from
    walking what stays, which in a process of others would keep what they have done with.
    """

    clock: Clock
    random_bytes: RandomBytes
    alone: bool = False


def real_surroundings() -> Surroundings:
    """Return the machine's own clocks and randomness, in a process of our own."""
    return Surroundings(SystemClock(), os.urandom, alone=True)


@asynccontextmanager
async def running(
    settings: Settings, around: Surroundings, verifier: TokenVerifier
) -> AsyncIterator[Services]:
    """Start every service in the order in which they need each other, and stop them in reverse."""
    url, vault = database_url(settings), Vault(key_of(settings), around.random_bytes)
    await require_key(url, vault)
    parts = _parts(settings, around, vault, await _index(settings, around, vault))
    index, heads, follower, log = parts.index, parts.heads, parts.follower, parts.log
    checker, telemetry = _checker(settings, around, parts), Telemetry()
    evaluator = Evaluator(
        checker, index=index, heads=heads, log=log, random_bytes=around.random_bytes
    )
    changes = _changes(settings, around, vault, parts, checker)
    async with AsyncExitStack() as stack:
        for closing in (verifier.aclose, heads.close):
            stack.push_async_callback(closing)
        for service in (
            parts.database,
            follower,
            log,
            parts.appender,
            refreshed(index, follower, around.clock),
            changes,
        ):
            await stack.enter_async_context(service)
        if around.alone:
            sparing = spared_from_collection(follower.caught_up, around.clock)
            await stack.enter_async_context(sparing)
        opened = public_log(settings, key_of(settings), url, around.clock, telemetry)
        public = await stack.enter_async_context(opened)
        sealed = await stack.enter_async_context(sealed_log(settings, around.clock))
        for optional in _asked_for(settings, around, parts, telemetry):
            await stack.enter_async_context(optional)
        exports = await stack.enter_async_context(
            exporting(settings, url, vault, around.clock, public, sealed, apart=around.alone)
        )
        chores = Chores(parts.database, heads, *_rights(settings, parts.database, exports))
        await stack.enter_async_context(chores)
        yield Services(
            settings=settings,
            clock=around.clock,
            database=parts.database,
            appender=parts.appender,
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
            sealed=sealed,
            repeated_writes=derived_key(key_of(settings), REPEATED_WRITES),
            chores=chores,
            receipts=_receipts(settings, vault, parts, public),
            exports=exports,
            sheets=_sheets(vault, parts.database, public, sealed),
        )


@dataclass(frozen=True, slots=True)
class _Parts:
    """What everything that answers rests on."""

    database: Database
    heads: HeadReader
    index: Index
    follower: Follower
    log: DecisionLog
    appender: Appender


async def _index(settings: Settings, around: Surroundings, vault: Vault) -> Index:
    """Return the index of the last snapshot, or one from before the first event."""
    folder, restored = settings.snapshot_dir, None
    if folder is not None:
        restored = await restore(folder, key_of(settings), database_url(settings), vault)
    return Index(Hashing(around.random_bytes(32))) if restored is None else restored


def _parts(settings: Settings, around: Surroundings, vault: Vault, index: Index) -> _Parts:
    url = database_url(settings)
    database, heads = Database(url), _heads(settings, around)
    follower = Follower(
        url, vault, index, heads, around.clock, interval=settings.tail_interval_ms / 1_000
    )
    appender = Appender(
        database, vault, around.random_bytes, heads.ledger_clock, on_commit=follower.look
    )
    log = DecisionLog(url, timeout=settings.head_timeout)
    return _Parts(database, heads, index, follower, log, appender)


def _heads(settings: Settings, around: Surroundings) -> HeadReader:
    return HeadReader(
        database_url(settings),
        around.clock,
        timeout=settings.head_timeout,
        max_disagreement=settings.max_clock_disagreement,
    )


def _checker(settings: Settings, around: Surroundings, parts: _Parts) -> Checker:
    return Checker(
        index=parts.index,
        follower=parts.follower,
        heads=parts.heads,
        log=parts.log,
        database=parts.database,
        clock=around.clock,
        random_bytes=around.random_bytes,
        timeout=settings.head_timeout,
    )


def _changes(
    settings: Settings, around: Surroundings, vault: Vault, parts: _Parts, checker: Checker
) -> Changes:
    return Changes(
        Events(database_url(settings), vault),
        checker,
        index=parts.index,
        follower=parts.follower,
        heads=parts.heads,
        log=parts.log,
        random_bytes=around.random_bytes,
        timeout=settings.head_timeout,
        most_behind=settings.changes_max_behind,
        places=Places(settings.changes_max_readers),
    )


def _sheets(vault: Vault, database: Database, public: PublicLog, sealed: SealedLog) -> Sheets:
    """Return what explains decisions, proven, and signed as checkpoints are."""
    key = public.identity.key
    return Sheets(database, vault, public.signer, public.publication, sealed, key)


def _receipts(settings: Settings, vault: Vault, parts: _Parts, public: PublicLog) -> Receipts:
    """Return what writes receipts, signed as checkpoints are."""
    key = public.identity.key
    return Receipts(
        settings, parts.database, vault, public.signer, public.publication, key, parts.heads
    )


def _rights(
    settings: Settings, database: Database, exports: Exports
) -> tuple[Forgetters, Discarders]:
    """Return whatever keeps copies of what artists said, and whatever can be too old to keep."""
    forgetters: dict[str, Forgetter] = {}
    discarders: dict[Kept, Discarder] = {Kept.IDEMPOTENCY_ANSWERS: OldAnswers(database)}
    if exports.objects is not None:
        forgetters["exports"] = BundlesForgotten(database, exports.objects)
        discarders[Kept.EXPORTS] = OldBundles(database, exports.objects)
    if settings.sealed_decisions is not None:
        sealed = Objects(settings.sealed_decisions)
        discarders[Kept.DECISIONS] = SealedMonths(database, sealed)
    return forgetters, discarders


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
    heads = _heads(settings, around)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(heads.close)
        database = await stack.enter_async_context(Database(url, pool_size=1))
        appender = await stack.enter_async_context(
            Appender(database, vault, around.random_bytes, heads.ledger_clock)
        )
        yield await stack.enter_async_context(
            _working(settings, around, appender, heads, Telemetry())
        )


def _asked_for(
    settings: Settings, around: Surroundings, parts: _Parts, telemetry: Telemetry
) -> Iterator[AbstractAsyncContextManager[object]]:
    """Yield what runs only where the settings say so: nothing that answers needs it."""
    if settings.snapshot_dir is not None:
        yield _keeper(settings, settings.snapshot_dir, around, parts)
    if settings.sealed_decisions is not None:
        yield _sealing(settings, around, parts.heads)
    if settings.send_notices:
        yield _working(settings, around, parts.appender, parts.heads, telemetry)


def _keeper(
    settings: Settings, folder: Path, around: Surroundings, parts: _Parts
) -> SnapshotKeeper:
    """Return what keeps this process's snapshots."""
    return SnapshotKeeper(
        folder,
        parts.index,
        snapshot_process(settings),
        Pace(settings.snapshot_events, parse_duration(settings.snapshot_interval)),
        around.clock,
        parts.follower.caught_up,
    )


def _sealing(settings: Settings, around: Surroundings, heads: HeadReader) -> SealingKeeper:
    """Return what has closed months of the log sealed, by a process of its own."""
    return SealingKeeper(
        database_url(settings),
        heads,
        sealing_process(settings),
        jitter=lambda: int.from_bytes(around.random_bytes(4)) / 2**32,
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
