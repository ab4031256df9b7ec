"""Everything of the public log that runs in one process, started in order.

async with public_log(settings, key, url, clock, telemetry) as log: ...
"""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import httpx2

from service.clock import Clock, SystemClock
from service.db.engine import Database, connect
from service.settings import Settings
from service.telemetry import Telemetry
from service.transparency.checkpoint import Checkpoint
from service.transparency.cosigning import Cosigning
from service.transparency.identity import LogIdentity, identity, origin_signed_before
from service.transparency.kept import KeptCheckpoint, origins_kept
from service.transparency.publication import Publication
from service.transparency.remembered import Remembered
from service.transparency.signer import Signer
from service.transparency.witness_at import WitnessAt, parse_witness

_log = logging.getLogger(__name__)

_WITNESS_SECONDS: Final = 5
_NOBODY_REMEMBERS: Final = (
    "FERMATA_LOG_DIR IS NOT SET, AND NO WITNESS: nothing outside of the database remembers what "
    "was signed. That an older backup of it was restored, or that a failover lost events, cannot "
    "be noticed: what artists said since is forgotten, and other events are signed in its place. %s"
)
_WITNESSES_ALONE: Final = (
    "FERMATA_LOG_DIR is not set: that an older backup of the database was restored is noticed only "
    "as far as a witness had cosigned, and only once it answers. %s"
)
_WHAT_TO_SET: Final = (
    "Set FERMATA_LOG_DIR to a folder on another disk than the database's, the same for all "
    "processes of this service, and never restore it from a backup (docs/log.md)."
)


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

    Raises LedgerBroken where the ledger is not the one that was signed, by the database, the folder
    or a witness; KeptBroken where the file that says so cannot be read, ValueError where a setting
    cannot be used. A witness that does not answer keeps nobody from starting.
    """
    ours, witnesses = await log_identity(settings, key_encryption_key, url), _witnesses(settings)

    def tell(signer: Signer) -> None:
        telemetry.set_log(size=signer.size or 0, signs=signer.refusal is None)

    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(url, pool_size=1))
        publication = await stack.enter_async_context(Publication(url, ours.origin))
        told: Callable[[], list[tuple[Checkpoint, str]]] = list
        ask_witnesses: Callable[[], None] = _ask_nobody
        if witnesses:
            http = await stack.enter_async_context(httpx2.AsyncClient(timeout=_WITNESS_SECONDS))
            remembered = Remembered(ours, http)
            await remembered.ask(*witnesses)
            cosigning = Cosigning(
                database,
                publication,
                witnesses,
                clock,
                http=http,
                remembered=remembered,
                on_answer=telemetry.count_cosignature,
            )
            told = remembered.take
            ask_witnesses = (await stack.enter_async_context(cosigning)).ask_now
        signer = Signer(
            database,
            ours,
            clock,
            interval=settings.checkpoint_interval_ms / 1_000,
            kept=_kept(settings, ours),
            told=told,
            on_look=tell,
            on_signed=ask_witnesses,
        )
        yield PublicLog(ours, await stack.enter_async_context(signer), publication)


def _ask_nobody() -> None:
    """Ask no witness: there is none."""


async def require_continuation(settings: Settings, key_encryption_key: bytes, url: str) -> None:
    """Return if a service may start on this ledger, as far as the log can tell.

    Raises as `public_log` does, for whoever wants to say so before anything is started. Where
    nobody would remember what is signed, the log says so and what to set.
    """
    ours, witnesses = await log_identity(settings, key_encryption_key, url), _witnesses(settings)
    if settings.log_dir is None:
        _log.warning(_WITNESSES_ALONE if witnesses else _NOBODY_REMEMBERS, _WHAT_TO_SET)
    async with (
        Database(url, pool_size=1) as database,
        httpx2.AsyncClient(timeout=_WITNESS_SECONDS) as http,
    ):
        remembered = Remembered(ours, http)
        await remembered.ask(*witnesses)
        signer = Signer(
            database,
            ours,
            SystemClock(),
            interval=0,
            kept=_kept(settings, ours),
            told=remembered.take,
        )
        await signer.require_continuation()


def _witnesses(settings: Settings) -> list[WitnessAt]:
    return [parse_witness(text) for text in settings.log_witnesses]


def _kept(settings: Settings, ours: LogIdentity) -> KeptCheckpoint | None:
    return None if settings.log_dir is None else KeptCheckpoint(settings.log_dir, ours.origin)


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
