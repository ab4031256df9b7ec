"""Artists whom notices have reached, and who said nothing: grouped by the order of their instants.

A batch is grouped in a few passes of numpy; the rules are asked once for each order that occurs.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from service.decisions.compiled.answers import Instants
from service.decisions.compiled.columns import APART, STALE, CompiledColumn
from service.decisions.compiled.effort import ASKED, Effort
from service.decisions.compiled.shapes import Shape, shape_of
from service.decisions.compiled.slots import Ordinals, Positions
from service.decisions.compiled.voices import Voices
from service.decisions.compiled.windows import WindowShape
from service.domain.history import Artist
from service.domain.instant import Instant

_WRITTEN: Final = 3
"""The effort of writing one answer out."""

_FULL: Final = 1 << 62
"""More orders than this are not numbered in one 64-bit number."""


class Told:
    """Artists whom notices have reached, and who said nothing, in one column.

    `delivered` has a row for each version of which any notice has arrived, 0 for "not yet".
    """

    def __init__(
        self, column: CompiledColumn, voices: Voices, artists: Ordinals, delivered: Instants
    ) -> None:
        terms = column.terms
        self._column = column
        self._artists = artists
        self._versions = column.deliveries.versions
        self._delivered = delivered
        notice = [terms.versions[version - 1].notice_period for version in self._versions]
        self._closes = delivered + np.array(notice, np.int64)[:, None]
        self._registered_at = voices.registered_at.values[artists]
        self._settled_at = np.maximum(self._registered_at, terms.published_at)
        np.maximum(self._settled_at, delivered.max(axis=0), out=self._settled_at)

    def compile(self, effort: Effort) -> bool:
        """Write every artist's state, as far as the effort goes; tell whether it went all the way.

        At least one order of instants is dealt with, so that each slice comes further.
        """
        orders = self._orders()
        _, first, which = np.unique(
            orders[:, 0] if orders.shape[1] == 1 else orders,
            axis=0,
            return_index=True,
            return_inverse=True,
        )
        which = which.reshape(-1)
        states, done = np.full(len(first), STALE, np.uint8), True
        for number, example in enumerate(first.tolist()):
            key = (self._versions, orders[example].tobytes())
            if number and not self._can_answer(key, effort):
                done = False
                continue
            shape = self._shape(example, key)
            states[number] = self._state(shape, example)
            if states[number] == APART:
                done &= self._write_out(np.flatnonzero(which == number), shape, effort)
        shared = ((states != APART) & (states != STALE))[which]
        self._column.own_states()[self._artists[shared]] = states[which[shared]]
        return done

    def _can_answer(self, key: object, effort: Effort) -> bool:
        if self._column.asked_before.get(key) is not None:
            return True
        return effort.spend(ASKED * len(self._column.terms.versions))

    def _write_out(self, alike: Positions, shape: Shape, effort: Effort) -> bool:
        """Write the answers of some who share a shape out, as far as the effort goes."""
        room = max(effort.left // _WRITTEN, 1)
        some = alike[:room].tolist()
        effort.spend(len(some) * _WRITTEN)
        self._column.set_apart(
            [(int(self._artists[one]), shape, self._instants(one)) for one in some]
        )
        return len(some) == len(alike)

    def _state(self, shape: Shape, example: int) -> int:
        if shape.timeless:
            return self._column.timeless(shape.codes[0])
        return self._column.windowed(WindowShape(shape, self._told(example)))

    def _shape(self, example: int, key: object) -> Shape:
        shape = self._column.asked_before.get(key)
        if shape is None:
            at = self._delivered[:, example].tolist()
            delivered = {v: one for v, one in zip(self._versions, at, strict=True) if one}
            use = self._column.terms.versions[0].use
            artist = Artist(int(self._registered_at[example]), delivered={use: delivered})
            spans = self._column.terms.spans(artist)
            shape = self._column.asked_before.keep(key, shape_of(spans, self._instants(example)))
        return shape

    def _told(self, example: int) -> tuple[int, ...]:
        at = self._delivered[:, example].tolist()
        return tuple(v for v, one in zip(self._versions, at, strict=True) if one)

    def _instants(self, example: int) -> list[Instant]:
        closes = self._closes[:, example][self._delivered[:, example] != 0]
        return [int(self._settled_at[example]), *closes.tolist()]

    def _orders(self) -> npt.NDArray[np.int64]:
        """Return a row of numbers for each artist, the same for all whose instants stand alike."""
        published = np.array([v.published_at for v in self._column.terms.versions], np.int64)
        digits = _Digits(len(self._artists))
        digits.add(np.searchsorted(published, self._registered_at), len(published) + 1)
        told = self._delivered != 0
        for number, closes in enumerate(self._closes):
            here = told[number]
            digits.add(here, 2)
            place = np.searchsorted(published, closes) + np.searchsorted(
                published, closes, side="right"
            )
            digits.add(place * here, 2 * len(published) + 1)
            for other in (self._registered_at, self._settled_at):
                digits.add(_compared(closes, other) * here, 3)
            for earlier in range(number):
                both = here & told[earlier]
                digits.add(_compared(closes, self._closes[earlier]) * both, 3)
        return digits.rows()


def _compared(one: Instants, other: Instants) -> npt.NDArray[np.int64]:
    """Return 0, 1 or 2: the one is earlier than the other, the same, or later."""
    return 1 + (one > other).astype(np.int64) - (one < other)


class _Digits:
    """Small numbers packed into as few 64-bit numbers as hold them without loss."""

    def __init__(self, size: int) -> None:
        self._full: list[npt.NDArray[np.int64]] = []
        self._last = np.zeros(size, np.int64)
        self._room = 1

    def add(self, digit: npt.NDArray[np.integer | np.bool_], base: int) -> None:
        """Append a number below `base` to each row."""
        if self._room * base >= _FULL:
            self._full.append(self._last)
            self._last, self._room = np.zeros(len(self._last), np.int64), 1
        self._last = self._last * base + digit
        self._room *= base

    def rows(self) -> npt.NDArray[np.int64]:
        """Return everything added, a row each."""
        return np.stack([*self._full, self._last], axis=1)
