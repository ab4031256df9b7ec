"""The ledger's clock in a test's hand: it stands still until it is set.

PostgreSQL looks a function up along the search path, so one that is found before its own
`clock_timestamp` is the clock that the service reads, in that one database.
"""

from typing import Final

import asyncpg

from service.domain.instant import Instant, parse_instant, to_datetime
from tests.ledger.writing import connected

NOON: Final = parse_instant("2030-06-01T12:00:00Z")
"""Where a stopped clock starts."""

_STOP: Final = """
CREATE SCHEMA stopped;
CREATE TABLE stopped.clock (at timestamptz NOT NULL);
INSERT INTO stopped.clock VALUES ('2030-06-01T12:00:00Z');
CREATE FUNCTION stopped.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS 'SELECT at FROM stopped.clock';
DO $$ BEGIN
    EXECUTE format(
        'ALTER DATABASE %I SET search_path = stopped, pg_catalog, public', current_database()
    );
END $$
"""


async def stop_clock(url: str) -> None:
    """Stop the clock of a test's own database, for connections that are opened from now on."""
    async with connected(url) as connection:
        await connection.execute(_STOP)


async def set_clock(connection: asyncpg.Connection, instant: Instant) -> None:
    """Let it be that instant."""
    await connection.execute("UPDATE stopped.clock SET at = $1", to_datetime(instant))
