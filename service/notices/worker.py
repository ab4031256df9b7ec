"""The worker: finds who is to be told, and tells them, until it is stopped.

`Worker` runs inside `fermata serve` or alone as `fermata worker`; any number of them share the work
through the tables. `plan()` and `send()` do once what its loops do for ever.

Everything that it does is judged by the ledger's time, and while that is not to be believed it does
nothing. Whatever fails is tried again: what was finished before is durable.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Self

from service.clock import Clock
from service.db.engine import Database
from service.domain.instant import SECOND, Duration, Instant, parse_duration
from service.ledger.append import Appender
from service.ledger.derived_keys import OPT_OUT_LINKS, WEBHOOK_KEYS, derived_key
from service.ledger.head import HeadReader
from service.ledger.vault import RandomBytes
from service.notices.audience import PAGE, Telling, alone_with, announce, behind, current, fill_page
from service.notices.batches import mend, waiting_batches
from service.notices.carriers import Carrier, Carriers
from service.notices.channels.opt_out_link import OptOutLinks
from service.notices.letters import Letters
from service.notices.planning import (
    Plan,
    addressed_since,
    in_audience,
    make_batches,
    without_send,
)
from service.notices.reach import ChannelName
from service.notices.reminders import Due, Reminders
from service.notices.sender import Desk, Sender
from service.settings import Settings
from service.telemetry import Telemetry

_log = logging.getLogger(__name__)

REMINDERS_EVERY: Final[Duration] = 60 * SECOND
CATCH_UP_EVERY: Final[Duration] = 300 * SECOND
"""How often audiences are searched for artists whom a channel can reach only since lately."""

_IDLE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0
_BREATH_S: Final = 0.02  # between pages of what is in no hurry
_CALLS_MAY_TAKE_S: Final = 4.0  # of the time that a shutdown has
_STEPS_MAY_TAKE_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Machinery:
    """The parts of a process that the worker runs on. Its database's pool should be its own."""

    database: Database
    appender: Appender
    heads: HeadReader
    clock: Clock
    random_bytes: RandomBytes
    telemetry: Telemetry


class Worker:
    """Plans and sends. Entering it starts its loops, leaving it stops them."""

    def __init__(self, settings: Settings, key_encryption_key: bytes, on: Machinery) -> None:
        """Take what it works with. Raises ValueError for a setting that cannot be used."""
        self._database = on.database
        self._heads = on.heads
        self._telemetry = on.telemetry
        webhook_key = derived_key(key_encryption_key, WEBHOOK_KEYS)
        self._carriers = Carriers(settings, on.clock, webhook_key)
        links = OptOutLinks([derived_key(key_encryption_key, OPT_OUT_LINKS)])
        self._sender = Sender(
            Desk(
                database=on.database,
                appender=on.appender,
                time=self._time,
                letters=Letters(links, settings.public_url),
                carriers=self._carriers,
                jitter=lambda: int.from_bytes(on.random_bytes(4)) / 2**32,
                telemetry=on.telemetry,
            )
        )
        self._reminders = Reminders([parse_duration(lead) for lead in settings.reminders])
        self._open: Mapping[ChannelName, Carrier] = {}
        self._reminded: tuple[frozenset[ChannelName], Instant] | None = None
        self._caught_up: tuple[frozenset[ChannelName], Instant] | None = None
        self._stopping = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Start to work."""
        self._stopping.clear()
        self._loops = [
            asyncio.create_task(self._for_ever(doing, what), name=f"fermata-worker-{what}")
            for what, doing in (
                ("planning", self._planning),
                ("catching up", self._catching_up),
                *((name.value, self._sending(name)) for name in ChannelName),
            )
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop: take nothing more, give calls under way a moment, and leave what is left."""
        self._stopping.set()
        await self._sender.stop(_CALLS_MAY_TAKE_S)
        loops, self._loops = self._loops, []
        if loops:
            await asyncio.wait(loops, timeout=_STEPS_MAY_TAKE_S)
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)

    async def plan(self) -> None:
        """Find everybody who is to be told or reminded of anything now."""
        await self._find()
        await self._catch_up()
        await self._remind()
        await self._measure()

    async def send(self) -> None:
        """Send everything that is due and that the channels' rates allow, and see it settled."""
        for name, carrier in self._open.items():
            await self._sender.send_due(name, carrier)
        await self._sender.settled()

    async def _time(self) -> Instant | None:
        """Return the ledger's time, or None while it is not to be believed. Raises HeadUnknown."""
        head = await self._heads.read()
        return head.now if self._heads.ledger_clock.agrees else None

    async def _for_ever(self, doing: Callable[[], Awaitable[float]], what: str) -> None:
        """Do it again and again; `doing` returns how many seconds to rest."""
        failures = 0
        while not self._stopping.is_set():
            try:
                pause = await doing()
                if failures:
                    _log.warning("%s goes on", what)
                failures = 0
            except Exception as error:  # noqa: BLE001 - a worker outlives whatever fails
                failures += 1
                pause = pause_after(failures)
                if failures == 1:
                    _log.exception("%s failed; it is tried again", what)
                else:
                    _log.warning("%s failed again (%s)", what, type(error).__name__)
            await self._rest(pause)

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def _planning(self) -> float:
        await self._find()
        await self._remind()
        await self._measure()
        return _IDLE_S

    async def _catching_up(self) -> float:
        await self._catch_up()
        return _IDLE_S

    def _sending(self, name: ChannelName) -> Callable[[], Awaitable[float]]:
        async def send() -> float:
            carrier = self._open.get(name)
            if carrier is None:
                return _IDLE_S
            pause = await self._sender.send_due(name, carrier)
            return min(pause / SECOND, _IDLE_S)

        return send

    async def _find(self) -> None:
        """Start and end tellings, and look at every artist who has not been looked at."""
        now = await self._time()
        if now is None:
            return
        async with self._database.keep() as session:
            await announce(session, now)
            await mend(session, now)
            self._open = await self._carriers.look(session)
            tellings = await behind(session)
        for telling in tellings:
            await self._fill(telling)

    async def _fill(self, telling: Telling) -> None:
        """Look at everybody who has not been looked at yet, page by page."""
        added = 0
        while not self._stopping.is_set():
            now = await self._time()
            if now is None:
                return
            async with self._database.keep() as session:
                page = await fill_page(session, telling, now)
                # Only now is this worker alone with the notice: whoever finds a channel later walks
                # through the audience after this page.
                self._open = await self._carriers.look(session)
                for name, carrier in self._open.items():
                    await make_batches(session, _notice(telling, name, carrier), page or [], now)
            if page is None:
                break
            added += len(page)
            if page:
                _log.info("notice %s: %d more artists are to be told", telling.notice_id, added)

    async def _catch_up(self) -> None:
        """Tell also those whom a channel can reach since lately: a new address, a new endpoint."""
        now, channels = await self._time(), frozenset(self._open)
        if now is None or not channels:
            return
        before, at = self._caught_up or (None, 0)
        if before != channels or not at <= now:
            await self._catch_up_with_everybody(now)
        elif now >= at + CATCH_UP_EVERY and ChannelName.EMAIL in channels:
            await self._catch_up_with_addresses(at - CATCH_UP_EVERY, now)
        else:
            return
        if not self._stopping.is_set():
            self._caught_up = channels, now

    async def _catch_up_with_everybody(self, now: Instant) -> None:
        """Walk through all audiences: a channel may have come since they were filled."""
        for telling in await self._current():
            for name, carrier in self._open.items():
                after: str | None = ""
                while after is not None and not self._stopping.is_set():
                    after = await self._catch_up_page(_notice(telling, name, carrier), after, now)
                    await asyncio.sleep(_BREATH_S)

    async def _catch_up_page(self, plan: Plan, after: str, now: Instant) -> str | None:
        async with self._database.keep() as session:
            if await alone_with(session, plan.notice_id) is None:
                return after
            last, subjects = await without_send(session, plan, after, PAGE, now)
            _tell(plan, await make_batches(session, plan, subjects, now))
        return last

    async def _catch_up_with_addresses(self, since: Instant, now: Instant) -> None:
        """Look at those alone of whom an address was said since then."""
        carrier = self._open[ChannelName.EMAIL]
        async with self._database.read() as session:
            addressed = await addressed_since(session, since)
        tellings = await self._current() if addressed else []
        for telling in tellings:
            plan = _notice(telling, ChannelName.EMAIL, carrier)
            start = 0
            while start < len(addressed) and not self._stopping.is_set():
                async with self._database.keep() as session:
                    if await alone_with(session, plan.notice_id) is not None:
                        page = addressed[start : start + PAGE]
                        subjects = await in_audience(session, plan.notice_id, page)
                        _tell(plan, await make_batches(session, plan, subjects, now))
                        start += PAGE
                await asyncio.sleep(_BREATH_S)

    async def _current(self) -> list[Telling]:
        async with self._database.read() as session:
            return await current(session)

    async def _remind(self) -> None:
        now, channels = await self._time(), frozenset(self._open)
        if now is None or not channels:
            return
        before, at = self._reminded or (None, 0)
        if before != channels:
            self._reminders.start_over()
        elif at <= now < at + REMINDERS_EVERY:
            return
        async with self._database.read() as session:
            found = await self._reminders.due(session, now)
        for due in found:
            while not self._stopping.is_set() and await self._remind_page(due, now):
                pass
        if not self._stopping.is_set():
            self._reminded = channels, now

    async def _remind_page(self, due: Due, now: Instant) -> bool:
        """Remind of one page of windows; return whether there may be more."""
        async with self._database.keep() as session:
            page = await self._reminders.page(session, due, now)
            if page is None:
                return False
            made = 0
            for name, carrier in self._open.items():
                plan = Plan(
                    due.telling.notice_id,
                    name,
                    carrier.channel.most_per_call,
                    page.fell_due_at,
                    due.number,
                )
                made += await make_batches(session, plan, page.subjects, now)
        self._reminders.done(due, page)
        if made:
            _log.info("notice %s: %d reminders", due.telling.notice_id, made)
        return True

    async def _measure(self) -> None:
        async with self._database.read() as session:
            for name, count in (await waiting_batches(session)).items():
                self._telemetry.set_waiting_batches(name, count)


def pause_after(failures: int) -> float:
    """Return how many seconds a loop rests after failing so often in a row, be it for weeks."""
    return min(2.0 ** min(failures, 10) / 4, _LONGEST_PAUSE_S)


def _tell(plan: Plan, made: int) -> None:
    if made:
        _log.info("notice %s: %d more artists by %s", plan.notice_id, made, plan.channel)


def _notice(telling: Telling, name: ChannelName, carrier: Carrier) -> Plan:
    return Plan(telling.notice_id, name, carrier.channel.most_per_call, telling.announced_at)
