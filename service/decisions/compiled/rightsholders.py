"""Content and those who have to agree to its use, in the content's own order (R8).

Of each content we keep its status and number of rightsholders in one byte, the first rightsholder
in four, and for those with more a place in `links`, where the others lie one behind the other. So
the usual content, with one rightsholder, is two reads, and costs 9 bytes; each further rightsholder
costs 4. A content that is replaced keeps its place in `links` while it fits, else it moves to the
end; `wasted` says how many links lie unused.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from service.decisions.compiled.answers import NUMBER
from service.decisions.compiled.growing import Growing
from service.decisions.compiled.parts import Parts, array_of
from service.decisions.compiled.slots import Ordinals
from service.domain.assessment import Reason
from service.domain.events import ContentStatus

_STATUS_BITS: Final = 2
_STATUSES: Final = (None, ContentStatus.ACTIVE, ContentStatus.DISPUTED, ContentStatus.REMOVED)
STATUS_NUMBER: Final = {status: number for number, status in enumerate(_STATUSES)}
_UNKNOWN, _ACTIVE, _DISPUTED, _REMOVED = range(4)
_MANY: Final = 63
"""So many rightsholders or more: the number stands in `links`, before the others."""

TO_ASK: Final = 255
_OF_STATUS: Final = {
    _UNKNOWN: Reason.UNKNOWN_CONTENT,
    _REMOVED: Reason.CONTENT_REMOVED,
    _DISPUTED: Reason.CONTENT_DISPUTED,
}
REFUSED_OUTRIGHT: Final = np.array(
    [
        NUMBER[_OF_STATUS[kind & 3]]
        if kind & 3 in _OF_STATUS
        else TO_ASK
        if kind >> _STATUS_BITS
        else NUMBER[Reason.NO_RIGHTSHOLDER]
        for kind in range(256)
    ],
    np.uint8,
)
"""By kind: the number of the reason that denies before anybody is asked (R1), or `TO_ASK`."""

SEVERAL: Final = np.array([kind & 3 == _ACTIVE and kind >> _STATUS_BITS > 1 for kind in range(256)])
"""By kind: is there more than one rightsholder to ask?"""


class Rightsholders:
    """Who has to agree, by content."""

    def __init__(self) -> None:
        self.kind = Growing(np.uint8, size=1)
        self.first = Growing(np.uint32, size=1)
        self.place = Growing(np.uint32, size=1)
        self.links = Growing(np.uint32)
        self.wasted = 0

    @property
    def nbytes(self) -> int:
        """The bytes it takes."""
        return self.kind.nbytes + self.first.nbytes + self.place.nbytes + self.links.nbytes

    @property
    def size(self) -> int:
        """One more than the highest ordinal."""
        return self.kind.size

    def reach(self, size: int) -> None:
        """Know of so many ordinals."""
        self.kind.reach(size)
        self.first.reach(size)
        self.place.reach(size)

    def number(self, contents: Ordinals) -> npt.NDArray[np.int64]:
        """Return how many rightsholders each content has."""
        number = (self.kind.values[contents] >> _STATUS_BITS).astype(np.int64)
        many = np.flatnonzero(number == _MANY)
        if len(many):
            number[many] = self.links.values[self.place.values[contents[many]] - np.uint32(1)] + 1
        return number

    def of(self, content: int) -> list[int]:
        """Return the voices of one content's rightsholders, in order."""
        if not self.number_of(content):
            return []
        return [self.first.values.item(content), *self.others(content)]

    def number_of(self, content: int) -> int:
        """Return how many rightsholders one content has."""
        number: int = self.kind.values.item(content) >> _STATUS_BITS
        if number == _MANY:
            number = self.links.values.item(self.place.values.item(content) - 1) + 1
        return number

    def others(self, content: int) -> list[int]:
        """Return the voices of one content's rightsholders but the first, in order."""
        number = self.number_of(content)
        if number <= 1:
            return []
        place = self.place.values.item(content)
        others: list[int] = self.links.values[place : place + number - 1].tolist()
        return others

    def voices(self, contents: Ordinals) -> Ordinals:
        """Return the voices of all these contents' rightsholders, in no particular order."""
        several = contents[SEVERAL[self.kind.values[contents]]]
        places = self.place.values[several].astype(np.int64)
        others = self.links.values[spread(places, self.number(several) - 1)]
        return np.concatenate([self.first.values[contents], others])

    def status(self, content: int) -> ContentStatus | None:
        """Return a content's status, or None where it was only ever mentioned."""
        return _STATUSES[self.kind.values.item(content) & 3]

    def put(
        self,
        contents: Ordinals,
        statuses: Sequence[ContentStatus],
        numbers: npt.NDArray[np.int64],
        voices: Ordinals,
    ) -> None:
        """Add or replace content, each once; `voices` are those of all of it, in one run."""
        starts = np.cumsum(numbers) - numbers
        self._place(contents, numbers)
        status = np.fromiter((STATUS_NUMBER[one] for one in statuses), np.uint8, len(statuses))
        capped = np.minimum(numbers, _MANY).astype(np.uint8)
        self.kind.values[contents] = status | capped << np.uint8(_STATUS_BITS)
        held = numbers > 0
        self.first.values[contents] = 0
        self.first.values[contents[held]] = voices[starts[held]]
        others = np.maximum(numbers - 1, 0)
        if others.any():
            to = spread(self.place.values[contents].astype(np.int64), others)
            self.links.values[to] = voices[spread(starts + 1, others)]

    def speak_for(self, content: int, artist: int, voice: int) -> None:
        """Let a voice of its own stand for an artist wherever a content names the artist."""
        if self.first.values.item(content) == artist:
            self.first.values[content] = voice
        others = len(self.of(content)) - 1
        if others > 0:
            place = self.place.values.item(content)
            links = self.links.values[place : place + others]
            links[links == artist] = voice

    def parts(self) -> Parts:
        """Return content with its rightsholders."""
        return {
            "kind": self.kind.held,
            "first": self.first.held,
            "place": self.place.held,
            "links": self.links.held,
            "wasted": np.array([self.wasted], np.int64),
        }

    def restore(self, parts: Parts) -> None:
        """Hold content with its rightsholders. Raises ValueError where parts do not fit."""
        self.kind.restore(parts, "kind")
        self.first.restore(parts, "first")
        self.place.restore(parts, "place")
        self.links.restore(parts, "links")
        self.wasted = int(array_of(parts, "wasted").sum())

    def _place(self, contents: Ordinals, numbers: npt.NDArray[np.int64]) -> None:
        """Find a place for each content's other rightsholders."""
        had, need = _links(self.number(contents)), _links(numbers)
        moving = np.flatnonzero(need > had)
        self.wasted += int(had.sum() - need[need <= had].sum())
        room = need[moving]
        start = self.links.size
        self.links.reach(start + int(room.sum()))
        counted = _is_many(numbers)
        places = self.place.values[contents].astype(np.int64)
        # A place is where the others begin; where they are counted, that is behind their number.
        places += counted.astype(np.int64) - _is_many(self.number(contents))
        places[moving] = start + np.cumsum(room) - room + counted[moving]
        self.place.values[contents] = places
        self.links.values[places[counted] - 1] = numbers[counted] - 1


def spread(starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return every number of the runs that start there and are so long, one run after the other."""
    ends = np.cumsum(lengths)
    return np.repeat(starts - (ends - lengths), lengths) + np.arange(int(lengths.sum()))


def _is_many(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    return numbers >= _MANY


def _links(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return how many entries in `links` so many rightsholders take."""
    return np.maximum(numbers - 1, 0) + _is_many(numbers)
