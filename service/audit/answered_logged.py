"""Answers counted in the log's table: all of them, or a sample of the months' pages."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import TextClause, bindparam, text

from service.audit.period import Period
from service.db.engine import ReadSession
from service.db.instants import InstantType

WHOLE: Final = 100.0
"""Percent."""

_MOST_EXACT: Final = 1_000_000
"""Rows, by the planner's expectation."""
_SAMPLED_PAGES: Final = 16_384
"""Of 8 KiB: 128 MiB are read in a second or two wherever they lie."""


@dataclass(frozen=True, slots=True)
class Counted:
    """How many answers one client got on one day for one reason."""

    day: date
    client: str
    reason: str
    number: int


_ROWS: Final = """
FROM decisions {sample} WHERE answered_at >= :since AND answered_at < :until
"""
_COUNTED: Final = """
SELECT (answered_at AT TIME ZONE 'UTC')::date AS day, client, counted.reason,
    sum(counted.number::bigint)::bigint AS number
FROM (SELECT answered_at, client, reasons {rows}) AS seen, jsonb_each_text(reasons) AS
    counted (reason, number)
GROUP BY 1, 2, 3
"""
_UNREAD: Final = "SELECT count(*) {rows} AND reasons IS NULL"
_EXPECTED: Final = "EXPLAIN (FORMAT JSON) SELECT {rows}"
_PAGES: Final = text("""
SELECT coalesce(sum(pg_relation_size(part.relid)), 0)::bigint / 8192
FROM pg_partition_tree('decisions') AS part
WHERE part.isleaf AND right(part.relid::regclass::text, 7) BETWEEN :first AND :last
""")


async def readable(session: ReadSession, period: Period) -> float:
    """Return how many percent of the period's months can be read while somebody waits."""
    asking = _asking(_EXPECTED, _ROWS.format(sample=""))
    plan = await session.scalar(asking, _bounds(period))
    found = json.loads(plan) if isinstance(plan, str) else plan
    if found[0]["Plan"]["Plan Rows"] <= _MOST_EXACT:
        return WHOLE
    months = {"first": f"{period.first:%Y_%m}", "last": f"{period.last:%Y_%m}"}
    pages = await session.scalar(_PAGES, months) or 0
    return WHOLE if pages <= _SAMPLED_PAGES else round(WHOLE * _SAMPLED_PAGES / pages, 4)


async def counted_in_table(
    session: ReadSession, period: Period, percent: float
) -> tuple[Sequence[Counted], int]:
    """Return the answers that the table has, and how many decisions have no reasons beside them.

    Below a hundred `percent` that is an estimate, scaled up.
    """
    rows = _ROWS.format(sample="" if percent == WHOLE else f"TABLESAMPLE SYSTEM ({percent})")
    found = await session.execute(_asking(_COUNTED, rows), _bounds(period))
    unread = await session.scalar(_asking(_UNREAD, rows), _bounds(period)) or 0
    counted = [
        Counted(row.day, row.client, row.reason, _scaled(row.number, percent)) for row in found
    ]
    return counted, _scaled(unread, percent)


def _scaled(number: int, percent: float) -> int:
    return round(number * WHOLE / percent)


def _asking(statement: str, rows: str) -> TextClause:
    return text(statement.format(rows=rows)).bindparams(
        bindparam("since", type_=InstantType()), bindparam("until", type_=InstantType())
    )


def _bounds(period: Period) -> dict[str, int]:
    return {"since": period.since, "until": period.until}
