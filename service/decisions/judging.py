"""Judging many content or artists of one column at one revision, without keeping others waiting.

The index is asked in one thread, between events. So whatever takes longer than a millisecond or so
is done a slice at a time, and everybody else has their turn in between. A question of one slice is
answered without a pause; for a longer one the index is held still, so that every slice is answered
at the same revision, and events wait until it is done.
"""

import asyncio
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypedDict

import numpy as np

from service.decisions.compiled.answers import Answers
from service.decisions.compiled.slots import Ordinals
from service.decisions.compiled.spelling import Spelled
from service.decisions.index import Index
from service.decisions.question import About
from service.decisions.stillness import Stillness
from service.domain.instant import Instant
from service.domain.refusal import Refused, refuse

MOST_RIGHTSHOLDERS: Final = 5_000_000
"""Of all content of one question together; half a second, in slices."""

FEW: Final = 8
"""Ids, and rightsholders of each, that are looked at one by one sooner than all together."""

_AT_ONCE: Final = 16_384
"""Ids that are answered in one step; twice as many rightsholders. Some three milliseconds."""

_SLICE: Final = 4_096
"""Ids of a slice where there are more; twice as many rightsholders. Under a millisecond."""

_TURNS: Final = 4
"""Turns that others get in a pause: a small check takes several from its arrival to its answer."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One column, and what is asked about under it."""

    use: str
    recipient: str
    about: About
    min_version: int = 1


@dataclass(frozen=True, slots=True)
class Judgement:
    """The answers, the revision and instant they belong to, and the ordinals they are about.

    `by_time` tells whether anything is permitted by time; None where nobody wanted to know.
    """

    revision: int
    instant: Instant
    answers: Answers
    ordinals: Ordinals
    by_time: bool | None


class Judge:
    """Asks the index on behalf of everybody who wants more than one answer."""

    def __init__(self, index: Index, stillness: Stillness) -> None:
        self._index = index
        self._stillness = stillness

    async def judge(
        self,
        asked: Asked,
        ids: Spelled,
        now: Instant,
        *,
        at: Instant | None = None,
        doubt_time: bool = False,
        still: bool = False,
    ) -> Judgement | None:
        """Answer for these ids in the present, at `now` or at the last event if that is later.

        `at` asks about that very instant; None is returned where the ledger has gone beyond it.
        `doubt_time` fills in `by_time`; `still` says that the caller holds the index. Raises
        Refused for more rightsholders than one question may have.
        """
        if at is not None and at < self._index.recorded_at:
            return None
        ordinals = await self._find_all(asked.about, ids)
        if self._are_few(asked.about, ordinals) and not doubt_time:
            return self._judgement(asked, ordinals, self._instant(now, at))
        if len(ids) <= _AT_ONCE and self._number(asked.about, ordinals) <= 2 * _AT_ONCE:
            await self._prepare(asked, ordinals)
            instant = self._instant(now, at)
            self._find_again(asked.about, ids, ordinals)
            if instant < self._index.recorded_at:
                return None
            by_time = self._by_time(asked, ordinals, instant) if doubt_time else None
            return self._judgement(asked, ordinals, instant, by_time=by_time)
        async with nullcontext() if still else self._stillness.held():
            instant = self._instant(now, at)
            if instant < self._index.recorded_at:
                return None
            return await self._in_slices(asked, ids, ordinals, instant, doubt_time=doubt_time)

    async def judge_still(self, asked: Asked, ids: Spelled, now: Instant) -> Judgement:
        """Answer for these ids in the present, for a caller that holds the index.

        Raises Refused for more rightsholders than one question may have.
        """
        ordinals, instant = await self._find_all(asked.about, ids), self._instant(now, None)
        if self._are_few(asked.about, ordinals):
            return self._judgement(asked, ordinals, instant)
        return await self._in_slices(asked, ids, ordinals, instant, doubt_time=False)

    async def judge_known(self, asked: Asked, ordinals: Ordinals, now: Instant) -> Judgement:
        """Answer in the present for ordinals that one step has time for."""
        await self._prepare(asked, ordinals)
        return self._judgement(asked, ordinals, self._instant(now, None))

    def _instant(self, now: Instant, at: Instant | None) -> Instant:
        return max(now, self._index.recorded_at) if at is None else at

    def _judgement(
        self, asked: Asked, ordinals: Ordinals, instant: Instant, *, by_time: bool | None = None
    ) -> Judgement:
        answers = self._decide(asked, ordinals, instant)
        return Judgement(self._index.revision, instant, answers, ordinals, by_time)

    async def _in_slices(
        self,
        asked: Asked,
        ids: Spelled,
        ordinals: Ordinals,
        instant: Instant,
        *,
        doubt_time: bool,
    ) -> Judgement:
        """Answer slice by slice, while nothing is applied. Raises Refused."""
        answers, by_time = Answers.empty(len(ids)), False
        left = MOST_RIGHTSHOLDERS
        for block in _blocks(len(ids)):
            self._find_again(asked.about, ids.some(block), ordinals[block])
            for some in self._shares(asked.about, ordinals, block):
                share = ordinals[some]
                left -= self._number(asked.about, share)
                if left < 0:
                    raise _too_many_rightsholders()
                await self._prepare(asked, share)
                answers.place(some, self._decide(asked, share, instant))
                by_time = by_time or (doubt_time and self._by_time(asked, share, instant))
                await pause()
        told = by_time if doubt_time else None
        return Judgement(self._index.revision, instant, answers, ordinals, told)

    def _are_few(self, about: About, ordinals: Ordinals) -> bool:
        """Tell whether these are answered one by one, so that nothing has to be prepared."""
        if len(ordinals) > FEW:
            return False
        number_of = self._index.rightsholders.number_of
        return about is About.ARTISTS or all(number_of(one) <= FEW for one in ordinals.tolist())

    def _find(self, about: About, ids: Spelled) -> Ordinals:
        if about is About.CONTENT:
            return self._index.contents.find_all(ids)
        return self._index.artists(ids)

    async def _find_all(self, about: About, ids: Spelled) -> Ordinals:
        if len(ids) <= _AT_ONCE:
            return self._find(about, ids)
        ordinals = np.empty(len(ids), np.uint32)
        for block in _blocks(len(ids)):
            ordinals[block] = self._find(about, ids.some(block))
            await pause()
        return ordinals

    def _find_again(self, about: About, ids: Spelled, ordinals: Ordinals) -> None:
        """Fill in whatever was not known when it was looked up, and has been put in since."""
        unknown = np.flatnonzero(ordinals == 0)
        if len(unknown):
            ordinals[unknown] = self._find(about, ids.some(unknown))

    def _number(self, about: About, ordinals: Ordinals) -> int:
        """Return how many voices answer for these."""
        if about is About.ARTISTS:
            return len(ordinals)
        return int(self._index.rightsholders.number(ordinals).sum())

    def _shares(self, about: About, ordinals: Ordinals, block: slice) -> Iterator[slice]:
        """Cut a block where its rightsholders are too many for one step."""
        if self._number(about, ordinals[block]) <= 2 * _SLICE:
            yield block
            return
        ends = np.cumsum(self._index.rightsholders.number(ordinals[block]))
        cuts = block.start + 1 + np.flatnonzero(np.diff(ends // _SLICE))
        for begin, end in pairwise([block.start, *cuts.tolist(), block.stop]):
            yield slice(begin, end)

    async def _prepare(self, asked: Asked, ordinals: Ordinals) -> None:
        """Have all of these compiled, a slice at a time."""
        while not self._index.prepare(asked.use, asked.recipient, **_about(asked, ordinals)):
            await pause()

    def _decide(self, asked: Asked, ordinals: Ordinals, now: Instant) -> Answers:
        about = _about(asked, ordinals)
        return self._index.decide_many(asked.use, asked.recipient, now=now, **about)

    def _by_time(self, asked: Asked, ordinals: Ordinals, now: Instant) -> bool:
        about = _about(asked, ordinals)
        resting = self._index.resting_on_time(asked.use, asked.recipient, now=now, **about)
        return bool(resting.any())


class _About(TypedDict):
    contents: Ordinals | None
    artists: Ordinals | None
    min_version: int


def _about(asked: Asked, ordinals: Ordinals) -> _About:
    """Return what is asked about, as the index takes it."""
    by_content = asked.about is About.CONTENT
    return {
        "contents": ordinals if by_content else None,
        "artists": None if by_content else ordinals,
        "min_version": asked.min_version,
    }


def _blocks(size: int) -> Iterator[slice]:
    return (slice(begin, min(begin + _SLICE, size)) for begin in range(0, size, _SLICE))


def _too_many_rightsholders() -> Refused:
    message = (
        f"this content has more than {MOST_RIGHTSHOLDERS:,} rightsholders to ask: send it in parts"
    )
    return refuse("content", "too_many_rightsholders", message)


async def pause() -> None:
    """Let everybody else have their turn."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)
