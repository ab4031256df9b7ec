"""Sparse keys: the few ordinals about which there is more to say, numbered from 1.

The print of a key is its product with an odd number modulo 2**32. That is a bijection, so here an
equal print is the key itself and needs no second look.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from service.decisions.compiled.parts import Parts
from service.decisions.compiled.slots import Ordinals, Positions, Prints, Slots

_ODD: Final = 0x9E37_79B1
_LOW: Final = 0xFFFF_FFFF


class Numbered:
    """Numbers for keys below 2**32, in the order in which they were added."""

    def __init__(self) -> None:
        self._slots = Slots()

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def nbytes(self) -> int:
        """The bytes it takes."""
        return self._slots.nbytes

    def find(self, key: int) -> int:
        """Return the number of a key, or 0."""
        return self._slots.find(key * _ODD & _LOW, _certainly)

    def find_all(self, keys: Ordinals) -> Ordinals:
        """Return the number of each key, or 0."""
        return self._slots.find_all(_prints(keys), _all_certainly)

    def add(self, key: int) -> int:
        """Return the number of a key, given now if it has none."""
        number = self.find(key)
        if not number:
            number = len(self._slots) + 1
            self._slots.add(key * _ODD & _LOW, number)
        return number

    def add_all(self, keys: Ordinals) -> Ordinals:
        """Return the number of each key, given now to those that have none; no key comes twice."""
        numbers = self.find_all(keys)
        new = np.flatnonzero(numbers == 0)
        first = len(self._slots) + 1
        numbers[new] = np.arange(first, first + len(new), dtype=np.uint32)
        self._slots.add_all(_prints(keys[new]), numbers[new])
        return numbers

    def parts(self) -> Parts:
        """Return the table of numbers."""
        return self._slots.parts()

    def restore(self, parts: Parts) -> None:
        """Hold a table of numbers. Raises ValueError where that is none."""
        self._slots.restore(parts)


def _prints(keys: Ordinals) -> Prints:
    return keys.astype(np.uint64) * np.uint64(_ODD) & np.uint64(_LOW)


def _certainly(_: int) -> bool:
    return True


def _all_certainly(_: Positions, ordinals: Ordinals) -> npt.NDArray[np.bool_]:
    return np.ones(len(ordinals), np.bool_)
