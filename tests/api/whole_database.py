"""Everything a database holds, to be compared before and after, or searched for some letters."""

from typing import TypeAlias

import pyarrow as pa

from service.db.tables import metadata
from tests.api.door import connected

Everything: TypeAlias = dict[str, list[str]]

_SIGNED_NOW_AND_THEN = {"ledger_checkpoints", "ledger_cosignatures"}
"""What the service adds by itself, whatever it is asked meanwhile."""

_NOTED = """
SELECT concat(nullif(schemaname || '.', 'public.'), tablename, '.', attname) FROM pg_stats s
WHERE schemaname IN ('public', 'private') AND strpos(s::text, $1) > 0
"""


async def everything(database_url: str) -> Everything:
    """Return every row of every table as text, in one snapshot and in a fixed order."""
    async with (
        connected(database_url) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        return {
            table.fullname: [
                row[0]
                for row in await connection.fetch(
                    f'SELECT t::text FROM {table.fullname} t ORDER BY t::text COLLATE "C"'
                )
            ]
            for table in metadata.sorted_tables
        }


def changed(before: Everything, after: Everything) -> list[str]:
    """Name the tables that differ."""
    return [
        name
        for name, rows in before.items()
        if rows != after[name] and name not in _SIGNED_NOW_AND_THEN
    ]


async def fields_with(database_url: str, mark: str) -> set[str]:
    """Return every field of the database that holds these letters, in whatever wrapping.

    What PostgreSQL itself notes of a column's values, to plan by, is searched as well.
    """
    async with connected(database_url) as database:
        await database.execute("ANALYZE")
        noted = await database.fetch(_NOTED, mark)
        found = {f"statistics of {row[0]}" for row in noted}
        for table in metadata.sorted_tables:
            for row in await database.fetch(f"SELECT * FROM {table.fullname}"):
                for name, value in row.items():
                    if mark in unwrapped(value):
                        found.add(f"{table.fullname}.{name}")
    return found


async def noted_fields(database_url: str) -> set[str]:
    """Return every field of whose values PostgreSQL notes anything to plan by."""
    async with connected(database_url) as database:
        await database.execute("ANALYZE")
        return {row[0] for row in await database.fetch(_NOTED, "")}


def unwrapped(value: object) -> str:
    """Return a value as text, decompressed where it was compressed."""
    if not isinstance(value, bytes):
        return str(value)
    if value.startswith(b"\x28\xb5\x2f\xfd"):
        return bytes(pa.CompressedInputStream(pa.py_buffer(value), "zstd").read()).decode("latin-1")
    return value.decode("latin-1")
