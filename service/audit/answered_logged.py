"""Answers counted in the log's table: all of them, or a sample of the months' pages."""

import json
from collections.abc import Sequence
from typing import Final

from sqlalchemy import ARRAY, Text, TextClause, bindparam, text

from service.audit.answered_counts import COUNTED, Counted, counted_of
from service.audit.period import Period
from service.db.engine import ReadSession
from service.db.instants import InstantType
from service.sealing.period import Period as SealedMonth

WHOLE: Final = 100.0
"""Percent."""

_MOST_EXACT: Final = 1_000_000
"""Rows, by the planner's expectation."""
_SAMPLED_PAGES: Final = 16_384
"""Of 8 KiB: 128 MiB are read in a second or two wherever they lie."""

_MONTH: Final = len("2026_03")

_ROWS: Final = """
FROM decisions {sample} WHERE answered_at >= :since AND answered_at < :until {unless_moved}
"""
# Its table may still be there, for as long as somebody reads it.
_UNLESS_MOVED: Final = "AND NOT (answered_at >= :begins_{n} AND answered_at < :ends_{n})"
# What has its reasons beside it has its pipeline there as well.
_COUNTED: Final = f"""
WITH counted AS (
    SELECT (answered_at AT TIME ZONE 'UTC')::date AS day, client, job, one.reason,
        sum(one.number::bigint) AS number
    FROM (SELECT answered_at, client, job, reasons {{rows}}) AS seen, jsonb_each_text(reasons) AS
        one (reason, number)
    GROUP BY 1, 2, 3, 4
) {COUNTED}
"""  # noqa: S608 - of texts from here and there
_UNREAD: Final = "SELECT count(*) {rows} AND reasons IS NULL"
_EXPECTED: Final = "EXPLAIN (FORMAT JSON) SELECT {rows}"
_PAGES: Final = text("""
SELECT coalesce(sum(pg_relation_size(part.relid)), 0)::bigint / 8192
FROM pg_partition_tree('decisions') AS part
WHERE part.isleaf AND right(part.relid::regclass::text, 7) BETWEEN :first AND :last
    AND right(part.relid::regclass::text, 7) <> ALL (:moved)
""").bindparams(bindparam("moved", type_=ARRAY(Text)))


async def readable(session: ReadSession, period: Period, moved: Sequence[SealedMonth]) -> float:
    """Return how many percent of the period's months can be read while somebody waits.

    `moved` are those that are counted in their files instead, here and below.
    """
    plan = await session.scalar(*_asking(_EXPECTED, period, moved))
    found = json.loads(plan) if isinstance(plan, str) else plan
    if found[0]["Plan"]["Plan Rows"] <= _MOST_EXACT:
        return WHOLE
    months = {
        "first": f"{period.first:%Y_%m}",
        "last": f"{period.last:%Y_%m}",
        "moved": [one.month.partition[-_MONTH:] for one in moved],
    }
    pages = await session.scalar(_PAGES, months) or 0
    return WHOLE if pages <= _SAMPLED_PAGES else round(WHOLE * _SAMPLED_PAGES / pages, 4)


async def counted_in_table(
    session: ReadSession, period: Period, percent: float, moved: Sequence[SealedMonth]
) -> tuple[Sequence[Counted], int]:
    """Return the answers that the table has, and how many decisions have no reasons beside them.

    Below a hundred `percent` that is an estimate, scaled up.
    """
    sample = "" if percent == WHOLE else f"TABLESAMPLE SYSTEM ({percent})"
    found = await session.execute(*_asking(_COUNTED, period, moved, sample))
    unread = await session.scalar(*_asking(_UNREAD, period, moved, sample)) or 0
    counted = [counted_of(row, _scaled(row.number, percent)) for row in found]
    return counted, _scaled(unread, percent)


def _scaled(number: int, percent: float) -> int:
    return round(number * WHOLE / percent)


def _asking(
    statement: str, period: Period, moved: Sequence[SealedMonth], sample: str = ""
) -> tuple[TextClause, dict[str, int]]:
    """Return the statement over the rows that are to be counted, and its values."""
    bounds = {"since": period.since, "until": period.until}
    for n, one in enumerate(moved):
        bounds |= {f"begins_{n}": one.month.begins, f"ends_{n}": one.month.ends}
    unless_moved = " ".join(_UNLESS_MOVED.format(n=n) for n in range(len(moved)))
    rows = _ROWS.format(sample=sample, unless_moved=unless_moved)
    asked = text(statement.format(rows=rows))
    return asked.bindparams(*(bindparam(name, type_=InstantType()) for name in bounds)), bounds
