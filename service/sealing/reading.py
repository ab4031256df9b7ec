"""A month read from PostgreSQL in pages of bounded size, in order of time."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg

from service.domain.instant import to_datetime
from service.sealing.month import Month
from service.sealing.parquet import DECISIONS_AT_ONCE

LARGEST_PAGE: Final = 16 << 20
"""Bytes of packed outcomes read at once, unless one decision alone has more."""

_ROW: Final = 200
"""About what a row takes beside its outcomes."""

_MONTH: Final = "answered_at >= $1 AND answered_at < $2"

_EXTENT: Final = f"""
SELECT count(*) AS decisions, coalesce(sum(octet_length(outcomes) + {_ROW}), 0)::bigint AS size
FROM decisions WHERE {_MONTH}
"""  # noqa: S608 - only numbers and names from above

_PAGE: Final = f"""
SELECT decision_id, answered_at, evaluated_at, revision, client, caller, use, recipient, about,
    run, job, request, reasons, outcomes
FROM (
    SELECT n.*, sum(size) OVER (ORDER BY answered_at, decision_id) - size AS before
    FROM (
        SELECT *, octet_length(outcomes) + {_ROW} AS size FROM decisions
        WHERE {_MONTH} AND answered_at >= $3 AND (answered_at, decision_id) > ($3, $4)
        ORDER BY answered_at, decision_id LIMIT $5
    ) n
) p
WHERE before < $6 ORDER BY answered_at, decision_id
"""  # noqa: S608 - likewise


@dataclass(frozen=True, slots=True)
class Extent:
    """How many decisions there are, and about how many bytes."""

    decisions: int
    size: int


async def extent_of(connection: asyncpg.Connection, month: Month) -> Extent:
    """Return how much a month holds in PostgreSQL now."""
    row = await connection.fetchrow(_EXTENT, *_bounds(month))
    return Extent(row["decisions"], row["size"])


async def pages_of(
    connection: asyncpg.Connection, month: Month
) -> AsyncIterator[Sequence[asyncpg.Record]]:
    """Yield the rows of a month, oldest first. Nobody writes into it any more."""
    place: tuple[datetime, str] = (to_datetime(month.begins), "")
    while rows := await connection.fetch(
        _PAGE, *_bounds(month), *place, DECISIONS_AT_ONCE, LARGEST_PAGE
    ):
        yield rows
        place = (rows[-1]["answered_at"], rows[-1]["decision_id"])


def _bounds(month: Month) -> tuple[Any, Any]:
    return to_datetime(month.begins), to_datetime(month.ends)
