"""A whole database replayed: one process, its thread for the judging, its loop for the reading.

While a batch is judged the database prepares the next one, so two processors are busy.
"""

import asyncio
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from service.db.engine import connect
from service.decisions.compiled.spelling import Hashing
from service.ledger.vault import Vault
from service.replay.merging import merged
from service.replay.pulled import pulled
from service.replay.recompute import replayed
from service.replay.report import Progress, ReplayReport
from service.replay.sealed import sealed_decisions
from service.replay.stored import (
    outcomes_of,
    read_erasures,
    steps_of,
    stored_decisions,
    stored_events,
)
from service.replay.wanted import Wanted
from service.sealing.find import SealedLog

_HEAD = "SELECT size FROM ledger_head"
_SEED_BYTES = 16


async def replay_database(
    url: str,
    vault: Vault,
    *,
    sealed: SealedLog | None = None,
    scratch: Path | None = None,
    wanted: Wanted | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> ReplayReport:
    """Recompute the logged decisions that are wanted, all unless said, and report what differs.

    Reads one snapshot of the decisions, sealed months from their files, and the ledger up to there;
    writes nothing but files in `scratch` that go again, the system's own folder unless said. Memory
    is the index's and a few batches'. `on_progress` is called from another thread, after each
    batch. Raises LedgerBroken where the events themselves contradict their leaves or each other,
    SealedUnreadable where a sealed month cannot be read, Damaged, and what the database raises.
    """
    asked, folder = wanted or Wanted(), scratch or Path(tempfile.gettempdir())
    reader = await connect(url)
    try:
        async with (
            stored_decisions(url, asked) as decisions,
            sealed_decisions(sealed, decisions.moved, asked, folder) as months,
        ):
            total = await decisions.count() + sum(one.decisions for one in decisions.moved)
            head: int = await reader.fetchval(_HEAD)
            erasures = await read_erasures(reader)
            not_kept = sum(one.decisions for one in decisions.moved if one.discarded)
            loop = asyncio.get_running_loop()
            steps = steps_of(pulled(stored_events(reader, head), loop), vault)

            def replay() -> ReplayReport:
                batches = merged([outcomes_of(pulled(decisions.rows(), loop)), *months])
                report, hashing = ReplayReport(not_kept=not_kept), Hashing(os.urandom(_SEED_BYTES))
                for judged in replayed(steps, batches, erasures, hashing):
                    report.add(judged)
                    on_progress(Progress(report.decisions, total, judged.revision))
                return report

            return await asyncio.to_thread(replay)
    finally:
        reader.terminate()
