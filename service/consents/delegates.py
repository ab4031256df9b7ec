"""Delegates: labels and managers who act for an artist, always to say no, to say yes if allowed."""

from service.consents.authority import ActingAs, Actor, artist_named, role_of, stranger
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
