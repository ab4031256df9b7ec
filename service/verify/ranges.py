"""One range of revisions, looked at by itself: several at once, each in a process of its own."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from service.domain.merkle import HASH_SIZE, leaf_hash
from service.verify.claims import Claims, Placed
from service.verify.connecting import Connection, snapshot
from service.verify.delegates import Deed, deed_of
from service.verify.event import Event, EventReader
from service.verify.few import KINDS, Few
from service.verify.finding import Findings, What
from service.verify.holds import HoldEvent, hold_of
from service.verify.many import Key, Made, Values, compare, tables, where
from service.verify.notes import Key as VerifierKey
from service.verify.private import ArtistKeys
from service.verify.streaming import Part, Stream, parts
from service.verify.tiles import LowerTiles
from service.verify.tree import TILE_WIDTH

Advance: TypeAlias = Callable[[int], None]
"""Told how many events have been looked at since it was told last."""

_UNKNOWN_LEAF: Final = bytes(HASH_SIZE)
_IN_TILE: Final = """
SELECT substring(hashes FROM $2 FOR 32) FROM ledger_tiles WHERE level = 0 AND number = $1
"""
_DELIVERED_BEFORE: Final = """
SELECT d.notice_id, d.subject FROM deliveries d
JOIN unnest($1::text[], $2::text[]) AS asked (notice_id, subject)
ON d.notice_id = asked.notice_id AND d.subject = asked.subject WHERE d.revision < $3
"""


@dataclass(frozen=True, slots=True)
class Range:
    """What one process is asked: revisions above `after` up to `until`, and all that it needs.

    `after` is a whole number of tiles. `key` is the key encryption key.
    """

    url: str
    snapshot: str
    after: int
    until: int
    few: Few
    key: bytes | None
    trusted: Sequence[VerifierKey]


@dataclass(slots=True)
class Seen:
    """What a range amounts to: the hashes of its leaves end to end, and what others go on from."""

    after: int
    leaves: bytearray = field(default_factory=bytearray)
    findings: Findings = field(default_factory=Findings)
    claims: list[Placed] = field(default_factory=list)
    deeds: list[Deed] = field(default_factory=list)
    holds: list[HoldEvent] = field(default_factory=list)
    few_revisions: set[int] = field(default_factory=set)
    first_artists: int | None = None
    first_at: int | None = None
    last_at: int | None = None


async def look_at(job: Range, advance: Advance) -> Seen:
    """Look at everything in a range of revisions, in one snapshot, in bounded memory."""
    seen = Seen(job.after)
    async with snapshot(job.url, job.snapshot) as connection:
        looking = _Looking(connection, job, seen)
        async for part in parts(connection, job.after, job.until):
            await looking.take(part)
            advance(len(part.events))
        await looking.end()
        claims = Claims(job.trusted, seen.findings)
        seen.claims = await claims.read(connection, job.after, job.until)
    return seen


class _Looking:
    """Takes a range part by part."""

    def __init__(self, connection: Connection, job: Range, seen: Seen) -> None:
        self._connection = connection
        self._job = job
        self._seen = seen
        self._findings = seen.findings
        self._next = job.after + 1
        keys = None if job.key is None else ArtistKeys(job.key)
        self._reader = EventReader(job.few, keys, seen.findings)
        sees = keys is not None
        self._tables = tables(job.few, sees=sees, findings=seen.findings)
        self._streams = [
            Stream(connection, table.select(), job.after, job.until) for table in self._tables
        ]

    async def take(self, part: Part) -> None:
        """Look at some events and at all rows that follow from them."""
        stored = [
            _by_revision(table, await stream.upto(part.last), self._findings)
            for table, stream in zip(self._tables, self._streams, strict=True)
        ]
        for row in part.events:
            await self._skip_to(row["revision"])
            self._seen.leaves += leaf_hash(row["leaf"])
            self._next += 1
            event = self._reader.read(row, part.bodies.get(row["revision"]))
            if event is not None:
                await self._follow(event, stored)
        for table, rows in zip(self._tables, stored, strict=True):
            self._left_over(table, rows)

    async def end(self) -> None:
        """Find what is missing in the end, and hold the range's full tiles against its events."""
        await self._skip_to(self._job.until + 1)
        for table, stream in zip(self._tables, self._streams, strict=True):
            rows = await stream.upto(self._job.until)
            self._left_over(table, _by_revision(table, rows, self._findings))
        self._seen.last_at = self._reader.last_at
        tiles = LowerTiles(self._job.after, self._seen.leaves, self._findings)
        await tiles.hold(self._connection)

    async def _follow(self, event: Event, stored: list[dict[int, dict[Key, Values]]]) -> None:
        """Hold what an event makes against the rows that are there."""
        seen, revision = self._seen, event.revision
        if seen.first_at is None:
            seen.first_at = event.at
        if event.kind in KINDS:
            seen.few_revisions.add(revision)
        if event.kind == "artists.registered" and seen.first_artists is None:
            seen.first_artists = revision
        try:
            deed = deed_of(event, self._job.few)
            if deed is not None:
                seen.deeds.append(deed)
            hold = hold_of(event, self._job.few)
            if hold is not None:
                seen.holds.append(hold)
            for table, rows in zip(self._tables, stored, strict=True):
                if table.kind == event.kind:
                    there = rows.pop(revision, {})
                    await self._compare(table, event, there)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            says = f"it does not say what its kind has to: {error}"
            self._findings.add(What.EVENT_UNREADABLE, revision, f"ledger {revision}", says)

    async def _compare(self, table: Made, event: Event, stored: dict[Key, Values]) -> None:
        made = table.made(event)
        missing = compare(table, event.revision, made, stored, self._findings)
        if missing and table.name == "deliveries":
            missing = await self._not_delivered_before(event.revision, missing)
        for key in missing:
            named = where(table.name, table.keys, key)
            says = f"event {event.revision} made this row, and it is gone"
            self._findings.add(What.ROW_MISSING, event.revision, named, says)

    async def _not_delivered_before(self, revision: int, missing: list[Key]) -> list[Key]:
        """Only a first delivery makes a row (R6): leave out those that had one before."""
        notices, subjects = [key[0] for key in missing], [key[1] for key in missing]
        rows = await self._connection.fetch(_DELIVERED_BEFORE, notices, subjects, revision)
        before = {tuple(row) for row in rows}
        return [key for key in missing if key not in before]

    def _left_over(self, table: Made, stored: dict[int, dict[Key, Values]]) -> None:
        for revision, rows in stored.items():
            compare(table, revision, {}, rows, self._findings)

    async def _skip_to(self, revision: int) -> None:
        """Find every event missing before this one; what tiles have of it keeps others in place."""
        while self._next < revision:
            says = "there is no such event"
            missing = f"ledger {self._next}"
            self._findings.add(What.EVENT_MISSING, self._next, missing, says)
            number, place = divmod(self._next - 1, TILE_WIDTH)
            known = await self._connection.fetchval(_IN_TILE, number, place * HASH_SIZE + 1)
            self._seen.leaves += known if known and len(known) == HASH_SIZE else _UNKNOWN_LEAF
            self._next += 1


def _by_revision(table: Made, rows: list[Any], findings: Findings) -> dict[int, dict[Key, Values]]:
    found: dict[int, dict[Key, Values]] = defaultdict(dict)
    for row in rows:
        key, values = table.split(row)
        if key in found[row[0]]:  # the database's own keys may have been dropped
            named, says = where(table.name, table.keys, key), "it is there more than once"
            findings.add(What.ROW_EXTRA, row[0], named, says)
        found[row[0]][key] = values
    if rows:
        findings.saw(f"rows of {table.name}", len(rows))
    return found
