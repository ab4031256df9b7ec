"""Outcomes about one thing alone, recognised by their bytes and read together.

Most logged decisions are about one thing alone, and what `pack` writes for those has the same form
byte for byte but for the id and the word of the reason. Whatever has another form is for others to
unpack.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from service.decisions.compiled.answers import REASONS, Answers
from service.decisions.compiled.slots import Positions
from service.decisions.compiled.spelling import Spelled, same_texts, words_at

PADDING: Final = bytes(8)
"""What has to follow the bytes that are looked into."""

_SHORT: Final = 4
OTHER: Final = -1
"""In place of a reason's number: the word is none."""


class Alone:
    """The rows about one thing alone, told by their bytes; `others` are all that look otherwise.

    What `pack` writes for one id ends in 32 bytes at places of their own, behind the word of the
    reason, and begins with five before the id (MessagePack: fixarray, bin 8, fixstr).
    """

    def __init__(self, data: npt.NDArray[np.uint8], starts: Positions, ends: Positions) -> None:
        """Look at what `pack` wrote, between those places of padded bytes."""
        self._data, self._starts, self._ends = data, starts, ends
        fits = np.flatnonzero(ends - starts > _SHORTEST)
        starts, ends = starts[fits], ends[fits]
        long = data[starts + 4].astype(np.int64)
        word = starts + 5 + long + 4
        inside = word + 2 + _TAIL < ends
        fits, starts, ends, long, word = (one[inside] for one in (fits, starts, ends, long, word))
        of_word = data[word + 1].astype(np.int64) & 0x1F
        alike = (word + 2 + of_word + _TAIL == ends) & (data[word + 1] & 0xE0 == 0xA0)  # noqa: PLR2004
        for place, at, byte in _MARKS:
            alike &= data[{"start": starts, "word": word, "end": ends}[place] + at] == byte
        reason = _reasons(data, word + 2, of_word)
        alike &= (reason != OTHER) & (data[ends - 30] <= 1)
        self.rows = fits[alike]
        others = np.ones(len(self._starts), np.bool_)
        others[self.rows] = False
        self.others: list[int] = np.flatnonzero(others).tolist()
        ends = ends[alike]
        self.ids = Spelled.over(data, starts[alike] + 5, long[alike])
        self.answers = Answers(
            permitted=data[ends - 30] == 1,
            reason=reason[alike].astype(np.uint8),
            policy_version=read_numbers(data, ends - 24, "<i4"),
            start=read_numbers(data, ends - 18, "<i8"),
            end=read_numbers(data, ends - 8, "<i8"),
        )

    def others_packed(self) -> Iterator[bytes]:
        """Return the outcomes of all others, as they are packed."""
        for row in self.others:
            yield self._data[self._starts.item(row) : self._ends.item(row)].tobytes()


_TAIL: Final = 32
_SHORTEST: Final = 5 + 4 + 2 + _TAIL
_MARKS: Final = (
    ("start", 0, 0x9B),
    ("start", 1, 0x01),
    ("start", 2, 0x01),
    ("start", 3, 0xC4),
    ("word", -4, 0xC4),
    ("word", -3, 0x00),
    ("word", -2, 0xC4),
    ("word", -1, 0x00),
    ("word", 0, 0x91),
    ("end", -32, 0xC4),
    ("end", -31, 0x01),
    ("end", -29, 0xC4),
    ("end", -28, 0x01),
    ("end", -27, 0x00),
    ("end", -26, 0xC4),
    ("end", -25, 0x04),
    ("end", -20, 0xC4),
    ("end", -19, 0x08),
    ("end", -10, 0xC4),
    ("end", -9, 0x08),
)
"""Every byte that says how what follows is to be read, from where it is counted."""

_WORDS: Final = Spelled.of([reason.value for reason in REASONS])


def _reasons(data: npt.NDArray[np.uint8], starts: Positions, lengths: Positions) -> Positions:
    """Return the number of the reason that each word is, or `OTHER`."""
    view, found = words_at(data), np.full(len(starts), OTHER, np.int64)
    for number, length in enumerate(_WORDS.lengths.tolist()):
        some = np.flatnonzero(lengths == length)
        known = (_WORDS.words, np.repeat(_WORDS.starts[number], len(some)), lengths[some])
        found[some[same_texts((view, starts[some], lengths[some]), known)]] = number
    return found


def read_numbers(data: npt.NDArray[np.uint8], starts: Positions, form: str) -> Any:
    """Return the number that begins at each of these places, in the byte order of the machine."""
    size = np.dtype(form).itemsize
    view = np.ndarray((len(data) - size + 1,), form, data, strides=(1,))
    return view[starts].astype(np.int64 if size > _SHORT or form[0] == ">" else np.int32)
