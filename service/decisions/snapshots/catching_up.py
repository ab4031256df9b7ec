"""From where an index stands to the ledger's head, and the proof that it is the ledger's own.

The leaf of each event in between is hashed anew and appended to the index's tree. If that tree is
then the one in the ledger's head, the index rests on the very events that the ledger begins with:
nobody can make another beginning that leads there. So a database that was cloned, restored from a
backup or exchanged is noticed before anything is answered.
"""

from typing import Final

import asyncpg

from service.db.engine import connect
from service.decisions.index import Index
from service.decisions.named_events import named_event
from service.ledger.events import Kind, LedgerBroken
from service.ledger.read import TailRow, tail_rows
from service.ledger.vault import Vault

_AT_ONCE: Final = 100
_PATIENCE_SECONDS: Final = 60
_HEAD: Final = "SELECT size, stack FROM ledger_head"
_ERASED_SINCE: Final = (
    "SELECT EXISTS (SELECT FROM ledger WHERE revision > $1 AND kind = $2)"  # after what was read
)


class NotTheLedgers(Exception):  # noqa: N818 - names what was found
    """An index does not rest on the events that this ledger begins with."""


async def catch_up(index: Index, url: str, vault: Vault) -> None:
    """Bring an index to the ledger's head, as of one moment, and hold its tree against the head's.

    Raises NotTheLedgers where they differ, LedgerBroken where the events themselves contradict each
    other, and whatever the database raises; the index stands at some revision in between then.
    """
    connection = await connect(url, writable=True, command_timeout=_PATIENCE_SECONDS)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await _catch_up(index, connection, vault)
    finally:
        connection.terminate()


async def _catch_up(index: Index, connection: asyncpg.Connection, vault: Vault) -> None:
    head = await connection.fetchrow(_HEAD)
    if head is None or head["size"] < index.revision:
        size = 0 if head is None else head["size"]
        raise NotTheLedgers(f"it stands at event {index.revision}, and the ledger ends at {size}")
    while index.revision < head["size"]:
        rows = await tail_rows(connection, index.revision, limit=_AT_ONCE)
        if not rows:
            raise LedgerBroken(f"the ledger ends at {index.revision}, before its head")
        for row in rows:
            await _take(index, connection, row, vault)
    if head["stack"] != index.range.to_bytes():
        raise NotTheLedgers("it rests on other events than this ledger begins with")


async def _take(index: Index, connection: asyncpg.Connection, row: TailRow, vault: Vault) -> None:
    event, names = await named_event(connection, row, vault)
    try:
        index.take(event, names)
    except ValueError as error:
        raise LedgerBroken(str(error)) from error


async def erased_since(revision: int, url: str) -> bool:
    """Tell whether any artist was erased after a revision."""
    connection = await connect(url, writable=True, command_timeout=_PATIENCE_SECONDS)
    try:
        erased: bool = await connection.fetchval(_ERASED_SINCE, revision, Kind.ARTIST_ERASED)
    finally:
        connection.terminate()
    return erased
