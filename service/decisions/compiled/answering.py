"""Answering: a few questions one by one, many in blocks, and in either case after compiling.

Asking compiles what is stale among those asked about. Whoever must not be kept from the loop for
long calls `prepare` until nothing is stale, with pauses in between, and then asks.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from service.decisions.compiled.answers import (
    FOREVER,
    NO_INSTANT,
    NUMBER,
    REASON_BITS,
    Answers,
    Codes,
    Instants,
    Packed,
    code_of,
    decision_of,
)
from service.decisions.compiled.ask import (
    FEW,
    Ask,
    ask_content,
    ask_content_each,
    ask_one_content,
)
from service.decisions.compiled.columns import STALE, CompiledColumn
from service.decisions.compiled.compile import Compiler
from service.decisions.compiled.effort import SLICE, UNBOUNDED, Effort
from service.decisions.compiled.ids import UNKNOWN
from service.decisions.compiled.kept import Kept
from service.decisions.compiled.slots import Ordinals
from service.decisions.compiled.spelling import Hashing
from service.domain.assessment import Reason
from service.domain.decision import Decision, Query
from service.domain.instant import Instant

_BLOCK: Final = 32_768
_ONE_BY_ONE: Final = 16
"""So many questions are quicker asked one by one than together."""

_UNKNOWN_USE: Final = (code_of(Reason.UNKNOWN_USE, None), FOREVER, FOREVER)


class Answering(Kept):
    """An index that is asked."""

    def __init__(self, hashing: Hashing) -> None:
        """Start before the first event."""
        super().__init__(hashing)
        self._compiler = Compiler(self.voices, self.records)

    # -- questions ---------------------------------------------------------------------------------

    def decide(self, query: Query, now: Instant) -> Decision:
        """Answer one question as `service.domain.decision.decide` does."""
        if not self.history.versions.get(query.use):
            return decision_of(_UNKNOWN_USE)
        column = self._column(query.use, query.recipient, query.min_version)
        if query.content is None:
            return decision_of(self._one(column, now, self.subjects.find(query.artist or "")))
        content = self.contents.find(query.content)
        return decision_of(self._one_content(column, now, content))

    def decide_many(
        self,
        use: str,
        recipient: str,
        *,
        contents: Ordinals | None = None,
        artists: Ordinals | None = None,
        now: Instant,
        min_version: int = 1,
    ) -> Answers:
        """Answer one column for many content, or else for many artists, by ordinal.

        Ordinal 0, and one that this index never gave, is unknown. Like `decide`, it never raises
        for anything unknown; `now` is not before the last event.
        """
        asked = self._known(contents, artists)
        if not self.history.versions.get(use):
            return Answers.packed([_UNKNOWN_USE] * len(asked))
        column = self._column(use, recipient, min_version)
        if len(asked) <= _ONE_BY_ONE:
            one = self._one if contents is None else self._one_content
            return Answers.packed([one(column, now, ordinal) for ordinal in asked.tolist()])
        return self._answer(partial(self._many, column, now), asked, by_artist=contents is None)

    def decide_each(
        self,
        use: str,
        recipient: str,
        *,
        contents: Ordinals | None = None,
        artists: Ordinals | None = None,
        nows: Instants,
        min_version: int = 1,
    ) -> Answers:
        """Answer as `decide_many` does, each question at an instant of its own."""
        asked = self._known(contents, artists)
        if not self.history.versions.get(use):
            return Answers.packed([_UNKNOWN_USE] * len(asked))
        column = self._column(use, recipient, min_version)
        answers = Answers.empty(len(asked))

        def ask(voices: Ordinals, nows: Instants) -> tuple[Codes, Instants, Instants]:
            return self._many(column, nows, voices)

        for block in _blocks(len(asked)):
            some, at = asked[block], nows[block]
            if contents is None:
                answers.fill(block, *ask(some, at))
            else:
                answers.fill(block, *ask_content_each(self.rightsholders, some, at, ask))
        return answers

    def asking(
        self, use: str, recipient: str, *, by_artist: bool, min_version: int = 1
    ) -> Callable[[Instant, int], Packed]:
        """Return what answers a column for an instant and an ordinal, until the next event.

        It is for very many questions of which few have a column, a revision and an instant in
        common. An ordinal is 0, or one that this index gave.
        """
        if not self.history.versions.get(use):
            return _deny_unknown_use
        column = self._column(use, recipient, min_version)
        return partial(self._one if by_artist else self._one_content, column)

    def resting_on_time(
        self,
        use: str,
        recipient: str,
        *,
        contents: Ordinals | None = None,
        artists: Ordinals | None = None,
        now: Instant,
        min_version: int = 1,
    ) -> npt.NDArray[np.bool_]:
        """Tell which are permitted by time: by any rightsholder's silence, or until some instant.

        For whoever does not know what time it is; takes twice as long as `decide_many`.
        """
        asked = self._known(contents, artists)
        if not self.history.versions.get(use):
            return np.zeros(len(asked), np.bool_)
        ask = partial(self._many, self._column(use, recipient, min_version), now)
        answers = self._answer(ask, asked, by_artist=contents is None)
        by_word = self._answer(partial(_without_silence, ask), asked, by_artist=contents is None)
        by_time: npt.NDArray[np.bool_] = (answers.end != NO_INSTANT) | ~by_word.permitted
        return answers.permitted & by_time

    def _known(self, contents: Ordinals | None, artists: Ordinals | None) -> Ordinals:
        """Return the ordinals asked about, 0 in place of those that were never given."""
        if contents is not None:
            asked, size = contents, self.rightsholders.size
        elif artists is not None:
            asked, size = artists, self.voices.size
        else:
            raise ValueError("ask about contents or about artists")
        if int(asked.max(initial=0)) < size:
            return asked
        return np.where(asked < size, asked, np.uint32(UNKNOWN))

    # -- one by one --------------------------------------------------------------------------------

    def _one(self, column: CompiledColumn, now: Instant, voice: int) -> Packed:
        answer = column.answer_one(voice, now)
        if answer is None:
            self._compiler.freshen(column, np.array([voice], np.uint32), Effort(UNBOUNDED))
            answer = column.answer_one(voice, now)
        if answer is None:
            raise RuntimeError("the rules were asked, and still a voice is stale")
        return answer

    def _one_content(self, column: CompiledColumn, now: Instant, content: int) -> Packed:
        if self.rightsholders.number_of(content) > FEW:
            ask = partial(self._many, column, now)
            codes, start, end = ask_content(self.rightsholders, np.array([content], np.uint32), ask)
            return codes.item(0), start.item(0), end.item(0)
        return ask_one_content(self.rightsholders, content, partial(self._one, column, now))

    # -- many at once ------------------------------------------------------------------------------

    def _answer(self, ask: Ask, asked: Ordinals, *, by_artist: bool) -> Answers:
        answers = Answers.empty(len(asked))
        for block in _blocks(len(asked)):
            if by_artist:
                answers.fill(block, *ask(asked[block]))
            else:
                answers.fill(block, *ask_content(self.rightsholders, asked[block], ask))
        return answers

    def _many(
        self, column: CompiledColumn, now: Instant | Instants, voices: Ordinals
    ) -> tuple[Codes, Instants, Instants]:
        if column.stale:
            self._compiler.freshen(column, _stale(column, voices), Effort(UNBOUNDED))
        return column.answer(voices, now)

    # -- compiling ahead ---------------------------------------------------------------------------

    def prepare(
        self,
        use: str,
        recipient: str,
        *,
        contents: Ordinals | None = None,
        artists: Ordinals | None = None,
        min_version: int = 1,
        most: int = SLICE,
    ) -> bool:
        """Compile a slice of what is stale among those asked about; True when nothing is left.

        `most` is the effort of the slice, in microseconds of an idle processor; it is a little
        exceeded. When it is True, and no event has come in since, `decide_many` compiles nothing.
        """
        asked = self._known(contents, artists)
        if not self.history.versions.get(use):
            return True
        column, effort = self._column(use, recipient, min_version), Effort(most)
        for block in _blocks(len(asked) if column.stale else 0):
            voices = asked[block]
            if contents is not None:
                voices = self.rightsholders.voices(voices)
            if not self._compiler.freshen(column, _stale(column, voices), effort):
                return False
        return True

    def refresh(self, most: int = SLICE) -> bool:
        """Compile a slice of what is stale anywhere, and tell whether there may be more.

        `most` is the effort of the slice, in microseconds of an idle processor. Where nothing is
        stale, tables of ids that have grown are put in order.
        """
        effort, stale = Effort(most), False
        for column in self._columns.values():
            if column.stale and effort.left > 0:
                self._compiler.refresh(column, effort)
            stale |= column.stale
        return stale or any(ids.tidy() for ids in (self.contents, self.subjects, self.names.ids))


def _deny_unknown_use(_: Instant, __: int) -> Packed:
    return _UNKNOWN_USE


def _blocks(size: int) -> Iterator[slice]:
    return (slice(begin, begin + _BLOCK) for begin in range(0, size, _BLOCK))


def _stale(column: CompiledColumn, voices: Ordinals) -> Ordinals:
    stale: Ordinals = voices[column.state_of(voices) == STALE]
    return stale


def _without_silence(ask: Ask, voices: Ordinals) -> tuple[Codes, Instants, Instants]:
    """Answer as `ask` does, but where silence permits as if its window were open."""
    codes, start, end = ask(voices)
    codes[codes & REASON_BITS == NUMBER[Reason.WINDOW_CLOSED]] = NUMBER[Reason.WINDOW_OPEN]
    return codes, start, end
