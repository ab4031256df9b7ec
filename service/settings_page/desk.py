"""The settings page's verbs, for whichever door serves it: read, try out, say, undo, look up.

Each takes who acts, and lets them see and do exactly what `service.consents.authority` allows; for
anybody else it raises Refused (kind UNKNOWN) in the words used for artists who do not exist.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from service.consents.admission import Shown, Statement, admit, authority
from service.consents.authority import ActingAs, Actor, artist_named, role_of, stranger
from service.consents.precondition import Seen
from service.consents.read import artist_heard_by, list_consents
from service.consents.records import record_consent
from service.consents.undo import undo_consent, undo_statement
from service.db.engine import Database, ReadSession
from service.db.tables import Artist
from service.decisions.check import Checker, Present
from service.ledger.append import Answered, Appender, IdempotencyClaim
from service.ledger.events import Json
from service.policies.versions import latest_versions
from service.settings_page.build import sheet_of
from service.settings_page.effect import effect_of
from service.settings_page.own_record import record_of
from service.settings_page.sheet import Effect, Sheet
from service.settings_page.tracks import FoundTrack, titles_of, tracks_of


@dataclass(frozen=True, slots=True)
class Desk:
    """The services that the verbs work with; `Services` of the API has all three."""

    database: Database
    checker: Checker
    appender: Appender


async def open_sheet(
    desk: Desk, artist_id: str, viewer: Actor | None, *, tracks_before: int | None = None
) -> Sheet:
    """Return everything one artist's page shows, no older than this call (strong).

    `viewer` None reads for an audit. `tracks_before` is a `Sheet.tracks_before`, for the next page
    of track exceptions. Raises Refused for a stranger; HeadUnknown, NotThereYet or LedgerBroken
    where the present cannot be known.
    """
    async with desk.database.read() as session:
        artist = await artist_named(session, artist_id)
        acting_as, can_say_yes = await _role(session, viewer, artist)
    present = await desk.checker.present()
    _require_known(present, artist)
    async with desk.database.read() as session:
        return await sheet_of(
            session,
            present.history,
            artist,
            present.now,
            acting_as=acting_as,
            can_say_yes=can_say_yes,
            tracks_before=tracks_before,
        )


async def _role(
    session: ReadSession, viewer: Actor | None, artist: Artist
) -> tuple[ActingAs | None, bool]:
    return (None, False) if viewer is None else await role_of(session, viewer, artist)


def _require_known(present: Present, artist: Artist) -> None:
    """Raise Refused where the artist has been erased meanwhile."""
    known = present.history.artists.get(artist.subject)
    if known is None or known.erased:
        raise stranger()


async def try_out(desk: Desk, artist_id: str, statement: Statement, actor: Actor) -> Effect:
    """Return what the statement would change if it were said now. Nothing is recorded.

    Raises Refused where saying it would be refused, but asks for no sheet that it was said on.
    """
    present = await desk.checker.present()
    async with desk.database.read() as session:
        artist = await artist_named(session, artist_id)
        await authority(session, artist, statement, actor)
        await admit(session, statement, await latest_versions(session), present.now)
    _require_known(present, artist)
    effect = effect_of(present.history, artist.subject, statement, present.now)
    async with desk.database.read() as session:
        titles = await titles_of(session, artist.subject, [flip.content for flip in effect.tracks])
    flips = (replace(flip, title=titles.get(flip.content)) for flip in effect.tracks)
    return replace(effect, tracks=tuple(flips))


async def say(
    desk: Desk,
    artist_id: str,
    statement: Statement,
    actor: Actor,
    *,
    seen: Seen | None,
    claim: IdempotencyClaim | None = None,
) -> Answered:
    """Record a statement; once this returns no check that starts later overlooks it.

    `seen` is `seen_in(sheet.etag)` of the sheet the person had before them; a yes needs it, and is
    refused where it is None (kind PRECONDITION_REQUIRED) or no longer what stands (kind OUTDATED):
    then show the page anew. A no and a taking back are taken whatever it is. The body is the
    record as `GET …/consents` shows it.
    """
    return await desk.appender.submit(record_consent(artist_id, statement, actor, seen), claim)


async def undo(  # noqa: PLR0913 - a statement's parts
    desk: Desk,
    artist_id: str,
    revision: int,
    actor: Actor,
    *,
    channel: str,
    seen: Seen | None,
    locale: str | None = None,
    shown: tuple[Shown, ...] = (),
    claim: IdempotencyClaim | None = None,
) -> Answered:
    """Say again what stood at exactly this record's scope before it (see `undo_of`).

    Raises Refused: unknown_record, already_replaced, yes_has_expired or yes_to_other_terms (kind
    CONFLICT), and whatever `say` raises for the statement it comes to.
    """
    write = undo_consent(
        artist_id, revision, actor, seen, channel=channel, locale=locale, shown=shown
    )
    return await desk.appender.submit(write, claim)


async def what_undo_says(
    desk: Desk, artist_id: str, revision: int, actor: Actor, *, channel: str
) -> Statement:
    """Return the statement that `undo` would record now, to `try_out`. Raises as `undo` does."""
    present = await desk.checker.present()
    async with desk.database.read() as session:
        artist = await artist_named(session, artist_id)
        await role_of(session, actor, artist)
        return await undo_statement(session, artist, revision, present.now, channel=channel)


async def search_tracks(
    desk: Desk, artist_id: str, viewer: Actor | None, q: str, *, limit: int = 20
) -> list[FoundTrack]:
    """Return this artist's own tracks whose title, or else id, contains `q` in any case."""
    async with desk.database.read() as session:
        artist = await artist_heard_by(session, artist_id, viewer)
        return await tracks_of(session, artist.subject, q, limit)


async def own_titles(
    desk: Desk, artist_id: str, viewer: Actor | None, contents: Sequence[str]
) -> Mapping[str, str | None]:
    """Return what these of the artist's own tracks are called."""
    async with desk.database.read() as session:
        artist = await artist_heard_by(session, artist_id, viewer)
        return await titles_of(session, artist.subject, contents)


async def history_page(
    desk: Desk,
    artist_id: str,
    viewer: Actor | None,
    *,
    before: int | None = None,
    limit: int = 100,
) -> Json:
    """Return everything the artist said, newest first: `consents` and `next_before`."""
    async with desk.database.read() as session:
        artist = await artist_heard_by(session, artist_id, viewer)
        return await list_consents(session, artist, before=before, limit=limit)


async def own_record(desk: Desk, artist_id: str, viewer: Actor | None) -> Json:
    """Return all there is about this artist, to download: what they were told and have said.

    `told` holds each notice that reached them with its words, channel and window; `not_reached` the
    bounces; `sent` what was sent by which channel; `said` each record with its evidence; and there
    are their `contact` and `delegates`.
    """
    async with desk.database.read() as session:
        return await record_of(session, await artist_heard_by(session, artist_id, viewer))
