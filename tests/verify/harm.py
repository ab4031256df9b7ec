"""What a superuser can do to a ledger: past every trigger, and as carefully as they like."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import asyncpg

from service.domain.instant import format_instant, to_instant
from service.domain.merkle import HASH_SIZE, CompactRange, leaf_hash
from service.domain.tiles import WIDTH, perfect_root


def other_nonce(leaf: bytes) -> bytes:
    """Return an event's bytes with another nonce: still an event, in its canonical spelling."""
    at = leaf.index(b'"nonce":"') + len(b'"nonce":"')
    digit = b"0" if leaf[at : at + 1] != b"0" else b"1"
    return leaf[:at] + digit + leaf[at + 1 :]


async def change_event(connection: asyncpg.Connection, revision: int) -> None:
    """Change one event, and the hash that is stored with it."""
    leaf = await connection.fetchval("SELECT leaf FROM ledger WHERE revision = $1", revision)
    changed = other_nonce(leaf)
    await connection.execute(
        "UPDATE ledger SET leaf = $2, leaf_hash = $3 WHERE revision = $1",
        revision,
        changed,
        leaf_hash(changed),
    )


async def remove_event(connection: asyncpg.Connection, revision: int) -> None:
    """Take one event away, and what follows from it."""
    for table in ("ledger", "uses"):
        await connection.execute(f"DELETE FROM {table} WHERE revision = $1", revision)


async def insert_event(connection: asyncpg.Connection, revision: int) -> None:
    """Put an event between two, and number all that follow anew, wherever they are numbered."""
    before = await connection.fetchrow("SELECT * FROM ledger WHERE revision = $1", revision - 1)
    for table in await _numbered(connection):
        for change in ("-revision - 1", "-revision"):
            await connection.execute(
                f"UPDATE {table} SET revision = {change} WHERE revision >= $1 OR revision < 0",
                revision,
            )
    at = before["recorded_at"] + timedelta(microseconds=1)
    leaf = other_nonce(before["leaf"]).replace(_written(before["recorded_at"]), _written(at))
    await connection.execute(
        "INSERT INTO ledger VALUES ($1, $2, $3, $4, $5)",
        revision,
        at,
        before["kind"],
        leaf,
        leaf_hash(leaf),
    )
    await connection.execute("UPDATE ledger_head SET size = size + 1")


def _written(at: datetime) -> bytes:
    return format_instant(to_instant(at)).encode()


async def _numbered(connection: asyncpg.Connection) -> list[str]:
    rows = await connection.fetch(
        "SELECT c.table_schema || '.' || c.table_name FROM information_schema.columns c "
        "JOIN information_schema.tables t USING (table_schema, table_name) "
        "WHERE c.column_name = 'revision' AND t.table_type = 'BASE TABLE' "
        "AND c.table_schema IN ('public', 'private') AND c.table_name NOT LIKE 'decisions%'"
    )
    return [row[0] for row in rows]


async def rewrite_tail(connection: asyncpg.Connection, revision: int) -> None:
    """Change an event and all that the database has of the tree, and drop later checkpoints."""
    await change_event(connection, revision)
    rows = await connection.fetch("SELECT leaf_hash FROM ledger ORDER BY revision")
    hashes = [row[0] for row in rows]
    for number in range(len(hashes) // WIDTH):
        tile = b"".join(hashes[number * WIDTH : (number + 1) * WIDTH])
        await connection.execute(
            "UPDATE ledger_tiles SET hashes = $2, root = $3 WHERE level = 0 AND number = $1",
            number,
            tile,
            perfect_root(tile),
        )
    tree = CompactRange()
    for one in hashes:
        tree = tree.append(one)
    await connection.execute("UPDATE ledger_head SET stack = $1", tree.to_bytes())
    for table in ("ledger_checkpoints", "ledger_cosignatures"):
        await connection.execute(f"DELETE FROM {table} WHERE size >= $1", revision)


async def flip(connection: asyncpg.Connection, table: str, column: str, where: str) -> None:
    """Flip one bit of a value."""
    row: Any = await connection.fetchrow(f"SELECT {column} FROM {table} WHERE {where}")
    value = bytearray(row[0])
    value[HASH_SIZE + 1] ^= 4
    await connection.execute(f"UPDATE {table} SET {column} = $1 WHERE {where}", bytes(value))


async def alter_batch(connection: asyncpg.Connection, revision: int) -> None:
    """Let a notice have reached somebody it had not, beside an event that says otherwise."""
    body = await connection.fetchval(
        "SELECT body FROM ledger_batches WHERE revision = $1", revision
    )
    changed = body.replace(b'"bounced"', b'"delivered"', 1)
    assert sha256(changed).digest() != sha256(body).digest()
    await connection.execute(
        "UPDATE ledger_batches SET body = $2 WHERE revision = $1", revision, changed
    )
