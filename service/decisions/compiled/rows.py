"""Answers written out, for voices whose instants nobody shares: those who spoke.

A row holds the interval, up to two turns and the codes between them: 44 bytes, and 12 to 16 to find
it by its voice. An answer with more turns than that is kept as a tuple beside.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np

from service.decisions.compiled.answers import FOREVER, Codes, Instants, Packed
from service.decisions.compiled.growing import Growing
from service.decisions.compiled.numbered import Numbered
from service.decisions.compiled.shapes import Shape
from service.decisions.compiled.slots import Ordinals
from service.domain.instant import Instant

Apart: TypeAlias = tuple[int, Shape, Sequence[Instant]]
"""A voice, the shape of its answer, and the instants that the shape numbers."""

_TURNS: Final = 2
_BESIDE: Final = -1
"""In place of the first code: this answer has more turns than fit."""


class Rows:
    """One written-out answer for each voice that needs one."""

    def __init__(self) -> None:
        self._numbers = Numbered()
        self._start = Growing(np.int64, size=1)
        self._end = Growing(np.int64, size=1)
        self._turns = [Growing(np.int64, size=1) for _ in range(_TURNS)]
        self._codes = [Growing(np.int32, size=1) for _ in range(_TURNS + 1)]
        self._beside: dict[int, tuple[tuple[Instant, ...], tuple[int, ...]]] = {}

    @property
    def nbytes(self) -> int:
        """The bytes it takes, but for answers of more than two turns."""
        instants = (self._start, self._end, *self._turns)
        codes = sum(array.nbytes for array in self._codes)
        return self._numbers.nbytes + sum(array.nbytes for array in instants) + codes

    def put(self, answers: Sequence[Apart]) -> Ordinals:
        """Write answers, each in the place of the one that its voice had, and return the voices."""
        voices = np.array([voice for voice, _, _ in answers], np.uint32)
        rows = self._numbers.add_all(voices)
        written = [
            self._write(row, shape, instants)
            for row, (_, shape, instants) in zip(rows.tolist(), answers, strict=True)
        ]
        start, end, *rest = np.array(written, np.int64).T
        size = len(self._numbers) + 1
        instants = (self._start, self._end, *self._turns)
        for array, values in zip(instants, (start, end, *rest[:_TURNS]), strict=True):
            array.reach(size)
            array.values[rows] = values
        for codes, values in zip(self._codes, rest[_TURNS:], strict=True):
            codes.reach(size)
            codes.values[rows] = values
        return voices

    def _write(self, row: int, shape: Shape, instants: Sequence[Instant]) -> tuple[int, ...]:
        """Return an answer as a row: start, end, turns, codes."""
        turns = [instants[edge] for edge in shape.edges]
        codes = shape.codes
        if len(turns) > _TURNS:
            self._beside[row] = (tuple(turns), codes)
            turns, codes = [], (_BESIDE,)
        elif self._beside:
            self._beside.pop(row, None)
        return (
            FOREVER if shape.start is None else instants[shape.start],
            FOREVER if shape.end is None else instants[shape.end],
            *turns,
            *(FOREVER,) * (_TURNS - len(turns)),
            *codes,
            *codes[-1:] * (_TURNS + 1 - len(codes)),
        )

    def answer(self, voices: Ordinals, now: Instant | Instants) -> tuple[Codes, Instants, Instants]:
        """Return code, start and end for voices that have a row, all at once or each when asked."""
        rows = self._numbers.find_all(voices)
        codes = self._codes[0].values[rows]
        beside = np.flatnonzero(codes == _BESIDE) if self._beside else ()
        for turn, after in zip(self._turns, self._codes[1:], strict=True):
            turned = turn.values[rows] <= now
            codes[turned] = after.values[rows[turned]]
        for position in beside:
            turns, each = self._beside[int(rows[position])]
            at = now if isinstance(now, int) else now.item(position)
            codes[position] = each[bisect_right(turns, at)]
        return codes, self._start.values[rows], self._end.values[rows]

    def answer_one(self, voice: int, now: Instant) -> Packed:
        """Return code, start and end for one voice that has a row."""
        row = self._numbers.find(voice)
        code = self._codes[0].values.item(row)
        if code == _BESIDE:
            turns, each = self._beside[row]
            code = each[bisect_right(turns, now)]
        else:
            for turn, after in zip(self._turns, self._codes[1:], strict=True):
                if turn.values.item(row) <= now:
                    code = after.values.item(row)
        return code, self._start.values.item(row), self._end.values.item(row)
