"""The compiled index: the ledger's meaning at one revision, in arrays.

It holds what `service.domain.history.History` holds, and answers what `decide` answers, for a
million at a time. Nothing is decided here: events make voices stale (`taking`), the rules say what
stale voices answer (`compile`), and a check gathers (`answering`, `ask`).

It is changed by `apply` alone, read between events and in one thread, so that every answer belongs
to exactly one revision. Asking compiles what is stale and therefore writes too.
"""

from service.decisions.compiled.answering import Answering
from service.decisions.compiled.slots import Ordinals
from service.decisions.compiled.spelling import Spelled
from service.decisions.compiled.taking import Taking


class CompiledIndex(Taking, Answering):
    """A replica of the ledger's meaning, compiled."""

    def artist(self, artist_id: str) -> int:
        """Return the ordinal of an artist by the platform's id, or 0."""
        return self.names.voice(artist_id)

    def artist_id(self, subject: str) -> str | None:
        """Return the platform's id of an artist, or None where it is not known."""
        return self.names.name(self.subjects.find(subject))

    def artists(self, artist_ids: Spelled) -> Ordinals:
        """Return the ordinal of each artist by the platform's id, or 0."""
        return self.names.voices(artist_ids)
