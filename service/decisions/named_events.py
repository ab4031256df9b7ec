"""Events as an index takes them: read, held against their leaves, and with the names they give."""

from collections.abc import Mapping
from typing import Final

import asyncpg

from service.ledger.events import Kind, StoredEvent
from service.ledger.read import TailRow, read_event
from service.ledger.vault import Vault

_NAMES: Final = (
    "SELECT subject, artist_id FROM artists WHERE revision = $1 AND artist_id IS NOT NULL"
)


async def named_event(
    connection: asyncpg.Connection, row: TailRow, vault: Vault
) -> tuple[StoredEvent, Mapping[str, str]]:
    """Return an event, and the platform's ids of the artists it registers, by subject.

    The ids are not in the ledger: of whoever was erased there is none any more. Raises LedgerBroken
    where the event contradicts its leaf.
    """
    event = read_event(row, vault)
    if event.kind is not Kind.ARTISTS_REGISTERED:
        return event, {}
    named = await connection.fetch(_NAMES, event.revision)
    return event, {one["subject"]: one["artist_id"] for one in named}
