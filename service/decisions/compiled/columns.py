"""One column, compiled: what every voice answers under one (use, recipient, least version).

Per voice a column keeps one byte, its *state*, and often not even that:

- 0: silent; the column's `rule` answers, from the time of registration;
- 1 and 2: no such artist, or erased;
- 3 to 253: one of the column's *shapes*. Either timeless (a denial that nothing but a new event can
  change), or one whose instants are those of deliveries, which lie in arrays of their own;
- 254: *apart*; somebody spoke, and the instants that this leads to are written out in a row;
- 255: *stale*; something happened, and the rules have to be asked anew before this voice answers.

As long as nobody spoke and nobody was told there is no array at all; the voices' standing serves.
Instants are exact, in microseconds: nothing is rounded, so no answer begins early or ends late.
An event that concerns a voice does nothing here but make it stale; see `compile` for who asks the
rules. So an answer comes either from what was compiled since the last event that bears on it, or
from the rules themselves.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from service.decisions.compiled.answers import (
    FOREVER,
    Codes,
    Instants,
    Packed,
    code_of,
    permits,
)
from service.decisions.compiled.deliveries import Deliveries
from service.decisions.compiled.growing import Growing
from service.decisions.compiled.rows import Apart, Rows
from service.decisions.compiled.rules import Rule
from service.decisions.compiled.shapes import Remembered, Terms
from service.decisions.compiled.slots import Ordinals, Positions
from service.decisions.compiled.voices import ERASED, QUIET, SILENT, UNKNOWN_ARTIST, Voices
from service.decisions.compiled.windows import WindowShape
from service.domain.assessment import Reason

FIRST_SHAPE: Final = 3
LAST_SHAPE: Final = 253
APART: Final = 254
STALE: Final = 255

_STATES: Final = 256
_FEW: Final = 16
"""Shapes that are quicker looked for than counted."""


class CompiledColumn:
    """The answers of one column, for voices in batches."""

    def __init__(self, terms: Terms, rule: Rule, voices: Voices, deliveries: Deliveries) -> None:
        self.voices = voices
        self.deliveries = deliveries
        self.states: Growing[np.uint8] | None = None
        self.stale = False
        """Whether any voice may be stale."""
        self.unchecked = 0
        """No voice below this ordinal is stale, as far as the background has looked."""
        self._reset(terms, rule)

    @property
    def nbytes(self) -> int:
        """The bytes it takes."""
        states = 0 if self.states is None else self.states.nbytes
        return states + self.rows.nbytes + int(self._timeless.nbytes)

    def begin(self) -> None:
        """Make stale whoever said or was told anything before anybody asked about this column."""
        size = self.voices.size
        concerned = self.voices.said.values[:size] != QUIET
        concerned |= self.deliveries.reached(size)
        concerned &= self.voices.standing.values[:size] == SILENT
        if concerned.any():
            _make_stale(self.own_states()[:size], concerned)
            self._has_stale(0)

    def move(self, terms: Terms, rule: Rule) -> None:
        """Take the terms of a new version: whoever was more than silent becomes stale."""
        self._reset(terms, rule)
        if self.states is not None:
            states = self.states.values
            _make_stale(states, states >= FIRST_SHAPE)
            self._has_stale(0)

    def mark(self, voices: Ordinals) -> None:
        """Make voices stale; whoever is unknown or erased answers as ever."""
        if len(voices):
            concerned = voices[self.voices.standing.values[voices] == SILENT]
            self.own_states()[concerned] = STALE
            if len(concerned):
                self._has_stale(int(concerned.min()))

    def stand(self, voices: Ordinals, standing: int) -> None:
        """Follow voices that are registered or erased."""
        if self.states is not None:
            self.own_states()[voices] = standing

    def own_states(self) -> npt.NDArray[np.uint8]:
        """Return the states of all voices, to be written to."""
        if self.states is None:
            self.states = Growing(np.uint8, fill=UNKNOWN_ARTIST, size=self.voices.size)
            standing = self.voices.standing.values[: self.voices.size]
            self.states.values[: self.voices.size] = standing
        self.states.reach(self.voices.size)
        return self.states.values

    def state_of(self, voices: Ordinals) -> npt.NDArray[np.uint8]:
        """Return the state of each voice."""
        states = self.voices.standing.values if self.states is None else self.own_states()
        return states.take(voices)

    # -- what the compiler writes ------------------------------------------------------------------

    def timeless(self, code: int) -> int:
        """Return the state for a denial that is there to stay, or `APART` where states run out."""
        return self._state(code, code)

    def windowed(self, shape: WindowShape) -> int:
        """Return the state for a shape of windows, or `APART` where states run out."""
        state = self._state(shape, 0)
        if state != APART:
            self.windows[state] = shape
        return state

    def set_apart(self, answers: Sequence[Apart]) -> None:
        """Write the answers of some voices out."""
        if answers:
            self.own_states()[self.rows.put(answers)] = APART

    # -- answering ---------------------------------------------------------------------------------

    def answer_one(self, voice: int, now: int) -> Packed | None:
        """Return code, start and end for one voice, or None where it is stale."""
        states = self.voices.standing if self.states is None else self.states
        state = states.values.item(voice) if voice < states.size else UNKNOWN_ARTIST
        if state == SILENT:
            return self.rule.judge_one(self.voices.registered_at.values.item(voice))
        if state == STALE:
            return None
        if state == APART:
            return self.rows.answer_one(voice, now)
        shape = self.windows.get(state)
        if shape is not None:
            return shape.answer_one(voice, now, self.voices, self.deliveries, self.terms)
        return self._timeless.item(state), FOREVER, FOREVER

    def answer(self, voices: Ordinals, now: int | Instants) -> tuple[Codes, Instants, Instants]:
        """Return code, start and end for each voice, all at one instant or each at one of its own.

        Raises RuntimeError where one is stale.
        """
        states = self.state_of(voices)
        codes = self._timeless.take(states)
        start = np.full(len(voices), FOREVER, np.int64)
        end = np.full(len(voices), FOREVER, np.int64)
        if (states == STALE).any():
            raise RuntimeError("a voice is asked before the rules were; nothing can be answered")
        silent = _where(states, SILENT)
        if silent is not None:
            self._silent(voices, silent, codes, start)
        for state, shape in self._windows_among(states):
            some = _where(states, state)
            if some is not None:
                codes[some], start[some], end[some] = shape.answer(
                    voices[some], _at_some(now, some), self.voices, self.deliveries, self.terms
                )
        apart = _where(states, APART)
        if apart is not None:
            answer = self.rows.answer(voices[apart], _at_some(now, apart))
            codes[apart], start[apart], end[apart] = answer
        return codes, start, end

    def _windows_among(self, states: npt.NDArray[np.uint8]) -> Iterable[tuple[int, WindowShape]]:
        """Return the shapes of windows that there may be among states."""
        if len(self.windows) <= _FEW:
            return self.windows.items()
        present = np.bincount(states, minlength=_STATES)
        return ((state, shape) for state, shape in self.windows.items() if present[state])

    def _silent(
        self, voices: Ordinals, silent: Positions | slice, codes: Codes, start: Instants
    ) -> None:
        rule = self.rule
        if not rule.permits_some and rule.one_for_all:
            codes[silent] = rule.codes[0]
            return
        registered_at = self.voices.registered_at.values[voices[silent]]
        settled_at = np.maximum(registered_at, rule.published_at)
        if rule.one_for_all:
            codes[silent] = rule.codes[0]
        else:
            codes[silent] = judged = rule.judge(registered_at)
            settled_at[~permits(judged)] = FOREVER
        start[silent] = settled_at

    def _reset(self, terms: Terms, rule: Rule) -> None:
        self.terms = terms
        self.rule = rule
        self.rows = Rows()
        self.windows: dict[int, WindowShape] = {}
        self.asked_before = Remembered()
        """For the compiler alone."""
        self._shapes: dict[object, int] = {}
        self._timeless: Codes = np.zeros(_STATES, np.int32)
        self._timeless[UNKNOWN_ARTIST] = code_of(Reason.UNKNOWN_ARTIST, None)
        self._timeless[ERASED] = code_of(Reason.ARTIST_ERASED, None)

    def _state(self, shape: object, code: int) -> int:
        state = self._shapes.get(shape)
        if state is None:
            if len(self._shapes) > LAST_SHAPE - FIRST_SHAPE:
                return APART
            state = self._shapes[shape] = FIRST_SHAPE + len(self._shapes)
            self._timeless[state] = code
        return state

    def _has_stale(self, first: int) -> None:
        self.unchecked = min(self.unchecked, first) if self.stale else first
        self.stale = True


def _at_some(now: int | Instants, some: Positions | slice) -> int | Instants:
    """Return when some are asked: at the one instant of all, or each at its own."""
    return now if isinstance(now, int) else now[some]


def _make_stale(states: npt.NDArray[np.uint8], concerned: npt.NDArray[np.bool_]) -> None:
    # An "or" with all bits set takes a tenth of the time that an assignment by mask does.
    states |= np.negative(concerned.view(np.uint8))


def _where(states: npt.NDArray[np.uint8], state: int) -> Positions | slice | None:
    """Return where a state is, everywhere or nowhere."""
    there = states == state
    number = np.count_nonzero(there)
    if number == len(states):
        return slice(None) if number else None
    return np.flatnonzero(there) if number else None
