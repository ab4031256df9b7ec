"""A delegate's roster: whom they act for, what is planned for each, and changes in bulk."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec
from sqlalchemy import select
from sqlmodel import col

from service.consents.admission import Statement, admit
from service.consents.authority import Actor
from service.consents.precondition import SettingsState, state_of
from service.consents.roster import authority_over
from service.db.engine import ReadSession
from service.db.tables import Artist, Delegate
from service.domain import uses
from service.domain.consent import Answer, Scope
from service.domain.history import History
from service.domain.instant import Instant
from service.domain.refusal import Refusal, RefusalKind, Refused
from service.policies.versions import latest_versions
from service.settings_page.build import etag_of, history_state, settled
from service.settings_page.desk import Desk
from service.settings_page.effect import effect_of
from service.settings_page.pending import waiting
from service.settings_page.sheet import Effect
from service.settings_page.view import view_of

_AT_ONCE: Final = 10
"""Artists judged between two pauses, so that checks go on meanwhile."""


@dataclass(frozen=True, slots=True)
class RosterRow:
    """One artist of a roster. `nearest` is when the first open window closes, if one is open.

    `pending` counts what waits for the artist and is not answered by a no. `no_ai` says that a no
    stands at the root, for all tracks and any recipient.
    """

    artist: str
    name: str | None
    may_opt_in: bool
    pending: int
    nearest: Instant | None
    no_ai: bool


@dataclass(frozen=True, slots=True)
class Roster:
    """One page of a roster, in order of the artists' ids; `next_after` starts the next one.

    `etag` stands for this page, and, in a yes for exactly these artists, for what it was given on.
    """

    rows: tuple[RosterRow, ...]
    next_after: str | None
    etag: str


@dataclass(frozen=True, slots=True)
class RosterEffect:
    """What one statement would change for one of many artists."""

    artist: str
    name: str | None
    effect: Effect


@dataclass(frozen=True, slots=True)
class RosterPreview:
    """What it would change for all of them. `etag` is what a yes for exactly these needs."""

    artists: tuple[RosterEffect, ...]
    etag: str


async def roster_of(
    desk: Desk, delegate: str, *, after: str | None = None, limit: int = 100, q: str | None = None
) -> Roster:
    """Return a page of the artists whom somebody may act for, those whose id or name has `q`."""
    present = await desk.checker.present()
    async with desk.database.read() as session:
        listed = await _listed(session, delegate, after, limit + 1, q)
        shown = [
            (artist, may_opt_in)
            for artist, may_opt_in in listed[:limit]
            if _is_known(present.history, artist)
        ]
        rows = tuple(_row(present.history, *one, present.now) for one in shown)
        state = await _state(session, present.history, [artist.subject for artist, _ in shown])
    more = listed[limit - 1][0].artist_id if len(listed) > limit else None
    body = msgspec.json.encode((rows, more), order="deterministic")
    return Roster(rows, more, etag_of(state, body))


async def _listed(
    session: ReadSession, delegate: str, after: str | None, limit: int, q: str | None
) -> list[tuple[Artist, bool]]:
    found = (
        select(Artist, col(Delegate.may_opt_in))
        .join(Delegate, col(Delegate.subject) == col(Artist.subject))
        .where(
            col(Delegate.delegate) == delegate,
            col(Delegate.revoked_at).is_(None),
            col(Artist.artist_id).is_not(None),
        )
        .order_by(col(Artist.artist_id))
        .limit(limit)
    )
    if after is not None:
        found = found.where(col(Artist.artist_id) > after)
    if q:
        found = found.where(
            col(Artist.artist_id).icontains(q, autoescape=True)
            | col(Artist.name).icontains(q, autoescape=True)
        )
    return [(artist, may_opt_in) for artist, may_opt_in in await session.execute(found)]


def _is_known(history: History, artist: Artist) -> bool:
    known = history.artists.get(artist.subject)
    return known is not None and not known.erased


def _row(history: History, artist: Artist, may_opt_in: bool, now: Instant) -> RosterRow:  # noqa: FBT001 - a column
    view = view_of(history, artist.subject, now)
    pending = [one for one in waiting(view) if not one.answered]
    root = view.said(Scope(uses.ROOT))
    return RosterRow(
        artist=artist.artist_id or "",
        name=artist.name,
        may_opt_in=may_opt_in,
        pending=len(pending),
        nearest=min((one.closes_at for one in pending if one.closes_at), default=None),
        no_ai=root is not None and root.answer is Answer.OPT_OUT,
    )


async def _state(session: ReadSession, history: History, subjects: Sequence[str]) -> SettingsState:
    """Return the state of what is shown; what was said since the tables were read is newer.

    Then the tag is one that no yes is taken with.
    """
    known = history_state(history, subjects)
    return settled(known, await state_of(session, subjects))


async def preview_for_many(
    desk: Desk, artist_ids: Sequence[str], statement: Statement, actor: Actor
) -> RosterPreview:
    """Return what saying this for all these artists would change, in the order named.

    Nothing is recorded. Raises Refused where saying it would be refused.
    """
    present = await desk.checker.present()
    history = present.history
    async with desk.database.read() as session:
        artists = await authority_over(session, artist_ids, statement, actor)
        _require_known(history, [artist for artist, _ in artists])
        await admit(session, statement, await latest_versions(session), present.now)
        # Of what is said from here on the tag knows nothing, so that no yes is taken with it.
        state = await _state(session, history, [artist.subject for artist, _ in artists])
    found: list[RosterEffect] = []
    for number, (artist, _) in enumerate(artists):
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
        _require_known(history, [artist])
        effect = effect_of(history, artist.subject, statement, present.now)
        found.append(RosterEffect(artist.artist_id or "", artist.name, replace(effect, tracks=())))
    body = msgspec.json.encode(found, order="deterministic")
    return RosterPreview(tuple(found), etag_of(state, body))


def _require_known(history: History, artists: Sequence[Artist]) -> None:
    """Raise Refused where somebody was erased meanwhile, or registered since we looked."""
    refusals = [
        Refusal("artists", "unknown_artist", f"no artist {artist.artist_id!r} is registered")
        for artist in artists
        if not _is_known(history, artist)
    ]
    if refusals:
        raise Refused(refusals, RefusalKind.UNKNOWN)
