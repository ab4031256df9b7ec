"""Reading the decisions of a column from both sides of the log: closed months, and the rest.

A month that has been sealed and moved lies in Parquet files, and nothing of it is read from the
table any more; every other is there. A file is fetched whole, held against its digest, read once,
and gone again.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import ColumnElement, and_, func, not_, or_, select, text
from sqlmodel import col

from service.db.engine import ReadSession
from service.db.tables import DecisionLogRow as Logged
from service.decisions.log import entry
from service.decisions.log.table import LOGGED, LoggedColumns, logged_columns
from service.decisions.question import About
from service.domain.instant import to_datetime
from service.evidence.wanted import PackWanted
from service.sealing.parquet import Holds, SealedFile, sha256_of
from service.sealing.period import Period, SealedUnreadable, hold_log
from service.storage.objects import NotStored, StoreUnavailable

_NUMBER: Final = col(Logged.number)
_STEPS: Final[Sequence[tuple[ColumnElement[bool], int]]] = (
    (_NUMBER <= 16, 4_096),  # noqa: PLR2004 - said beneath
    (and_(_NUMBER > 16, _NUMBER <= 1_024), 128),  # noqa: PLR2004
    (or_(_NUMBER > 1_024, _NUMBER.is_(None)), 1),  # noqa: PLR2004
)
"""Decisions by how many ids each is about, and how many are read at once: some 100,000 ids."""

_OUTCOMES_AT_ONCE: Final = 1 << 17

# A pack of a large column works on what it has read for longer than others may keep a snapshot.
_PATIENCE: Final = text("SET LOCAL idle_in_transaction_session_timeout = '1h'")
_RUN: Final = func.coalesce(col(Logged.run), col(Logged.request)["run"].astext)


class LogReading:
    """Reads a column's decisions once. The session has read nothing before.

    What it counts is known when `about_content` has ended.
    """

    def __init__(self, session: ReadSession, wanted: PackWanted, folder: Path) -> None:
        """Take what to read, and a folder that files may lie in meanwhile."""
        self._session = session
        self._wanted = wanted
        self._folder = folder
        self.about_artists = 0
        """Decisions about artists, which are read no further."""
        self.discarded: list[str] = []
        """Months whose decisions are not kept any more."""

    async def about_content(self) -> AsyncIterator[LoggedColumns]:
        """Yield decisions about content, some at a time. Raises Damaged and SealedUnreadable."""
        periods = [one for one in await hold_log(self._session) if one.moved]
        await self._session.execute(_PATIENCE)
        for period in periods:
            async for some in self._sealed(period):
                yield some
        async for some in self._in_the_table(periods):
            yield some

    async def _in_the_table(self, moved: Sequence[Period]) -> AsyncIterator[LoggedColumns]:
        rows = select(*entry.COLUMNS, col(Logged.outcomes))
        order = col(Logged.answered_at), col(Logged.decision_id)
        for number, at_once in _STEPS:
            condition = and_(_wanted(self._wanted, moved, About.CONTENT), number)
            found = await self._session.stream(
                rows.where(condition).order_by(*order), execution_options={"yield_per": at_once}
            )
            async for some in found.partitions():
                yield logged_columns(some)
        counted = select(func.count()).select_from(Logged)
        counted = counted.where(_wanted(self._wanted, moved, About.ARTISTS))
        self.about_artists += await self._session.scalar(counted) or 0

    async def _sealed(self, period: Period) -> AsyncIterator[LoggedColumns]:
        if not self._may_hold_some(period):
            return
        if period.discarded:
            self.discarded.append(str(period.month))
        for file in period.that_hold(Holds.DECISIONS):
            path = await self._fetched(file)
            with pq.ParquetFile(path) as groups:
                for number in range(groups.num_row_groups):
                    for some in await asyncio.to_thread(self._of_group, groups, number):
                        yield some
            path.unlink()

    def _may_hold_some(self, period: Period) -> bool:
        wanted = self._wanted
        if period.first_at is None or period.last_at is None:
            return False
        until = wanted.as_of + 1 if wanted.until is None else min(wanted.until, wanted.as_of + 1)
        return period.first_at < until and period.last_at >= (wanted.since or 0)

    async def _fetched(self, file: SealedFile) -> Path:
        if self._wanted.objects is None:
            message = "set FERMATA_SEALED_DECISIONS to where the sealed months are kept"
            raise SealedUnreadable(message)
        path = self._folder / "sealed.parquet"
        try:
            await self._wanted.objects.fetch(file.name, path)
        except NotStored as error:
            message = f"{file.name} is missing: restore it from a backup of that place"
            raise SealedUnreadable(message) from error
        except StoreUnavailable as error:
            message = f"{file.name} is out of reach: {error}"
            raise SealedUnreadable(message) from error
        digest = await asyncio.to_thread(sha256_of, path)
        if digest != file.sha256:
            message = f"{file.name} was altered: its SHA-256 is {digest}, not {file.sha256}"
            raise SealedUnreadable(message)
        return path

    def _of_group(self, groups: pq.ParquetFile, number: int) -> list[LoggedColumns]:
        """Return what is wanted of a row group; what most of it takes is read only where some is.

        A group holds few decisions where they are large.
        """
        condition = _wanted_in_files(self._wanted)
        told = groups.read_row_group(number, _TELLING).filter(condition)
        about_content = pc.sum(pc.equal(told["about"], About.CONTENT.value)).as_py() or 0
        self.about_artists += len(told) - about_content
        if not about_content:
            return []
        condition &= pc.field("about") == About.CONTENT.value
        found = groups.read_row_group(number, _SEALED).filter(condition)
        return [
            {name: _plain(found[name].slice(start, end - start)) for name in LOGGED}
            for start, end in _cuts(found["number"].to_pylist())
        ]


_SEALED: Final = [*LOGGED, "number"]
_TELLING: Final = [name for name in LOGGED if name not in {"request", "outcomes"}]


def _wanted(wanted: PackWanted, moved: Sequence[Period], about: About) -> ColumnElement[bool]:
    """Return the condition that a row of the table is of the column, the run and the time."""
    same = [
        (entry.USE, wanted.use),
        (entry.RECIPIENT, wanted.recipient),
        (entry.ABOUT, about.value),
        (_RUN, wanted.run),
    ]
    conditions: list[ColumnElement[bool]] = [
        column == value for column, value in same if value is not None
    ]
    answered_at = col(Logged.answered_at)
    conditions += [col(Logged.revision) <= wanted.until_revision, answered_at <= wanted.as_of]
    if wanted.since is not None:
        conditions.append(answered_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(answered_at < wanted.until)
    for period in moved:
        of_month = and_(answered_at >= period.month.begins, answered_at < period.month.ends)
        conditions.append(not_(of_month))
    return and_(*conditions)


def _wanted_in_files(wanted: PackWanted) -> pc.Expression:
    """Return the same condition for rows of a file, about anything."""
    answered_at = pc.field("answered_at")
    condition = (
        (pc.field("use") == wanted.use)
        & (pc.field("recipient") == wanted.recipient)
        & (pc.field("revision") <= wanted.until_revision)
        & (answered_at <= to_datetime(wanted.as_of))
    )
    if wanted.run is not None:
        condition &= pc.field("run") == wanted.run
    if wanted.since is not None:
        condition &= answered_at >= to_datetime(wanted.since)
    if wanted.until is not None:
        condition &= answered_at < to_datetime(wanted.until)
    return condition


def _cuts(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Cut decisions into stretches of about as many ids as are laid out together."""
    start = held = 0
    for place, number in enumerate(numbers):
        if held and held + number > _OUTCOMES_AT_ONCE:
            yield start, place
            start, held = place, 0
        held += number
    if held:
        yield start, len(numbers)


def _plain(column: pa.ChunkedArray) -> list[Any]:
    """Return a column as the table has it: instants are numbers."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    values: list[Any] = column.to_pylist()
    return values
