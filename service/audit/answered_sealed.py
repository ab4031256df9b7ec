"""Answers counted in the files of sealed months: every one of them, by DuckDB."""

import asyncio
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import duckdb

from service.audit.answered_counts import COUNTED, Counted, counted_of
from service.audit.bounded import PATIENCE, TooMuch
from service.audit.period import Period
from service.decisions.log.entry import Place
from service.domain.instant import to_datetime
from service.sealing.duck import open_duckdb
from service.sealing.find import SealedLog
from service.sealing.period import Period as SealedMonth

_MEMORY: Final = "256MB"
_THREADS: Final = 2
_COUNTED: Final = f"""
WITH counted AS (
    SELECT CAST(answered_at AS DATE) AS day, client, job, one.key AS reason,
        sum(one.value) AS number
    FROM (
        SELECT answered_at, client, job, unnest(map_entries(reasons)) AS one
        FROM read_parquet($files, hive_partitioning = false)
        WHERE answered_at >= $since AND answered_at < $until
    )
    GROUP BY ALL
) {COUNTED}
"""  # noqa: S608 - of texts from here and there; every value is a parameter


async def counted_in_files(
    sealed: SealedLog, months: Iterable[SealedMonth], period: Period, *, seconds: float = PATIENCE
) -> Sequence[Counted]:
    """Return the answers in files of these months. Raises TooMuch and SealedUnreadable."""
    bottom, top = Place(period.since, ""), Place(period.until, "")
    files = [file for month in months for file in month.between(bottom, top)]
    if not files:
        return ()
    async with sealed.at_hand(files) as paths:
        return await _counted(paths, period, seconds)


async def _counted(paths: Sequence[str], period: Period, seconds: float) -> Sequence[Counted]:
    with (
        tempfile.TemporaryDirectory(prefix="fermata-counting-") as scratch,
        open_duckdb(Path(scratch), memory=_MEMORY, threads=_THREADS) as duck,
    ):
        asking = asyncio.create_task(asyncio.to_thread(_ask, duck, paths, period))
        done, _ = await asyncio.wait({asking}, timeout=seconds)
        if done:
            return await asking
        duck.interrupt()
        with suppress(duckdb.InterruptException):
            await asking
        raise TooMuch


def _ask(
    duck: duckdb.DuckDBPyConnection, paths: Sequence[str], period: Period
) -> Sequence[Counted]:
    values: dict[str, Any] = {
        "files": list(paths),
        "since": to_datetime(period.since),
        "until": to_datetime(period.until),
    }
    rows = duck.execute(_COUNTED, values).fetchall()
    return [counted_of(row, row[-1]) for row in rows]
