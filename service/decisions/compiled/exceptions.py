"""Artists who spoke of one content: each such pair is a voice of its own.

A record about one content matters to that content alone, and there are few. So the pair of an
artist and a content that the artist has spoken of gets an ordinal beside those of the artists, and
the content's list of rightsholders names this voice in the artist's place. Everything else, columns
above all, treats it as one more artist, and a check meets no exception: what is special has
been answered for when the list was written. A pair costs 44 to 56 bytes here.

Records for one recipient, or with an expiry, need nothing of the kind: they live in the column of
that recipient, and in an instant of the answer.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from service.decisions.compiled.growing import Growing
from service.decisions.compiled.numbered import Numbered
from service.decisions.compiled.parts import Parts, under, within
from service.decisions.compiled.slots import Ordinals, Positions, Prints, Slots

_OF_ARTIST: Final = 0x9E37_79B9_7F4A_7C15
_OF_CONTENT: Final = 0xC2B2_AE3D_27D4_EB4F
_ALL: Final = 0xFFFF_FFFF_FFFF_FFFF


class Exceptions:
    """The voices of artists about one content."""

    def __init__(self) -> None:
        self._slots = Slots()
        self._artists = Numbered()
        self._heads = Growing(np.uint32, size=1)
        self._artist = Growing(np.uint32, size=1)
        self._content = Growing(np.uint32, size=1)
        self._voice = Growing(np.uint32, size=1)
        self._next = Growing(np.uint32, size=1)

    def __len__(self) -> int:
        """Return how many pairs there are."""
        return self._voice.size - 1

    @property
    def nbytes(self) -> int:
        """The bytes it takes."""
        arrays = (self._heads, self._artist, self._content, self._voice, self._next)
        return self._slots.nbytes + self._artists.nbytes + sum(array.nbytes for array in arrays)

    def add(self, artist: int, content: int, voice: int) -> None:
        """Keep the voice of a pair that has none. It is higher than every voice before it."""
        number = self._voice.append(voice)
        self._artist.append(artist)
        self._content.append(content)
        speaker = self._artists.add(artist)
        self._heads.reach(speaker + 1)
        self._next.append(self._heads.values.item(speaker))
        self._heads.values[speaker] = number
        self._slots.add(_print(artist, content), number)

    def find(self, artist: int, content: int) -> int:
        """Return the voice of a pair, or 0."""

        def verify(number: int) -> bool:
            return (
                self._artist.values.item(number) == artist
                and self._content.values.item(number) == content
            )

        return self._voice.values.item(self._slots.find(_print(artist, content), verify))

    def instead(self, artists: Ordinals, contents: Ordinals) -> Ordinals:
        """Return for each pair the voice that speaks for it: its own, or the artist's."""

        def verify(positions: Positions, numbers: Ordinals) -> npt.NDArray[np.bool_]:
            same: npt.NDArray[np.bool_] = self._artist.values[numbers] == artists[positions]
            same &= self._content.values[numbers] == contents[positions]
            return same

        if not len(self):
            return artists
        found = self._slots.find_all(_prints(artists, contents), verify)
        return np.where(found == 0, artists, self._voice.values[found])

    def of(self, artist: int) -> list[int]:
        """Return the voices of an artist about one content each."""
        voices: list[int] = []
        speaker = self._artists.find(artist)
        number = self._heads.values.item(speaker) if speaker else 0
        while number:
            voices.append(self._voice.values.item(number))
            number = self._next.values.item(number)
        return voices

    def with_own(self, artists: Ordinals) -> Ordinals:
        """Return the artists, and all their voices about one content."""
        if not len(self):
            return artists
        speakers = artists[self._artists.find_all(artists) != 0]
        more = [voice for artist in speakers.tolist() for voice in self.of(artist)]
        return np.concatenate([artists, np.array(more, np.uint32)])

    def pair(self, voice: int) -> tuple[int, int]:
        """Return the artist and the content of a voice that was added."""
        number = int(np.searchsorted(self._voice.values[: self._voice.size], np.uint32(voice)))
        return self._artist.values.item(number), self._content.values.item(number)

    def forget(self, artist: int) -> list[tuple[int, int]]:
        """Drop an artist's pairs, and return the content and the voice that each of them had.

        No pair leads to such a voice any more; its ordinal stays given.
        """
        speaker = self._artists.find(artist)
        number = self._heads.values.item(speaker) if speaker else 0
        numbers: list[int] = []
        while number:
            numbers.append(number)
            number = self._next.values.item(number)
        if not numbers:
            return []
        pairs = [(self._content.values.item(n), self._voice.values.item(n)) for n in numbers]
        self._heads.values[speaker] = 0
        self._slots.bury(np.array(numbers, np.uint32))
        for array in (self._artist, self._content, self._next):
            array.values[numbers] = 0
        return pairs

    def parts(self) -> Parts:
        """Return the pairs and what leads to them."""
        return {
            **self._slots.parts(),
            **under("artists", self._artists.parts()),
            **{name: array.held for name, array in self._arrays().items()},
        }

    def restore(self, parts: Parts) -> None:
        """Hold pairs. Raises ValueError where parts do not fit."""
        self._slots.restore(parts)
        self._artists.restore(within(parts, "artists"))
        for name, array in self._arrays().items():
            array.restore(parts, name)

    def _arrays(self) -> dict[str, Growing[np.uint32]]:
        return {
            "heads": self._heads,
            "artist": self._artist,
            "content": self._content,
            "voice": self._voice,
            "next": self._next,
        }


def _print(artist: int, content: int) -> int:
    return (artist * _OF_ARTIST + content * _OF_CONTENT & _ALL) >> 32


def _prints(artists: Ordinals, contents: Ordinals) -> Prints:
    mixed = artists.astype(np.uint64) * np.uint64(_OF_ARTIST)
    mixed += contents.astype(np.uint64) * np.uint64(_OF_CONTENT)
    return mixed >> np.uint64(32)
