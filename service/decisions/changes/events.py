"""The ledger read anew for readers: what events touched, and what content artists hold.

One connection serves a whole process, one question after the other: however many readers there are
and however far behind, they take no more than that from the database.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self

import asyncpg

from service.db.engine import connect
from service.decisions.changes.once import Once
from service.decisions.changes.touched import Touched, touched_by
from service.ledger.events import StoredEvent
from service.ledger.facts import fact_of
from service.ledger.read import TailRow, read_event, tail_rows
from service.ledger.vault import Vault

AT_ONCE: Final = 100
"""Events read with one question."""

_PATIENCE_SECONDS: Final = 10
_LARGE: Final = 16_384
"""Bytes of a batch that takes long enough to read that another thread does it."""

_KEPT: Final = 8
"""Large events that are kept while readers are led through them."""

_FAR: Final = 1_000
"""Revisions that are looked through for content that was put."""

_UNREACHABLE: Final = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)

# The planner takes a comparison with an array of hundreds to cost as much as with one of one, and
# would rather read all content than ask the index. Everything asked here has an index.
_BY_INDEX: Final = "SET enable_seqscan = off"

# Two parts for its sake as well: with the order and the limit inside it might walk through
# all content by id in search of the few that these artists hold.
_HELD: Final = f"""
WITH held AS MATERIALIZED (
    SELECT content_id, rightsholders FROM content WHERE rightsholders && $1
), page AS (
    SELECT content_id, rightsholders FROM held
    WHERE content_id > $2 ORDER BY content_id LIMIT $3
)
SELECT page.content_id, page.rightsholders, head.size, CASE
    WHEN head.size > $4::bigint + {_FAR} THEN head.size
    ELSE (SELECT max(revision) FROM ledger WHERE revision > $4::bigint AND kind = 'content.put')
END AS put_at
FROM ledger_head head LEFT JOIN page ON true ORDER BY page.content_id
"""  # noqa: S608 - a number of our own


@dataclass(frozen=True, slots=True)
class Held:
    """Content that artists hold, by id and with its rightsholders, in the order of the ids.

    It is what held at revision `seen`. Content that changed hands since the revision asked about
    did so at `put_at` at the latest, 0 where none can have.
    """

    content: Sequence[tuple[str, frozenset[str]]]
    seen: int
    put_at: int


class Events:
    """Reads what readers are to be told about."""

    def __init__(self, url: str, vault: Vault) -> None:
        """Take the database's address; nothing connects before it is needed."""
        self._url = url
        self._vault = vault
        self._connection: asyncpg.Connection | None = None
        self._alone = asyncio.Lock()
        self._large: Once[int, Touched | None] = Once(_KEPT)

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection."""
        await self._large.close()
        self._disconnect()

    async def after(self, revision: int, most: int) -> tuple[list[Touched], bool]:
        """Return what the events after a revision touch, in order, and whether there may be more.

        They are events of up to `most` rows in all, or one of more. Raises LedgerBroken where one
        contradicts its leaf or is missing, ConnectionError where the database cannot be asked.
        """
        async with self._connected() as connection:
            rows = await tail_rows(connection, revision, limit=AT_ONCE)
        found: list[Touched] = []
        for row in rows:
            touched = await self._touched(row)
            most -= len(touched.rows)
            if most < 0 and found:
                return found, True
            found.append(touched)
            await asyncio.sleep(0)
        return found, len(rows) == AT_ONCE or most < 0

    async def at(self, revision: int) -> Touched | None:
        """Return what one event touches, or None where there is none yet. Raises as `after`."""

        async def read() -> Touched | None:
            async with self._connected() as connection:
                rows = await tail_rows(connection, revision - 1, limit=1)
            return await self._touched(rows[0]) if rows else None

        return await self._large.get(revision, read, lambda found: found is not None)

    async def held_by(
        self, artists: Sequence[str], *, since: int, after: str = "", most: int
    ) -> Held:
        """Return up to `most` content that any of these artists hold, of ids after `after`."""
        async with self._connected() as connection:
            rows = await connection.fetch(_HELD, list(artists), after, most, since)
        found = [(row[0], frozenset(row[1])) for row in rows if row[0] is not None]
        return Held(found, rows[0]["size"], rows[0]["put_at"] or 0)

    async def _touched(self, row: TailRow) -> Touched:
        if len(row["body"] or b"") < _LARGE:
            return _meaning(read_event(row, self._vault))
        return await asyncio.to_thread(lambda: _meaning(read_event(row, self._vault)))

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend the connection; after an error the next one gets a new one."""
        async with self._alone:
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await connect(
                        self._url, writable=True, command_timeout=_PATIENCE_SECONDS
                    )
                    await self._connection.execute(_BY_INDEX)
                yield self._connection
            except _UNREACHABLE as error:
                self._disconnect()
                raise ConnectionError("the ledger cannot be read from the database") from error
            except BaseException:
                self._disconnect()  # in the middle of something
                raise

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.terminate()


def _meaning(event: StoredEvent) -> Touched:
    return touched_by(event.revision, fact_of(event))
