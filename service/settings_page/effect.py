"""What a statement would change, found by applying it to a copy of the artist."""

from collections.abc import Iterator
from typing import Final, TypeAlias

from service.consents.admission import Statement
from service.domain.assessment import Reason
from service.domain.consent import ConsentRecord, Scope
from service.domain.history import History
from service.domain.instant import Instant
from service.settings_page.pending import waiting
from service.settings_page.sheet import Effect, Flip, TrackFlip
from service.settings_page.view import Kind, View, view_of

MOST_TRACKS: Final = 200
"""Track answers that an effect lists; it counts them all."""

_Change: TypeAlias = tuple[str, str, bool, bool]


def effect_of(history: History, subject: str, statement: Statement, now: Instant) -> Effect:
    """Return what would change for the artist if the statement were the ledger's next event.

    Pure: the difference of `decide` after and before it, for this artist's part of each answer.
    Titles are None. The artist is registered and not erased.
    """
    at = max(now, history.recorded_at + 1)
    before = view_of(history, subject, at)
    after = before.after(
        ConsentRecord(
            history.revision + 1, at, statement.answer, statement.scope, statement.expires_at
        )
    )
    tracks = _Tracks(before, after, statement.scope)
    flips = list(tracks)
    return Effect(
        flips=tuple(_flips(before, after, statement.scope)),
        tracks=tuple(flips[:MOST_TRACKS]),
        tracks_stopped=len({flip.content for flip in flips if flip.permitted_before}),
        tracks_restored=len({flip.content for flip in flips if flip.permitted_after}),
        not_reached=_not_reached(before, statement.scope),
        pending_stopped=_stopped(before, after, statement.scope),
    )


def _flips(before: View, after: View, scope: Scope) -> Iterator[Flip]:
    if scope.content is not None:
        return
    for use, recipient in after.columns(scope):
        was = before.column(use, recipient).assess(before.now)
        will = after.column(use, recipient).assess(after.now)
        if was.permitted != will.permitted:
            yield Flip(use, recipient, was.permitted, will.permitted, was.reason, will.reason)


class _Tracks:
    """The tracks' answers that change, each kind of track judged once."""

    def __init__(self, before: View, after: View, scope: Scope) -> None:
        self._before = before
        self._after = after
        self._scope = scope
        self._known: dict[Kind, list[_Change]] = {}

    def __iter__(self) -> Iterator[TrackFlip]:
        """Go through them, those last spoken of first."""
        for content in self._contents():
            for use, recipient, was, will in self._changes(content):
                yield TrackFlip(content, None, use, recipient, was, will)

    def _contents(self) -> list[str]:
        if self._scope.content is not None:
            return [self._scope.content]
        tracks = self._before.tracks
        return sorted(tracks, key=lambda content: -tracks[content][-1].revision)

    def _changes(self, content: str) -> list[_Change]:
        kind = self._before.kind(content) if self._scope.content is None else None
        if kind is None:
            return list(self._judge(content))
        if kind not in self._known:
            self._known[kind] = list(self._judge(content))
        return self._known[kind]

    def _judge(self, content: str) -> Iterator[_Change]:
        for use, recipient in self._after.columns(self._scope):
            if not self._has_its_own(content, use, recipient):
                continue
            was = self._before.column(use, recipient, content).assess(self._before.now)
            will = self._after.column(use, recipient, content).assess(self._after.now)
            if was.permitted != will.permitted:
                yield use, recipient, was.permitted, will.permitted

    def _has_its_own(self, content: str, use: str, recipient: str) -> bool:
        """Tell whether the track's answer is more than that for all tracks."""
        return self._scope.content is not None or any(
            record.scope.covers(use, content, recipient) for record in self._before.tracks[content]
        )


def _not_reached(view: View, scope: Scope) -> tuple[str, ...]:
    found = {
        use
        for use, recipient in view.columns(scope)
        if view.column(use, recipient).assess(view.now).reason is Reason.OPEN
    }
    return tuple(sorted(found))


def _stopped(before: View, after: View, scope: Scope) -> tuple[str, ...]:
    if scope.content is not None:
        return ()
    answered = {one.notice for one in waiting(before) if one.answered}
    return tuple(
        one.notice for one in waiting(after) if one.answered and one.notice not in answered
    )
