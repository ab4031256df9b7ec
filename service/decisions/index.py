"""The state every check is answered from: the ledger folded in memory, with its answers kept.

What the rules say about one artist and one column does not change until something is said, so it
is worked out once and kept until an event touches it (R9).
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from service.domain.decision import Decision, Query, Span, artist_spans, decide
from service.domain.events import (
    ArtistErased,
    ConsentRecorded,
    Fact,
    NoticeDelivered,
    PolicyPublished,
)
from service.domain.history import History
from service.domain.instant import Instant
from service.domain.merkle import CompactRange
from service.ledger.events import StoredEvent
from service.ledger.facts import fact_of

ColumnKey: TypeAlias = tuple[str, str, int]
"""Use, recipient, and the least policy version that counts."""
_Kept: TypeAlias = dict[str, dict[str | None, tuple[Span, ...]]]


class Index:
    """A replica of the ledger's meaning at one revision.

    It is changed by `apply` alone and read between events, in one thread, so that every answer
    belongs to exactly one revision.
    """

    def __init__(self) -> None:
        """Start before the first event."""
        self.history = History()
        self.range = CompactRange()
        self._subjects: dict[str, str] = {}
        self._artist_ids: dict[str, str] = {}
        self._kept: dict[ColumnKey, _Kept] = {}

    @property
    def revision(self) -> int:
        """The number of events taken in."""
        return self.history.revision

    def apply(self, event: StoredEvent, artist_ids: Mapping[str, str]) -> None:
        """Take the next event; `artist_ids` names the artists it registers, by subject.

        Raises ValueError on a gap or a clock that went back.
        """
        fact = fact_of(event)
        self.history.apply(event.revision, event.recorded_at, fact)
        self.range = self.range.append(event.leaf_hash)
        for subject, artist_id in artist_ids.items():
            self._subjects[artist_id] = subject
            self._artist_ids[subject] = artist_id
        self._forget(fact)

    def subject(self, artist_id: str) -> str:
        """Return the artist's reference, or one that no artist has."""
        return self._subjects.get(artist_id, "")

    def artist_id(self, subject: str) -> str | None:
        """Return the platform's id of an artist, or None where it is not known any more."""
        return self._artist_ids.get(subject)

    def decide(self, query: Query, now: Instant) -> Decision:
        """Answer as the rules do, from what is kept where nothing has changed since."""
        return decide(self.history, query, now, spans=self._spans)

    def _spans(self, history: History, query: Query, artist: str) -> tuple[Span, ...]:
        known = history.artists.get(artist)
        if known is None or not self._listed(query.use, query.recipient):
            return artist_spans(history, query, artist)
        # Every version beyond the latest is as far away as the next.
        least = min(query.min_version, len(history.versions[query.use]) + 1)
        column = self._kept.setdefault((query.use, query.recipient, least), {})
        # A content matters only to an artist who has spoken of it.
        content = query.content if known.speaks_of(query.content) else None
        kept = column.setdefault(artist, {})
        spans = kept.get(content)
        if spans is None:
            spans = kept[content] = artist_spans(history, query, artist)
        return spans

    def rightsholders(self, content: Sequence[str]) -> int:
        """Return how many artists' answers a question about this content takes."""
        known = self.history.content
        return sum(len(known[one][0].rightsholders) for one in content if one in known)

    def _listed(self, use: str, recipient: str) -> bool:
        """Tell whether the column exists: callers can make up recipients without end."""
        return any(version.lists(recipient) for version in self.history.versions[use])

    def _forget(self, fact: Fact | None) -> None:
        match fact:
            case PolicyPublished(use=use):
                for column in [key for key in self._kept if key[0] == use]:
                    del self._kept[column]
            case ConsentRecorded(artist=artist) | ArtistErased(artist=artist):
                for kept in self._kept.values():
                    kept.pop(artist, None)
            case NoticeDelivered(use=use, artists=artists):
                for key, kept in self._kept.items():
                    if key[0] == use:
                        for artist in artists:
                            kept.pop(artist, None)
            case _:
                pass
