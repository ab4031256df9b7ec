"""Who may say what for whom: the artist, a delegate of theirs, or the platform on their behalf."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlmodel import col

from service.catalog.artists import require_artist
from service.db.among import among
from service.db.engine import ReadSession
from service.db.tables import Artist, Consent, Delegate
from service.domain.consent import Answer, Scope
from service.domain.refusal import RefusalKind, Refused, refuse


class ActingAs(StrEnum):
    """In what role somebody acts."""

    ARTIST = "artist"
    DELEGATE = "delegate"
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: the token's subject, and whether it may act for any artist of the platform."""

    actor: str
    is_platform: bool


async def artist_named(session: ReadSession, artist_id: str) -> Artist:
    """Return the artist somebody wants to speak for or hear.

    Raises Refused where there is none, in the same words as to a stranger.
    """
    try:
        return await require_artist(session, artist_id)
    except Refused:
        raise stranger() from None


async def role_of(session: ReadSession, actor: Actor, artist: Artist) -> tuple[ActingAs, bool]:
    """Return the role in which the actor speaks for the artist, and whether it covers a yes.

    Raises Refused for a stranger, in the same words as for an artist who does not exist: who is
    registered is nobody else's business.
    """
    if actor.actor == artist.artist_id and not actor.is_platform:
        return ActingAs.ARTIST, True
    if actor.is_platform:
        return ActingAs.PLATFORM, True
    granted = await session.get(Delegate, (artist.subject, actor.actor))
    if granted is None or granted.revoked_at is not None:
        raise stranger()
    return ActingAs.DELEGATE, granted.may_opt_in


def stranger() -> Refused:
    """Return the refusal for somebody who has nothing to say for this artist."""
    return refuse(
        "artist",
        "unknown_artist",
        "no artist of this id is registered, or you may not act for them",
        RefusalKind.UNKNOWN,
    )


async def permits_more(session: ReadSession, artist: Artist, answer: Answer, scope: Scope) -> bool:
    """Tell whether the statement can only widen what is permitted: a yes, or taking back a no."""
    return bool(await widened_by(session, [artist.subject], answer, scope))


async def widened_by(
    session: ReadSession, subjects: Collection[str], answer: Answer, scope: Scope
) -> set[str]:
    """Return those artists, by reference, for whom the statement permits more."""
    if answer is not Answer.INHERIT:
        return set(subjects) if answer is Answer.OPT_IN else set()
    said = (
        select(Consent)
        .where(among(col(Consent.subject), subjects), *at_exactly(scope))
        .ext(distinct_on(col(Consent.subject)))
        .order_by(col(Consent.subject), col(Consent.revision).desc())
    )
    current = (await session.execute(said)).scalars()
    # A yes that expires is a no from then on (R4): taking it back takes that no back as well.
    return {
        row.subject
        for row in current
        if row.answer == Answer.OPT_OUT
        or (row.answer == Answer.OPT_IN and row.expires_at is not None)
    }


def at_exactly(scope: Scope) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that a record's scope is this very one."""
    return (
        col(Consent.use) == scope.use,
        col(Consent.content).is_not_distinct_from(scope.content),
        col(Consent.recipient).is_not_distinct_from(scope.recipient),
    )
