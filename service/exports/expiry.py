"""The end of bundles: their time is over, nobody wants them, or an artist in them was erased.

A bundle with people in it that was asked for before an erasure may have that person in it, and
nobody looks inside to find out: each of them goes. One that is being built begins anew, and has
nothing of theirs then. The row stays, to tell that there was an export.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, cast, exists, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB, array
from sqlmodel import col

from service.db.among import among
from service.db.engine import Database, WriteSession
from service.db.tables import Erasure, Export, LedgerHead, LegalHold
from service.domain.instant import Instant
from service.exports.datasets import DATASETS
from service.exports.jobs import STALE, UNFINISHED, State, begun, has_come
from service.storage.objects import Objects

_PERSONAL: Final = [name for name, dataset in DATASETS.items() if dataset.personal]


async def expire_due(session: WriteSession) -> Sequence[str]:
    """Let every bundle expire whose time is over, none while a legal hold stands; return which."""
    due = (col(Export.state) == State.READY, has_come(col(Export.expires_at)))
    return await _expire(session, *due, _nobody_is_held())


async def expire_one(session: WriteSession, export_id: str) -> bool:
    """Let one export expire, however far it is; return whether there is one of this id."""
    known = select(col(Export.export_id)).where(col(Export.export_id) == export_id)
    ended = col(Export.state) == State.EXPIRED
    await _expire(session, col(Export.export_id) == export_id, ~ended)
    return (await session.execute(known)).first() is not None


async def expire_older(session: WriteSession, before: Instant) -> Sequence[str]:
    """Let every bundle expire that was finished before an instant; return which.

    None while a legal hold stands.
    """
    old = (col(Export.state) == State.READY, col(Export.finished_at) < before)
    return await _expire(session, *old, _nobody_is_held())


async def expire_erased(session: WriteSession, revision: int | None = None) -> Sequence[str]:
    """Let every bundle expire that may hold what an erasure up to a revision has destroyed.

    None is the last erasure there was. Exports that are being built begin anew. Returns which of
    either kind.
    """
    last = select(func.max(col(Erasure.revision))).scalar_subquery()
    erased = last if revision is None else literal(revision)
    overtaken = (col(Export.head) < erased, _may_be_personal())
    again = (
        update(Export)
        .where(col(Export.state).in_(UNFINISHED), *overtaken)
        .values(
            state=State.QUEUED,
            fence=col(Export.fence) + 1,
            head=select(col(LedgerHead.size)).scalar_subquery(),
            progress=_json(begun() | {STALE: True}),
            leased_until=None,
        )
        .returning(col(Export.export_id))
    )
    begun_anew = (await session.execute(again)).scalars().all()
    expired = await _expire(session, col(Export.state).in_([State.READY, State.FAILED]), *overtaken)
    return [*begun_anew, *expired]


async def forget(database: Database, objects: Objects, revision: int | None = None) -> int:
    """Delete every bundle that may hold what an erasure up to a revision has destroyed.

    Returns how many exports that was about. When it returns their files are gone, but for those
    that a worker which has lost its lease is just writing; these go within a minute, or once this
    is asked again where that worker is killed meanwhile. Asked again it goes on where it broke off.
    Raises StoreUnavailable.
    """
    async with database.keep() as session:
        found = await expire_erased(session, revision)
    await discard_files(database, objects)
    await sweep(database, objects)
    return len(found)


async def discard_files(database: Database, objects: Objects) -> int:
    """Delete the files of exports that have expired or failed; return of how many."""
    over = (
        col(Export.state).in_([State.EXPIRED, State.FAILED]),
        cast(col(Export.progress), JSONB).has_key(STALE),
    )
    async with database.read() as session:
        ended = (await session.execute(select(col(Export.export_id)).where(*over))).scalars().all()
    for export_id in ended:
        await clear(objects, export_id)
        cleared = cast(col(Export.progress), JSONB).op("-")(STALE).op("||")(_json({"keys": {}}))
        this = update(Export).where(col(Export.export_id) == export_id, *over)
        async with database.keep() as session:
            await session.execute(this.values(progress=cleared))
    return len(ended)


async def sweep(database: Database, objects: Objects) -> None:
    """Delete what lies where bundles are kept and no export has.

    That is all of one that begins anew, and what was left by who was killed, also after the rest of
    its export had been deleted. Raises StoreUnavailable.
    """
    which = among(col(Export.export_id), await objects.folders())
    async with database.read() as session:
        kept = (await session.execute(select(Export).where(which))).scalars().all()
    for one in kept:
        over = one.fence - 1 if one.state == State.RUNNING else one.fence
        await clear(objects, one.export_id, over, keep=one.progress["keys"].values())


async def clear(
    objects: Objects, export_id: str, fence: int | None = None, *, keep: Collection[str] = ()
) -> None:
    """Delete every file of one export, whoever wrote it, but for those to keep.

    What somebody who was killed had begun to write goes as well. With a fence, only what was
    written under it or before: who has taken it since keeps theirs. Raises StoreUnavailable.
    """
    if fence is None:
        await objects.clear(export_id, keep)
        return
    for written_under in await objects.folders(export_id):
        if int(written_under) <= fence:
            await objects.clear(f"{export_id}/{written_under}", keep)


async def _expire(session: WriteSession, *which: ColumnElement[bool]) -> Sequence[str]:
    expired = (
        update(Export)
        .where(*which)
        .values(
            state=State.EXPIRED,
            fence=col(Export.fence) + 1,
            progress=cast(col(Export.progress), JSONB).op("||")(_json({STALE: True})),
            leased_until=None,
            finished_at=func.coalesce(col(Export.finished_at), func.clock_timestamp()),
        )
        .returning(col(Export.export_id))
    )
    return (await session.execute(expired)).scalars().all()


def _nobody_is_held() -> ColumnElement[bool]:
    """Return the condition that no legal hold stands: what is about many is kept while one does."""
    return ~exists().where(col(LegalHold.lifted_at).is_(None))


def _may_be_personal() -> ColumnElement[Any]:
    """Return the condition that there are people in an export: every pack may have some in it."""
    wanted = cast(col(Export.request), JSONB)
    return or_(wanted["datasets"].has_any(array(_PERSONAL)), wanted["packs"] != _json([]))


def _json(value: Any) -> ColumnElement[Any]:
    return literal(value, JSONB)
