"""The platform's ids of artists, and the ordinals of their voices: one leads to the other.

The ledger knows artists by reference only; whoever asks does not know the reference. An id costs
what `ids` says, and 4 bytes each way.
"""

from collections.abc import Mapping

import numpy as np

from service.decisions.compiled.growing import Growing
from service.decisions.compiled.ids import Ids
from service.decisions.compiled.parts import Parts, under, within
from service.decisions.compiled.slots import Ordinals
from service.decisions.compiled.spelling import Hashing, Spelled


class Names:
    """Who is called what."""

    def __init__(self, hashing: Hashing) -> None:
        """Start with nobody."""
        self.ids = Ids(hashing)
        self.voice_of = Growing(np.uint32, size=1)
        """Voices by the ordinals of `ids`."""
        self.id_of = Growing(np.uint32, size=1)
        """Ordinals of `ids` by voice."""

    @property
    def nbytes(self) -> int:
        """The bytes it takes beside those of `ids`."""
        return self.voice_of.nbytes + self.id_of.nbytes

    def give(self, artist_ids: Mapping[str, str], subjects: Ids) -> None:
        """Name artists, given by subject. A name that comes twice is the later artist's."""
        voices = subjects.find_all(Spelled.of([*artist_ids]))
        names = self.ids.add_all([*artist_ids.values()])
        self.voice_of.reach(len(self.ids))
        self.voice_of.values[names] = voices
        self.id_of.reach(int(voices.max(initial=0)) + 1)
        self.id_of.values[voices] = names

    def voice(self, artist_id: str) -> int:
        """Return whose id this is, or 0."""
        return self.voice_of.values.item(self.ids.find(artist_id))

    def voices(self, artist_ids: Spelled) -> Ordinals:
        """Return whose id each is, or 0."""
        return self.voice_of.values[self.ids.find_all(artist_ids)]

    def name(self, voice: int) -> str | None:
        """Return the platform's id of an artist, or None where it is not known."""
        name = self.id_of.values.item(voice) if voice < self.id_of.size else 0
        return self.ids.name(name) if name else None

    def forget(self, voices: Ordinals) -> None:
        """Keep no id of these artists."""
        voices = voices[voices < self.id_of.size]
        names = self.id_of.values[voices]
        self.id_of.values[voices] = 0
        # An id may be somebody else's by now.
        names = names[(names != 0) & (self.voice_of.values[names] == voices)]
        self.voice_of.values[names] = 0
        self.ids.forget(names)

    def parts(self) -> Parts:
        """Return who is called what."""
        return {
            "voice_of": self.voice_of.held,
            "id_of": self.id_of.held,
            **under("ids", self.ids.parts()),
        }

    def restore(self, parts: Parts) -> None:
        """Hold who is called what. Raises ValueError where parts do not fit."""
        self.voice_of.restore(parts, "voice_of")
        self.id_of.restore(parts, "id_of")
        self.ids.restore(within(parts, "ids"))
