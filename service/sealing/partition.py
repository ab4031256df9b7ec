"""A month's table: closed against writing, and taken out beside checks that go on."""

from dataclasses import dataclass
from typing import Final

import asyncpg

from service.domain.instant import to_datetime
from service.sealing.month import PARTITION, Month

_MONTHS: Final = """
SELECT c.relname AS name, i.inhdetachpending AS pending
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'decisions'::regclass ORDER BY c.relname
"""
_TABLE: Final = """
SELECT format('%I.%I', relnamespace::regnamespace, $1::text) AS name FROM pg_class
WHERE oid = 'decisions'::regclass
"""
_PATIENCE: Final = "SET LOCAL lock_timeout = '2s'"


@dataclass(frozen=True, slots=True)
class Partition:
    """A month that is a part of `decisions`; `leaving` where taking it out has begun."""

    month: Month
    leaving: bool


async def partitions(connection: asyncpg.Connection) -> list[Partition]:
    """Return the months that are parts of `decisions`, oldest first."""
    rows = await connection.fetch(_MONTHS)
    return [Partition(_month(row["name"]), row["pending"]) for row in rows]


async def close(connection: asyncpg.Connection, month: Month) -> None:
    """Refuse every row of this month from now on; wait for whoever writes one at this moment."""
    async with connection.transaction():
        await connection.execute(_PATIENCE)
        await connection.execute("SELECT close_month_of_decisions($1)", to_datetime(month.begins))


async def detach(connection: asyncpg.Connection, month: Month) -> None:
    """Take a month out of `decisions`, if it is in it. No writer waits for that.

    It waits itself for every transaction that reads `decisions`. What was broken off is finished.
    """
    found = [one for one in await partitions(connection) if one.month == month]
    if found:
        how = "FINALIZE" if found[0].leaving else "CONCURRENTLY"
        name = await _name(connection, month)
        await connection.execute(f"ALTER TABLE decisions DETACH PARTITION {name} {how}")


async def drop(connection: asyncpg.Connection, month: Month) -> None:
    """Drop the table of a month that was taken out, if it is still there."""
    name = await _name(connection, month)
    await connection.execute(f"DROP TABLE IF EXISTS {name}")


async def is_there(connection: asyncpg.Connection, month: Month) -> bool:
    """Tell whether a month has a table, whether it is still a part of `decisions` or not."""
    name = await _name(connection, month)
    found: bool = await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", name)
    return found


async def _name(connection: asyncpg.Connection, month: Month) -> str:
    """Return the quoted name of a month's table: those of months are made of digits alone."""
    name: str = await connection.fetchval(_TABLE, month.partition)
    return name


def _month(table: str) -> Month:
    year, month = table.removeprefix(PARTITION.partition("{")[0]).split("_")
    return Month(int(year), int(month))
