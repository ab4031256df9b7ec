"""Sending what is due: take a batch, judge it anew, call its channel, record what became of it.

`Sender.send_due(name, carrier)` starts a call for each batch that may be taken now, at most so many
at a time, and returns how long there is nothing to take; `Sender.settled()` waits for the calls.

A worker may be killed between any two steps. Before the call nothing has happened; from the call on
the batch stays leased until its outcome is recorded, in one transaction, and if that never comes it
is taken up again when the lease has run out, and told under the same message ids.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from service.catalog.artists import subjects_of
from service.db.engine import Database
from service.domain.instant import SECOND, Duration, Instant
from service.ledger.append import Appender
from service.ledger.events import Json
from service.ledger.transaction import Transaction
from service.notices.batches import (
    LEASE,
    Batch,
    NotNow,
    Result,
    SendState,
    charge,
    close_channel,
    drop,
    finish,
    keep_lease,
    settle,
    take,
)
from service.notices.carriers import Carrier, Carriers
from service.notices.channels.channel import Addressee, Fate, Message
from service.notices.deliveries import DeliveryRow, Outcome, record_deliveries
from service.notices.judging import no_longer_needed
from service.notices.letters import Letters, members_of
from service.notices.reach import ChannelName
from service.telemetry import Telemetry

_log = logging.getLogger(__name__)

CALLS_AT_ONCE: Final = 4
"""Calls of one channel that one worker has under way at the same time."""

_RENEWED_EVERY_S: Final = LEASE / SECOND / 3
_RECORDED_AFTER_S: Final = (0.0, 0.1, 0.5, 2.0, 5.0, 10.0)
"""Pauses before each try to record an outcome: a database that restarts is back by then."""

_IN_THE_LEDGER: Final = {Fate.BOUNCED: Outcome.BOUNCED, Fate.DELIVERED: Outcome.DELIVERED}

LedgersTime = Callable[[], Awaitable[Instant | None]]
"""The ledger's time, or None while it is not to be believed. Raises HeadUnknown."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What sending works with. `jitter` gives random numbers in [0, 1)."""

    database: Database
    appender: Appender
    time: LedgersTime
    letters: Letters
    carriers: Carriers
    jitter: Callable[[], float]
    telemetry: Telemetry


@dataclass(frozen=True, slots=True)
class _Job:
    """One call to make."""

    batch: Batch
    message: Message
    addressees: Sequence[Addressee]
    taken_at: Instant


class Sender:
    """Sends batches of any channel, a few at a time."""

    def __init__(self, desk: Desk) -> None:
        """Take what it works with."""
        self._desk = desk
        self._slots = {name: asyncio.Semaphore(CALLS_AT_ONCE) for name in ChannelName}
        self._calls: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def send_due(self, name: ChannelName, carrier: Carrier) -> Duration:
        """Start a call for each batch that may be taken; return how long none is to be taken.

        Waits for a free slot before it takes. Raises what the database raises; a batch that was
        taken then is taken up again when its lease has run out.
        """
        while True:
            await self._slots[name].acquire()
            job: _Job | NotNow | None = NotNow(SECOND)
            try:
                if not self._stopping:
                    job = await self._take(name, carrier)
            finally:
                if not isinstance(job, _Job):
                    self._slots[name].release()
            if isinstance(job, NotNow):
                return job.pause
            if job is not None:
                self._start(name, self._do(carrier, job))

    async def settled(self) -> None:
        """Return once no call is under way."""
        while self._calls:
            await asyncio.wait(self._calls)

    async def stop(self, patience_s: float) -> None:
        """Take nothing more, give calls under way so long, and leave the rest as a kill would."""
        self._stopping = True
        if self._calls:
            await asyncio.wait(self._calls, timeout=patience_s)
        left = list(self._calls)
        for call in left:
            call.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _start(self, name: ChannelName, doing: Awaitable[None]) -> None:
        async def call() -> None:
            try:
                await doing
            except Exception:  # noqa: BLE001 - the others go on
                _log.exception("%s: a call went wrong; its batch will be taken up again", name)

        task = asyncio.create_task(call(), name=f"fermata-send-{name}")
        self._calls.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._calls.discard(task)
            self._slots[name].release()

        task.add_done_callback(ended)

    async def _take(self, name: ChannelName, carrier: Carrier) -> _Job | NotNow | None:
        """Take a batch and prepare its call; None where nobody in it needed to be told any more."""
        desk = self._desk
        now = await desk.time()
        if now is None:
            return NotNow(SECOND)
        async with desk.database.keep() as session:
            batch = await take(session, name, now)
            if isinstance(batch, NotNow):
                return batch
            members = await members_of(session, batch)
            unneeded = await no_longer_needed(session, batch, members, now)
            await drop(session, batch, list(unneeded.items()), now)
            left = [member for member in members if member.subject not in unneeded]
            if left:
                message, addressees = await desk.letters.write(session, batch, left)
                await charge(session, name, now + carrier.cost(len(left)))
                job = _Job(batch, message, addressees, now)
            else:
                await finish(session, batch)
                job = None
        desk.telemetry.count_sends(name, SendState.NOT_NEEDED, len(unneeded))
        return job

    async def _do(self, carrier: Carrier, job: _Job) -> None:
        async with self._leased(job.batch):
            results = await _call(carrier, job)
            recorded = await self._record(job, results)
        if recorded:
            for fate, count in Counter(result.fate for result in results).items():
                self._desk.telemetry.count_sends(job.batch.channel, fate, count)
        await self._heed(carrier, job, results)

    @asynccontextmanager
    async def _leased(self, batch: Batch) -> AsyncIterator[None]:
        """Hold on to a batch for as long as the block takes."""

        async def renew() -> None:
            while True:
                await asyncio.sleep(_RENEWED_EVERY_S)
                with contextlib.suppress(Exception):  # the next renewal, or the lease runs out
                    now = await self._desk.time()
                    if now is not None:
                        async with self._desk.database.keep() as session:
                            await keep_lease(session, batch, now)

        task = asyncio.create_task(renew(), name="fermata-lease")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _record(self, job: _Job, results: Sequence[Result]) -> bool:
        """Record what became of a call; return whether it was this worker's to record.

        What has bounced goes into the ledger with it. If the ledger takes nothing, the rest is
        recorded and those who bounced are tried again later.
        """
        for pause in _RECORDED_AFTER_S:
            await asyncio.sleep(pause)
            try:
                return await self._settle(job, results)
            except Exception:  # noqa: BLE001 - whatever it was, it is tried again
                _log.exception("batch %d: its outcome is not recorded yet", job.batch.batch_id)
        later = [
            replace(one, fate=Fate.TRY_AGAIN) if one.fate in _IN_THE_LEDGER else one
            for one in results
        ]
        return await self._settle(job, later)

    async def _settle(self, job: _Job, results: Sequence[Result]) -> bool:
        now, jitter = await self._desk.time() or job.taken_at, self._desk.jitter()
        if any(result.fate in _IN_THE_LEDGER for result in results):
            return await self._settle_in_ledger(job, results, now, jitter)
        async with self._desk.database.keep() as session:
            return await settle(session, job.batch, results, now, jitter)

    async def _settle_in_ledger(
        self, job: _Job, results: Sequence[Result], now: Instant, jitter: float
    ) -> bool:
        """Settle, and have the ledger record what the channel knows for certain, or neither."""
        artist_of = {one.subject: one.artist_id for one in job.addressees}
        rows = [
            DeliveryRow(artist_of[one.subject], _IN_THE_LEDGER[one.fate], job.batch.channel.value)
            for one in results
            if one.fate in _IN_THE_LEDGER
        ]

        async def write(transaction: Transaction) -> Json:
            session = transaction.session
            # Whoever was erased meanwhile is nobody that a report could be about.
            known = await subjects_of(session, [row.artist_id or "" for row in rows])
            left = [row for row in rows if row.artist_id in known]
            if not await settle(session, job.batch, results, now, jitter):
                return {"recorded": False}
            if left:
                await record_deliveries(job.batch.notice_id, left)(transaction)
            return {"recorded": True}

        answered = await self._desk.appender.submit(write)
        return bool(answered.body["recorded"])

    async def _heed(self, carrier: Carrier, job: _Job, results: Sequence[Result]) -> None:
        """Do what the receiver asks of everybody: wait for a while, or stop.

        A receiver whose place another one has taken meanwhile has nothing to ask any more.
        """
        name, now = job.batch.channel, job.taken_at
        closed = next((one for one in results if one.fate is Fate.CLOSED), None)
        pause = max((one.not_before for one in results), default=0)
        if closed is None and not pause:
            return
        async with self._desk.database.keep() as session:
            if (await self._desk.carriers.look(session)).get(name) is not carrier:
                return
            if closed is not None:
                await close_channel(session, name, closed.reason, now)
                self._desk.carriers.forget(name)
                _log.error("%s is closed until a person acts: %s", name, closed.reason)
            else:
                await charge(session, name, now + pause)
                _log.warning("%s is left alone for %.0f s", name, pause / SECOND)


async def _call(carrier: Carrier, job: _Job) -> list[Result]:
    """Make the call. A channel that breaks its promise not to raise counts as not having sent."""
    attempt_id = f"batch-{job.batch.batch_id}-{job.batch.fence}"
    try:
        outcomes = await carrier.channel.send(job.message, job.addressees, attempt_id=attempt_id)
        return [
            Result(to.subject, one.fate, one.message_id, one.reason, one.not_before)
            for to, one in zip(job.addressees, outcomes, strict=True)
        ]
    except Exception as error:  # noqa: BLE001 - it is an outcome like any other
        _log.exception("%s: %s raised", attempt_id, carrier.channel.name)
        reason = f"the channel broke: {type(error).__name__}"
        return [Result(to.subject, Fate.TRY_AGAIN, "", reason) for to in job.addressees]
