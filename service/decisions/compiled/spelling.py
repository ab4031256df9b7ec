"""Many ids as one run of UTF-8, read eight bytes at a time, and their seeded 32-bit prints.

A print is the upper half of `key0 + length * key1 + sum(word[i] * key[i + 2])` modulo 2**64, over
the id's 32-bit words: multilinear hashing, which for keys nobody knows gives any two ids the same
print with a probability of 2**-32, whoever chose the ids. Both forms below compute it, the one for
a single id in about a microsecond, the one for many in some 15 ns each, because it is nothing but
gathers, products and sums. An id longer than `LONGEST` bytes is hashed by its keyed digest.
"""

import hashlib
import struct
from collections.abc import Sequence
from copy import copy
from operator import mul
from typing import Final

import numpy as np
import numpy.typing as npt

from service.decisions.compiled.slots import Positions, Prints

LONGEST: Final = 256
"""Bytes. What is longer is looked at one by one, so that it does not make its whole batch slow."""

_PADDING: Final = bytes(8)
_WORDS: Final = LONGEST // 4
_LOW: Final = np.uint64(0xFFFF_FFFF)
_HALF: Final = np.uint64(32)
_ALL: Final = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_MASKS: Final = np.array([(1 << 8 * used) - 1 for used in range(8)], np.uint64)
_UNPACK: Final = tuple(struct.Struct(f"<{words}I").unpack for words in range(_WORDS + 1))
_AT_ONCE: Final = 16_384


def spell(text: str) -> bytes:
    """Return the bytes that stand for an id: different for different texts, and never an error."""
    return text.encode("utf-8", "surrogatepass")


def words_at(text: bytes | bytearray | npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """Return a view in which item `n` is the eight bytes that start at byte `n`."""
    size = len(text) - len(_PADDING) + 1
    return np.ndarray((max(size, 0),), dtype="<u8", buffer=text, strides=(1,))


def words_from(
    view: npt.NDArray[np.uint64],
    starts: npt.NDArray[np.int64],
    lengths: npt.NDArray[np.int64],
    number: int,
) -> npt.NDArray[np.uint64]:
    """Return word `number` of the texts that start there, without what follows their end."""
    words: npt.NDArray[np.uint64] = view[starts + 8 * number]
    left = lengths - 8 * number
    short = left < 8  # noqa: PLR2004 - bytes in a word
    if short.any():
        words[short] &= _MASKS[np.maximum(left[short], 0)]
    return words


class Spelled:
    """A batch of ids, as bytes that can be looked at all together."""

    def __init__(
        self,
        text: bytes | memoryview,
        starts: npt.NDArray[np.int64],
        lengths: npt.NDArray[np.int64],
        words: npt.NDArray[np.uint64] | None = None,
    ) -> None:
        """Take texts that lie one behind the other within `text`, as in an Arrow string array.

        `words` is the view of `words_at`, for whoever has one.
        """
        self.starts = starts
        self.lengths = lengths
        self.words = words_at(bytes(text) + _PADDING) if words is None else words
        self._text = text

    @classmethod
    def over(
        cls,
        padded: npt.NDArray[np.uint8],
        starts: npt.NDArray[np.int64],
        lengths: npt.NDArray[np.int64],
    ) -> "Spelled":
        """Take texts within bytes that nobody changes any more; nothing is copied.

        Eight more bytes follow after the last text.
        """
        return cls(padded[: -len(_PADDING)].data, starts, lengths, words_at(padded))

    @classmethod
    def of(cls, ids: Sequence[str]) -> "Spelled":
        """Spell ids that are Python strings."""
        joined = "".join(ids)
        text = spell(joined)
        lengths: npt.NDArray[np.int64]
        if len(text) == len(joined):
            lengths = np.fromiter(map(len, ids), np.int64, len(ids))
        else:
            lengths = np.fromiter((len(spell(one)) for one in ids), np.int64, len(ids))
        return cls(text, np.cumsum(lengths) - lengths, lengths)

    def __len__(self) -> int:
        return len(self.starts)

    def all_bytes(self) -> bytes | memoryview:
        """Return the bytes of all of them."""
        return self._text

    def texts(self) -> list[str]:
        """Return them as Python strings, for whoever has to look at each."""
        ends = (self.starts + self.lengths).tolist()
        each = zip(self.starts.tolist(), ends, strict=True)
        return [str(self._text[start:end], "utf-8", "surrogatepass") for start, end in each]

    def some(self, some: slice | Positions) -> "Spelled":
        """Return some of them, over the same bytes."""
        part = copy(self)
        part.starts, part.lengths = self.starts[some], self.lengths[some]
        return part

    def text(self, position: int) -> bytes:
        """Return the bytes of one of them."""
        start = self.starts.item(position)
        return bytes(self._text[start : start + self.lengths.item(position)])


class Hashing:
    """Prints of ids under keys that are drawn from a seed."""

    def __init__(self, seed: bytes) -> None:
        """Take at least 16 bytes that nobody who chooses ids knows."""
        self.seed = seed
        keys = hashlib.shake_256(seed).digest(8 * (_WORDS + 2))
        self._keys = np.frombuffer(keys, "<u8").astype(np.uint64)
        self._first, self._of_length, *rest = map(int, self._keys)
        self._of_words = [rest[:words] for words in range(_WORDS + 1)]
        self._digest_key = hashlib.blake2b(seed).digest()

    def of(self, text: bytes) -> int:
        """Return the print of one id."""
        length = len(text)
        if length > LONGEST:
            return self.of(hashlib.blake2b(text, key=self._digest_key).digest())
        words = (length + 3) >> 2
        parts: tuple[int, ...] = _UNPACK[words](text.ljust(words << 2, b"\0"))
        total: int = sum(map(mul, parts, self._of_words[words]))
        return (self._first + length * self._of_length + total >> 32) & 0xFFFF_FFFF

    def of_all(self, ids: Spelled) -> Prints:
        """Return the print of each id."""
        prints: Prints = np.empty(len(ids), np.uint64)
        for start in range(0, len(ids), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            prints[some] = self._some(ids, some)
        for position in np.flatnonzero(ids.lengths > LONGEST):
            prints[position] = self.of(ids.text(int(position)))
        return prints

    def _some(self, ids: Spelled, some: slice) -> Prints:
        starts, lengths = ids.starts[some], np.minimum(ids.lengths[some], LONGEST)
        sums = self._keys[0] + lengths.astype(np.uint64) * self._keys[1]
        for number in range(_rounds(lengths)):
            words = words_from(ids.words, *_reaching(starts, lengths, number), number)
            low = (words & _LOW) * self._keys[2 + 2 * number]
            high = (words >> _HALF) * self._keys[3 + 2 * number]
            if len(words) == len(sums):
                sums += low + high
            else:
                sums[lengths > 8 * number] += low + high
        prints: Prints = sums >> _HALF
        return prints


def same_texts(
    one: tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64], npt.NDArray[np.int64]],
    other: tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64], npt.NDArray[np.int64]],
) -> npt.NDArray[np.bool_]:
    """Tell for each pair of texts (a view by words, starts, lengths) whether every byte agrees."""
    (view, starts, lengths), (other_view, other_starts, other_lengths) = one, other
    same: npt.NDArray[np.bool_] = lengths == other_lengths
    left: Positions | slice = slice(None) if same.all() else np.flatnonzero(same)
    starts, other_starts, lengths = starts[left], other_starts[left], lengths[left]
    for number in range(_rounds(lengths)):
        here, length = _reaching(starts, lengths, number)
        there, _ = _reaching(other_starts, lengths, number)
        agree = words_from(view, here, length, number) == words_from(
            other_view, there, length, number
        )
        if not agree.all():
            reaching = np.arange(len(same))[left][lengths > 8 * number]
            same[reaching[~agree]] = False
    return same


def _rounds(lengths: npt.NDArray[np.int64]) -> int:
    return (int(lengths.max(initial=0)) + 7) // 8


def _reaching(
    starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], number: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return those starts and lengths whose text has a word of this number."""
    reaching = lengths > 8 * number
    return (starts, lengths) if reaching.all() else (starts[reaching], lengths[reaching])
