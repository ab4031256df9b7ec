"""Finishing a bundle: tied to a checkpoint, described, signed, and only then ready."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from sqlalchemy import func, select
from sqlmodel import col

from service.db.engine import Database
from service.db.instants import InstantType
from service.db.tables import Charter
from service.domain.instant import Duration, Instant
from service.domain.merkle import leaf_hash
from service.exports.jobs import Taken, finish
from service.exports.manifest import (
    KIND,
    MANIFEST,
    NOTE,
    README,
    ledger_of,
    manifest_bytes,
    manifest_of,
    statement_of,
)
from service.exports.readme import readme_of
from service.ledger.events import Json, LedgerBroken
from service.storage.objects import Objects
from service.transparency.keys import SigningKey
from service.transparency.publication import Publication
from service.transparency.signer import Signer
from service.transparency.statement import sign_statement

_CHECKPOINT_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Desk:
    """Who finishes bundles: where they are kept and for how long, and who signs them."""

    database: Database
    objects: Objects
    publication: Publication
    signer: Signer
    key: SigningKey
    keep: Duration


async def finish_bundle(desk: Desk, taken: Taken) -> None:
    """Make an export ready whose files are all there.

    Raises LeaseLost where somebody else has it, NotSignedYet where no checkpoint covers it in time,
    LedgerBroken where what is stored proves nothing, StoreUnavailable.
    """
    ledger = await _tied(desk, taken.moment.revision)
    platform, now = await _platform_and_time(desk, taken.moment.revision)

    def described(readme: Json) -> Json:
        return manifest_of(
            taken,
            origin=desk.key.name,
            platform=platform,
            generated_at=now,
            ledger=ledger,
            readme=readme,
        )

    readme = readme_of(described({})).encode()
    manifest = described(_entry(README, readme))
    written = manifest_bytes(manifest)
    lines = statement_of(manifest, sha256(written).hexdigest())
    note = sign_statement(desk.key, KIND, lines).encode()
    for name, content in ((README, readme), (MANIFEST, written), (NOTE, note)):
        await _keep(desk.objects, taken, name, content)
    async with desk.database.keep() as session:
        await finish(session, taken, manifest, desk.keep)


async def _tied(desk: Desk, revision: int) -> Json:
    await desk.signer.reach(revision, timeout=_CHECKPOINT_SECONDS)
    inclusion = await desk.publication.inclusion(revision)
    if inclusion is None:
        raise LedgerBroken(f"the checkpoint that covers revision {revision} is gone")
    consistency = await desk.publication.consistency(revision, inclusion.checkpoint.size)
    if consistency is None or consistency.newer_root != inclusion.checkpoint.root:
        raise LedgerBroken(f"the tree of {inclusion.checkpoint.size} is not the one that is signed")
    return ledger_of(inclusion, leaf_hash(inclusion.leaf), consistency)


async def _platform_and_time(desk: Desk, revision: int) -> tuple[str, Instant]:
    charter = select(col(Charter.platform), func.clock_timestamp(type_=InstantType))
    last = charter.where(col(Charter.revision) <= revision).order_by(col(Charter.revision).desc())
    async with desk.database.read() as session:
        platform, now = (await session.execute(last.limit(1))).one()
    return platform, now


def _entry(name: str, content: bytes) -> Json:
    return {"name": name, "bytes": len(content), "sha256": sha256(content).hexdigest()}


async def _keep(objects: Objects, taken: Taken, name: str, content: bytes) -> None:
    key = f"{taken.export_id}/{taken.fence}/{name}"
    await objects.put(key, content)
    taken.progress["keys"][name] = key
