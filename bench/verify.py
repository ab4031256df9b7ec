"""`fermata verify` over a ledger of a million events: everything in the database, in two processes.

Nearly all events are what artists said, each with a private part to open and a row to compare; the
others bring artists, content and policies. The ledger is signed once, and nothing was touched.
"""

import asyncio
import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

import numpy as np

from bench.crowd import make_crowd
from bench.figures import Found
from bench.part import Run
from bench.profiles import of_call
from bench.seeding import seed
from bench.serving import data_folder
from service.cli.local import with_key
from service.clock import SystemClock
from service.db.embedded import EmbeddedPostgres
from service.db.engine import Database
from service.running import key_of
from service.settings import Settings
from service.transparency.identity import LogIdentity
from service.transparency.keys import SigningKey
from service.transparency.signer import Signer
from service.verify.database import Trust, verify_database
from service.verify.finding import Report
from service.verify.notes import read_key

FIGURES: Final = ("verify_1m_events_s",)
_KEY: Final = SigningKey("bench.example/log", bytes(32))
_PROCESSES: Final = 2
_ABOUT: Final = """\
{events:,} events, {private:,} of them with a private part, in {seconds:.1f} s with {processes}
processes beside PostgreSQL on the same machine; the largest process took {megabytes:,.0f} MB."""


def measure(run: Run) -> Found:
    """Make the ledger, and look at all of it."""
    found, times = Found(), []
    with _ledger(run.size(1_000_000, 20_000)) as (url, key):
        for _ in range(run.runs):
            began = time.perf_counter()
            report = asyncio.run(_verified(url, key))
            times.append(time.perf_counter() - began)
            assert report.holds, report.findings[:3]
            assert not report.unseen, report.unseen
    found.say("verify_1m_events_s", times)
    found.notes.append(_told(report, times[-1]))
    return found


async def _verified(url: str, key: bytes) -> Report:
    trust = Trust([read_key(str(_KEY.verifier()))], key)
    return await verify_database(url, trust, processes=_PROCESSES)


def _told(report: Report, seconds: float) -> str:
    largest = max(
        resource.getrusage(whose).ru_maxrss
        for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return _ABOUT.format(
        events=report.size,
        private=report.looked["private parts"],
        seconds=seconds,
        processes=_PROCESSES,
        megabytes=largest / 1_024,
    )


@contextmanager
def _ledger(events: int) -> Iterator[tuple[str, bytes]]:
    """Run a database whose ledger has so many events, or a few more, all of them signed."""
    crowd = make_crowd(events // 10, events // 10)
    rng = np.random.default_rng(9)
    speaking = rng.integers(0, crowd.artists, events)
    places = rng.integers(0, len(crowd.scopes), events).tolist()
    crowd = replace(crowd, spoke=speaking, scopes=[crowd.scopes[place] for place in places])
    with data_folder() as folder:
        seed(folder, crowd)
        key = key_of(with_key(Settings(data_dir=folder, database_url=None), folder))
        with EmbeddedPostgres(folder / "postgres") as postgres:
            asyncio.run(_sign(postgres.url))
            yield postgres.url, key


async def _sign(url: str) -> None:
    identity = LogIdentity(_KEY.name, _KEY, (_KEY.verifier(),))
    async with (
        Database(url, pool_size=1) as database,
        Signer(database, identity, SystemClock(), interval=3_600, kept=None) as signer,
    ):
        while not signer.size:
            await signer.look()


def explain(_run: Run, _missed: Sequence[str]) -> str:
    """Say where the time goes, for whoever wonders: what one process does of it."""
    with _ledger(20_000) as (url, key):
        return of_call(lambda: asyncio.run(_verified(url, key)))
