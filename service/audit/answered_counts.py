"""Counts of answers as both sides of the log give them: by day, and by pipeline.

A client is registered at the provider, and there are few. What pipelines it names is its own
affair: it may name each job anew. So they are told apart where a client has named up to `MOST_JOBS`
of them, and counted together beyond; otherwise a page could have a line for each request.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

MOST_JOBS: Final = 50

COUNTED: Final = f"""
, crowded AS (
    SELECT client FROM (SELECT DISTINCT client, job FROM counted) AS named
    GROUP BY client HAVING count(job) > {MOST_JOBS}
), told AS (
    SELECT day, client, reason, number, client IN (SELECT client FROM crowded) AS many,
        CASE WHEN client NOT IN (SELECT client FROM crowded) THEN job END AS job
    FROM counted
)
SELECT day, client, job, many, reason, CAST(sum(number) AS bigint) AS number
FROM told GROUP BY GROUPING SETS ((day, reason), (client, job, many, reason))
"""  # noqa: S608 - a constant of this file
"""What follows on `WITH counted (day, client, job, reason, number)`, in both dialects alike."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Who asked: a client, and the pipeline (`job`) that it asked for, where it named one.

    `many` is whether the client named more than `MOST_JOBS`: then it stands for all of them.
    """

    client: str
    job: str | None = None
    many: bool = False


@dataclass(frozen=True, slots=True)
class Counted:
    """How many answers there were for one reason, on one day or to one pipeline."""

    of: date | Pipeline
    reason: str
    number: int


def counted_of(row: Sequence[Any], number: int) -> Counted:
    """Return a row of `COUNTED` with this number; its day is null where it is of a pipeline."""
    day, client, job, many, reason, *_ = row
    return Counted(Pipeline(client, job, many) if day is None else day, reason, number)


def merged(rows: Sequence[Counted]) -> Sequence[Counted]:
    """Return rows of several sides with the pipelines of a client together where one has many."""
    crowded = {row.of.client for row in rows if isinstance(row.of, Pipeline) and row.of.many}
    return [
        Counted(Pipeline(row.of.client, many=True), row.reason, row.number)
        if isinstance(row.of, Pipeline) and row.of.client in crowded
        else row
        for row in rows
    ]
