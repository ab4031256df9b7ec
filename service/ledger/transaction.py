"""One transaction of the ledger: the head locked, events numbered, leaves built, rows written."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlmodel import col

from service.db.among import among
from service.db.engine import WriteSession
from service.db.in_bulk import insert_in_bulk
from service.db.instants import InstantType
from service.db.tables import EventDetail, LedgerBatch, LedgerEvent, LedgerHead, Subject
from service.domain import merkle
from service.domain.instant import Instant
from service.domain.merkle import CompactRange
from service.domain.refusal import RefusalKind, refuse
from service.domain.tiles import WIDTH
from service.ledger.events import (
    Json,
    Kind,
    NewEvent,
    Recorded,
    batch_body,
    canonical,
    digest,
    leaf_bytes,
)
from service.ledger.ledger_clock import ClocksDisagree, LedgerClock
from service.ledger.opening import details_of
from service.ledger.tiles import complete_tiles
from service.ledger.vault import NewSubject, RandomBytes, Vault

NONCE_SIZE = 16
REFERENCE_SIZE = 16


@dataclass(slots=True)
class _Rows:
    """What the transaction will insert, so that many events cost one statement a table."""

    ledger: list[dict[str, Any]] = field(default_factory=list)
    batches: list[dict[str, Any]] = field(default_factory=list)
    details: list[dict[str, Any]] = field(default_factory=list)


class Transaction:
    """What a write sees and uses while its process holds the head row.

    `session` reads everything committed before, and everything that earlier writes of the same
    transaction derived. Nothing is durable before the committer has committed.
    """

    def __init__(
        self,
        session: WriteSession,
        head: LedgerHead,
        now: Instant | None,
        vault: Vault,
        random: RandomBytes,
    ) -> None:
        """Start at the locked head.

        `now` is the ledger's clock, read after the lock was held, or None where it cannot be
        believed.
        """
        self.session = session
        self._range = CompactRange.from_bytes(head.size, head.stack)
        self._last = head.recorded_at
        self._now = now
        self._vault = vault
        self._random = random
        self._rows = _Rows()
        self._keys: dict[str, bytes] = {}
        self.subject: str | None = None
        """The artist whom the write, and so its answer, is about alone, if it is."""

    @property
    def now(self) -> Instant:
        """The ledger's time for the next event: later than every event before it."""
        return max(self._now or 0, self._last + 1)

    @property
    def revision(self) -> int:
        """The number of events so far, those of this transaction included."""
        return self._range.size

    @property
    def recorded_at(self) -> Instant:
        """When the last event so far was recorded."""
        return self._last

    @property
    def stack(self) -> bytes:
        """The tree's compact range after the last event so far."""
        return self._range.to_bytes()

    async def new_subject(self, count: int) -> list[str]:
        """Make references for `count` artists, each with a key of its own."""
        made: list[NewSubject] = [self._vault.new_subject() for _ in range(count)]
        subjects = [one.subject for one in made]
        keys = [one.wrapped_key for one in made]
        await insert_in_bulk(self.session, Subject, {"subject": subjects, "wrapped_key": keys}, {})
        return subjects

    def reference(self) -> str:
        """Return 32 characters that stand for nobody yet."""
        return self._random(REFERENCE_SIZE).hex()

    async def happened_since(self, revision: int, kinds: Collection[Kind]) -> bool:
        """Tell whether an event of these kinds came after that revision, here or elsewhere."""
        if revision == self.revision:
            return False
        if any(row["kind"] in kinds and row["revision"] > revision for row in self._rows.ledger):
            return True
        committed = select(col(LedgerEvent.revision)).where(
            col(LedgerEvent.revision) > revision, among(col(LedgerEvent.kind), kinds)
        )
        return (await self.session.execute(committed.limit(1))).first() is not None

    async def fetch_keys(self, subjects: Collection[str]) -> None:
        """Read these artists' keys in one statement, each for the next event about them.

        Nobody else erases one meanwhile, for that takes the head row as well.
        """
        rows = await self.session.execute(
            select(col(Subject.subject), col(Subject.wrapped_key)).where(
                among(col(Subject.subject), subjects)
            )
        )
        self._keys.update({row.subject: row.wrapped_key for row in rows})

    async def record(self, event: NewEvent) -> Recorded:
        """Give the event the next revision and the ledger's time.

        The caller writes what it derives from the event in the same session. Raises ValueError
        where the leaf would be too long, ClocksDisagree where the clock cannot be believed and the
        event's time means something.
        """
        if self._now is None and not event.timeless:
            raise ClocksDisagree(
                "the database's clock is not believed: nothing but a no is recorded"
            )
        recorded = Recorded(self._range.size + 1, self.now)
        nonce = self._random(NONCE_SIZE)
        body = None if event.rows is None else batch_body(event.rows)
        commitment = await self._seal(event, recorded.revision, nonce)
        leaf = leaf_bytes(
            event,
            recorded_at=recorded.recorded_at,
            nonce=nonce,
            batch_digest=None if body is None else digest(body),
            commitment=commitment,
        )
        leaf_hash = merkle.leaf_hash(leaf)
        self._range = self._range.append(leaf_hash)
        self._last = recorded.recorded_at
        self.subject = event.subject
        self._rows.ledger.append(
            {
                "revision": recorded.revision,
                "recorded_at": recorded.recorded_at,
                "kind": event.kind.value,
                "leaf": leaf,
                "leaf_hash": leaf_hash,
            }
        )
        if body is not None:
            self._rows.batches.append({"revision": recorded.revision, "body": body})
        return recorded

    async def _seal(self, event: NewEvent, revision: int, nonce: bytes) -> str | None:
        if event.subject is None or event.details is None:
            return None
        if event.subject not in self._keys:
            await self.fetch_keys([event.subject])
        wrapped_key = self._keys.pop(event.subject, None)
        if wrapped_key is None:
            message = f"no key is kept for {event.subject}: an erased artist can say nothing"
            raise LookupError(message)
        sealed = self._vault.seal(wrapped_key, nonce, revision, canonical(event.details))
        self._rows.details.append(
            {"revision": revision, "subject": event.subject, "ciphertext": sealed.ciphertext}
        )
        return sealed.commitment

    async def details_of(
        self, subjects: Collection[str], kinds: Collection[Kind]
    ) -> Mapping[int, Json]:
        """Return the private parts of these artists' earlier events of these kinds, by revision.

        Raises LedgerBroken where one is not what its leaf commits to.
        """
        return await details_of(self.session, self._vault, subjects, kinds)

    async def destroy_details(self, revisions: Collection[int]) -> None:
        """Delete the private parts of these events, whose meaning for answers is none."""
        if revisions:
            gone = delete(EventDetail).where(col(EventDetail.revision).in_(revisions))
            await self.session.execute(gone)

    async def destroy_subject(self, subject: str) -> int:
        """Delete an artist's key and every private part, and return how many parts there were.

        What this transaction has recorded of them is among it.
        """
        self._keys.pop(subject, None)
        waiting = self._rows.details
        self._rows.details = [row for row in waiting if row["subject"] != subject]
        gone = await self.session.execute(
            delete(EventDetail)
            .where(col(EventDetail.subject) == subject)
            .returning(col(EventDetail.revision))
        )
        await self.session.execute(delete(Subject).where(col(Subject.subject) == subject))
        return len(gone.all()) + len(waiting) - len(self._rows.details)

    async def flush(self) -> None:
        """Write the events and the new head; the committer calls it once, before it commits."""
        for table, rows in (
            (LedgerEvent, self._rows.ledger),
            (LedgerBatch, self._rows.batches),
            (EventDetail, self._rows.details),
        ):
            if rows:
                await self.session.execute(insert(table), rows)
        if self._rows.ledger:
            await self.session.execute(
                update(LedgerHead).values(
                    size=self.revision, stack=self.stack, recorded_at=self.recorded_at
                )
            )
            if self.revision % WIDTH < len(self._rows.ledger):
                await complete_tiles(self.session, self.revision)


def require_opened(transaction: Transaction) -> None:
    """Raise Refused while the ledger has no charter: nothing else can be its first event."""
    if transaction.revision == 0:
        raise refuse(
            "charter",
            "charter_not_opened",
            "open the charter first: it fixes the shortest window anybody will ever get",
            RefusalKind.CONFLICT,
        )


async def lock_head(
    session: WriteSession, clock: LedgerClock, vault: Vault, random: RandomBytes
) -> Transaction:
    """Take the head row's lock and start a transaction there.

    The clock is read in a statement of its own: in the locking one it would be read before the
    wait for the lock.
    """
    head = (await session.execute(select(LedgerHead).with_for_update())).scalar_one()
    said = (await session.execute(select(func.clock_timestamp(type_=InstantType())))).scalar_one()
    now = said if clock.observe(said, head.recorded_at) else None
    return Transaction(session, head, now, vault, random)
