"""Answers that turn on windows: a shape shared by all whose instants stand in the same order.

The instants are not kept per column: a window closes a notice period after the delivery, and the
deliveries are one array for the whole use. So a notice to a million artists costs a column nothing
but the state that names the shape.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from service.decisions.compiled.answers import FOREVER, Codes, Instants, Packed
from service.decisions.compiled.deliveries import Deliveries
from service.decisions.compiled.shapes import Shape, Terms
from service.decisions.compiled.slots import Ordinals
from service.decisions.compiled.voices import Voices
from service.domain.instant import Duration


@dataclass(frozen=True, slots=True)
class WindowShape:
    """A shape over the instants: settled, then the close of the window of each version told of."""

    shape: Shape
    told: tuple[int, ...]

    def answer(
        self,
        artists: Ordinals,
        now: int | Instants,
        voices: Voices,
        deliveries: Deliveries,
        terms: Terms,
    ) -> tuple[Codes, Instants, Instants]:
        """Return code, start and end for artists whose answers have this shape.

        All are asked at one instant, or each at one of their own.
        """
        shape = self.shape
        at = {n: deliveries.at(self.told[n - 1], artists) for n in self._looked_at()}
        instants = {n: opens_at + self._notice(n, terms) for n, opens_at in at.items()}
        if shape.start == 0:
            settled = np.maximum(voices.registered_at.values.take(artists), terms.published_at)
            for delivered in at.values():
                np.maximum(settled, delivered, out=settled)
            instants[0] = settled
        codes: Codes = np.full(len(artists), shape.codes[0], np.int32)
        for edge, code in zip(shape.edges, shape.codes[1:], strict=True):
            codes = np.where(instants[edge] <= now, np.int32(code), codes)
        never = np.full(len(artists), FOREVER, np.int64)
        return (
            codes,
            never if shape.start is None else instants[shape.start],
            never if shape.end is None else instants[shape.end],
        )

    def answer_one(
        self, artist: int, now: int, voices: Voices, deliveries: Deliveries, terms: Terms
    ) -> Packed:
        """Return code, start and end for one artist whose answer has this shape."""
        shape = self.shape
        at = [deliveries.at_one(version, artist) for version in self.told]
        closes = (opens_at + self._notice(n, terms) for n, opens_at in enumerate(at, start=1))
        registered_at = voices.registered_at.values.item(artist)
        instants = [max(registered_at, terms.published_at, *at), *closes]
        phase = sum(instants[edge] <= now for edge in shape.edges)
        return (
            shape.codes[phase],
            FOREVER if shape.start is None else instants[shape.start],
            FOREVER if shape.end is None else instants[shape.end],
        )

    def _looked_at(self) -> Iterable[int]:
        """Return the numbers of the closes that an answer is made of."""
        shape = self.shape
        if shape.start == 0:
            return range(1, len(self.told) + 1)
        return {n for n in (*shape.edges, shape.start, shape.end) if n}

    def _notice(self, number: int, terms: Terms) -> Duration:
        return terms.versions[self.told[number - 1] - 1].notice_period
