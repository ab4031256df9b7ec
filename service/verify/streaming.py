"""Rows in order of revision, a part at a time, so that no table is ever whole in memory."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from service.verify.connecting import Connection

_ROWS: Final = 1_000
"""Rows read at once."""
_BODIES: Final = 8 << 20
"""Bytes of batches read at once, unless one is larger."""

EVENTS: Final = """
SELECT l.revision, l.recorded_at, l.kind, coalesce(l.leaf, '') AS leaf, l.leaf_hash,
    octet_length(b.body) AS size,
    d.subject, d.ciphertext, s.wrapped_key
FROM ledger l
LEFT JOIN ledger_batches b ON b.revision = l.revision AND b.revision > $1 AND b.revision <= $2
LEFT JOIN private.event_details d
    ON d.revision = l.revision AND d.revision > $1 AND d.revision <= $2
LEFT JOIN private.subjects s ON s.subject = d.subject
WHERE l.revision > $1 AND l.revision <= $2 ORDER BY l.revision
"""
_BATCHES: Final = "SELECT revision, body FROM ledger_batches WHERE revision = ANY($1::bigint[])"


@dataclass(frozen=True, slots=True)
class Part:
    """Some neighbouring events as they are stored, and the bodies of those that have one."""

    events: list[Any]
    bodies: dict[int, bytes]

    @property
    def last(self) -> int:
        """The revision of the last of them."""
        last: int = self.events[-1]["revision"]
        return last


async def parts(connection: Connection, after: int, until: int) -> AsyncIterator[Part]:
    """Yield the events of a range in order, as few at once as their batches are large."""
    cursor = await connection.cursor(EVENTS, after, until)
    while rows := await cursor.fetch(_ROWS):
        while rows:
            number = _fitting(rows)
            bodies = await _bodies(connection, rows[:number])
            yield Part(rows[:number], bodies)
            rows = rows[number:]


def _fitting(rows: list[Any]) -> int:
    """Return how many of the rows may be read with their batches at once; one at least."""
    size = 0
    for number, row in enumerate(rows):
        size += row["size"] or 0
        if size > _BODIES and number:
            return number
    return len(rows)


async def _bodies(connection: Connection, rows: list[Any]) -> dict[int, bytes]:
    wanted = [row["revision"] for row in rows if row["size"] is not None]
    if not wanted:
        return {}
    return {row[0]: row[1] for row in await connection.fetch(_BATCHES, wanted)}


class Stream:
    """One table's rows, handed out up to a revision at a time. Its statement selects that first."""

    def __init__(self, connection: Connection, statement: str, *arguments: Any) -> None:
        """Take a statement whose rows come in order of their first column."""
        self._connection = connection
        self._statement = statement
        self._arguments = arguments
        self._cursor: Any = None
        self._ahead: list[Any] = []

    async def upto(self, revision: int) -> list[Any]:
        """Return the rows that follow those handed out before, up to and with a revision."""
        if self._cursor is None:
            self._cursor = await self._connection.cursor(self._statement, *self._arguments)
            self._ahead = await self._cursor.fetch(_ROWS)
        found: list[Any] = []
        while self._ahead:
            if self._ahead[-1][0] > revision:
                at = next(n for n, row in enumerate(self._ahead) if row[0] > revision)
                found += self._ahead[:at]
                self._ahead = self._ahead[at:]
                break
            found += self._ahead
            self._ahead = await self._cursor.fetch(_ROWS)
        return found
