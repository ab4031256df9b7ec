"""Searches: what is permitted, found by the same decisions as every check's, page by page."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from service.decisions.check import Present
from service.decisions.compiled.slots import Ordinals
from service.decisions.evaluate import MOST_ASKED, Column, Evaluator, Judged, Question
from service.decisions.index import Index
from service.decisions.judging import Asked, Judge
from service.decisions.question import About, AtLeast, Caller, Consistency
from service.domain.decision import Decision
from service.domain.instant import Instant

MOST_SCANNED: Final = 10_000
"""Content or artists that one page looks at, however few of them are permitted."""


@dataclass(frozen=True, slots=True)
class Found:
    """One page: what is permitted, by name, at one revision and instant.

    `after` is where the next page goes on, None where there is nothing more.
    """

    revision: int
    evaluated_at: Instant
    results: Sequence[tuple[str, Judged]]
    after: str | int | None


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of the results is wanted.

    `after` is where the page before ended, None for the first; `revision` the one it was found at,
    which this one is not older than.
    """

    most: int
    after: str | int | None = None
    revision: int = 0


class Searcher:
    """Finds what is permitted. What a page gives is logged as checks of it would have been."""

    def __init__(self, evaluator: Evaluator, index: Index, *, scan: int = MOST_SCANNED) -> None:
        """Take what decides; `scan` is how much content one page looks at."""
        self._evaluator = evaluator
        self._judge = Judge(index, evaluator.stillness)
        self._index = index
        self._scan = scan

    async def resources(self, column: Column, *, page: Page, caller: Caller) -> Found:
        """Find the content (or the artists) that may be used under a column.

        They come in the order in which the ledger first knew them, which never changes: whatever
        is written between pages, nothing comes twice, and nothing is left out whose answer stayed
        the same. A page ends early, even empty, where it would have to look at too many. Raises as
        `Checker.answer` does.
        """
        present = await self._present([column.consistency], page)
        start = page.after if isinstance(page.after, int) else 0
        ordinals = self._listed(column.about, start)
        asked = Asked(column.use, column.recipient, column.about, column.min_policy_version or 1)
        judged = await self._judge.judge_known(asked, ordinals, present.now)
        found: dict[str, tuple[Question, Decision]] = {}
        last = start + len(ordinals)
        after = last if last < self._number(column.about) else None
        for position in np.flatnonzero(judged.answers.permitted).tolist():
            name = self._name(column.about, int(ordinals[position]))
            if name is None:
                continue
            if len(found) == page.most:
                after = start + position
                break
            found[name] = Question(column, name), judged.answers.decision(position)
        self._evaluator.trust_windows(found.values(), Present(present.history, judged.instant))
        return await self._give(found, after, (judged.revision, judged.instant), caller)

    def _listed(self, about: About, start: int) -> Ordinals:
        """Return what one page looks at, as ordinals, which come in the order of the ledger."""
        end = min(start + self._scan, self._number(about))
        ordinals = np.arange(min(start, end) + 1, end + 1, dtype=np.uint32)
        if about is About.CONTENT:
            asked = np.cumsum(self._index.rightsholders.number(ordinals))
            ordinals = ordinals[: max(int(np.searchsorted(asked, MOST_ASKED, side="right")), 1)]
        return ordinals

    def _number(self, about: About) -> int:
        """Return how many content or artists the ledger has ever named."""
        known = self._index.contents if about is About.CONTENT else self._index.subjects
        return len(known) - 1

    def _name(self, about: About, ordinal: int) -> str | None:
        """Return the platform's id, or None for who is not known any more."""
        if about is About.CONTENT:
            return self._index.contents.name(ordinal)
        return self._index.artist_id(self._index.subjects.name(ordinal))

    async def nothing(self, column: Column, *, page: Page, caller: Caller) -> Found:
        """Find nothing, which is what is permitted of things nobody knows.

        Raises as `Checker.answer` does.
        """
        present = await self._present([column.consistency], page)
        return await self._give({}, None, (present.history.revision, present.now), caller)

    async def recipients(
        self,
        column: Column,
        one: str,
        is_wanted: Callable[[str], bool],
        *,
        page: Page,
        caller: Caller,
    ) -> Found:
        """Find the recipients that may use one content or artist for this.

        Raises as `Checker.answer` does.
        """
        present = await self._present([column.consistency], page)
        versions = present.history.versions.get(column.use, ())
        listed = {recipient for version in versions for recipient in version.recipients}
        questions = {
            recipient: Question(replace(column, recipient=recipient), one)
            for recipient in filter(is_wanted, listed)
        }
        return await self._by_name(questions, page, present, caller)

    async def uses(self, column: Column, one: str, *, page: Page, caller: Caller) -> Found:
        """Find the uses that a recipient may make of one content or artist.

        Raises as `Checker.answer` does.
        """
        present = await self._present([column.consistency], page)
        questions = {
            use: Question(replace(column, use=use), one)
            for use, versions in present.history.versions.items()
            if versions
        }
        return await self._by_name(questions, page, present, caller)

    async def _present(self, consistencies: Collection[Consistency], page: Page) -> Present:
        """Return a present no older than asked for, nor than the page before."""
        floor = [AtLeast(page.revision)] if page.revision else []
        return await self._evaluator.present([*consistencies, *floor])

    async def _by_name(
        self, questions: dict[str, Question], page: Page, present: Present, caller: Caller
    ) -> Found:
        """Answer a few questions in the order of their names."""
        last = page.after if isinstance(page.after, str) else ""
        found: dict[str, tuple[Question, Decision]] = {}
        more = False
        async with self._evaluator.stillness.held():
            present = self._evaluator.later(present)
            for name in sorted(name for name in questions if name > last):
                decision = await self._evaluator.decide(questions[name], present)
                if decision.permitted and len(found) == page.most:
                    more = True
                    break
                if decision.permitted:
                    found[name] = questions[name], decision
            moment = present.history.revision, present.now
            self._evaluator.trust_windows(found.values(), present)
        return await self._give(
            found, next(reversed(found), last) if more else None, moment, caller
        )

    async def _give(
        self,
        found: dict[str, tuple[Question, Decision]],
        after: str | int | None,
        moment: tuple[int, Instant],
        caller: Caller,
    ) -> Found:
        """Log what was found at this revision and instant, and return it."""
        revision, now = moment
        ids = await self._evaluator.record(list(found.values()), revision, now, caller)
        judged = [
            (name, Judged(id_, decision))
            for id_, (name, (_, decision)) in zip(ids, found.items(), strict=True)
        ]
        return Found(revision, now, judged, after)
