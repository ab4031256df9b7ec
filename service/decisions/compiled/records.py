"""What artists said: the latest record of each scope, in arrays, chained by artist.

Few artists ever say anything, so an artist without a record costs nothing here, and one record 41
bytes (and its artist 12 to 16 for the chain's head) where the objects of the rules would cost some
400. A newer record at exactly the same scope overwrites the older one (R3). The records are turned
into those objects whenever a column asks what they amount to; nothing is judged here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from service.decisions.compiled.growing import Growing
from service.decisions.compiled.numbered import Numbered
from service.decisions.compiled.parts import Parts, array_of, text_of, under, within
from service.domain.consent import Answer, ConsentRecord, Scope
from service.domain.instant import Instant

_ANSWERS: Final = tuple(Answer)
_NUMBER: Final = {answer: number for number, answer in enumerate(_ANSWERS)}
_NEVER: Final = -1
"""Stands for "no expiry"; an expiry lies after its record and is never negative."""


@dataclass(frozen=True, slots=True)
class Breadth:
    """A scope but for its content: which use, and which recipient or any."""

    use: str
    recipient: str | None


@dataclass(frozen=True, slots=True)
class Said:
    """One record; `content` is an ordinal, 0 for all content, and `breadth` a number."""

    revision: int
    recorded_at: Instant
    expires_at: Instant | None
    breadth: int
    content: int
    answer: Answer


class Records:
    """The standing records of all artists."""

    def __init__(self) -> None:
        self.breadths: list[Breadth] = []
        self._breadth_numbers: dict[Breadth, int] = {}
        self._artists = Numbered()
        self._heads = Growing(np.uint32, size=1)
        self._revision = Growing(np.int64, size=1)
        self._recorded_at = Growing(np.int64, size=1)
        self._expires_at = Growing(np.int64, size=1)
        self._breadth = Growing(np.uint32, size=1)
        self._content = Growing(np.uint32, size=1)
        self._next = Growing(np.uint32, size=1)
        self._answer = Growing(np.uint8, size=1)
        self._free: list[int] = []

    @property
    def nbytes(self) -> int:
        """The bytes of the arrays."""
        return self._artists.nbytes + sum(one.nbytes for one in self._arrays().values())

    def say(self, artist: int, content: int, record: ConsentRecord) -> None:
        """Keep a record in the place of the older one at its scope; `content` is 0 for all."""
        breadth = self._number(Breadth(record.scope.use, record.scope.recipient))
        speaker = self._artists.add(artist)
        self._heads.reach(speaker + 1)
        row = self._row_at(self._heads.values.item(speaker), breadth, content)
        if not row:
            row = self._new_row()
            self._next.values[row] = self._heads.values[speaker]
            self._heads.values[speaker] = row
        self._revision.values[row] = record.revision
        self._recorded_at.values[row] = record.recorded_at
        self._expires_at.values[row] = _NEVER if record.expires_at is None else record.expires_at
        self._breadth.values[row] = breadth
        self._content.values[row] = content
        self._answer.values[row] = _NUMBER[record.answer]

    def of(
        self, artist: int, *, about: int | None = None, covering: set[int] | None = None
    ) -> list[Said]:
        """Return an artist's records, in the order in which they were said.

        If told so, only those about all content or `about` one, and of a breadth in `covering`.
        """
        speaker = self._artists.find(artist)
        if not speaker:
            return []
        breadth, content = self._breadth.values, self._content.values
        said = [
            self._said(row)
            for row in self._chain(self._heads.values.item(speaker))
            if (about is None or content.item(row) in {0, about})
            and (covering is None or breadth.item(row) in covering)
        ]
        return sorted(said, key=lambda one: one.revision)

    def forget(self, artist: int) -> None:
        """Drop everything an artist said."""
        speaker = self._artists.find(artist)
        if speaker:
            self._free.extend(self._chain(self._heads.values.item(speaker)))
            self._heads.values[speaker] = 0

    def wipe(self) -> None:
        """Leave nothing in the arrays of what was forgotten."""
        for name, one in self._arrays().items():
            if name != "heads":
                one.values[self._free] = 0

    def parts(self) -> Parts:
        """Return the records."""
        return {
            "breadths": bytearray(msgspec.json.encode(self.breadths)),
            "free": np.array(self._free, np.uint32),
            **under("artists", self._artists.parts()),
            **{name: one.held for name, one in self._arrays().items()},
        }

    def restore(self, parts: Parts) -> None:
        """Hold records. Raises ValueError where parts do not fit."""
        # In place: columns remember numbers of breadths, and others this very list.
        self.breadths[:] = msgspec.json.decode(text_of(parts, "breadths"), type=list[Breadth])
        self._breadth_numbers = {breadth: number for number, breadth in enumerate(self.breadths)}
        self._free = array_of(parts, "free").tolist()
        self._artists.restore(within(parts, "artists"))
        for name, one in self._arrays().items():
            one.restore(parts, name)

    def _arrays(self) -> "dict[str, Growing[np.int64] | Growing[np.uint32] | Growing[np.uint8]]":
        return {
            "heads": self._heads,
            "revision": self._revision,
            "recorded_at": self._recorded_at,
            "expires_at": self._expires_at,
            "breadth": self._breadth,
            "content": self._content,
            "next": self._next,
            "answer": self._answer,
        }

    def record(self, said: Said, content: str | None) -> ConsentRecord:
        """Return a record as the rules see it, given its content's id."""
        breadth = self.breadths[said.breadth]
        scope = Scope(breadth.use, content, breadth.recipient)
        return ConsentRecord(said.revision, said.recorded_at, said.answer, scope, said.expires_at)

    def _number(self, breadth: Breadth) -> int:
        number = self._breadth_numbers.setdefault(breadth, len(self.breadths))
        if number == len(self.breadths):
            self.breadths.append(breadth)
        return number

    def _chain(self, row: int) -> Iterator[int]:
        while row:
            yield row
            row = self._next.values.item(row)

    def _row_at(self, head: int, breadth: int, content: int) -> int:
        for row in self._chain(head):
            if (
                self._content.values.item(row) == content
                and self._breadth.values.item(row) == breadth
            ):
                return row
        return 0

    def _new_row(self) -> int:
        if self._free:
            return self._free.pop()
        row = self._revision.size
        for array in (self._revision, self._recorded_at, self._expires_at):
            array.reach(row + 1)
        for links in (self._breadth, self._content, self._next):
            links.reach(row + 1)
        self._answer.reach(row + 1)
        return row

    def _said(self, row: int) -> Said:
        expires_at = self._expires_at.values.item(row)
        return Said(
            revision=self._revision.values.item(row),
            recorded_at=self._recorded_at.values.item(row),
            expires_at=None if expires_at == _NEVER else expires_at,
            breadth=self._breadth.values.item(row),
            content=self._content.values.item(row),
            answer=_ANSWERS[self._answer.values.item(row)],
        )
