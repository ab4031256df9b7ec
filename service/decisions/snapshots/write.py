"""Writing a snapshot, in a process that does nothing else."""

from dataclasses import dataclass
from pathlib import Path

from service.decisions.compiled.spelling import Hashing
from service.decisions.index import Index
from service.decisions.snapshots.catching_up import catch_up, erased_since
from service.decisions.snapshots.file import write_index
from service.decisions.snapshots.folder import Overtaken, SnapshotFolder
from service.decisions.snapshots.restore import restore
from service.ledger.vault import RandomBytes, Vault

_SEED_BYTES = 16


@dataclass(frozen=True, slots=True)
class Written:
    """What was done: the revision that the snapshot stands at, and its size in bytes.

    `size` is None where there was nothing to do.
    """

    revision: int
    size: int | None


async def write_snapshot(
    folder: Path, key_encryption_key: bytes, url: str, random_bytes: RandomBytes
) -> Written:
    """Write a snapshot of the ledger as it is now, from the last one if that is of any use.

    Once it has returned the snapshot is on disk in the place of the one before. Raises FolderBusy
    where somebody else is writing one, Overtaken where an artist was erased meanwhile,
    LedgerBroken, and whatever disk and database raise; the one before is still there then.
    """
    snapshots, vault = SnapshotFolder(folder), Vault(key_encryption_key, random_bytes)
    with snapshots.writing() as unfinished:
        index = await restore(folder, key_encryption_key, url, vault)
        newest = snapshots.newest()
        if index is None:
            index = Index(Hashing(random_bytes(_SEED_BYTES)))
            await catch_up(index, url, vault)
        elif newest is not None and newest.revision == index.revision:
            return Written(index.revision, None)
        write_index(unfinished.file, index, key_encryption_key, random_bytes)
        if await erased_since(index.revision, url):
            raise Overtaken("an artist was erased while it was written")
        return Written(index.revision, unfinished.publish())
