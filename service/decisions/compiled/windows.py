"""Answers that turn on windows: a shape shared by all whose instants stand in the same order.

The instants are not kept per column: a window closes a notice period after the delivery, and the
deliveries are one array for the whole use. So a notice to a million artists costs a column nothing
but the state that names the shape.
"""

from dataclasses import dataclass

import numpy as np

from service.decisions.compiled.answers import FOREVER, Codes, Instants
from service.decisions.compiled.deliveries import Deliveries
from service.decisions.compiled.shapes import Shape, Terms
from service.decisions.compiled.slots import Ordinals
from service.decisions.compiled.voices import Voices


@dataclass(frozen=True, slots=True)
class WindowShape:
    """A shape over the instants: settled, then the close of the window of each version told of."""

    shape: Shape
    told: tuple[int, ...]

    def answer(
        self,
        artists: Ordinals,
        now: int,
        voices: Voices,
        deliveries: Deliveries,
        terms: Terms,
    ) -> tuple[Codes, Instants, Instants]:
        """Return code, start and end for artists whose answers have this shape."""
        shape = self.shape
        closes = {
            number: self._closes(number, artists, deliveries, terms)
            for number in {*shape.edges, shape.start, shape.end} - {0, None}
            if number is not None
        }
        phase = np.zeros(len(artists), np.intp)
        for edge in shape.edges:
            phase += closes[edge] <= now
        codes = np.array(shape.codes, np.int32)[phase]
        if shape.start == 0:
            start = self._settled(artists, voices, deliveries, terms)
        else:
            start = _instants(closes, shape.start, len(artists))
        return codes, start, _instants(closes, shape.end, len(artists))

    def _closes(
        self, number: int, artists: Ordinals, deliveries: Deliveries, terms: Terms
    ) -> Instants:
        version = self.told[number - 1]
        return deliveries.at(version, artists) + terms.versions[version - 1].notice_period

    def _settled(
        self, artists: Ordinals, voices: Voices, deliveries: Deliveries, terms: Terms
    ) -> Instants:
        settled = np.maximum(voices.registered_at.values[artists], terms.published_at)
        for version in self.told:
            np.maximum(settled, deliveries.at(version, artists), out=settled)
        return settled


def _instants(closes: dict[int, Instants], number: int | None, size: int) -> Instants:
    return np.full(size, FOREVER, np.int64) if number is None else closes[number]
