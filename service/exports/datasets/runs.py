"""Runs, as the decision log names them: what each asked about, and what it was answered."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from service.domain.assessment import PERMITS, Reason
from service.exports.columns import Column, Type, schema_of
from service.exports.dataset import Arguments, Piece, Place, Source
from service.exports.datasets.decisions import (
    DECISIONS,
    SAID,
    decisions_where,
    logged_outcomes,
    narrowed,
    sealed_wanted,
)
from service.sealing.rows import sealed_rows

_COLUMNS: Final = (
    Column("run", Type.TEXT, "the run, as whoever asked named it"),
    Column("use", Type.TEXT, "the use that it asked about"),
    Column("recipient", Type.TEXT, "the recipient that it asked about"),
    Column("first_answered_at", Type.INSTANT, "its first decision"),
    Column("last_answered_at", Type.INSTANT, "its last decision up to the export's instant"),
    Column("decisions", Type.INTEGER, "how many decisions it was given"),
    Column("content", Type.INTEGER, "outcomes about content; asked about twice counts twice"),
    Column("artists", Type.INTEGER, "outcomes about artists themselves, likewise"),
    Column("permitted", Type.INTEGER, "outcomes that permit"),
    Column("denied", Type.INTEGER, "outcomes that do not"),
    Column("reasons", Type.JSON, "how many outcomes there were of each reason"),
)

_RUN: Final = ", ".join(SAID[name] for name in ("run", "use", "recipient"))
_DECISIONS: Final = f"""
SELECT {_RUN}, min(answered_at), max(answered_at), count(*) FROM decisions
WHERE {{conditions}} AND {SAID["run"]} IS NOT NULL GROUP BY 1, 2, 3
"""  # noqa: S608 - expressions of this service
_OUTCOMES: Final = f"""
SELECT {_RUN}, {SAID["about"]}, key, sum(value::bigint)::bigint
FROM decisions CROSS JOIN jsonb_each_text(reasons)
WHERE {{conditions}} AND {SAID["run"]} IS NOT NULL GROUP BY 1, 2, 3, 4, 5
"""  # noqa: S608 - expressions of this service
_UNCOUNTED: Final = f"{{conditions}} AND {SAID['run']} IS NOT NULL AND reasons IS NULL"

_NAME: Final = ("run", "use", "recipient")
_SEALED: Final = (*_NAME, "about", "reason", "position", "answered_at")

_Name: TypeAlias = tuple[str, str, str]


@dataclass(slots=True)
class _Run:
    """What is known of one run so far."""

    first: datetime
    last: datetime
    decisions: int = 0
    about: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)

    def row(self, name: _Name) -> tuple[Any, ...]:
        permits = sum(count for reason, count in self.reasons.items() if Reason(reason) in PERMITS)
        return (
            *name,
            self.first,
            self.last,
            self.decisions,
            self.about.get("content", 0),
            self.about.get("artists", 0),
            permits,
            sum(self.reasons.values()) - permits,
            msgspec.json.encode(self.reasons, order="sorted").decode(),
        )


@dataclass(slots=True)
class _Tally:
    """Runs by run, use and recipient: as many as somebody has named, which is not many."""

    runs: dict[_Name, _Run] = field(default_factory=dict)

    def add_decisions(self, name: _Name, first: datetime, last: datetime, count: int) -> None:
        """Count decisions of a run."""
        run = self.runs.setdefault(name, _Run(first, last))
        run.first, run.last = min(run.first, first), max(run.last, last)
        run.decisions += count

    def add_outcomes(self, name: _Name, about: str, reason: str, count: int) -> None:
        """Count outcomes of a run whose decisions are counted already."""
        run = self.runs[name]
        run.about[about] = run.about.get(about, 0) + count
        run.reasons[reason] = run.reasons.get(reason, 0) + count

    def add_decisions_of(self, batch: pa.RecordBatch) -> None:
        """Count the decisions whose first outcome is here, and see runs that have any outcome."""
        instants = [("answered_at", "min"), ("answered_at", "max")]
        for row in _grouped(batch, _NAME, [*instants, ("is_first", "sum")]):
            first, last = row["answered_at_min"], row["answered_at_max"]
            self.add_decisions(_name_of(row), first, last, row["is_first_sum"])

    def add_outcomes_of(self, batch: pa.RecordBatch) -> None:
        """Count outcomes that are written out one by one, of runs that have been seen."""
        for row in _grouped(batch, [*_NAME, "about", "reason"], [("is_first", "count")]):
            self.add_outcomes(_name_of(row), row["about"], row["reason"], row["is_first_count"])


class Runs:
    """Every run that is named in the log of decisions."""

    name: Final = "runs"
    version: Final = 1
    title: Final = "Runs as pipelines named them, a row for each run, use and recipient"
    personal: Final = False
    columns: Final = _COLUMNS
    order: Final[Sequence[str]] = ("run", "use", "recipient")
    filters: Final = DECISIONS.filters - {"artist", "content"}
    lacks: Final[Sequence[str]] = ("decisions that name no run",)

    async def expected(self, source: Source) -> int | None:
        """Return None: only counting tells."""
        del source
        return None

    async def read(self, source: Source, after: Place | None) -> AsyncIterator[Piece]:
        """Yield all of them at once."""
        if after is not None:
            return
        tally = await self._tally(source)
        if rows := [tally.runs[name].row(name) for name in sorted(tally.runs)]:
            schema = schema_of(self.name, self.version, _COLUMNS)
            columns = zip(*rows, strict=True)
            arrays = [pa.array(one, of.type) for one, of in zip(columns, schema, strict=True)]
            yield Piece(pa.RecordBatch.from_arrays(arrays, schema=schema), "all")

    async def _tally(self, source: Source) -> _Tally:
        tally, arguments = _Tally(), Arguments()
        conditions, connection = decisions_where(source, arguments), source.connection

        def query(text: str) -> str:
            return text.format(conditions=conditions)

        for *name, first, last, count in await connection.fetch(
            query(_DECISIONS), *arguments.values
        ):
            tally.add_decisions(_name(name), first, last, count)
        for *name, about, reason, count in await connection.fetch(
            query(_OUTCOMES), *arguments.values
        ):
            tally.add_outcomes(_name(name), about, reason, count)
        async for batch in logged_outcomes(source, query(_UNCOUNTED), arguments):
            tally.add_outcomes_of(batch)
        async for batch in sealed_rows(
            source.sealed, source.periods, sealed_wanted(source), columns=_SEALED, ordered=False
        ):
            named = narrowed(batch.filter(pc.is_valid(batch["run"])), source)
            tally.add_decisions_of(named)
            tally.add_outcomes_of(named)
        return tally


def _grouped(
    batch: pa.RecordBatch, by: Sequence[str], counted: list[tuple[str, str]]
) -> list[dict[str, Any]]:
    is_first = pc.equal(batch["position"], 0).cast(pa.int64())
    table = pa.Table.from_batches([batch.append_column("is_first", is_first)])
    found: list[dict[str, Any]] = table.group_by(list(by)).aggregate(counted).to_pylist()
    return found


def _name_of(row: Mapping[str, Any]) -> _Name:
    return row["run"], row["use"], row["recipient"]


def _name(parts: Sequence[str]) -> _Name:
    run, use, recipient = parts
    return run, use, recipient


RUNS: Final = Runs()
