"""Asking the rules: what a stale voice answers in a column, found as few times as possible.

`service.domain` is asked, never imitated. What makes that fast is that instants are only ever
compared (see `shapes`): of all whose instants stand in the same order, one is asked about.

- *Quiet* voices have registered and been told of versions, no more. A batch is grouped by the order
  of each one's instants (registration, the close of each window, what was done last, and
  all publications), and the rules are asked once for each order that occurs (`told`).
- Voices that *spoke* of what the column is about are looked at one by one. The order of their
  instants, together with what was said at which scope, is the key under which the rules' word is
  remembered.

`freshen` is called for the stale voices among those that somebody asks about, so that no answer
waits for a whole column. `refresh` does the rest in the background. Both do no more than they are
given effort for, and at least something; what they do not come to stays stale.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from service.decisions.compiled.columns import APART, STALE, CompiledColumn
from service.decisions.compiled.effort import ASKED, Effort
from service.decisions.compiled.records import Records, Said
from service.decisions.compiled.rows import Apart
from service.decisions.compiled.shapes import shape_of
from service.decisions.compiled.slots import Ordinals
from service.decisions.compiled.told import Told
from service.decisions.compiled.voices import QUIET, SILENT, Voices
from service.domain import uses
from service.domain.history import Artist
from service.domain.instant import Instant

_SPOKEN: Final = 12
"""The effort of looking at one voice that spoke."""

_QUIET_PER_EFFORT: Final = 8
"""So many quiet voices are one effort, and one more for each version that anybody was told of."""

_QUIET_AT_ONCE: Final = 8_192
"""Quiet voices grouped together, in arrays that stay in the processor's cache."""

_LOOKED_THROUGH: Final = 1 << 16
"""States looked through together for stale ones, by the background."""

_STATES_PER_EFFORT: Final = 4_096

_ABOUT: Final = "one content"
"""Stands for the content of a record about one: whatever its id, it is the one asked about."""


class Compiler:
    """Turns what was said and done into the states of columns."""

    def __init__(self, voices: Voices, records: Records) -> None:
        self._voices = voices
        self._records = records

    def freshen(self, column: CompiledColumn, voices: Ordinals, effort: Effort) -> bool:
        """Find anew what stale voices answer, as far as the effort goes; tell whether all are."""
        if not len(voices):
            return True
        voices = np.unique(voices)
        quiet = self._voices.said.values[voices] == QUIET
        done = self._look_at_spoken(column, voices[~quiet].tolist(), effort)
        left = voices[quiet]
        while len(left) and effort.left > 0:
            done &= self._look_at_quiet(column, left[:_QUIET_AT_ONCE], effort)
            left = left[_QUIET_AT_ONCE:]
        return done and not len(left)

    def _covering(self, column: CompiledColumn) -> set[int]:
        """Return the breadths of the records that bear on a column."""
        return {
            number
            for number, breadth in enumerate(self._records.breadths)
            if uses.covers(breadth.use, column.terms.versions[0].use)
            and breadth.recipient in {None, column.terms.recipient}
        }

    def refresh(self, column: CompiledColumn, effort: Effort) -> None:
        """Find anew what a column's stale voices answer: one slice of the way through."""
        size = self._voices.size
        while column.unchecked < size and effort.left > 0:
            start = column.unchecked
            end = min(start + _LOOKED_THROUGH, size)
            self.freshen(column, _stale(column, start, end)[:_QUIET_AT_ONCE], effort)
            left = _stale(column, start, end)
            column.unchecked = int(left[0]) if len(left) else end
            effort.spend(_LOOKED_THROUGH // _STATES_PER_EFFORT)
        column.stale = column.unchecked < size

    # -- voices that were told, and said nothing ---------------------------------------------------

    def _look_at_quiet(self, column: CompiledColumn, artists: Ordinals, effort: Effort) -> bool:
        column.deliveries.reach(self._voices.size)
        states, told = column.own_states(), column.deliveries.versions
        effort.spend(len(artists) * (1 + len(told)) // _QUIET_PER_EFFORT)
        delivered = np.zeros((len(told), len(artists)), np.int64)
        for number, version in enumerate(told):
            delivered[number] = column.deliveries.at(version, artists)
        heard = (delivered != 0).any(axis=0)
        states[artists[~heard]] = SILENT
        if not heard.any():
            return True
        return Told(column, self._voices, artists[heard], delivered[:, heard]).compile(effort)

    # -- voices that spoke -------------------------------------------------------------------------

    def _look_at_spoken(
        self, column: CompiledColumn, voices: Sequence[int], effort: Effort
    ) -> bool:
        covering = self._covering(column) if voices else set[int]()
        elsewhere, apart = list[int](), list[Apart]()
        looked_at = 0
        for voice in voices:
            if not effort.spend(_SPOKEN):
                break
            looked_at += 1
            artist, content = self._voices.artist_of(voice)
            said = self._records.of(artist, about=content, covering=covering)
            if said or content:
                delivered = column.deliveries.of(artist)
                answer = self._look_at(column, voice, content, delivered, said, effort)
                apart += [] if answer is None else [answer]
            else:
                elsewhere.append(voice)
        column.set_apart(apart)
        done = looked_at == len(voices)
        if elsewhere:
            done &= self._look_at_quiet(column, np.array(elsewhere, np.uint32), effort)
        return done

    def _look_at(
        self,
        column: CompiledColumn,
        voice: int,
        content: int,
        delivered: dict[int, Instant],
        said: Sequence[Said],
        effort: Effort,
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
            effort.spend(ASKED * len(column.terms.versions))
            known = Artist(registered_at, delivered={column.terms.versions[0].use: delivered})
            for one in said:
                known.say(self._records.record(one, _ABOUT if one.content else None))
            spans = column.terms.spans(known, _ABOUT if content else None)
            shape = column.asked_before.keep(key, shape_of(spans, instants))
        state = column.timeless(shape.codes[0]) if shape.timeless else APART
        if state == APART:
            return voice, shape, instants
        column.own_states()[voice] = state
        return None


def _stale(column: CompiledColumn, start: int, end: int) -> Ordinals:
    """Return the stale voices from one ordinal to another."""
    return (start + np.flatnonzero(column.own_states()[start:end] == STALE)).astype(np.uint32)


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
