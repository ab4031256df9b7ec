"""Searches: what is permitted, found by the same decisions as every check's, page by page."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from service.decisions.check import MOST_ASKED, AtLeast, Caller, Consistency, Present
from service.decisions.evaluate import About, Column, Evaluator, Judged, Question
from service.decisions.index import Index
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
        known = _Known(self._index, present, column.about)
        start = min(page.after, known.number) if isinstance(page.after, int) else 0
        found: list[tuple[Question, Decision]] = []
        asked, after = 0, None
        for position, one in enumerate(known.names(start, start + self._scan), start):
            if one is None:
                continue
            question = Question(column, one)
            asked += self._evaluator.rightsholders(question)
            if asked > MOST_ASKED and position > start:
                after = position
                break
            decision = self._evaluator.decide(question, present)
            if decision.permitted:
                if len(found) == page.most:
                    after = position
                    break
                found.append((question, decision))
        else:
            after = start + self._scan if start + self._scan < known.number else None
        return await self._give(found, [q.one for q, _ in found], after, present, caller)

    async def nothing(self, column: Column, *, page: Page, caller: Caller) -> Found:
        """Find nothing, which is what is permitted of things nobody knows.

        Raises as `Checker.answer` does.
        """
        present = await self._present([column.consistency], page)
        return await self._give([], [], None, present, caller)

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
        permitted = (
            (name, (question, decision))
            for name, question in sorted(questions.items())
            if name > last and (decision := self._evaluator.decide(question, present)).permitted
        )
        found = list(islice(permitted, page.most))
        # Only the next one tells whether there is one.
        more = next(permitted, None) is not None
        names = [name for name, _ in found]
        after = (names[-1] if names else last) if more else None
        return await self._give([one for _, one in found], names, after, present, caller)

    async def _give(
        self,
        found: Sequence[tuple[Question, Decision]],
        names: Iterable[str],
        after: str | int | None,
        present: Present,
        caller: Caller,
    ) -> Found:
        """Log what was found, and return it."""
        revision = present.history.revision
        self._evaluator.trust_windows(found, present)
        ids = await self._evaluator.record(found, revision, present.now, caller)
        judged = [Judged(id_, decision) for id_, (_, decision) in zip(ids, found, strict=True)]
        return Found(revision, present.now, list(zip(names, judged, strict=True)), after)


class _Known:
    """All content, or all artists, in the order in which the ledger first knew them.

    The one place that knows how the index lists what it holds.
    """

    def __init__(self, index: Index, present: Present, about: About) -> None:
        self._index = index
        self._about = about
        history = present.history
        self._all = history.content if about is About.CONTENT else history.artists

    @property
    def number(self) -> int:
        """How many there are."""
        return len(self._all)

    def names(self, start: int, end: int) -> Iterator[str | None]:
        """Yield the ids from one place to another; None for who is not known any more."""
        found = islice(self._all, start, end)
        if self._about is About.CONTENT:
            yield from found
        else:
            yield from map(self._index.artist_id, found)
