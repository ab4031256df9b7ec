"""The state every check is answered from: the ledger, compiled, and the tree over its events."""

from collections.abc import Mapping

from service.decisions.compiled.index import CompiledIndex
from service.decisions.compiled.spelling import Hashing
from service.domain.merkle import CompactRange
from service.ledger.events import StoredEvent
from service.ledger.facts import fact_of


class Index(CompiledIndex):
    """A replica of the ledger's meaning at one revision, and of its tree at the same.

    It is changed by `take` alone and read between events, in one thread, so that every answer
    belongs to exactly one revision.
    """

    def __init__(self, hashing: Hashing) -> None:
        """Start before the first event."""
        super().__init__(hashing)
        self.range = CompactRange()

    def take(self, event: StoredEvent, artist_ids: Mapping[str, str]) -> None:
        """Take the next event; `artist_ids` names the artists it registers, by subject.

        Raises ValueError on a gap, a clock that went back, or an event that contradicts those
        before it; it has then changed nothing.
        """
        self.apply(event.revision, event.recorded_at, fact_of(event), artist_ids)
        self.range = self.range.append(event.leaf_hash)

    def subject(self, artist_id: str) -> str:
        """Return the artist's reference, or the empty text, which no artist has."""
        return self.subjects.name(self.artist(artist_id))
