"""Everything a database holds, to be compared before and after."""

from typing import TypeAlias

from service.db.tables import metadata
from tests.api.door import connected

Everything: TypeAlias = dict[str, list[str]]


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
    return [name for name, rows in before.items() if rows != after[name]]
