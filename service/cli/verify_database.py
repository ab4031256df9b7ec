"""What `fermata verify` needs of a service's settings to look at its database."""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from sqlalchemy import insert

from service.cli import local
from service.clock import SystemClock
from service.db.embedded import default_data_dir
from service.db.engine import Database, plain_url
from service.db.tables import Verification
from service.decisions.log.packing import Damaged
from service.domain.instant import Instant
from service.ledger.events import LedgerBroken
from service.ledger.vault import Vault
from service.replay.database import replay_database
from service.replay.report import ReplayReport
from service.running import key_of
from service.sealing.opened import sealed_log
from service.sealing.period import SealedUnreadable
from service.settings import Settings, read_key
from service.storage.objects import NotStored, Objects, StoreUnavailable
from service.transparency.kept import KeptCheckpoint
from service.transparency.opened import log_identity
from service.transparency.witness_at import parse_witness
from service.verify.claims import Placed
from service.verify.database import Trust, verify_database
from service.verify.finding import CannotLook, Finding, Report, What
from service.verify.keeping import kept_checkpoint
from service.verify.notes import OF_A_LOG, Key
from service.verify.notes import read_key as read_verifier_key

NOT_REPLAYED: Final = "decisions: not recomputed from what is broken"
GONE: Final = "outcomes of decisions: they rest on what erased artists had said"
NO_KEY: Final = "decisions: not recomputed without the key encryption key"

Advance: TypeAlias = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command was asked about a database. `kept` are notes and where they were found."""

    database: str | None
    keys: Sequence[Key]
    kept: Sequence[tuple[bytes, str]]
    sealed: str | None
    processes: int
    decisions: bool
    record: bool


def verified_database(settings: Settings, asked: Asked, advance: Advance) -> Report:
    """Look at the database that was named, or at the service's own.

    Raises CannotLook where it cannot, and what a setting raises that cannot be used.
    """
    if asked.database is not None:
        settings = settings.model_copy(update={"database_url": asked.database})
    _require_begun(settings)
    with local.database(settings) as where:
        complete = local.complete(settings, where)
        return asyncio.run(_verified(complete, plain_url(where.url), asked, advance))


def _require_begun(settings: Settings) -> None:
    """Raise CannotLook where there is no database yet: looking must not make one."""
    data_dir = settings.data_dir or default_data_dir()
    if settings.database_url is None and not (data_dir / "postgres").exists():
        raise CannotLook(
            f"nothing was ever served from {data_dir}: set DATABASE_URL, or name what to look at"
        )


async def _verified(settings: Settings, url: str, asked: Asked, advance: Advance) -> Report:
    clock = SystemClock()
    began = clock.now()
    given = settings.key_encryption_key
    key = None if given is None else read_key(given.get_secret_value())
    if asked.sealed is not None:
        settings = settings.model_copy(update={"sealed_decisions": asked.sealed})
    place = settings.sealed_decisions
    keys = [*asked.keys, *await _own_keys(settings, url, asked.keys, key)]
    report = await verify_database(
        url,
        Trust(keys, key),
        _kept(settings.log_dir, asked.kept, keys),
        sealed=None if place is None else _Files(Objects(place)),
        decisions=asked.decisions,
        processes=asked.processes,
        advance=advance,
    )
    if asked.decisions:
        report = await _with_decisions(settings, url, report, advance)
    if asked.record:
        await _record(url, report, began, clock.now())
    return report


async def _own_keys(
    settings: Settings, url: str, given: Sequence[Key], key: bytes | None
) -> list[Key]:
    """Return the keys that the service's settings lead to; of the log only where none is given."""
    witnesses = [read_verifier_key(str(parse_witness(one).key)) for one in settings.log_witnesses]
    if key is None or any(one.type == OF_A_LOG for one in given):
        return witnesses
    identity = await log_identity(settings, key, url)
    return [*witnesses, *(read_verifier_key(str(one)) for one in identity.trusted)]


def _kept(
    folder: Path | None, given: Sequence[tuple[bytes, str]], keys: Sequence[Key]
) -> list[Placed]:
    """Return the checkpoints that were given, and those that the service has kept by itself."""
    origins = {one.name for one in keys if one.type == OF_A_LOG}
    own = [] if folder is None else [KeptCheckpoint(folder, origin) for origin in sorted(origins)]
    notes = [(note, str(one.path)) for one in own if (note := one.read()) is not None]
    return [
        *(kept_checkpoint(note, where, keys) for note, where in given),
        *(kept_checkpoint(note, where, keys) for note, where in notes),
    ]


@dataclass(frozen=True, slots=True)
class _Files:
    """Sealed files at the place where the service keeps them."""

    objects: Objects

    async def fetch(self, name: str, into: Path) -> bool:
        """Copy a file; return whether there is one."""
        try:
            await self.objects.fetch(name, into)
        except NotStored:
            return False
        except StoreUnavailable as error:
            raise CannotLook(f"sealed decisions are out of reach: {error}") from error
        return True


async def _with_decisions(settings: Settings, url: str, report: Report, advance: Advance) -> Report:
    """Add what recomputing the logged decisions finds."""
    if settings.key_encryption_key is None:
        return report.unable(NO_KEY)
    try:
        async with sealed_log(settings, SystemClock()) as sealed:
            replayed = await replay_database(
                url,
                Vault(key_of(settings), os.urandom),
                sealed=sealed,
                on_progress=lambda how_far: advance(how_far.done, how_far.total),
            )
    except (LedgerBroken, SealedUnreadable, Damaged) as error:
        if report.holds:
            raise CannotLook(f"decisions cannot be recomputed: {error}") from error
        return report.unable(NOT_REPLAYED)
    return with_replayed(report, replayed)


def with_replayed(report: Report, replayed: ReplayReport) -> Report:
    """Add what recomputing decisions has found."""
    looked = {
        "decisions": replayed.decisions,
        "outcomes of decisions": replayed.outcomes - replayed.gone,
    }
    untold = replayed.different - len(replayed.differences)
    report = report.with_more(_differences(replayed), looked, untold=untold)
    return report.unable(GONE, replayed.gone) if replayed.gone else report


def _differences(replayed: ReplayReport) -> list[Finding]:
    return [
        Finding(
            What.DECISION_DIFFERS,
            one.revision,
            f"decisions {one.decision_id}"
            + ("" if one.outcome is None else f" position={one.outcome.position}"),
            f"{one.why}: {', '.join(one.fields)}" if one.fields else one.why,
        )
        for one in replayed.differences
    ]


async def _record(url: str, report: Report, began: Instant, ended: Instant) -> None:
    """Write down what was found, where the audit console shows it."""
    async with Database(url, pool_size=1) as database, database.keep() as session:
        await session.execute(
            insert(Verification).values(
                began_at=began,
                ended_at=ended,
                revision=report.size,
                root=report.root,
                passed=report.holds,
                what=report.as_json(),
            )
        )
