"""The exports that were asked for: one row each, taken by one worker at a time.

Every instant here is the database's clock, so that all processes agree on what is due.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, cast, func, literal, select, tuple_, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped
from sqlmodel import col

from service.db.engine import ReadSession, WriteSession
from service.db.instants import InstantType
from service.db.tables import Export
from service.domain.instant import SECOND, Duration, Instant
from service.exports.wanted import Moment, Wanted
from service.ledger.events import Json

LEASE: Final[Duration] = 60 * SECOND
"""How long a worker may be silent before another takes its export over."""


STALE: Final = "stale"
"""In an export's progress: all files that there are of it have to be deleted."""


class State(StrEnum):
    """Where an export is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"
    EXPIRED = "expired"


UNFINISHED: Final = (State.QUEUED, State.RUNNING)


class LeaseLost(Exception):  # noqa: N818 - names what happened
    """Somebody else has this export now, or nobody wants it any more: leave it alone."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asked for an export: a client, and the subject of its token."""

    client: str
    caller: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where an export stands in the list, newest first."""

    requested_at: Instant
    export_id: str


@dataclass(slots=True)
class Taken:
    """An export that this worker holds until it is silent for too long.

    `progress` is changed as things are finished; `record` makes it durable.
    """

    export_id: str
    fence: int
    wanted: Wanted
    moment: Moment
    asked: Asker
    requested_at: Instant
    progress: Json

    @property
    def tries(self) -> int:
        """How often somebody has begun with it."""
        tries: int = self.progress["tries"]
        return tries


def in_time(length: Duration) -> ColumnElement[Instant]:
    """Return the instant so long from now on, by the database's clock."""
    seconds = literal(length / SECOND)
    return func.clock_timestamp(type_=InstantType) + func.make_interval(0, 0, 0, 0, 0, 0, seconds)


def has_come(instant: ColumnElement[Any] | Mapped[Any]) -> ColumnElement[bool]:
    """Return the condition that an instant is not in the future, by the database's clock."""
    return instant <= func.clock_timestamp(type_=InstantType)


def begun() -> Json:
    """Return the progress of an export with which nobody has begun."""
    return {"tries": 0, "rows": 0, "expected": None, "datasets": {}, "packs": {}, "keys": {}}


async def read_export(session: ReadSession, export_id: str) -> Export | None:
    """Return one export, or None."""
    return await session.get(Export, export_id)


async def list_exports(
    session: ReadSession, *, below: Place | None = None, limit: int
) -> Sequence[Export]:
    """Return exports, newest first, from below a place on."""
    order = col(Export.requested_at), col(Export.export_id)
    listed = select(Export).order_by(*(one.desc() for one in order)).limit(limit)
    if below is not None:
        place = literal(below.requested_at, InstantType), literal(below.export_id)
        listed = listed.where(tuple_(*order) < tuple_(*place))
    return list((await session.execute(listed)).scalars())


async def take(session: WriteSession) -> Taken | None:
    """Take the export that waits longest, or None. It is begun once more with that."""
    free = col(Export.leased_until).is_(None) | has_come(col(Export.leased_until))
    waiting = select(Export).where(col(Export.state).in_(UNFINISHED), free)
    waiting = waiting.order_by(col(Export.requested_at), col(Export.export_id)).limit(1)
    found = await session.execute(waiting.with_for_update(skip_locked=True))
    row = found.scalars().one_or_none()
    if row is None:
        return None
    progress = row.progress | {"tries": row.progress["tries"] + 1}
    fence = row.fence + 1
    await session.execute(
        update(Export)
        .where(col(Export.export_id) == row.export_id)
        .values(state=State.RUNNING, fence=fence, progress=progress, leased_until=in_time(LEASE))
    )
    return taken_of(row, fence, progress)


async def taken_again(session: ReadSession, export_id: str, fence: int) -> Taken:
    """Return an export that another process of this worker has taken. Raises LeaseLost."""
    row = await session.get(Export, export_id)
    if row is None or (row.state, row.fence) != (State.RUNNING, fence):
        raise LeaseLost(export_id)
    return taken_of(row, fence, row.progress)


def taken_of(row: Export, fence: int, progress: Json) -> Taken:
    """Return what its worker has to know of an export."""
    return Taken(
        export_id=row.export_id,
        fence=fence,
        wanted=Wanted.from_json(row.request),
        moment=Moment(row.revision, row.as_of),
        asked=Asker(row.client, row.caller),
        requested_at=row.requested_at,
        progress=progress,
    )


async def extend(session: WriteSession, taken: Taken) -> None:
    """Hold an export for longer. Raises LeaseLost."""
    await _settle(session, taken, {"leased_until": in_time(LEASE)})


async def record(session: WriteSession, taken: Taken) -> None:
    """Keep what is finished of an export, and hold it for longer. Raises LeaseLost."""
    await _settle(session, taken, {"progress": taken.progress, "leased_until": in_time(LEASE)})


async def finish(session: WriteSession, taken: Taken, manifest: Json, keep: Duration) -> None:
    """Make an export ready, for so long. Raises LeaseLost."""
    await _settle(
        session,
        taken,
        {
            "state": State.READY,
            "manifest": manifest,
            "progress": taken.progress,
            "finished_at": func.clock_timestamp(),
            "expires_at": in_time(keep),
            "leased_until": None,
            "error": None,
        },
    )


async def give_up(session: WriteSession, taken: Taken, error: str) -> None:
    """Say why an export will never be ready. Raises LeaseLost."""
    settled = {"state": State.FAILED, "error": error, "finished_at": func.clock_timestamp()}
    progress = taken.progress | {STALE: True}
    await _settle(session, taken, settled | {"progress": progress, "leased_until": None})


async def try_later(session: WriteSession, taken: Taken, error: str, wait: Duration) -> None:
    """Let an export be taken again after a while. Raises LeaseLost."""
    waiting = {"state": State.QUEUED, "error": error, "leased_until": in_time(wait)}
    await _settle(session, taken, waiting)


async def put_back(session: WriteSession, taken: Taken) -> None:
    """Let another take an export now: that this worker stops is no failure of it.

    What has been recorded meanwhile, by a process that builds it for this one, stays.
    """
    fewer = literal({"tries": taken.tries - 1}, JSONB)
    progress = cast(col(Export.progress), JSONB).op("||")(fewer)
    await _settle(
        session, taken, {"state": State.QUEUED, "progress": progress, "leased_until": None}
    )


async def _settle(session: WriteSession, taken: Taken, values: Mapping[str, Any]) -> None:
    ours = (
        col(Export.export_id) == taken.export_id,
        col(Export.fence) == taken.fence,
        col(Export.state) == State.RUNNING,
    )
    settled = update(Export).where(*ours).values(**values).returning(col(Export.export_id))
    if (await session.execute(settled)).first() is None:
        raise LeaseLost(taken.export_id)
