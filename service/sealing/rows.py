"""Sealed outcomes in bulk, for exports, replay and packs: in Arrow batches of bounded size.

async with Database.read() as session:
    periods = await hold_log(session)
    async for batch in sealed_rows(log, periods, OutcomesWanted(run="run-7")): ...
    # and from the table `decisions` what lies outside of the months that are `moved`
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from service.decisions.log.entry import Place
from service.decisions.log.table import INSTANT, SCHEMA, batches_of_rows, parts_of
from service.decisions.log.theirs import Theirs
from service.domain.instant import EARLIEST, LATEST, Instant, to_datetime
from service.sealing.find import SealedLog
from service.sealing.parquet import Holds, SealedFile
from service.sealing.period import Period

MOST_ROWS: Final = 65_536
"""Rows of a batch, at most."""

_READ_AT_ONCE: Final = 4_096


@dataclass(frozen=True, slots=True)
class OutcomesWanted:
    """Which outcomes; None is any. `about` and `one` go together. `since` is inclusive.

    `theirs` stands instead of those two for an artist and what they held.
    """

    client: str | None = None
    run: str | None = None
    use: str | None = None
    recipient: str | None = None
    about: str | None = None
    one: str | None = None
    theirs: Theirs | None = None
    since: Instant | None = None
    until: Instant | None = None

    @property
    def bottom(self) -> Place:
        """Where in the log they begin."""
        return Place(EARLIEST if self.since is None else self.since, "")

    @property
    def top(self) -> Place:
        """Below which place they are."""
        return Place(LATEST if self.until is None else self.until, "")


ALL: Final = OutcomesWanted()


async def sealed_rows(
    log: SealedLog,
    periods: Iterable[Period],
    wanted: OutcomesWanted = ALL,
    *,
    columns: Sequence[str] = tuple(SCHEMA.names),
    ordered: bool = True,
) -> AsyncIterator[pa.RecordBatch]:
    """Yield the outcomes that are wanted of the months among `periods` that are `moved`.

    Columns are those of `service.decisions.log.table.SCHEMA` and named here, in this order. Ordered
    ones come by `answered_at`, `decision_id` and `position`. Others come as they lie, by content
    and artist within a month, which takes a third of the time; what is about one alone is found
    among them without reading the rest. So is what is one artist's, which always comes as it lies.
    A month that is discarded has none. Raises Damaged and SealedUnreadable.
    """
    schema = pa.schema([SCHEMA.field(name) for name in columns])
    by_decision = ordered and wanted.one is None and wanted.theirs is None
    for period in sorted(periods, key=lambda one: one.month):
        for file in _files(period, wanted, by_decision=by_decision):
            async with log.at_hand([file]) as (path,):
                read = _of_decisions(path, wanted) if by_decision else _of_outcomes(path, wanted)
                async for batch in _in_a_thread(read):
                    yield batch.select(columns).cast(schema)


def _files(period: Period, wanted: OutcomesWanted, *, by_decision: bool) -> list[SealedFile]:
    if not period.moved or not period.between(wanted.bottom, wanted.top):
        return []
    if by_decision:
        return period.between(wanted.bottom, wanted.top)
    if wanted.theirs is not None:
        return period.about_theirs(wanted.theirs)
    if wanted.about is not None and wanted.one is not None:
        return period.about(wanted.about, wanted.one)
    return period.that_hold(Holds.OUTCOMES)


def _of_decisions(path: str, wanted: OutcomesWanted) -> Iterator[pa.RecordBatch]:
    """Yield outcomes of a file of decisions, in its order."""
    with pq.ParquetFile(path) as file:
        for group in _groups(file, wanted):
            for batch in file.iter_batches(_READ_AT_ONCE, row_groups=[group]):
                some = _that_fit(batch, wanted)
                for part in parts_of(some["number"].to_numpy(), MOST_ROWS):
                    yield from batches_of_rows(some[part], MOST_ROWS)


def _of_outcomes(path: str, wanted: OutcomesWanted) -> Iterator[pa.RecordBatch]:
    """Yield outcomes of a file of outcomes, in its order."""
    with pq.ParquetFile(path) as file:
        for group in _groups(file, wanted):
            for batch in file.iter_batches(MOST_ROWS, row_groups=[group]):
                some = _that_fit(batch, wanted)
                if some.num_rows:
                    yield some


def _groups(file: pq.ParquetFile, wanted: OutcomesWanted) -> Iterator[int]:
    """Yield the row groups that may hold some that are wanted, by what their columns span."""
    numbers = {file.schema.column(n).path: n for n in range(len(file.schema))}
    spans = [(numbers[name], *span) for name, *span in _spans(wanted) if name in numbers]
    for group in range(file.num_row_groups):
        columns = file.metadata.row_group(group)
        if not all(_overlaps(columns.column(number).statistics, *span) for number, *span in spans):
            continue
        if wanted.theirs is None or _may_be(wanted.theirs, columns, numbers):
            yield group


def _may_be(theirs: Theirs, columns: pq.RowGroupMetaData, numbers: Mapping[str, int]) -> bool:
    """Whether something of theirs may be in a row group of outcomes, which are in order."""
    about, one = (columns.column(numbers[name]).statistics for name in ("about", "one"))
    if not all(known is not None and known.has_min_max for known in (about, one)):
        return True
    return theirs.any_between((about.min, one.min), (about.max, one.max))


def _overlaps(statistics: Any, least: Any, most: Any) -> bool:
    if statistics is None or not statistics.has_min_max:
        return True
    return bool(statistics.min <= most and statistics.max >= least)


def _spans(wanted: OutcomesWanted) -> Iterator[tuple[str, Any, Any]]:
    """Yield what columns are to be between, ends included."""
    for name, value in _equal(wanted):
        yield name, value, value
    yield "answered_at", to_datetime(wanted.bottom.answered_at), to_datetime(wanted.top.answered_at)


def _equal(wanted: OutcomesWanted) -> Iterator[tuple[str, str]]:
    """Yield the columns that are to have one value, and that."""
    for name in ("client", "run", "use", "recipient", "about", "one"):
        value = getattr(wanted, name)
        if value is not None:
            yield name, value


def _that_fit(batch: pa.RecordBatch, wanted: OutcomesWanted) -> pa.RecordBatch:
    """Return the rows that are wanted, by the columns that there are."""
    instants = batch.column("answered_at")
    bottom = pa.scalar(wanted.bottom.answered_at, pa.int64()).cast(INSTANT)
    top = pa.scalar(wanted.top.answered_at, pa.int64()).cast(INSTANT)
    fits = pc.and_(pc.greater_equal(instants, bottom), pc.less(instants, top))
    for name, value in _equal(wanted):
        if name in batch.schema.names:
            fits = pc.and_(fits, pc.equal(batch.column(name), value))
    some = batch.filter(fits)  # null, where there is no run, is no fit
    return some if wanted.theirs is None else some.filter(wanted.theirs.among(some))


async def _in_a_thread(batches: Iterator[pa.RecordBatch]) -> AsyncIterator[pa.RecordBatch]:
    """Yield what is read in another thread, one after the other."""
    while (batch := await asyncio.to_thread(next, batches, None)) is not None:
        yield batch
