"""When the first notice of a version arrived at an artist, for every use (R6).

A notice goes to nearly everybody, so each (use, version) of which any notice has arrived is one
array over the ordinals: 8 bytes an artist, shared by all of the use's columns. Pages of it that
nobody's notice has touched take no memory.
"""

import numpy as np
import numpy.typing as npt

from service.decisions.compiled.answers import Instants
from service.decisions.compiled.growing import Growing
from service.decisions.compiled.parts import Parts
from service.decisions.compiled.slots import Ordinals
from service.domain.instant import Instant


class Deliveries:
    """First deliveries of one use's notices."""

    def __init__(self) -> None:
        self._at: dict[int, Growing[np.int64]] = {}

    @property
    def nbytes(self) -> int:
        """The bytes it takes, pages included that nothing was written to."""
        return sum(array.nbytes for array in self._at.values())

    @property
    def versions(self) -> tuple[int, ...]:
        """The versions of which any notice has arrived, in order."""
        return tuple(sorted(self._at))

    def reach(self, ordinals: int) -> None:
        """Have room for so many ordinals."""
        for array in self._at.values():
            array.reach(ordinals)

    def deliver(self, version: int, artists: Ordinals, at: Instant, *, ordinals: int) -> None:
        """Record a delivery where it is the first; there are so many `ordinals`."""
        array = self._at.get(version)
        if array is None:
            array = self._at[version] = Growing(np.int64, size=ordinals)
        array.reach(ordinals)
        first = artists[array.values[artists] == 0]
        array.values[first] = at

    def at(self, version: int, artists: Ordinals) -> Instants:
        """Return when this version's notice arrived at each artist, 0 where it did not."""
        return self._at[version].values.take(artists)

    def at_one(self, version: int, artist: int) -> Instant:
        """Return when this version's notice arrived at an artist, 0 where it did not."""
        at: Instant = self._at[version].values.item(artist)
        return at

    def reached(self, ordinals: int) -> npt.NDArray[np.bool_]:
        """Tell at whom any notice has arrived, for each of so many `ordinals`."""
        told = np.zeros(ordinals, np.bool_)
        for array in self._at.values():
            size = min(ordinals, array.size)
            told[:size] |= array.values[:size] != 0
        return told

    def of(self, artist: int) -> dict[int, Instant]:
        """Return the deliveries to one artist, by version."""
        found = (
            (version, self._at[version].values.item(artist))
            for version in self.versions
            if artist < self._at[version].size
        )
        return {version: at for version, at in found if at}

    def forget(self, artist: int) -> None:
        """Drop the deliveries to one artist."""
        for array in self._at.values():
            if artist < array.size:
                array.values[artist] = 0

    def parts(self) -> Parts:
        """Return the deliveries, each version's under its number."""
        return {str(version): self._at[version].held for version in self.versions}

    def restore(self, parts: Parts) -> None:
        """Hold deliveries. Raises ValueError where parts do not fit."""
        for name in parts:
            at = self._at[int(name)] = Growing(np.int64)
            at.restore(parts, name)
