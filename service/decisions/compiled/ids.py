"""String ids and the dense ordinals that stand for them everywhere else.

The ids' bytes lie one behind the other in one arena, `starts` says where (8 bytes each), and a
table of `slots` leads from an id to its ordinal (11.4 to 16 bytes each). So an id costs at most 24
bytes beside its own, at any number, and while the table grows up to 16 more. A `dict` of strings
costs 142 and more. An ordinal is given once and for ever; ordinal 0 is nobody's and means
"unknown". An id counts as found only when every one of its bytes is the same: a collision of
prints costs a comparison and never an answer.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from service.decisions.compiled.growing import Growing
from service.decisions.compiled.parts import Parts, text_of
from service.decisions.compiled.rightsholders import spread
from service.decisions.compiled.slots import Ordinals, Positions, Prints, Slots
from service.decisions.compiled.spelling import (
    LONGEST,
    Hashing,
    Spelled,
    same_texts,
    spell,
    words_at,
)

UNKNOWN: Final = 0
"""The ordinal of every id that is not there."""

_PADDING: Final = bytes(8)
_ONE_BY_ONE: Final = 32
"""So many ids are quicker looked up one by one than together."""


class Ids:
    """Ids by ordinal and ordinals by id."""

    def __init__(self, hashing: Hashing) -> None:
        """Start with nobody's ordinal alone."""
        self._hashing = hashing
        self._slots = Slots()
        self._arena = bytearray(_PADDING)
        self._starts = Growing(np.int64, size=2)

    def __len__(self) -> int:
        """Return how many ordinals there are, nobody's included."""
        return self._starts.size - 1

    @property
    def seed(self) -> bytes:
        """What the prints of these ids are drawn from."""
        return self._hashing.seed

    @property
    def nbytes(self) -> int:
        """The bytes it takes beside those of the ids themselves."""
        return self._slots.nbytes + self._starts.nbytes

    @property
    def arena_nbytes(self) -> int:
        """The bytes of the ids themselves."""
        return len(self._arena)

    def name(self, ordinal: int) -> str:
        """Return the id of an ordinal; of nobody's and of a nameless one, the empty text."""
        start, end = self._starts.values[ordinal : ordinal + 2].tolist()
        return self._arena[start:end].decode("utf-8", "surrogatepass")

    def names(self, ordinals: npt.NDArray[np.integer]) -> list[str]:
        """Return the ids of many ordinals."""
        return [self.name(ordinal) for ordinal in ordinals.tolist()]

    def spelled(self, ordinals: Ordinals, *, unknown: str) -> Spelled:
        """Return the ids of many ordinals; in place of those without one, `unknown`."""
        filling = spell(unknown)
        starts = self._starts.values[ordinals]
        sizes = self._starts.values[ordinals + np.uint32(1)] - starts
        nobody = sizes == 0
        lengths = np.where(nobody, len(filling), sizes)
        to = np.cumsum(lengths) - lengths
        text = np.empty(int(lengths.sum()), np.uint8)
        known = np.flatnonzero(~nobody)
        arena = np.frombuffer(self._arena, np.uint8)
        text[spread(to[known], sizes[known])] = arena[spread(starts[known], sizes[known])]
        nameless = np.full(int(nobody.sum()), len(filling), np.int64)
        text[spread(to[nobody], nameless)] = np.tile(
            np.frombuffer(filling, np.uint8), len(nameless)
        )
        return Spelled(text.tobytes(), to, lengths)

    def find(self, text: str) -> int:
        """Return the ordinal of an id, or `UNKNOWN`."""
        spelled = spell(text)
        return self._find(spelled, self._hashing.of(spelled))

    def find_all(self, ids: Spelled) -> Ordinals:
        """Return the ordinal of each id, or `UNKNOWN`."""
        if len(ids) <= _ONE_BY_ONE:
            texts = map(ids.text, range(len(ids)))
            each = [self._find(text, self._hashing.of(text)) for text in texts]
            return np.array(each, np.uint32)
        return self._find_all(ids, self._hashing.of_all(ids))

    def add(self, text: str) -> int:
        """Return the ordinal of an id, given now if it has none."""
        spelled = spell(text)
        print_ = self._hashing.of(spelled)
        ordinal = self._find(spelled, print_)
        if ordinal == UNKNOWN:
            ordinal = self._append(spelled)
            self._slots.add(print_, ordinal)
        return ordinal

    def add_all(self, ids: Sequence[str]) -> Ordinals:
        """Return the ordinal of each id; those that have none get theirs in the order given."""
        spelled = Spelled.of(ids)
        prints = self._hashing.of_all(spelled)
        ordinals = self._find_all(spelled, prints)
        unknown = np.flatnonzero(ordinals == UNKNOWN)
        missing = [ids[position] for position in unknown.tolist()]
        new = list(dict.fromkeys(missing))
        if len(new) == len(ids):
            return self._append_all(spelled, prints)
        if new:
            spelled = Spelled.of(new)
            given = dict(zip(new, self._append_all(spelled, None).tolist(), strict=True))
            ordinals[unknown] = [given[one] for one in missing]
        return ordinals

    def tidy(self) -> bool:
        """Do some of what makes finding quicker, and tell whether more is left."""
        return self._slots.tidy()

    def nameless(self) -> int:
        """Give an ordinal that no id leads to."""
        return self._append(b"")

    def forget(self, ordinals: Ordinals) -> None:
        """Let no id lead to these ordinals, and keep nothing of the ids but how long they were."""
        if not len(ordinals):
            return
        self._slots.bury(ordinals)
        for ordinal in ordinals.tolist():
            start, end = self._starts.values[ordinal : ordinal + 2].tolist()
            self._arena[start:end] = bytes(end - start)

    def parts(self) -> Parts:
        """Return the ids, and what leads to them under the seed that they were hashed with."""
        return {"arena": self._arena, "starts": self._starts.held, **self._slots.parts()}

    def restore(self, parts: Parts) -> None:
        """Hold ids that were hashed with our seed. Raises ValueError where parts do not fit."""
        arena = text_of(parts, "arena")
        self._starts.restore(parts, "starts")
        if not self._starts.size or self._starts.held[-1] + len(_PADDING) != len(arena):
            message = "the ids' bytes end where no id does"
            raise ValueError(message)
        self._arena = arena
        self._slots.restore(parts)

    def _find_all(self, ids: Spelled, prints: Prints) -> Ordinals:
        def verify(positions: Positions, ordinals: Ordinals) -> npt.NDArray[np.bool_]:
            return self._are(ids, positions, ordinals)

        return self._slots.find_all(prints, verify)

    def _find(self, spelled: bytes, print_: int) -> int:
        starts, arena = self._starts.values, self._arena

        def verify(ordinal: int) -> bool:
            start = starts.item(ordinal)
            long = starts.item(ordinal + 1) - start
            return long == len(spelled) and arena.startswith(spelled, start)

        return self._slots.find(print_, verify)

    def _are(self, ids: Spelled, positions: Positions, ordinals: Ordinals) -> npt.NDArray[np.bool_]:
        starts = self._starts.values[ordinals]
        lengths = self._starts.values[ordinals + np.uint32(1)] - starts
        asked_starts, asked = ids.starts[positions], ids.lengths[positions]
        long = np.flatnonzero((asked > LONGEST) & (asked == lengths))
        if len(long):
            asked = asked.copy()
            asked[long] = 0
            lengths[long] = 0
        arena = words_at(self._arena)
        same = same_texts((ids.words, asked_starts, asked), (arena, starts, lengths))
        for hit in long.tolist():
            text = ids.text(int(positions[hit]))
            same[hit] = self._arena.startswith(text, int(starts[hit]))
        return same

    def _append(self, spelled: bytes) -> int:
        ordinal = len(self)
        self._keep(spelled)
        self._starts.append(len(self._arena) - len(_PADDING))
        return ordinal

    def _append_all(self, spelled: Spelled, prints: Prints | None) -> Ordinals:
        """Give ordinals to ids that have none, each of them once."""
        first, start = len(self), len(self._arena) - len(_PADDING)
        self._keep(bytes(spelled.all_bytes()))
        self._starts.extend(start + spelled.starts + spelled.lengths)
        ordinals = np.arange(first, len(self), dtype=np.uint32)
        prints = self._hashing.of_all(spelled) if prints is None else prints
        self._slots.add_all(prints, ordinals)
        return ordinals

    def _keep(self, text: bytes) -> None:
        """Put bytes at the arena's end, before its padding."""
        try:
            self._arena[-len(_PADDING) :] = text + _PADDING
        except BufferError:
            # Somebody still looks at the old arena, an exception's traceback perhaps: leave it.
            self._arena = self._arena[: -len(_PADDING)] + text + _PADDING
