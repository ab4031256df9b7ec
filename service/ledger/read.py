"""Reading the ledger's tail: every event held against its leaf, batch and commitment."""

from typing import Any, Final, TypeAlias

import asyncpg
import msgspec

from service.domain.instant import format_instant, to_instant
from service.ledger.events import Json, Kind, LedgerBroken, StoredEvent, check_leaf
from service.ledger.vault import CommitmentBroken, Sealed, Vault

LARGEST_TAIL: Final = 8 << 20
"""Bytes of batches read at once, unless one batch alone is larger."""

TailRow: TypeAlias = Any
"""One event as it is stored, not yet held against anything."""

_TAIL = """
SELECT l.revision, l.recorded_at, l.kind, l.leaf, l.leaf_hash, b.body, d.ciphertext, s.wrapped_key
FROM (
    SELECT n.*, sum(size) OVER (ORDER BY revision) - size AS before
    FROM (
        SELECT l.*, coalesce(octet_length(b.body), 0) AS size
        FROM ledger l LEFT JOIN ledger_batches b ON b.revision = l.revision
        WHERE l.revision > $1 ORDER BY l.revision LIMIT $2
    ) n
) l
LEFT JOIN ledger_batches b ON b.revision = l.revision
LEFT JOIN private.event_details d ON d.revision = l.revision
LEFT JOIN private.subjects s ON s.subject = d.subject
WHERE l.before <= $3 ORDER BY l.revision
"""


async def tail(
    connection: asyncpg.Connection, vault: Vault, after: int, *, limit: int
) -> list[StoredEvent]:
    """Return up to `limit` events that follow revision `after`, fewer where they are large.

    Raises LedgerBroken where one of them contradicts its leaf, or where a number is missing.
    """
    return [read_event(row, vault) for row in await tail_rows(connection, after, limit=limit)]


async def tail_rows(connection: asyncpg.Connection, after: int, *, limit: int) -> list[TailRow]:
    """Return the same events as they are stored, for `read_event` to read one after the other.

    Raises LedgerBroken where a number is missing.
    """
    rows: list[TailRow] = await connection.fetch(_TAIL, after, limit, LARGEST_TAIL)
    for expected, row in enumerate(rows, start=after + 1):
        if row["revision"] != expected:
            message = f"event {expected} is missing from the ledger"
            raise LedgerBroken(message)
    return rows


def read_event(row: TailRow, vault: Vault) -> StoredEvent:
    """Return one event of a tail row. Raises LedgerBroken naming the revision."""
    revision: int = row["revision"]
    body: bytes | None = row["body"]
    leaf = check_leaf(revision, row["leaf"], row["leaf_hash"], body)
    recorded_at = to_instant(row["recorded_at"])
    if (leaf["type"], leaf["at"]) != (row["kind"], format_instant(recorded_at)):
        message = f"event {revision}: its row says another kind or time than its leaf"
        raise LedgerBroken(message)
    return StoredEvent(
        revision=revision,
        recorded_at=recorded_at,
        kind=Kind(row["kind"]),
        leaf_hash=row["leaf_hash"],
        public=leaf,
        rows=None if body is None else msgspec.json.decode(body, type=list[Json]),
        details=_details(revision, leaf, row, vault),
    )


def _details(revision: int, leaf: Json, row: Any, vault: Vault) -> Json | None:
    if row["ciphertext"] is None or row["wrapped_key"] is None:
        return None
    sealed = Sealed(leaf["commitment"], row["ciphertext"])
    try:
        opened = vault.open(row["wrapped_key"], bytes.fromhex(leaf["nonce"]), revision, sealed)
    except CommitmentBroken as broken:
        raise LedgerBroken(str(broken)) from broken
    details: Json = msgspec.json.decode(opened)
    return details
