"""The index from its snapshot, held against the ledger before anything is answered from it."""

import asyncio
import logging
import os
from pathlib import Path
from typing import BinaryIO, Final

import asyncpg

from service.decisions.index import Index
from service.decisions.snapshots.catching_up import NotTheLedgers, catch_up
from service.decisions.snapshots.file import read_index
from service.decisions.snapshots.folder import SnapshotFolder
from service.decisions.snapshots.sealed import SnapshotUnusable
from service.ledger.events import LedgerBroken
from service.ledger.vault import Vault

_log = logging.getLogger(__name__)

_UNREACHABLE: Final = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    TimeoutError,
)

_OF_NO_USE: Final = (
    "the snapshot in %s is of no use and is removed; the index is built from the ledger's first"
    " event: %s"
)
_NOT_NOW: Final = (
    "the snapshot in %s cannot be held against the ledger now; the index is built from the"
    " ledger's first event: %s"
)


async def restore(folder: Path, key_encryption_key: bytes, url: str, vault: Vault) -> Index | None:
    """Return an index that holds what the ledger held while this ran, or None.

    It stands at the ledger's head as of then, and its tree is the one in the head. None means that
    an index has to be built from the ledger's first event: there is no snapshot, or it cannot be
    used, or the database cannot be reached. A snapshot that is of no use is removed. None of that
    is an error; the log says what happened.

    The file is read in a thread of its own; what follows it in the ledger is taken in on the loop.
    """
    snapshots = SnapshotFolder(folder)
    try:
        file = await asyncio.to_thread(snapshots.open)
    except OSError as error:
        _log.warning("cannot open the snapshot in %s: %s", folder, error)
        return None
    if file is None:
        return None
    with file:
        try:
            return await _restored(file, key_encryption_key, url, vault)
        except (SnapshotUnusable, NotTheLedgers) as error:
            why = str(error)
        except LedgerBroken as error:
            why = f"what follows in the ledger does not follow from it: {error}"
        except _UNREACHABLE as error:
            _log.warning(_NOT_NOW, folder, error)
            return None
        _log.warning(_OF_NO_USE, folder, why)
        await asyncio.to_thread(snapshots.remove, file)
    return None


async def _restored(file: BinaryIO, key_encryption_key: bytes, url: str, vault: Vault) -> Index:
    size = os.fstat(file.fileno()).st_size
    index = await asyncio.to_thread(read_index, file, size, key_encryption_key)
    snapshot_at = index.revision
    await catch_up(index, url, vault)
    _log.info(
        "the index is restored from a snapshot of revision %d and stands at %d",
        snapshot_at,
        index.revision,
    )
    return index
