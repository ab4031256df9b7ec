"""A log of several months, what seals it, and what looks into it."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from service.clock import SystemClock
from service.db.engine import Database
from service.decisions.log import DecisionLog, LoggedDecision
from service.decisions.log.entry import Entry, Place, Whole
from service.decisions.log.find import FoundPage, Wanted
from service.decisions.log.theirs import Theirs
from service.decisions.question import About
from service.domain.assessment import Reason
from service.domain.instant import DAY, SECOND, Instant
from service.sealing.copies import SealedFiles
from service.sealing.find import SealedLog
from service.sealing.month import Month
from service.sealing.period import Period, hold_log, sealed_periods
from service.sealing.sealing import Sealer
from service.storage.objects import Objects
from tests.decisions.log.deciding import LAUNCH, Said, decision
from tests.ledger.writing import appending, connected, open_ledger

MARCH, APRIL, MAY, JUNE = (Month(2026, number) for number in (3, 4, 5, 6))
NOW: Final[Instant] = JUNE.after.ends
"""All of them are closed."""

TRACKS: Final = [f"track-{n}" for n in range(9)]
THEIRS: Final = [
    Theirs.of(TRACKS[3], [(TRACKS[0], 10, 50), (TRACKS[0], 70, None), (TRACKS[5], 20, None)]),
    Theirs.of("nobody", [("z", 1, None)]),
]
"""An artist who held the first track twice, and one whose content was never asked about."""
SAID: Final = [Said(), Said(Reason.OPTED_OUT, 2, -1), Said(Reason.OPTED_IN, 3)]


def silent(_: str) -> None:
    """Take what sealing tells, and tell nobody."""


@dataclass(frozen=True, slots=True)
class Months:
    """One test's log, sealed into a folder."""

    url: str
    database: Database
    sealer: Sealer
    log: SealedLog
    folder: Path

    async def record(self, *decisions: LoggedDecision) -> None:
        """Write decisions as checks do."""
        async with DecisionLog(self.url, timeout=30) as log:
            await asyncio.gather(*map(log.record, decisions))

    async def seal(self, through: Month | None = None) -> Sequence[Month]:
        """Seal what is closed by now."""
        return await self.sealer.seal(NOW, through=through, tell=silent)

    async def periods(self) -> list[Period]:
        """Return what is sealed."""
        async with self.database.read() as session:
            return await sealed_periods(session)

    async def page(self, wanted: Wanted, below: Place | None = None, limit: int = 100) -> FoundPage:
        """Return one page of both sides."""
        async with self.database.read() as session:
            periods = await hold_log(session)
            return await self.log.find(session, periods, wanted, below=below, limit=limit)

    async def pages(self, wanted: Wanted, limit: int = 100) -> list[FoundPage]:
        """Return all pages of both sides."""
        pages = [await self.page(wanted, limit=limit)]
        while pages[-1].below is not None:
            pages.append(await self.page(wanted, pages[-1].below, limit))
        return pages

    async def entries(self, wanted: Wanted) -> list[Entry]:
        """Return everything that is found."""
        return [entry for page in await self.pages(wanted) for entry in page.entries]

    async def read(self, name: str, first: int = 0, most: int = 10_000) -> Whole | None:
        """Return one decision, wherever it lies."""
        async with self.database.read() as session:
            periods = await hold_log(session)
            return await self.log.read(session, periods, name, first=first, most=most)

    async def tables(self) -> list[str]:
        """Return the tables that these months have, whether they are part of the log or not."""
        async with connected(self.url) as connection:
            rows = await connection.fetch(
                "SELECT relname FROM pg_class WHERE relkind = 'r'"
                " AND relname BETWEEN 'decisions_' AND 'decisions_2026_06' ORDER BY relname"
            )
        return [row["relname"] for row in rows]

    async def events(self) -> list[str]:
        """Return the leaves of the ledger's events about sealing."""
        async with connected(self.url) as connection:
            rows = await connection.fetch(
                "SELECT leaf FROM ledger WHERE kind = 'decisions.sealed' ORDER BY revision"
            )
        return [row["leaf"].decode() for row in rows]


@asynccontextmanager
async def several_months(url: str, folder: Path) -> AsyncIterator[Months]:
    """Open the ledger of a database, and what seals its log into a folder."""
    place, scratch = folder / "sealed", folder / "scratch"
    async with Database(url) as database, appending(url) as appender:
        await open_ledger(appender)
        files = SealedFiles(str(place), folder / "copies", most_bytes=1 << 30)
        log = SealedLog(files, scratch, SystemClock())
        sealer = Sealer(database, appender, Objects(place), scratch)
        try:
            yield Months(url, database, sealer, log, place)
        finally:
            log.close()


def made_up(draw: random.Random, number: int) -> list[LoggedDecision]:
    """Return decisions about one and about many from March to June, some at the same instant.

    Fewer than some eighty may leave a month without any.
    """
    ends = [*(month.ends - 1 for month in (MARCH, APRIL, MAY)), MARCH.ends, MAY.begins, JUNE.begins]
    decisions = []
    for _ in range(number):
        at = draw.choice([LAUNCH + draw.randrange(120 * DAY), LAUNCH, LAUNCH + SECOND, *ends])
        ids = draw.choices(TRACKS, k=draw.choice([1, 1, 1, 2, 30, 300]))
        of = {one: draw.choice(SAID) for one in TRACKS}
        decisions.append(
            decision(
                ids,
                [of[one] for one in ids],
                at=at,
                evaluated_at=at - 1,
                revision=draw.randrange(1, 99),
                about=draw.choice([About.CONTENT, About.CONTENT, About.ARTISTS]),
                client=draw.choice(["nightly", "serving"]),
                caller=draw.choice(["worker", "é"]),
                run=draw.choice([None, "run-1", "run-2"]),
                job=draw.choice([None, "job"]),
                use=draw.choice(["discovery.recommendation", "training.generative.music"]),
                recipient=draw.choice(["internal", "partner:x"]),
                explain=draw.choice([True, False]),
                interface=draw.choice([None, "authzen"]),
            )
        )
    return decisions


def wanted_of(draw: random.Random) -> Wanted:
    """Return something to look for."""
    one = draw.choice([None, None, *TRACKS[:2], "nobody-asked"])
    return Wanted(
        about=None if one is None else draw.choice(list(About)),
        one=one,
        theirs=draw.choice([None, *THEIRS]) if one is None else None,
        client=draw.choice([None, None, "nightly"]),
        job=draw.choice([None, None, "job"]),
        run=draw.choice([None, None, "run-1"]),
        use=draw.choice([None, None, None, "training.generative.music"]),
        recipient=draw.choice([None, None, "internal"]),
        permitted=draw.choice([None, None, True, False]),
        reason=draw.choice([None, None, Reason.OPTED_OUT]),
        since=draw.choice([None, None, LAUNCH + 40 * DAY, MAY.begins]),
        until=draw.choice([None, None, LAUNCH + 75 * DAY, MAY.ends]),
    )
