"""`fermata replay` over a million logged decisions: reading, folding and judging, all of it.

The log is made up beside the service: decisions at every revision of a real ledger, answered by the
index as it stood there and written as the service writes them. One in ten thousand is about 10,000
tracks, all others about one.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import asyncpg
import numpy as np

from bench.crowd import MODES, RECIPIENTS, Crowd, make_crowd, track_id
from bench.figures import Found
from bench.part import Run
from bench.profiles import of_call
from bench.seeding import seed
from bench.serving import data_folder
from service.cli.local import with_key
from service.db.embedded import EmbeddedPostgres
from service.decisions.compiled.spelling import Hashing, Spelled
from service.decisions.index import Index
from service.decisions.log import RANDOM_BYTES, LoggedDecision, name_decision
from service.decisions.log.copying import COLUMNS, HEADER, TABLE, TRAILER, copied_row
from service.decisions.log.packing import pack
from service.decisions.question import STRONG, About
from service.ledger.read import tail
from service.ledger.vault import Vault
from service.replay.database import replay_database
from service.replay.report import ReplayReport
from service.running import key_of
from service.settings import Settings

FIGURES: Final = ("replay_decisions_per_s",)
_MANY: Final = 10_000
_ONE_IN: Final = 10_000
_USES: Final = tuple(MODES)
_EVENTS_AT_ONCE: Final = 500
_ABOUT: Final = """\
{decisions:,} decisions with {outcomes:,} outcomes, as many at each of the {revision:,} revisions of
a ledger as at any other ({artists:,} artists, {tracks:,} tracks), ten uses and three recipients by
chance: {equal:,} equal, {different:,} different. Counted from the first connection to the report,
the folding of the ledger included."""


def measure(run: Run) -> Found:
    """Make the log, and replay it."""
    found, crowd = Found(), _crowd(run)
    with _logged(crowd, run.size(1_000_000, 20_000)) as (url, vault):
        rates = []
        for _ in range(run.runs):
            began = time.perf_counter()
            report = asyncio.run(replay_database(url, vault))
            rates.append(report.decisions / (time.perf_counter() - began))
            assert not report.different, report.differences[:3]
    found.say("replay_decisions_per_s", rates)
    found.notes.append(_told(report, crowd))
    return found


def explain(run: Run, _: Sequence[str]) -> str:
    """Return what the time of a replay goes into, its thread's alone."""
    with _logged(_crowd(run), run.size(200_000, 20_000)) as (url, vault):
        return of_call(lambda: asyncio.run(replay_database(url, vault)))


def _told(report: ReplayReport, crowd: Crowd) -> str:
    return _ABOUT.format(
        decisions=report.decisions,
        outcomes=report.outcomes,
        revision=report.revision,
        artists=crowd.artists,
        tracks=crowd.tracks,
        equal=report.equal,
        different=report.different,
    )


def _crowd(run: Run) -> Crowd:
    return make_crowd(run.size(50_000, 2_000), run.size(100_000, 10_000))


@contextmanager
def _logged(crowd: Crowd, number: int) -> Iterator[tuple[str, Vault]]:
    """Run a database with the crowd in its ledger, and so many decisions in its log."""
    with data_folder() as folder:
        seed(folder, crowd)
        settings = with_key(Settings(data_dir=folder, database_url=None), folder)
        vault = Vault(key_of(settings), os.urandom)
        with EmbeddedPostgres(folder / "postgres") as postgres:
            asyncio.run(_log(postgres.url, vault, crowd, number))
            yield postgres.url, vault


async def _log(url: str, vault: Vault, crowd: Crowd, number: int) -> None:
    """Write decisions, as many at each revision as at any other."""
    connection = await asyncpg.connect(url)
    try:
        head: int = await connection.fetchval("SELECT size FROM ledger_head")
        made = _decisions(url, vault, crowd, number // head)
        source = _copied(made)
        await connection.copy_to_table(TABLE, source=source, columns=COLUMNS, format="binary")
        await connection.execute("VACUUM ANALYZE decisions")
    finally:
        await connection.close()


async def _copied(made: AsyncIterator[LoggedDecision]) -> AsyncIterator[bytes]:
    yield HEADER
    async for one in made:
        yield copied_row(one, pack(one.ids, one.answers))
    yield TRAILER


async def _decisions(
    url: str, vault: Vault, crowd: Crowd, each: int
) -> AsyncIterator[LoggedDecision]:
    """Answer questions by chance at every revision, as the service's index does."""
    index, rng = Index(Hashing(os.urandom(32))), np.random.default_rng(3)
    connection = await asyncpg.connect(url)
    try:
        while events := await tail(connection, vault, index.revision, limit=_EVENTS_AT_ONCE):
            for event in events:
                index.take(event, {})
                for one in range(each):
                    yield _decision(index, rng, crowd.tracks, one)
    finally:
        await connection.close()


def _decision(index: Index, rng: np.random.Generator, tracks: int, after: int) -> LoggedDecision:
    size = _MANY if rng.integers(_ONE_IN) == 0 else 1
    ids = Spelled.of([track_id(one) for one in rng.integers(0, tracks, size).tolist()])
    use, recipient = _USES[rng.integers(len(_USES))], RECIPIENTS[rng.integers(len(RECIPIENTS))]
    now = index.recorded_at + after
    answers = index.decide_many(use, recipient, contents=index.contents.find_all(ids), now=now)
    return LoggedDecision(
        decision_id=name_decision(now, rng.bytes(RANDOM_BYTES)),
        answered_at=now,
        evaluated_at=now,
        revision=index.revision,
        client="bench",
        caller="bench",
        use=use,
        recipient=recipient,
        about=About.CONTENT,
        ids=ids,
        answers=answers,
        consistency=STRONG,
    )
