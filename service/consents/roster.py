"""Saying one thing for many artists at once: all of them, or none."""

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import insert, select
from sqlmodel import col

from service.catalog.artists import refuse_repeated
from service.consents.admission import Statement, admit
from service.consents.authority import ActingAs, Actor, widened_by
from service.consents.delegates import speakers_of
from service.consents.precondition import Seen, refuse_unseen
from service.consents.records import Saying, named
from service.db.among import among
from service.db.engine import ReadSession
from service.db.tables import Artist, Consent, Delegate
from service.domain.consent import Answer
from service.domain.refusal import Refusal, RefusalKind, Refused
from service.ledger.append import Write
from service.ledger.events import Json
from service.ledger.transaction import Transaction
from service.policies.versions import latest_versions

MOST_ARTISTS: Final = 200
"""Artists for whom one request may speak: the head row is held for well under 100 ms."""


async def roles_of(
    session: ReadSession, actor: Actor, artist_ids: Sequence[str]
) -> list[tuple[Artist, ActingAs, bool]]:
    """Return each artist with the role in which the actor speaks, and whether it covers a yes.

    They come in the order asked. Raises Refused, naming all in the way, as `role_of` would.
    """
    known = select(Artist).where(among(col(Artist.artist_id), artist_ids))
    artists = {row.artist_id: row for row in (await session.execute(known)).scalars()}
    granted = await _granted(session, actor, [one.subject for one in artists.values()])
    refusals: list[Refusal] = []
    found: list[tuple[Artist, ActingAs, bool]] = []
    for number, artist_id in enumerate(artist_ids):
        artist = artists.get(artist_id)
        role = None if artist is None else _role(actor, artist, granted)
        if artist is None or role is None:
            message = f"no artist {artist_id!r} is registered, or you may not act for them"
            refusals.append(Refusal(f"artists[{number}]", "unknown_artist", message))
        else:
            found.append((artist, *role))
    if refusals:
        raise Refused(refusals, RefusalKind.UNKNOWN)
    return found


async def _granted(
    session: ReadSession, actor: Actor, subjects: Sequence[str]
) -> dict[str, Delegate]:
    rows = await session.execute(
        select(Delegate).where(
            col(Delegate.delegate) == actor.actor,
            among(col(Delegate.subject), subjects),
            col(Delegate.revoked_at).is_(None),
        )
    )
    return {row.subject: row for row in rows.scalars()}


def _role(
    actor: Actor, artist: Artist, granted: Mapping[str, Delegate]
) -> tuple[ActingAs, bool] | None:
    if actor.is_platform:
        return ActingAs.PLATFORM, True
    if actor.actor == artist.artist_id:
        return ActingAs.ARTIST, True
    delegation = granted.get(artist.subject)
    return None if delegation is None else (ActingAs.DELEGATE, delegation.may_opt_in)


async def authority_over(
    session: ReadSession, artist_ids: Sequence[str], statement: Statement, actor: Actor
) -> list[tuple[Artist, ActingAs]]:
    """Return the artists with the role in which the actor says this for each, in order.

    Raises Refused for all at once, naming each for whom they may not say it.
    """
    refuse_repeated("artists", artist_ids)
    found = await roles_of(session, actor, artist_ids)
    limited = [artist.subject for artist, _, covers_yes in found if not covers_yes]
    widened = await widened_by(session, limited, statement.answer, statement.scope)
    refusals = [
        Refusal(
            f"artists[{number}]",
            "delegate_may_not_opt_in",
            f"{artist.artist_id} has let you say no for them, not yes",
        )
        for number, (artist, _, _) in enumerate(found)
        if artist.subject in widened
    ]
    if refusals:
        raise Refused(refusals, RefusalKind.NOT_ALLOWED)
    return [(artist, acting_as) for artist, acting_as, _ in found]


def record_for_many(
    artist_ids: Sequence[str], statement: Statement, actor: Actor, seen: Seen | None
) -> Write:
    """Record the statement for every one of these artists, one event each, in the order named.

    A yes needs to have `seen` what stands for exactly these artists. The answer names no artist, so
    that it can be kept for repetitions whoever is erased later.
    """

    async def write(transaction: Transaction) -> Json:
        session = transaction.session
        artists = await authority_over(session, artist_ids, statement, actor)
        subjects = [artist.subject for artist, _ in artists]
        latest = await latest_versions(session)
        if statement.answer is Answer.OPT_IN:
            await refuse_unseen(session, subjects, seen)
        await admit(session, statement, latest, transaction.now)
        await transaction.fetch_keys(subjects)
        names = named(statement.scope, latest)
        rows: list[Json] = []
        speakers = await speakers_of(transaction, artists, actor)
        for (artist, acting_as), speaker in zip(artists, speakers, strict=True):
            saying = Saying(statement, speaker, acting_as, names)
            recorded = await transaction.record(saying.event(artist.subject))
            rows.append(saying.row(artist.subject, recorded))
        await session.execute(insert(Consent), rows)
        transaction.subject = None
        return {
            "recorded": len(rows),
            "first_revision": rows[0]["revision"],
            "last_revision": rows[-1]["revision"],
        }

    return write
