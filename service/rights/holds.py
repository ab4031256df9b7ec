"""Legal holds: while one stands, nothing of the artist's is destroyed, whoever asks for it.

A hold is an event. Why it was placed, and by whom, is in its private part: outsiders see only that
somebody is held. There may be several of one artist; each is called by its event's revision.
"""

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlmodel import col

from service.catalog.artists import require_artist
from service.db.engine import ReadSession
from service.db.tables import Artist, LegalHold
from service.domain.instant import format_instant
from service.domain.refusal import RefusalKind, refuse
from service.ledger.append import Write
from service.ledger.events import Json, Kind
from service.ledger.facts import hold_event
from service.ledger.transaction import Transaction


def place_hold(artist_id: str, reason: str, by: str) -> Write:
    """Keep everything of an artist's from now on, until this hold is lifted again."""

    async def write(transaction: Transaction) -> Json:
        artist = await require_artist(transaction.session, artist_id)
        details = {"reason": reason, "actor": by}
        recorded = await transaction.record(hold_event(Kind.HOLD_PLACED, artist.subject, details))
        hold = LegalHold(
            revision=recorded.revision,
            subject=artist.subject,
            reason=reason,
            placed_by=by,
            placed_at=recorded.recorded_at,
        )
        transaction.session.add(hold)
        await transaction.session.flush()
        return hold_json(hold, artist_id)

    return write


def lift_hold(artist_id: str, revision: int, by: str) -> Write:
    """End one hold. Lifting it again changes nothing."""

    async def write(transaction: Transaction) -> Json:
        session = transaction.session
        artist = await require_artist(session, artist_id)
        transaction.subject = artist.subject  # of the answer too, where there is nothing to record
        hold = await _hold(session, artist, revision)
        if hold.lifted_at is not None:
            return hold_json(hold, artist_id)
        details = {"hold": revision, "actor": by}
        recorded = await transaction.record(hold_event(Kind.HOLD_LIFTED, artist.subject, details))
        await session.execute(
            update(LegalHold)
            .where(col(LegalHold.revision) == revision)
            .values(lifted_by=by, lifted_at=recorded.recorded_at, lifted_revision=recorded.revision)
        )
        await session.refresh(hold)
        return hold_json(hold, artist_id)

    return write


async def holds_of(session: ReadSession, subject: str) -> Sequence[LegalHold]:
    """Return every hold there is or was of an artist, oldest first."""
    holds = (
        select(LegalHold).where(col(LegalHold.subject) == subject).order_by(col(LegalHold.revision))
    )
    return (await session.execute(holds)).scalars().all()


async def refuse_held(session: ReadSession, subject: str) -> None:
    """Raise Refused, naming the holds, while any of an artist's stands."""
    standing = [hold for hold in await holds_of(session, subject) if hold.lifted_at is None]
    if standing:
        named = ", ".join(str(hold.revision) for hold in standing)
        message = (
            f"a legal hold keeps everything of this artist's (revision {named}): lift it first, if "
            "it may be lifted"
        )
        raise refuse("artist", "legal_hold", message, RefusalKind.CONFLICT)


async def anybody_is_held(session: ReadSession) -> bool:
    """Tell whether any hold stands."""
    standing = select(col(LegalHold.revision)).where(col(LegalHold.lifted_at).is_(None)).limit(1)
    return (await session.execute(standing)).first() is not None


def hold_json(hold: LegalHold, artist_id: str) -> Json:
    """Return one hold as the API shows it to those who may place one."""
    lifted = hold.lifted_at
    return {
        "artist": artist_id,
        "revision": hold.revision,
        "reason": hold.reason,
        "placed_by": hold.placed_by,
        "placed_at": format_instant(hold.placed_at),
        "lifted_by": hold.lifted_by,
        "lifted_at": None if lifted is None else format_instant(lifted),
        "lifted_revision": hold.lifted_revision,
    }


async def _hold(session: ReadSession, artist: Artist, revision: int) -> LegalHold:
    hold = await session.get(LegalHold, revision)
    if hold is None or hold.subject != artist.subject:
        message = "this artist has no hold of this revision"
        raise refuse("hold", "unknown_hold", message, RefusalKind.UNKNOWN)
    return hold
