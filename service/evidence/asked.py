"""What pipelines asked about under a column, what they were last answered, and every permit.

The log packs the outcomes of a decision about many into one row. They are laid out in a `Scratch`
as they are read, and put in order there:

    asked(n, one, last_decision, last_reason, permitted)
    permits(n, decision, revision, evaluated_at, min_version, reason, version)

`n` counts content in the order of its ids, from 1; `permitted` is whether any decision permitted
it, and each that did is a row of `permits`. Decisions are numbers into `decisions(n, …)`, which are
in the order of the log.

Decisions about artists themselves are not about content and are only counted. So are those that
asked about another instant (`at`): what would have been answered then lets nobody use anything.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from service.db.engine import ReadSession
from service.decisions.compiled.answers import REASONS
from service.decisions.log.table import LoggedColumns, batches_of
from service.domain.instant import Instant
from service.domain.refusal import RefusalKind, Refused, refuse
from service.evidence.reading import LogReading
from service.evidence.scratch import Scratch
from service.evidence.wanted import PackWanted

_OUTCOMES_AT_ONCE: Final = 1 << 17
_DIFFERENT_REQUESTS: Final = 4_096

_REASONS: Final = pa.array([reason.value for reason in REASONS], pa.string())

_TABLES: Final = (
    """CREATE TABLE logged (place BIGINT, decision_id VARCHAR, revision BIGINT,
        evaluated_at BIGINT, answered_at BIGINT, min_version INTEGER)""",
    """CREATE TABLE outcomes (one VARCHAR, place BIGINT, permitted BOOLEAN,
        reason UTINYINT, version INTEGER)""",
)
# Places are as decisions happened to be read; numbers are in the order of the log.
_BROUGHT_DOWN: Final = (
    """CREATE TABLE decisions AS
    SELECT row_number() OVER (ORDER BY answered_at, decision_id) AS n, * FROM logged""",
    """CREATE TABLE asked AS
    SELECT row_number() OVER (ORDER BY one) AS n, * FROM (
        SELECT o.one, max(d.n) AS last_decision, arg_max(o.reason, d.n) AS last_reason,
            bool_or(o.permitted) AS permitted
        FROM outcomes AS o JOIN decisions AS d USING (place) GROUP BY o.one
    )""",
    # In order, so that what is about some content lies together.
    """CREATE TABLE permits AS
    SELECT DISTINCT a.n, d.n AS decision, d.revision, d.evaluated_at, d.min_version, o.reason,
        o.version
    FROM outcomes AS o JOIN decisions AS d USING (place) JOIN asked AS a USING (one)
    WHERE o.permitted ORDER BY ALL""",
    "DROP TABLE outcomes",
    "DROP TABLE logged",
)


@dataclass(frozen=True, slots=True)
class Asking:
    """The decisions that a pack rests on, and those of the same column that it does not.

    `first_at` and `last_at` are when the first and the last of them were answered. `discarded` are
    months of which nothing is kept any more.
    """

    decisions: int
    first_at: Instant | None
    last_at: Instant | None
    about_artists: int
    at_other_instants: int
    discarded: Sequence[str]


async def lay_out(session: ReadSession, wanted: PackWanted, scratch: Scratch) -> Asking:
    """Fill `decisions`, `asked` and `permits` with what the log has of a column.

    Returns what that is. The session has read nothing before. Raises Refused for a run that no
    decision about content of this column and time names, Damaged and SealedUnreadable for what
    cannot be read.
    """
    for statement in _TABLES:
        await scratch.do(statement)
    log = LogReading(session, wanted, scratch.folder)
    place = at_other_instants = 0
    async for some in log.about_content():
        present = _present(some)
        number = len(present["decision_id"])
        at_other_instants += len(some["decision_id"]) - number
        if number:
            await _add(scratch, present, place)
            place += number
    for statement in _BROUGHT_DOWN:
        await scratch.do(statement)
    if wanted.run is not None and not place:
        raise _unknown_run(wanted)
    counted = await scratch.row(
        "SELECT min(answered_at) AS a, max(answered_at) AS z FROM decisions"
    )
    return Asking(
        decisions=place,
        first_at=counted["a"],
        last_at=counted["z"],
        about_artists=log.about_artists,
        at_other_instants=at_other_instants,
        discarded=log.discarded,
    )


def _unknown_run(wanted: PackWanted) -> Refused:
    message = (
        f"no decision about content names the run {wanted.run!r} for {wanted.use} and"
        f" {wanted.recipient} in this time: name it as the pipeline did when it asked"
    )
    return refuse("run", "unknown_run", message, RefusalKind.UNKNOWN)


def _present(some: LoggedColumns) -> LoggedColumns:
    """Return the decisions that were asked about the instant of their answer."""
    kept = [place for place, one in enumerate(some["request"]) if "at" not in _request(one)]
    if len(kept) == len(some["request"]):
        return some
    return {name: [column[place] for place in kept] for name, column in some.items()}


@lru_cache(_DIFFERENT_REQUESTS)
def _request(text: str) -> Mapping[str, Any]:
    request: Mapping[str, Any] = msgspec.json.decode(text)
    return request


async def _add(scratch: Scratch, some: LoggedColumns, place: int) -> None:
    """Add decisions and their outcomes; the first one has this place."""
    await scratch.insert("INSERT INTO logged SELECT * FROM part", _headers(some, place))
    batches = batches_of(some, _OUTCOMES_AT_ONCE)
    while (batch := await asyncio.to_thread(next, batches, None)) is not None:
        # Each decision begins with its outcome 0, the first batch with a decision.
        begun = np.cumsum(batch.column("position").to_numpy() == 0)
        await scratch.insert(
            "INSERT INTO outcomes SELECT * FROM part", _outcomes(batch, place - 1 + begun)
        )
        place += begun[-1].item()


def _headers(some: LoggedColumns, place: int) -> pa.Table:
    numbers = range(place, place + len(some["decision_id"]))
    least = [_request(one).get("min_policy_version") or 1 for one in some["request"]]
    return pa.table(
        {
            "place": pa.array(numbers, pa.int64()),
            "decision_id": pa.array(some["decision_id"], pa.string()),
            "revision": pa.array(some["revision"], pa.int64()),
            "evaluated_at": pa.array(some["evaluated_at"], pa.int64()),
            "answered_at": pa.array(some["answered_at"], pa.int64()),
            "min_version": pa.array(least, pa.int32()),
        }
    )


def _outcomes(batch: pa.RecordBatch, places: npt.NDArray[np.int64]) -> pa.Table:
    return pa.table(
        {
            "one": batch.column("one"),
            "place": pa.array(places, pa.int64()),
            "permitted": batch.column("permitted"),
            "reason": pc.index_in(batch.column("reason"), _REASONS),
            "version": batch.column("policy_version"),
        }
    )
