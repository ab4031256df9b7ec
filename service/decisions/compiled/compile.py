"""Asking the rules: what a stale voice answers in a column, found as few times as possible.

`service.domain` is asked, never imitated. What makes that fast is that instants are only ever
compared (see `shapes`): of all whose instants stand in the same order, one is asked about.

- *Quiet* voices have registered and been told of versions, no more. A batch is grouped by the order
  of each one's instants (registration, the close of each window, what was done last, and
  all publications), in a few passes of numpy; the rules are asked once for each order that occurs.
- Voices that *spoke* of what the column is about are looked at one by one. The order of their
  instants, together with what was said at which scope, is the key under which the rules' word is
  remembered.

`freshen` is called for the stale voices among those that somebody asks about, so that no answer
waits for a whole column. `refresh` does the rest in the background, in slices.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from service.decisions.compiled.answers import Instants
from service.decisions.compiled.columns import APART, STALE, CompiledColumn
from service.decisions.compiled.records import Records, Said
from service.decisions.compiled.rows import Apart
from service.decisions.compiled.shapes import Shape, shape_of
from service.decisions.compiled.slots import Ordinals
from service.decisions.compiled.voices import QUIET, SILENT, Voices
from service.decisions.compiled.windows import WindowShape
from service.domain import uses
from service.domain.history import Artist
from service.domain.instant import Instant

_MOST_REMEMBERED: Final = 1_024
"""Orders of instants that a column remembers; they are few unless everybody says many things."""

_SPOKEN: Final = 32
"""Looking at one voice that spoke takes as long as at so many quiet ones."""

_LOOKED_THROUGH: Final = 1 << 18
"""States that one slice looks through for stale ones: some ten microseconds."""

_FULL: Final = 1 << 62
"""More orders than this are not numbered in one 64-bit number."""

_ABOUT: Final = "one content"
"""Stands for the content of a record about one: whatever its id, it is the one asked about."""


class Compiler:
    """Turns what was said and done into the states of columns."""

    def __init__(self, voices: Voices, records: Records) -> None:
        self._voices = voices
        self._records = records

    def freshen(self, column: CompiledColumn, voices: Ordinals) -> None:
        """Find anew what stale voices answer."""
        voices = np.unique(voices)
        kinds = self._voices.said.values[voices]
        quiet, apart = voices[kinds == QUIET].tolist(), list[Apart]()
        covering = self._covering(column)
        for voice in voices[kinds != QUIET].tolist():
            artist, content = self._voices.artist_of(voice)
            said = self._records.of(artist, about=content, covering=covering)
            if said or content:
                delivered = column.deliveries.of(artist)
                answer = self._look_at(column, voice, content, delivered, said)
                apart += [] if answer is None else [answer]
            else:
                quiet.append(voice)
        self._look_at_quiet(column, np.array(quiet, np.uint32))
        column.set_apart(apart)

    def _covering(self, column: CompiledColumn) -> set[int]:
        """Return the breadths of the records that bear on a column."""
        return {
            number
            for number, breadth in enumerate(self._records.breadths)
            if uses.covers(breadth.use, column.terms.versions[0].use)
            and breadth.recipient in {None, column.terms.recipient}
        }

    def refresh(self, column: CompiledColumn, most: int) -> None:
        """Find anew what some of a column's stale voices answer: one slice of the way through.

        `most` is the number of quiet voices that a slice may take.
        """
        start, states = column.unchecked, column.own_states()[: self._voices.size]
        end = min(start + _LOOKED_THROUGH, len(states))
        found = (start + np.flatnonzero(states[start:end] == STALE)).astype(np.uint32)
        del states
        effort = np.cumsum(np.where(self._voices.said.values[found] == QUIET, 1, _SPOKEN))
        some = found[: max(int(np.searchsorted(effort, most, side="right")), 1)]
        if len(some):
            self.freshen(column, some)
        column.unchecked = int(some[-1]) + 1 if len(some) < len(found) else end
        column.stale = column.unchecked < self._voices.size

    # -- voices that were told, and said nothing ---------------------------------------------------

    def _look_at_quiet(self, column: CompiledColumn, artists: Ordinals) -> None:
        column.deliveries.reach(self._voices.size)
        states, told = column.own_states(), column.deliveries.versions
        delivered = np.zeros((len(told), len(artists)), np.int64)
        for number, version in enumerate(told):
            delivered[number] = column.deliveries.at(version, artists)
        heard = (delivered != 0).any(axis=0)
        states[artists[~heard]] = SILENT
        if heard.any():
            _Told(column, self._voices, artists[heard], delivered[:, heard]).compile()

    # -- voices that spoke -------------------------------------------------------------------------

    def _look_at(
        self,
        column: CompiledColumn,
        voice: int,
        content: int,
        delivered: dict[int, Instant],
        said: Sequence[Said],
    ) -> Apart | None:
        """Write the state of a voice that spoke, or return its answer to be written out."""
        if not said and not delivered:
            column.own_states()[voice] = SILENT
            return None
        registered_at = self._voices.registered_at.values.item(voice)
        instants = _instants(column, registered_at, delivered, said)
        key = _key(column, registered_at, delivered, said, instants)
        shape = column.asked_before.get(key)
        if shape is None:
            known = Artist(registered_at, delivered={column.terms.versions[0].use: delivered})
            for one in said:
                known.say(self._records.record(one, _ABOUT if one.content else None))
            spans = column.terms.spans(known, _ABOUT if content else None)
            shape = shape_of(spans, instants)
            _remember(column, key, shape)
        state = column.timeless(shape.codes[0]) if shape.timeless else APART
        if state == APART:
            return voice, shape, instants
        column.own_states()[voice] = state
        return None


def _instants(
    column: CompiledColumn,
    registered_at: Instant,
    delivered: dict[int, Instant],
    said: Sequence[Said],
) -> list[Instant]:
    """Return every instant at which the answer can turn, the one it is settled at first."""
    terms = column.terms
    done = (registered_at, terms.published_at, *delivered.values())
    return [
        max(*done, *(one.recorded_at for one in said)),
        *(at + terms.versions[version - 1].notice_period for version, at in delivered.items()),
        *(one.expires_at for one in said if one.expires_at is not None),
    ]


def _key(
    column: CompiledColumn,
    registered_at: Instant,
    delivered: Iterable[int],
    said: Sequence[Said],
    instants: Sequence[Instant],
) -> object:
    """Return what the rules' answer depends on: what was said, and the order of all instants."""
    everything = (
        *(version.published_at for version in column.terms.versions),
        registered_at,
        *instants,
        *(one.recorded_at for one in said),
    )
    rank = {instant: number for number, instant in enumerate(sorted({*everything}))}
    statements = tuple(
        (one.breadth, one.content != 0, one.answer, one.expires_at is None) for one in said
    )
    return tuple(delivered), statements, tuple(rank[instant] for instant in everything)


def _remember(column: CompiledColumn, key: object, shape: Shape) -> None:
    if len(column.asked_before) >= _MOST_REMEMBERED:
        column.asked_before.clear()
    column.asked_before[key] = shape


class _Told:
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

    def compile(self) -> None:
        """Write every artist's state."""
        orders = self._orders()
        _, first, which = np.unique(
            orders[:, 0] if orders.shape[1] == 1 else orders,
            axis=0,
            return_index=True,
            return_inverse=True,
        )
        which = which.reshape(-1)
        states = np.empty(len(first), np.uint8)
        for number, example in enumerate(first.tolist()):
            shape = self._shape(example, (self._versions, orders[example].tobytes()))
            states[number] = self._state(shape, example)
            if states[number] == APART:
                alike = np.flatnonzero(which == number).tolist()
                self._column.set_apart(
                    [(int(self._artists[one]), shape, self._instants(one)) for one in alike]
                )
        self._column.own_states()[self._artists] = states[which]

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
            shape = shape_of(self._column.terms.spans(artist), self._instants(example))
            _remember(self._column, key, shape)
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
