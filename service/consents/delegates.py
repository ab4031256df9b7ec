"""Delegates: labels and managers who act for an artist, always to say no, to say yes if allowed.

In what they say for an artist they stand as a reference, which their row alone resolves: what was
said stays when the delegate, who may be an artist too, is erased.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlmodel import col

from service.consents.authority import ActingAs, Actor, artist_named, role_of, stranger
from service.db.among import among
from service.db.engine import ReadSession
from service.db.tables import Artist, Delegate
from service.domain.instant import format_instant
from service.domain.refusal import RefusalKind, refuse
from service.ledger.append import Write
from service.ledger.events import Json, Kind
from service.ledger.facts import delegate_event
from service.ledger.transaction import Transaction


def grant_delegate(artist_id: str, delegate: str, actor: Actor, *, may_opt_in: bool) -> Write:
    """Let somebody act for the artist, from now on with exactly this permission."""

    async def write(transaction: Transaction) -> Json:
        artist, acting_as = await _artist_for(transaction, artist_id, actor)
        if delegate == artist_id:
            raise refuse(
                "delegate", "own_delegate", "an artist needs no leave to act as themselves"
            )
        known = await transaction.session.get(Delegate, (artist.subject, delegate))
        if known is not None and known.revoked_at is None and known.may_opt_in == may_opt_in:
            return delegate_json(known, artist_id)
        details = {
            "delegate": delegate,
            "may_opt_in": may_opt_in,
            "actor": actor.actor,
            "acting_as": acting_as.value,
        }
        reference = _reference(transaction) if known is None else known.reference
        recorded = await transaction.record(
            delegate_event(Kind.DELEGATE_GRANTED, artist.subject, details)
        )
        granted = Delegate(
            subject=artist.subject,
            delegate=delegate,
            may_opt_in=may_opt_in,
            granted_at=recorded.recorded_at,
            revoked_at=None,
            revision=recorded.revision,
            reference=reference,
        )
        await transaction.session.merge(granted)
        await transaction.session.flush()
        return delegate_json(granted, artist_id)

    return write


def revoke_delegate(artist_id: str, delegate: str, actor: Actor) -> Write:
    """End it. What the delegate has said for the artist stays said."""

    async def write(transaction: Transaction) -> Json:
        artist, acting_as = await _artist_for(transaction, artist_id, actor)
        known = await transaction.session.get(Delegate, (artist.subject, delegate))
        if known is None:
            raise refuse(
                "delegate", "unknown_delegate", "nobody of this id acts here", RefusalKind.UNKNOWN
            )
        if known.revoked_at is not None:
            return delegate_json(known, artist_id)
        details = {"delegate": delegate, "actor": actor.actor, "acting_as": acting_as.value}
        recorded = await transaction.record(
            delegate_event(Kind.DELEGATE_REVOKED, artist.subject, details)
        )
        known.revoked_at = recorded.recorded_at
        known.revision = recorded.revision
        await transaction.session.flush()
        return delegate_json(known, artist_id)

    return write


async def speakers_of(
    transaction: Transaction, artists: Sequence[tuple[Artist, ActingAs]], actor: Actor
) -> list[str]:
    """Return who is to stand in what the actor says for each artist in that role, in order."""
    led = [artist.subject for artist, acting_as in artists if acting_as is ActingAs.DELEGATE]
    references = await _references(transaction, led, actor.actor) if led else {}
    return [references.get(artist.subject, actor.actor) for artist, _ in artists]


async def _references(
    transaction: Transaction, subjects: Sequence[str], delegate: str
) -> dict[str, str]:
    granted = select(Delegate).where(
        col(Delegate.delegate) == delegate, among(col(Delegate.subject), subjects)
    )
    found = {}
    for row in (await transaction.session.execute(granted)).scalars():
        row.reference = found[row.subject] = row.reference or _reference(transaction)
    await transaction.session.flush()
    return found


async def names_of_delegates(session: ReadSession, subject: str) -> Mapping[str, str]:
    """Return who the delegates of an artist are, by the references in what they said."""
    rows = await session.execute(
        select(col(Delegate.reference), col(Delegate.delegate)).where(
            col(Delegate.subject) == subject, col(Delegate.reference).is_not(None)
        )
    )
    return {row.reference: row.delegate for row in rows}


def _reference(transaction: Transaction) -> str:
    return f"dlg_{transaction.reference()}"


async def _artist_for(
    transaction: Transaction, artist_id: str, actor: Actor
) -> tuple[Artist, ActingAs]:
    """Return the artist whose delegates may be changed; a delegate cannot appoint another."""
    artist = await artist_named(transaction.session, artist_id)
    transaction.subject = artist.subject  # of the answer too, where there is nothing to record
    acting_as, _ = await role_of(transaction.session, actor, artist)
    if acting_as is ActingAs.DELEGATE:
        raise stranger()
    return artist, acting_as


def delegate_json(row: Delegate, artist_id: str) -> Json:
    """Return one delegation as the API shows it."""
    return {
        "artist": artist_id,
        "delegate": row.delegate,
        "may_opt_in": row.may_opt_in,
        "granted_at": format_instant(row.granted_at),
        "revoked_at": None if row.revoked_at is None else format_instant(row.revoked_at),
        "revision": row.revision,
    }
