"""A batch of content, answered: all of each one's rightsholders, in order (R8).

The first rightsholder of everybody is asked together, then the second of those who have one, and so
on; the few with many are spread out and folded. A block at a time, so that what lies in between
stays in the processor's cache.
"""

from collections.abc import Callable
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from service.decisions.compiled.answers import (
    FOREVER,
    LAST_PERMIT,
    REASON_BITS,
    Codes,
    Instants,
    Packed,
    permits,
)
from service.decisions.compiled.rightsholders import (
    REFUSED_OUTRIGHT,
    SEVERAL,
    TO_ASK,
    Rightsholders,
    spread,
)
from service.decisions.compiled.slots import Ordinals, Positions

_ONE_BY_ONE: Final = 4
"""Content with more rightsholders than this is spread out."""

FEW: Final = 12
"""So many rightsholders are quicker asked one by one, where one content is asked about alone."""

_REFUSED_OUTRIGHT: Final = REFUSED_OUTRIGHT.tolist()


class Ask(Protocol):
    """How voices are asked: code, start and end of each."""

    def __call__(self, voices: Ordinals) -> tuple[Codes, Instants, Instants]:
        """Answer a batch of voices."""
        ...


class AskEach(Protocol):
    """How voices are asked, each at an instant of its own: code, start and end of each."""

    def __call__(self, voices: Ordinals, nows: Instants) -> tuple[Codes, Instants, Instants]:
        """Answer a batch of voices."""
        ...


def ask_content(
    rightsholders: Rightsholders, contents: Ordinals, ask: Ask
) -> tuple[Codes, Instants, Instants]:
    """Return code, start and end for each content."""
    kinds = rightsholders.kind.values.take(contents)
    codes, start, end = ask(rightsholders.first.values.take(contents))
    several = np.flatnonzero(SEVERAL[kinds])
    if len(several):
        number = rightsholders.number(contents[several])
        places = rightsholders.place.values[contents[several]].astype(np.int64)
        for turn in range(1, _ONE_BY_ONE):
            some = np.flatnonzero((number > turn) & (number <= _ONE_BY_ONE))
            if len(some):
                answer = ask(rightsholders.links.values[places[some] + (turn - 1)])
                _agree(several[some], answer, codes, start, end)
        many = np.flatnonzero(number > _ONE_BY_ONE)
        if len(many):
            others = number[many] - 1
            answer = ask(rightsholders.links.values[spread(places[many], others)])
            _agree(several[many], _fold(answer, others), codes, start, end)
    return _refused_outright(kinds, codes, start, end)


def ask_content_each(
    rightsholders: Rightsholders, contents: Ordinals, nows: Instants, ask: AskEach
) -> tuple[Codes, Instants, Instants]:
    """Return code, start and end for each content at an instant of its own."""
    kinds = rightsholders.kind.values.take(contents)
    codes, start, end = ask(rightsholders.first.values.take(contents), nows)
    several = np.flatnonzero(SEVERAL[kinds])
    if len(several):
        others = rightsholders.number(contents[several]) - 1
        places = rightsholders.place.values[contents[several]].astype(np.int64)
        voices = rightsholders.links.values[spread(places, others)]
        answer = ask(voices, np.repeat(nows[several], others))
        _agree(several, _fold(answer, others), codes, start, end)
    return _refused_outright(kinds, codes, start, end)


def ask_one_content(
    rightsholders: Rightsholders, content: int, ask: Callable[[int], Packed]
) -> Packed:
    """Return code, start and end for one content, asking one rightsholder after the other."""
    refusal = _REFUSED_OUTRIGHT[rightsholders.kind.values.item(content)]
    if refusal != TO_ASK:
        return refusal, FOREVER, FOREVER
    code, start, end = ask(rightsholders.first.values.item(content))
    for voice in rightsholders.others(content):
        their_code, their_start, their_end = ask(voice)
        if code & REASON_BITS <= LAST_PERMIT < their_code & REASON_BITS:
            code = their_code
        start, end = max(start, their_start), min(end, their_end)
    return code, start, end


def _refused_outright(
    kinds: npt.NDArray[np.uint8], codes: Codes, start: Instants, end: Instants
) -> tuple[Codes, Instants, Instants]:
    """Put what denies before anybody is asked in the place of what somebody answered (R1)."""
    refusals = REFUSED_OUTRIGHT[kinds]
    refused = np.flatnonzero(refusals != TO_ASK)
    codes[refused] = refusals[refused]
    start[refused] = end[refused] = FOREVER
    return codes, start, end


def _agree(
    some: Positions,
    answer: tuple[Codes, Instants, Instants],
    codes: Codes,
    start: Instants,
    end: Instants,
) -> None:
    """Take in what one more rightsholder of some content answers."""
    their_codes, their_start, their_end = answer
    here = codes[some]
    codes[some] = np.where(permits(here) & ~permits(their_codes), their_codes, here)
    start[some] = np.maximum(start[some], their_start)
    end[some] = np.minimum(end[some], their_end)


def _fold(
    answer: tuple[Codes, Instants, Instants], lengths: npt.NDArray[np.int64]
) -> tuple[Codes, Instants, Instants]:
    """Combine runs of answers: the first who denies, or else the first of all, decides."""
    codes, start, end = answer
    firsts = np.cumsum(lengths) - lengths
    positions = np.arange(len(codes))
    denied = (codes & REASON_BITS) > LAST_PERMIT
    decisive = np.minimum.reduceat(np.where(denied, positions, len(codes)), firsts)
    decisive = np.where(decisive == len(codes), firsts, decisive)
    return (
        codes[decisive],
        np.maximum.reduceat(start, firsts),
        np.minimum.reduceat(end, firsts),
    )
