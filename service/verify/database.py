"""Verifying a database, from the bytes of its entries up, in one snapshot of it.

    report = await verify_database(url, Trust(...), kept, processes=2, advance=...)

Several processes look at a range of revisions each; what spans ranges is put together here.
"""

import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import asyncpg

from service.verify.claims import Claims, Placed
from service.verify.connecting import Connection, export, snapshot
from service.verify.delegates import Delegates
from service.verify.few import KINDS, Few, fold
from service.verify.finding import CannotLook, Findings, Report, Span, What
from service.verify.history import History
from service.verify.holds import Holds
from service.verify.leaf import Leaf, read_leaf
from service.verify.logged import hold_logged
from service.verify.notes import Key
from service.verify.private import is_the_key
from service.verify.ranges import Range, Seen, look_at
from service.verify.sealed import Files, hold_sealed
from service.verify.settled import hold_settled
from service.verify.small import hold_small
from service.verify.tiles import hold_upper_tiles
from service.verify.tree import TILE_WIDTH
from service.verify.unmoved import hold_unmoved
from service.verify.working import looked_at
from service.verify.wrapped import hold_wrapped

Advance: TypeAlias = Callable[[int, int], None]
"""Told how many events have been looked at, and how many there are."""

SMALL: Final = 20_000
"""Events that one process looks at faster than others have started."""
_LARGEST_RANGE: Final = 1 << 20
_RANGES: Final = 8
_LARGEST: Final = (1 << 63) - 1

_HEAD: Final = "SELECT size, stack, recorded_at FROM ledger_head"
_EXTENT: Final = """
SELECT coalesce(min(revision), 1), coalesce(max(revision), 0), count(*) FROM ledger
"""
_BEYOND: Final = "SELECT min(revision) FROM ledger WHERE revision > $1"
_WITHIN: Final = "SELECT coalesce(max(revision), 0) FROM ledger WHERE revision <= $1"
_MOST_MISSING: Final = 1_000_000
"""Events that are looked for one by one where they are not; what is farther off belongs nowhere."""
_FEW: Final = """
SELECT revision, coalesce(leaf, '') AS leaf FROM ledger
WHERE kind = ANY($1::text[]) ORDER BY revision
"""
_FIRST_ARTISTS: Final = "SELECT min(revision) FROM ledger WHERE kind = 'artists.registered'"
_FINGERPRINT: Final = "SELECT fingerprint FROM private.key_check"


@dataclass(frozen=True, slots=True)
class Trust:
    """What is believed: public keys of the log and of witnesses, and the key to private parts."""

    keys: Sequence[Key] = ()
    key_encryption_key: bytes | None = None


def _silent(_done: int, _all: int) -> None:
    """Tell nobody."""


async def verify_database(
    url: str,
    trust: Trust,
    kept: Sequence[Placed] = (),
    *,
    sealed: Files | None = None,
    decisions: bool = True,
    processes: int = 1,
    advance: Advance = _silent,
) -> Report:
    """Look at everything in a database; `kept` are checkpoints from outside of it.

    `sealed` is where files of sealed decisions are, `decisions` whether those that are not sealed
    are held against what they say of themselves.

    Raises CannotLook where it cannot be reached or read, or the key is of another database.
    """
    try:
        async with snapshot(url) as connection:
            verifying = _Verifying(connection, trust, kept)
            report = await verifying.whole(url, processes, sealed, advance)
            if not decisions:
                return report
            findings = Findings()
            await hold_logged(connection, findings)
            async with snapshot(url) as later:
                await hold_unmoved(later, verifying.sealed, sealed, findings)
            return report.with_more(findings.found, {}, untold=findings.untold)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
        raise CannotLook(
            f"the database cannot be read: {str(error) or type(error).__name__}"
        ) from error


class _Verifying:
    """One run over one snapshot."""

    def __init__(self, connection: Connection, trust: Trust, kept: Sequence[Placed]) -> None:
        self._connection = connection
        self._trust = trust
        self._findings = Findings()
        self._history = History(self._findings, kept)
        self._delegates = Delegates(self._findings)
        self._holds = Holds(self._findings)
        self._last_at: int | None = None
        self._first_artists: int | None = None
        self._few_revisions: set[int] = set()
        self.sealed: Mapping[str, tuple[int, Leaf]] = {}
        """Sealed months, as events describe them."""

    async def whole(
        self, url: str, processes: int, sealed: Files | None, advance: Advance
    ) -> Report:
        """Look at everything, in the order in which one thing rests on another."""
        await self._require_key()
        until = await self._extent()
        few = await self._few()
        self.sealed = few.sealed
        claims = Claims(self._trust.keys, self._findings)
        self._history.take(b"", await claims.read(self._connection, -1, 0))
        jobs = await self._jobs(url, until, few)
        async with aclosing(_looked_at(jobs, until, processes, advance)) as ranges:
            async for seen in ranges:
                self._take(seen)
        self._history.end(await claims.read(self._connection, until, _LARGEST))
        self._hold_few(few)
        await self._hold_head()
        await hold_upper_tiles(self._connection, self._history.tree, self._findings)
        await self._delegates.compare(self._connection, few)
        await self._holds.compare(self._connection)
        await hold_small(self._connection, few, self._findings)
        await hold_sealed(self._connection, few, sealed, self._findings)
        await hold_settled(self._connection, until, few, self._findings)
        if self._trust.key_encryption_key is not None:
            await hold_wrapped(self._connection, self._trust.key_encryption_key, self._findings)
        tree = self._history.tree
        return self._findings.report(tree.size, tree.root())

    async def _require_key(self) -> None:
        key = self._trust.key_encryption_key
        fingerprint = await self._connection.fetchval(_FINGERPRINT)
        if key is not None and fingerprint is not None and not is_the_key(key, fingerprint):
            raise CannotLook(
                "this key encryption key is not the one that the database was written with"
            )

    async def _extent(self) -> int:
        """Return the last revision that there is, and find what is before the first or far off."""
        first, last, number = await self._connection.fetchrow(_EXTENT)
        if first < 1:
            says = "events are numbered from 1"
            self._findings.add(What.EVENT_EXTRA, 1, f"ledger {first}", says)
        if last > number + _MOST_MISSING:
            beyond = await self._connection.fetchval(_BEYOND, number + _MOST_MISSING)
            says = f"there are {number} events, and none can be of this revision"
            self._findings.add(What.EVENT_EXTRA, beyond, f"ledger {beyond}", says)
            last = await self._connection.fetchval(_WITHIN, number + _MOST_MISSING)
        until: int = last
        return until

    async def _few(self) -> Few:
        events = []
        cursor = await self._connection.cursor(_FEW, list(KINDS))
        while rows := await cursor.fetch(_AT_ONCE):
            for row in rows:
                with contextlib.suppress(ValueError):  # whoever reads its range will find it
                    events.append((row["revision"], read_leaf(row["leaf"])))
        first_artists = await self._connection.fetchval(_FIRST_ARTISTS)
        return fold(events, self._findings, first_artists)

    async def _jobs(self, url: str, until: int, few: Few) -> list[Range]:
        name = await export(self._connection)
        length = min(_LARGEST_RANGE, max(SMALL, -(-until // _RANGES)))
        length = -(-length // TILE_WIDTH) * TILE_WIDTH
        return [
            Range(
                url=url,
                snapshot=name,
                after=after,
                until=min(after + length, until),
                few=few,
                key=self._trust.key_encryption_key,
                trusted=self._trust.keys,
            )
            for after in range(0, until, length)
        ]

    def _take(self, seen: Seen) -> None:
        """Add a range; they come in order."""
        before, first = self._last_at, seen.first_at
        if before is not None and first is not None and first <= before:
            revision = seen.after + 1
            says = "it is not later than the one before it"
            self._findings.add(What.EVENT_OUT_OF_TIME, revision, f"ledger {revision}", says)
        self._last_at = seen.last_at if seen.last_at is not None else self._last_at
        self._history.take(seen.leaves, seen.claims)
        self._delegates.take(seen.deeds)
        self._holds.take(seen.holds)
        self._findings.take(seen.findings)
        self._few_revisions |= seen.few_revisions
        if self._first_artists is None:
            self._first_artists = seen.first_artists

    def _hold_few(self, few: Few) -> None:
        """Find events that their columns hid from those who look for few kinds."""
        hidden = few.revisions ^ self._few_revisions
        if few.first_artists != self._first_artists:
            hidden |= {one for one in (few.first_artists, self._first_artists) if one is not None}
        for revision in sorted(hidden):
            says = "its column kind is not what its bytes say: what follows from it is unsure"
            self._findings.add(What.ROW_DIFFERS, revision, f"ledger {revision}", says)

    async def _hold_head(self) -> None:
        heads = await self._connection.fetch(_HEAD)
        if len(heads) > 1:
            says = f"there are {len(heads)} heads"
            self._findings.add(What.HEAD_DIFFERS, None, "ledger_head", says)
        for head in heads:
            self._hold_one_head(head)
        if not heads:
            self._findings.add(What.HEAD_DIFFERS, None, "ledger_head", "there is no head")

    def _hold_one_head(self, head: Any) -> None:
        tree, size = self._history.tree, head["size"]
        if size > tree.size:
            says = f"the head counts {size} events: those after {tree.size} are not there"
            self._findings.add(What.EVENT_MISSING, tree.size + 1, "ledger_head", says)
        elif size < tree.size:
            says = f"the head counts {size} events, and there are {tree.size}"
            self._findings.add(What.EVENT_EXTRA, size + 1, "ledger_head", says)
        elif head["stack"] != tree.edge():
            first, last = tree.unlike(head["stack"])
            says = f"its tree is not that of the events {first + 1} to {last}"
            self._findings.add_span(Span(What.HEAD_DIFFERS, first + 1, last, "ledger_head", says))
        elif tree.size and head["recorded_at"] != self._last_at:
            says = "its time is not the last event's"
            self._findings.add(What.HEAD_DIFFERS, tree.size, "ledger_head", says)


_AT_ONCE: Final = 500


async def _looked_at(
    jobs: Sequence[Range], until: int, processes: int, advance: Advance
) -> AsyncGenerator[Seen]:
    """Yield what the ranges amount to, in order, whoever looks at them."""
    done = 0

    def step(number: int) -> None:
        nonlocal done
        done += number
        advance(done, until)

    step(0)
    if processes == 1 or len(jobs) == 1:
        for job in jobs:
            yield await look_at(job, step)
        return
    async with aclosing(looked_at(jobs, min(processes, len(jobs)), step)) as ranges:
        async for seen in ranges:
            yield seen
