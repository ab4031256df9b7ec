"""What a no would also stop, said before it is said; and what holds for one single track."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy import select
from sqlmodel import col

from service.consents.authority import ActingAs, Actor, stranger
from service.consents.read import artist_heard_by
from service.db.engine import ReadSession
from service.db.tables import Artist, Consent, Content
from service.domain import uses
from service.domain.assessment import Reason
from service.domain.consent import ConsentRecord, Scope
from service.domain.history import History
from service.domain.refusal import RefusalKind, refuse
from service.settings_page.desk import Desk
from service.settings_page.sheet import Said
from service.settings_page.view import Kind, View, view_of

_Columns: TypeAlias = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class TrackAnswer:
    """This artist's part of the answer for one track under one column, now, and why."""

    use: str
    recipient: str
    permitted: bool
    reason: Reason


@dataclass(frozen=True, slots=True)
class Track:
    """One of the artist's own tracks: what holds for it under every column, and what was said."""

    content: str
    title: str | None
    answers: tuple[TrackAnswer, ...]
    said: tuple[Said, ...]


async def tracks_stopped_by(
    desk: Desk, artist_id: str, viewer: Actor, scopes: Iterable[Scope]
) -> Mapping[Scope, int]:
    """Return for each scope, of all tracks, how many tracks a no there would stop beside the rest.

    They are the `tracks_stopped` of that no's effect, for all scopes at the price of one.
    """
    async with desk.database.read() as session:
        artist = await artist_heard_by(session, artist_id, viewer)
    present = await desk.checker.present()
    return tracks_stopped(_view(present.history, artist, present.now), scopes)


def tracks_stopped(view: View, scopes: Iterable[Scope]) -> Mapping[Scope, int]:
    """Return for each scope, of all tracks, how many tracks a no there would stop. Pure."""
    reached: Counter[Scope] = Counter()
    for columns, tracks in _allowed_apart(view).items():
        for scope in {scope for column in columns for scope in _over(*column)}:
            reached[scope] += tracks
    return {scope: reached[scope] for scope in scopes}


def _over(use: str, recipient: str) -> Iterator[Scope]:
    """Return every scope, of all tracks, that covers a column."""
    for node in uses.above(use):
        yield Scope(node)
        yield Scope(node, recipient=recipient)


def _allowed_apart(view: View) -> Mapping[_Columns, int]:
    """Return on which columns tracks are allowed by records of their own, and how many alike.

    A no that comes now is later than whatever allows them, so it stops them all (R3); it reaches
    nothing that is `open`.
    """
    known: dict[Kind, _Columns] = {}
    found: Counter[_Columns] = Counter()
    for content in view.tracks:
        kind = view.kind(content)
        columns = None if kind is None else known.get(kind)
        if columns is None:
            columns = frozenset(_columns_allowed(view, content))
        if kind is not None:
            known[kind] = columns
        found[columns] += 1
    return found


def _columns_allowed(view: View, content: str) -> Iterator[tuple[str, str]]:
    for use, recipient in view.columns():
        if any(one.scope.covers(use, content, recipient) for one in view.tracks[content]):
            answer = view.column(use, recipient, content).assess(view.now)
            if answer.permitted and answer.reason is not Reason.OPEN:
                yield use, recipient


async def open_track(desk: Desk, artist_id: str, viewer: Actor, content: str) -> Track:
    """Return one of the artist's own tracks. Raises Refused where it is none of theirs."""
    async with desk.database.read() as session:
        artist = await artist_heard_by(session, artist_id, viewer)
        row = await session.get(Content, content)
    if row is None or artist.subject not in row.rightsholders:
        message = "this artist has no track of this id"
        raise refuse("content", "unknown_content", message, RefusalKind.UNKNOWN)
    present = await desk.checker.present()
    view = _view(present.history, artist, present.now)
    answers = []
    for use, recipient in view.columns():
        found = view.column(use, recipient, content).assess(view.now)
        answers.append(TrackAnswer(use, recipient, found.permitted, found.reason))
    records = tuple(view.tracks.get(content, ()))
    async with desk.database.read() as session:
        said = await _said(session, records)
    return Track(content, row.title, tuple(answers), said)


async def _said(session: ReadSession, records: Sequence[ConsentRecord]) -> tuple[Said, ...]:
    """Return the records with the role each was said in; an erased one is none."""
    rows = select(col(Consent.revision), col(Consent.acting_as)).where(
        col(Consent.revision).in_([one.revision for one in records])
    )
    roles = {revision: ActingAs(role) for revision, role in await session.execute(rows)}
    return tuple(
        Said(
            revision=one.revision,
            answer=one.answer,
            use=one.scope.use,
            content=one.scope.content,
            recipient=one.scope.recipient,
            recorded_at=one.recorded_at,
            expires_at=one.expires_at,
            acting_as=roles[one.revision],
        )
        for one in records
        if one.revision in roles
    )


def _view(history: History, artist: Artist, now: int) -> View:
    """Return the artist's view. Raises Refused where they have been erased meanwhile."""
    known = history.artists.get(artist.subject)
    if known is None or known.erased:
        raise stranger()
    return view_of(history, artist.subject, now)
