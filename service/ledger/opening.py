"""Opening what events commit to: one to show it to somebody, or those of some kinds to look inside.

An opening proves what one event says and tells nothing of any other: the key in it is of that
event's commitment alone.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Row, Select, select
from sqlmodel import col

from service.db.among import among
from service.db.engine import ReadSession
from service.db.tables import EventDetail, LedgerEvent, Subject
from service.ledger.events import Json, Kind, LedgerBroken
from service.ledger.vault import CommitmentBroken, Sealed, Vault


@dataclass(frozen=True, slots=True)
class Opening:
    """One event with what it commits to: HMAC-SHA256 of `details` under `key` is in its `leaf`."""

    revision: int
    leaf: bytes
    details: bytes
    key: bytes


async def opening_of(
    session: ReadSession, vault: Vault, subject: str, revision: int
) -> Opening | None:
    """Return the opening of one of an artist's events, or None where there is nothing to open.

    Raises LedgerBroken where what is kept is not what the leaf commits to.
    """
    named = _kept().where(
        col(EventDetail.revision) == revision, col(EventDetail.subject) == subject
    )
    row = (await session.execute(named)).one_or_none()
    if row is None:
        return None
    nonce = bytes.fromhex(msgspec.json.decode(row.leaf)["nonce"])
    return Opening(
        revision, row.leaf, _opened(vault, row), vault.commitment_key(row.wrapped_key, nonce)
    )


async def details_of(
    session: ReadSession, vault: Vault, subjects: Collection[str], kinds: Collection[Kind]
) -> Mapping[int, Json]:
    """Return the private parts of these artists' events of these kinds, by revision.

    Raises LedgerBroken where one is not what its leaf commits to.
    """
    of_kinds = _kept().where(
        among(col(EventDetail.subject), subjects), among(col(LedgerEvent.kind), kinds)
    )
    rows = await session.execute(of_kinds.order_by(col(EventDetail.revision)))
    return {row.revision: msgspec.json.decode(_opened(vault, row)) for row in rows}


def _kept() -> Select[*tuple[Any, ...]]:
    return (
        select(
            col(EventDetail.revision),
            col(EventDetail.ciphertext),
            col(LedgerEvent.leaf),
            col(Subject.wrapped_key),
        )
        .join(LedgerEvent, col(LedgerEvent.revision) == col(EventDetail.revision))
        .join(Subject, col(Subject.subject) == col(EventDetail.subject))
    )


def _opened(vault: Vault, row: Row[Any]) -> bytes:
    leaf: Json = msgspec.json.decode(row.leaf)
    sealed = Sealed(leaf["commitment"], row.ciphertext)
    try:
        return vault.open(row.wrapped_key, bytes.fromhex(leaf["nonce"]), row.revision, sealed)
    except CommitmentBroken as broken:
        raise LedgerBroken(str(broken)) from broken
