"""Everybody who can be asked: artists, and artists about one content that they spoke of.

A voice is an ordinal. Of each we keep since when it is registered (8 bytes), how it stands (1 byte:
the very values that a column's state starts from), and whether there is more to look at than
registration and deliveries (1 byte).
"""

from typing import Final

import numpy as np

from service.decisions.compiled.exceptions import Exceptions
from service.decisions.compiled.growing import Growing
from service.decisions.compiled.parts import Parts, under, within
from service.decisions.compiled.slots import Ordinals
from service.domain.instant import Instant

SILENT: Final = 0
"""Registered; what the column says of everybody holds, unless the column knows more."""

UNKNOWN_ARTIST: Final = 1
"""Named as a rightsholder, perhaps, but not registered."""

ERASED: Final = 2

QUIET: Final = 0
"""Registered, and perhaps told; has said nothing."""

SPOKE: Final = 1

OF_ONE_CONTENT: Final = 2
"""Not an artist's own voice, but what the artist says of one content."""


class Voices:
    """What is the same in every column."""

    def __init__(self) -> None:
        self.standing = Growing(np.uint8, fill=UNKNOWN_ARTIST, size=1)
        self.registered_at = Growing(np.int64, size=1)
        self.said = Growing(np.uint8, size=1)
        self.exceptions = Exceptions()

    @property
    def nbytes(self) -> int:
        """The bytes it takes."""
        arrays = self.standing.nbytes + self.registered_at.nbytes + self.said.nbytes
        return arrays + self.exceptions.nbytes

    @property
    def size(self) -> int:
        """One more than the highest ordinal."""
        return self.standing.size

    def reach(self, size: int) -> None:
        """Know of so many ordinals."""
        self.standing.reach(size)
        self.registered_at.reach(size)
        self.said.reach(size)

    def register(self, voices: Ordinals, at: Instant) -> Ordinals:
        """Register those who are not yet, and return them."""
        new = np.unique(voices[self.standing.values[voices] == UNKNOWN_ARTIST])
        self.standing.values[new] = SILENT
        self.registered_at.values[new] = at
        return new

    def artist_of(self, voice: int) -> tuple[int, int]:
        """Return the artist and the content that a voice speaks of, 0 for all content."""
        if self.said.values.item(voice) != OF_ONE_CONTENT:
            return voice, 0
        return self.exceptions.pair(voice)

    def with_own(self, artist: int) -> Ordinals:
        """Return an artist, and all the artist's voices about one content."""
        return np.array([artist, *self.exceptions.of(artist)], np.uint32)

    def parts(self) -> Parts:
        """Return what is the same in every column."""
        return {
            "standing": self.standing.held,
            "registered_at": self.registered_at.held,
            "said": self.said.held,
            **under("exceptions", self.exceptions.parts()),
        }

    def restore(self, parts: Parts) -> None:
        """Hold voices. Raises ValueError where parts do not fit."""
        self.standing.restore(parts, "standing")
        self.registered_at.restore(parts, "registered_at")
        self.said.restore(parts, "said")
        self.exceptions.restore(within(parts, "exceptions"))
