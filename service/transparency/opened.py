"""Everything of the public log that runs in one process, started in order.

async with public_log(settings, key, url, clock, telemetry) as log: ...
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import httpx2

from service.clock import Clock, SystemClock
from service.db.engine import Database, connect
from service.settings import Settings
from service.telemetry import Telemetry
from service.transparency.cosigning import Cosigning, parse_witness
from service.transparency.identity import LogIdentity, identity, origin_signed_before
from service.transparency.kept import KeptCheckpoint, origins_kept
from service.transparency.publication import Publication
from service.transparency.signer import Signer

_WITNESS_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class PublicLog:
    """Who the log is, who signs for it, and what everybody may read of it."""

    identity: LogIdentity
    signer: Signer
    publication: Publication


@asynccontextmanager
async def public_log(
    settings: Settings, key_encryption_key: bytes, url: str, clock: Clock, telemetry: Telemetry
) -> AsyncIterator[PublicLog]:
    """Sign checkpoints and serve what they cover until the block ends.

    Raises LedgerBroken where the ledger is not the one that was signed, KeptBroken where the file
    that says so cannot be read, ValueError where a setting cannot be used.
    """
    ours = await log_identity(settings, key_encryption_key, url)
    kept = None if settings.log_dir is None else KeptCheckpoint(settings.log_dir, ours.origin)

    def tell(signer: Signer) -> None:
        telemetry.set_log(size=signer.size or 0, signs=signer.refusal is None)

    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(url, pool_size=1))
        publication = await stack.enter_async_context(Publication(url, ours.origin))
        ask_witnesses: Callable[[], None] = _ask_nobody
        if settings.log_witnesses:
            http = await stack.enter_async_context(httpx2.AsyncClient(timeout=_WITNESS_SECONDS))
            cosigning = Cosigning(
                database,
                publication,
                [parse_witness(text) for text in settings.log_witnesses],
                clock,
                http=http,
                on_answer=telemetry.count_cosignature,
            )
            ask_witnesses = (await stack.enter_async_context(cosigning)).ask_now
        signer = Signer(
            database,
            ours,
            clock,
            interval=settings.checkpoint_interval_ms / 1_000,
            kept=kept,
            on_look=tell,
            on_signed=ask_witnesses,
        )
        yield PublicLog(ours, await stack.enter_async_context(signer), publication)


def _ask_nobody() -> None:
    """Ask no witness: there is none."""


async def require_continuation(settings: Settings, key_encryption_key: bytes, url: str) -> None:
    """Return if a service may start on this ledger, as far as the log can tell.

    Raises as `public_log` does, for whoever wants to say so before anything is started.
    """
    ours = await log_identity(settings, key_encryption_key, url)
    kept = None if settings.log_dir is None else KeptCheckpoint(settings.log_dir, ours.origin)
    async with Database(url, pool_size=1) as database:
        await Signer(database, ours, SystemClock(), interval=0, kept=kept).require_continuation()


async def log_identity(settings: Settings, key_encryption_key: bytes, url: str) -> LogIdentity:
    """Return who this log is, by the settings and by what it has signed before.

    A database that knows nothing of it may be the one that was lost: then the kept checkpoint says
    what it was called, if there is one.
    """
    connection = await connect(url, writable=True)
    try:
        known = await origin_signed_before(connection, settings, key_encryption_key)
    finally:
        await connection.close()
    if known is None and settings.log_dir is not None:
        origins = origins_kept(settings.log_dir)
        known = origins[0] if len(origins) == 1 else None
    return identity(settings, key_encryption_key, known)
