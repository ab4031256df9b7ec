"""Asking for an export: what may be asked, and of which state of the ledger it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from service.db.engine import ReadSession, WriteSession
from service.db.tables import Export, LedgerEvent
from service.domain.instant import Instant, parse_instant
from service.domain.refusal import Refusal, RefusalKind, Refused, refuse
from service.exports.datasets import DATASETS
from service.exports.datasets.consents import CONSENTS
from service.exports.jobs import Asker, State, begun
from service.exports.packs import PACK_FILTERS, PACKS
from service.exports.wanted import Moment, Wanted
from service.ledger.head import Head

PREFIX: Final = "exp_"
_DIGITS: Final = 32


@dataclass(frozen=True, slots=True)
class Asked:
    """An export that somebody has asked for; `replayed` where that was before."""

    export: Export
    replayed: bool


def require_askable(wanted: Wanted) -> None:
    """Return if there is such an export. Raises Refused naming every field that is in the way."""
    refusals = [*_unknown(wanted), *_not_taken(wanted), *_needed(wanted), *_contradictions(wanted)]
    if refusals:
        raise Refused(refusals)


def _unknown(wanted: Wanted) -> Iterator[Refusal]:
    for field, names, known in (
        ("datasets", wanted.datasets, DATASETS),
        ("packs", wanted.packs, PACKS),
    ):
        for at, name in enumerate(names):
            if name not in known:
                message = f"choose among {', '.join(known)}"
                yield Refusal(f"{field}[{at}]", f"unknown_{field[:-1]}", message)
            elif name in names[:at]:
                yield Refusal(f"{field}[{at}]", "repeated", f"name {name} once")


def _not_taken(wanted: Wanted) -> Iterator[Refusal]:
    for name in wanted.filters.given():
        datasets = [one for one in wanted.datasets if one in DATASETS]
        refusing = [one for one in datasets if name not in DATASETS[one].filters]
        if name not in PACK_FILTERS:
            refusing += wanted.packs
        if refusing:
            message = (
                f"{', '.join(refusing)} cannot be narrowed by {name}: leave the filter out, or ask "
                "for the others in an export of their own"
            )
            yield Refusal(f"filters.{name}", "filter_not_taken", message)


def _needed(wanted: Wanted) -> Iterator[Refusal]:
    for pack in (PACKS[name] for name in wanted.packs if name in PACKS):
        for name in sorted(pack.needs - wanted.filters.given().keys()):
            yield Refusal(f"filters.{name}", "filter_needed", f"{pack.name} is about one {name}")


def _contradictions(wanted: Wanted) -> Iterator[Refusal]:
    since, until = wanted.filters.since, wanted.filters.until
    if not wanted.datasets and not wanted.packs:
        yield Refusal("datasets", "nothing_wanted", "name a dataset or a pack")
    if since is not None and until is not None and since >= until:
        yield Refusal("filters.until", "until_before_since", "`until` has to be after `since`")
    if wanted.openings and CONSENTS.name not in wanted.datasets:
        yield Refusal("openings", "nothing_to_open", f"openings are of the dataset {CONSENTS.name}")


async def moment_of(session: ReadSession, head: Head, as_of: int | str | None) -> Moment:
    """Return the state that is asked for: of a revision, an instant, or now. Raises Refused."""
    if head.size == 0:
        message = "the ledger is not opened: there is nothing to export"
        raise refuse("as_of", "empty_ledger", message, RefusalKind.CONFLICT)
    if as_of is None:
        return Moment(head.size, head.now)
    if isinstance(as_of, int):
        return await _at_revision(session, head, as_of)
    return await _at_instant(session, head, parse_instant(as_of))


async def _at_revision(session: ReadSession, head: Head, revision: int) -> Moment:
    """Return the state after so many events, just before the next one. Raises Refused."""
    if not 0 < revision <= head.size:
        message = f"the ledger has {head.size} events: name a revision up to that"
        raise refuse("as_of", "unknown_revision", message)
    following = select(col(LedgerEvent.recorded_at)).where(
        col(LedgerEvent.revision) == revision + 1
    )
    ended: Instant | None = None if revision == head.size else await session.scalar(following)
    return Moment(revision, head.now if ended is None else ended - 1)


async def _at_instant(session: ReadSession, head: Head, instant: Instant) -> Moment:
    """Return the state at an instant. Raises Refused for one to come, or before the ledger."""
    if instant > head.now:
        raise refuse("as_of", "in_the_future", "nobody knows yet what will be: name an earlier one")
    last = select(col(LedgerEvent.revision)).where(col(LedgerEvent.recorded_at) <= instant)
    revision: int | None = await session.scalar(
        last.order_by(col(LedgerEvent.recorded_at).desc()).limit(1)
    )
    if revision is None:
        raise refuse("as_of", "before_the_ledger", "the ledger was not opened by then")
    return Moment(revision, instant)


def export_id_of(client: str, key: str) -> str:
    """Return the id of the export that a client asks for under an idempotency key."""
    return PREFIX + sha256(f"{client}\x1f{key}".encode()).hexdigest()[:_DIGITS]


def new_export_id(random: bytes) -> str:
    """Return the id of an export that nobody asks for twice; `random` is 16 bytes."""
    return PREFIX + random.hex()


async def ask(
    session: WriteSession,
    export_id: str,
    asker: Asker,
    wanted: Wanted,
    as_of: int | str | None,
    head: Head,
) -> Asked:
    """Ask for an export, or return the one that was asked for under this id before.

    `as_of` is a revision, an instant, or None for now. It is durable when the session is. Raises
    Refused where there is no such state, and where that one was another export.
    """
    moment = await moment_of(session, head, as_of)
    values = {
        "export_id": export_id,
        "client": asker.client,
        "caller": asker.caller,
        "requested_at": head.now,
        "request": wanted.to_json() | {"as_of": as_of},
        "state": State.QUEUED,
        "revision": moment.revision,
        "as_of": moment.as_of,
        "head": head.size,
        "progress": begun(),
        "fence": 0,
    }
    asked = insert(Export).values(**values).on_conflict_do_nothing()
    made = (await session.execute(asked.returning(col(Export.export_id)))).first()
    found = await session.get_one(Export, export_id)
    if found.request != values["request"]:
        raise refuse(
            "Idempotency-Key",
            "idempotency_key_reused",
            "this key stands for another export: use a new key for a new one",
            RefusalKind.CONFLICT,
        )
    return Asked(found, replayed=made is None)
