"""An audit export of a million consent records and a million decisions, while checks go on.

The ledger is real, and so is the service: it builds the bundle in a process of its own. Rows count
from the moment that it is asked for to the moment that the bundle is signed and ready, by the
instants that its status tells. Checks are asked at a steady rate before that and meanwhile, and
wait from the instant at which they were due. There is a snapshot of the index already, so that an
export is all that goes on beside them.
"""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import asyncpg
import numpy as np
from sqlalchemy import select
from sqlmodel import col

from bench.crowd import MODES, RECIPIENTS, Crowd, make_crowd, track_id
from bench.figures import Found, table
from bench.memory import children_of, peak_bytes
from bench.part import Run
from bench.profiles import of_call
from bench.questions import Form, question
from bench.seeding import seed
from bench.serving import QUIET, Service, data_folder, serving
from bench.steady import Waits, steady_checks
from service.cli.local import with_key
from service.clock import SystemClock
from service.db.embedded import EmbeddedPostgres
from service.db.engine import Database
from service.db.tables import LedgerHead
from service.decisions.compiled.answers import Answers
from service.decisions.compiled.spelling import Spelled
from service.decisions.log import RANDOM_BYTES, LoggedDecision, months, name_decision
from service.decisions.log.copying import COLUMNS, HEADER, TABLE, TRAILER, copied_row
from service.decisions.log.packing import pack
from service.decisions.question import STRONG, About
from service.decisions.snapshots.write import write_snapshot
from service.domain.assessment import Reason
from service.domain.decision import Decision
from service.domain.instant import SECOND, Instant, parse_instant
from service.domain.interval import NEVER, Interval
from service.exports.asking import ask, new_export_id
from service.exports.build import Workshop, build
from service.exports.jobs import Asker, State, take
from service.exports.wanted import Format, Wanted
from service.ledger.head import Head
from service.ledger.vault import Vault
from service.running import key_of
from service.sealing.opened import sealed_log
from service.settings import Settings
from service.storage.objects import Objects

FIGURES: Final = ("export_rows_per_s", "export_peak_bytes", "export_check_p99_ratio")
_DATASETS: Final = ("consents", "decisions")
_CONNECTIONS: Final = 4
_EVERY_SECONDS: Final = 0.008
_LOOKS_EVERY: Final = 0.25
_ASKS_EVERY: Final = 4
"""Looks. A page that waits for an export would ask no more often."""

_PATIENCE_SECONDS: Final = 900
_SLOWEST: Final = 0.99


@dataclass(frozen=True, slots=True)
class _Built:
    """One bundle: when it was made, its rows and bytes, and the most memory it took."""

    since: float
    until: float
    rows: int
    size: int
    peak: int

    @property
    def per_second(self) -> float:
        """Rows a second."""
        return self.rows / (self.until - self.since)


def measure(run: Run) -> Found:
    """Export as Parquet as often as a figure asks for, then once in each other format."""
    found = Found()
    with _told(run) as folder, serving(folder, variables=QUIET, patience=300) as service:
        with steady_checks(service.address, _requests(service, run), _EVERY_SECONDS) as waits:
            time.sleep(run.seconds)  # what the first ones wait for is the start
            since = time.perf_counter()
            time.sleep(run.seconds * 2)
            until = time.perf_counter()
            built = {
                format_: [_export(service, format_) for _ in range(_times(run, format_))]
                for format_ in Format
            }
        quiet = _p99(waits, since, until)
        busy = [_p99(waits, one.since, one.until) for one in built[Format.PARQUET]]
    parquet = built[Format.PARQUET]
    found.say("export_rows_per_s", [one.per_second for one in parquet])
    found.say("export_peak_bytes", [max(one.peak for some in built.values() for one in some)])
    found.say("export_check_p99_ratio", [one / quiet for one in busy])
    found.notes.append(_notes(built, quiet, busy))
    return found


def explain(run: Run, _: Sequence[str]) -> str:
    """Return what the time of an export goes into, its own thread's alone."""
    with _told(run) as folder, EmbeddedPostgres(folder / "postgres") as postgres:
        return of_call(lambda: asyncio.run(_build_here(postgres.url, folder)))


def _times(run: Run, format_: Format) -> int:
    return run.runs if format_ is Format.PARQUET else 1


def _notes(built: dict[Format, list[_Built]], quiet: float, busy: Sequence[float]) -> str:
    rows = [
        (format_.value, one.rows, one.per_second, one.size / 1e6, one.peak / 2**20)
        for format_, some in built.items()
        for one in some[-1:]
    ]
    shown = table(["format", "rows", "rows/s", "MB", "peak MiB"], rows)
    return (
        f"{shown}\n\nChecks of one content on {_CONNECTIONS} connections, one every "
        f"{_EVERY_SECONDS * 1e3:g} ms on each: 99th percentile {quiet * 1e3:.3g} ms before, "
        f"{max(busy) * 1e3:.3g} ms at worst while a bundle was built."
    )


def _requests(service: Service, run: Run) -> list[list[bytes]]:
    token, chosen, tracks = service.token("pipeline"), random.Random(11), _crowd(run).tracks
    return [
        [
            question(
                service,
                token,
                chosen.choice(list(MODES)),
                [track_id(chosen.randrange(tracks))],
                Form.JSON,
            )
            for _ in range(500)
        ]
        for _ in range(_CONNECTIONS)
    ]


def _p99(waits: Sequence[Waits], since: float, until: float) -> float:
    seconds = sorted(wait for one in waits for wait in one.between(since, until))
    return seconds[int(len(seconds) * _SLOWEST)]


def _export(service: Service, format_: Format) -> _Built:
    """Ask for a bundle, and watch the process that builds it until it is ready."""
    body = {"datasets": list(_DATASETS), "format": format_.value}
    with service.connect("compliance") as connection:
        export_id = connection.write("POST", "/v1/exports", body)["export_id"]
        peak, until = 0, time.perf_counter() + _PATIENCE_SECONDS
        while time.perf_counter() < until:
            for _ in range(_ASKS_EVERY):
                time.sleep(_LOOKS_EVERY)
                for pid in children_of(service.process.pid, named=("python",)):
                    peak = max(peak, _peak(pid))
            status = connection.get(f"/v1/exports/{export_id}")
            if status["state"] == State.READY:
                return _built(status, peak)
    raise TimeoutError(f"the export is {status['state']}: {status['error']}")


def _built(status: dict[str, Any], peak: int) -> _Built:
    """Return what a bundle's status tells, in the time that checks are measured in."""
    behind = time.time() - time.perf_counter()
    since, until = (
        parse_instant(status[name]) / SECOND - behind for name in ("requested_at", "finished_at")
    )
    files = [file for one in status["manifest"]["datasets"] for file in one["files"]]
    rows, size = (sum(file[name] for file in files) for name in ("rows", "bytes"))
    return _Built(since, until, rows, size, peak)


def _peak(pid: int) -> int:
    try:
        return peak_bytes(pid)
    except OSError:  # it has ended since
        return 0


def _crowd(run: Run) -> Crowd:
    """Return a crowd in which everybody has said so much that it is a million records."""
    crowd = make_crowd(run.size(100_000, 2_000), run.size(200_000, 10_000))
    times = run.size(1_000_000, 2_000) // len(crowd.spoke)
    return replace(crowd, spoke=np.tile(crowd.spoke, times), scopes=crowd.scopes * times)


@contextmanager
def _told(run: Run) -> Iterator[Path]:
    """Yield a folder of data with the records in its ledger and the decisions in its log."""
    with data_folder() as folder:
        seed(folder, _crowd(run))
        key = key_of(with_key(Settings(data_dir=folder, database_url=None), folder))
        with EmbeddedPostgres(folder / "postgres") as postgres:
            asyncio.run(_log(postgres.url, run.size(1_000_000, 20_000), run))
            asyncio.run(write_snapshot(folder / "snapshots", key, postgres.url, os.urandom))
        yield folder


async def _log(url: str, number: int, run: Run) -> None:
    connection = await asyncpg.connect(url)
    try:
        head: int = await connection.fetchval("SELECT size FROM ledger_head")
        now = SystemClock().now()
        await months.make(connection, (now - number, now))
        made = _copied(number, head, now, _crowd(run).tracks)
        await connection.copy_to_table(TABLE, source=made, columns=COLUMNS, format="binary")
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


async def _copied(number: int, revision: int, now: Instant, tracks: int) -> AsyncIterator[bytes]:
    yield HEADER
    for decision in _decisions(number, revision, now, tracks):
        yield copied_row(decision, pack(decision.ids, decision.answers))
    yield TRAILER


def _decisions(number: int, revision: int, now: Instant, tracks: int) -> Iterator[LoggedDecision]:
    """Yield decisions about one track each, a microsecond apart, half of them permits."""
    chosen, uses = random.Random(5), tuple(MODES)
    said = [
        Answers.of(
            [
                Decision(
                    permitted=True,
                    reason=Reason.WINDOW_CLOSED,
                    policy_version=1,
                    interval=Interval(now, None),
                )
            ]
        ),
        Answers.of(
            [Decision(permitted=False, reason=Reason.OPTED_OUT, policy_version=2, interval=NEVER)]
        ),
    ]
    for n in range(number):
        at = now - number + n
        yield LoggedDecision(
            decision_id=name_decision(at, os.urandom(RANDOM_BYTES)),
            answered_at=at,
            evaluated_at=at,
            revision=revision,
            client="pipeline",
            caller="pipeline",
            use=uses[n % len(uses)],
            recipient=RECIPIENTS[n % len(RECIPIENTS)],
            about=About.CONTENT,
            ids=Spelled.of([track_id(chosen.randrange(tracks))]),
            answers=said[n % 2],
            consistency=STRONG,
            run=f"run-{n % 100}",
        )


async def _build_here(url: str, folder: Path) -> None:
    """Build a bundle in this process, for the profiler."""
    settings, clock = with_key(Settings(data_dir=folder, database_url=None), folder), SystemClock()
    vault, objects = Vault(key_of(settings), os.urandom), Objects("memory:///")
    async with Database(url) as database, sealed_log(settings, clock) as sealed:
        async with database.keep() as session:
            size = (await session.execute(select(col(LedgerHead.size)))).scalar_one()
            head, by = Head(size, clock.now()), Asker("bench", "bench")
            await ask(
                session, new_export_id(os.urandom(16)), by, Wanted(datasets=_DATASETS), None, head
            )
            taken = await take(session)
        if taken is not None:
            await build(Workshop(database, vault, objects, clock, sealed), taken)
