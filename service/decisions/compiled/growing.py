"""Arrays that grow at their end, in place where the allocator can.

A large block is enlarged by moving its pages, not its bytes, and by a bounded step, so that no
single append pays for all that were made before it. That would pull the memory from under a view
that somebody still holds. numpy refuses to resize where it knows of one, and then we copy: the
holder keeps what they saw, and nobody reads freed memory.
"""

from typing import Any, Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from service.decisions.compiled.parts import Parts, array_of

S = TypeVar("S", bound=np.generic)

_LEAST: Final = 1_024
_LARGEST_STEP: Final = 1 << 18
"""Entries. A step is filled at once; of eight bytes each that takes a millisecond."""


class Growing(Generic[S]):
    """One value for each ordinal up to `size`; what was never set holds `fill`."""

    def __init__(self, dtype: type[S], *, fill: int = 0, size: int = 0) -> None:
        self._array: npt.NDArray[S] = np.full(max(size, 1), fill, dtype)
        self._fill = fill
        self.size = size

    @property
    def values(self) -> npt.NDArray[S]:
        """Everything, and some room beyond `size` that holds `fill`. Not to be kept."""
        return self._array

    @property
    def nbytes(self) -> int:
        """The bytes it takes, room included."""
        return int(self._array.nbytes)

    def reach(self, size: int) -> None:
        """Have at least `size` values."""
        self.size = max(self.size, size)
        room = len(self._array)
        if size > room:
            self._resize(max(size, room + min(max(room // 4, _LEAST), _LARGEST_STEP)))

    def append(self, value: Any) -> int:
        """Add one value and return its ordinal."""
        ordinal = self.size
        self.reach(ordinal + 1)
        self._array[ordinal] = value
        return ordinal

    def extend(self, values: npt.ArrayLike) -> None:
        """Add values, in order."""
        start = self.size
        self.reach(start + np.size(values))
        self._array[start : self.size] = values

    @property
    def held(self) -> npt.NDArray[S]:
        """A view of the values, and of no room beyond. Not to be kept."""
        return self._array[: self.size]

    def restore(self, parts: Parts, name: str) -> None:
        """Hold the array of this name. Raises ValueError where it is not of our type."""
        values = array_of(parts, name)
        if values.dtype != self._array.dtype:
            message = f"{name} holds {values.dtype}, not {self._array.dtype}"
            raise ValueError(message)
        self.size = len(values)
        if self.size:
            self._array = values

    def _resize(self, room: int) -> None:
        held = len(self._array)
        try:
            self._array.resize(room)
        except ValueError:
            grown: npt.NDArray[S] = np.empty(room, self._array.dtype)
            grown[:held] = self._array
            self._array = grown
        self._array[held:] = self._fill
