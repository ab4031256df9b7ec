"""Everything of exports that runs in one process.

async with exporting(settings, url, vault, clock, log, sealed, apart=True) as exports: ...
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from service.clock import Clock
from service.db.engine import Database
from service.domain.instant import Instant, parse_duration
from service.exports.build import Workshop, build
from service.exports.child import Child
from service.exports.expiry import discard_files, expire_older, forget
from service.exports.finish import Desk
from service.exports.worker import ExportWorker
from service.ledger.vault import Vault
from service.rights.forgetting import Erased
from service.sealing.find import SealedLog
from service.settings import Settings
from service.storage.objects import Objects
from service.transparency.opened import PublicLog

_CONNECTIONS: Final = 3


def _tell_nobody() -> None:
    """Tell no worker: there is none here."""


@dataclass(frozen=True, slots=True)
class Exports:
    """Where bundles are kept, None where nobody has said; `look` tells the worker of news."""

    objects: Objects | None = None
    look: Callable[[], None] = _tell_nobody


@dataclass(frozen=True, slots=True)
class BundlesForgotten:
    """What an erasure does to bundles: each that may hold the artist is deleted."""

    database: Database
    objects: Objects

    async def forget(self, erased: Erased) -> None:
        """Delete every bundle from before an erasure. Raises StoreUnavailable."""
        await forget(self.database, self.objects, erased.revision)


@dataclass(frozen=True, slots=True)
class OldBundles:
    """What a rule of retention does to bundles: those that are too old are deleted."""

    database: Database
    objects: Objects

    async def discard(self, before: Instant) -> int:
        """Delete every bundle that was finished before an instant. Raises StoreUnavailable."""
        async with self.database.keep() as session:
            expired = await expire_older(session, before)
        await discard_files(self.database, self.objects)
        return len(expired)


@asynccontextmanager
async def exporting(
    settings: Settings,
    url: str,
    vault: Vault,
    clock: Clock,
    log: PublicLog,
    sealed: SealedLog,
    *,
    apart: bool,
) -> AsyncIterator[Exports]:
    """Build what is asked for until the block ends, where settings say so.

    `apart` has it built in a process of its own. Raises ValueError for a place that is none.
    """
    if settings.exports is None:
        yield Exports()
        return
    objects = Objects(settings.exports)
    if not settings.build_exports:
        yield Exports(objects)
        return
    async with Database(url, pool_size=_CONNECTIONS) as database:
        keep = parse_duration(settings.exports_keep)
        desk = Desk(database, objects, log.publication, log.signer, log.identity.key, keep)
        shop = Workshop(database, vault, objects, clock, sealed)
        building = Child.of(database, settings).build if apart else partial(build, shop)
        async with ExportWorker(desk, building) as worker:
            yield Exports(objects, worker.look)
