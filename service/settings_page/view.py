"""One artist before every policy at one instant, as the rules see them."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, TypeAlias

from service.domain import uses
from service.domain.assessment import Column
from service.domain.consent import Answer, ConsentRecord, Scope
from service.domain.history import Artist, History
from service.domain.instant import Instant
from service.domain.policy import PolicyVersion

INTERNAL: Final = "internal"
Kind: TypeAlias = tuple[tuple[Answer, str, str | None, Instant | None, int, int], ...]


@dataclass(frozen=True)
class View:
    """What one artist said and was told, and every version of every leaf use.

    It looks into a history that grows: it is used up before anything is awaited.
    """

    artist: Artist
    versions: Mapping[str, Sequence[PolicyVersion]]
    now: Instant

    def after(self, record: ConsentRecord) -> "View":
        """Return what one more record would make of it."""
        return replace(self, artist=self.artist.having_said(record))

    def told(self, use: str, number: int, at: Instant) -> "View":
        """Return what a delivery of a version's notice would make of it, if it is the first."""
        delivered = {number: at, **self.artist.deliveries(use)}
        artist = replace(self.artist, delivered={**self.artist.delivered, use: delivered})
        return replace(self, artist=artist)

    def column(self, use: str, recipient: str, content: str | None = None) -> Column:
        """Return the artist under one column."""
        return Column(self.artist, self.versions[use], recipient, content)

    def columns(self, scope: Scope | None = None) -> Iterator[tuple[str, str]]:
        """Return every column there is, or those that a scope covers, in the page's order."""
        for use in sorted(self.versions):
            if scope is None or uses.covers(scope.use, use):
                for recipient in self.recipients(use):
                    if scope is None or scope.recipient in {None, recipient}:
                        yield use, recipient

    def recipients(self, use: str) -> list[str]:
        """Return those that the latest version lists, and those that something was said of.

        Any other is denied: the latest version binds there without a window (R7).
        """
        return in_order(self.versions[use][-1].recipients | self._said_of.get(use, frozenset()))

    @cached_property
    def _said_of(self) -> dict[str, frozenset[str]]:
        """The recipients for whom something stands, for all tracks, at exactly a use."""
        found: dict[str, frozenset[str]] = {}
        for record in self.artist.said_of(None):
            recipient = record.scope.recipient
            if recipient is not None and record.answer is not Answer.INHERIT:
                use = record.scope.use
                found[use] = found.get(use, frozenset()) | {recipient}
        return found

    def said(self, scope: Scope) -> ConsentRecord | None:
        """Return the record that stands at exactly this scope; one taken back is none."""
        record = self.artist.records.get(scope)
        return None if record is None or record.answer is Answer.INHERIT else record

    @cached_property
    def tracks(self) -> dict[str, list[ConsentRecord]]:
        """The records that stand about single tracks, by track, oldest first."""
        found: dict[str, list[ConsentRecord]] = {}
        for record in sorted(self.artist.records.values(), key=lambda record: record.revision):
            if record.scope.content is not None and record.answer is not Answer.INHERIT:
                found.setdefault(record.scope.content, []).append(record)
        return found

    @cached_property
    def _instants(self) -> list[Instant]:
        """Every instant that a record about a track is held against."""
        found = {v.published_at for versions in self.versions.values() for v in versions}
        for record in self.artist.said_of(None):
            found |= {record.recorded_at, record.expires_at or record.recorded_at}
        return sorted(found)

    def kind(self, content: str) -> Kind | None:
        """Return what tells this track from others with records; None for one of its own kind.

        Tracks of one kind are answered alike now: the rules hold their records against the same
        policies, deliveries and records about all tracks, in the same order of time.
        """
        records = self.tracks[content]
        if len(records) > 1 and any(record.expires_at is not None for record in records):
            return None
        return tuple(
            (
                record.answer,
                record.scope.use,
                record.scope.recipient,
                record.expires_at,
                bisect_left(self._instants, record.recorded_at),
                bisect_right(self._instants, record.recorded_at),
            )
            for record in records
        )


def view_of(history: History, subject: str, now: Instant) -> View:
    """Return one artist's view; `now` is not before the history's last event."""
    return View(history.artists[subject], history.versions, max(now, history.recorded_at))


def in_order(recipients: frozenset[str]) -> list[str]:
    """Return the platform itself first, then its partners by name."""
    return sorted(recipients, key=lambda recipient: (recipient != INTERNAL, recipient))
