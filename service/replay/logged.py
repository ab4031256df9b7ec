"""Logged decisions as replay takes them: many outcomes side by side.

    copied_rows(data, rows) -> Logged   # copied.py: rows of `decisions`, as COPY sends them
    logged_table(batch) -> Logged       # tabled.py: sealed months and exports

Reading a row at a time would take as long as recomputing it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from service.decisions.compiled.answers import Answers, Instants
from service.decisions.compiled.spelling import Spelled
from service.decisions.question import About

Positions: TypeAlias = npt.NDArray[np.int64]

_ABOUT_NOTHING: Final = "it is neither about content nor about artists"
_NO_VERSION: Final = "the least policy version that it asks for is none"
_LARGEST_VERSION: Final = 2**31 - 1


class Column(NamedTuple):
    """What many questions have in common. `wrong` says why nobody can tell, where nobody can."""

    use: str
    recipient: str
    about: About
    min_version: int
    wrong: str | None = None


def column_of(use: str, recipient: str, about: str, min_version: object) -> Column:
    """Return the column that a logged question says; `min_version` as its request has it."""
    if about not in set(About):
        return Column(use, recipient, About.CONTENT, 1, _ABOUT_NOTHING)
    if min_version is None:
        return Column(use, recipient, About(about), 1)
    if type(min_version) is not int or not 0 < min_version <= _LARGEST_VERSION:
        return Column(use, recipient, About(about), 1, _NO_VERSION)
    return Column(use, recipient, About(about), min_version)


class Unreadable(NamedTuple):
    """A logged decision whose outcomes cannot be read, and why."""

    decision_id: str
    revision: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked, by decision or by outcome.

    `column` numbers into `columns`; `past` tells which were asked about an instant that the
    question named. Instants are microseconds.
    """

    columns: Sequence[Column]
    column: Positions
    revision: Positions
    answered_at: Instants
    evaluated_at: Instants
    past: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged(Asked):
    """Outcomes of some decisions; `decision` numbers into `decision_ids`."""

    decision_ids: Sequence[str]
    decision: Positions
    position: Positions
    ids: Spelled
    answers: Answers
    unreadable: Sequence[Unreadable] = ()

    def __len__(self) -> int:
        return len(self.revision)

    def some(self, some: Positions) -> "Logged":
        """Return some of the outcomes, in the order of the positions."""
        return replace(
            self,
            decision=self.decision[some],
            position=self.position[some],
            column=self.column[some],
            revision=self.revision[some],
            answered_at=self.answered_at[some],
            evaluated_at=self.evaluated_at[some],
            past=self.past[some],
            ids=self.ids.some(some),
            answers=self.answers.take(some),
        )

    def without_unreadable(self) -> "Logged":
        """Return the outcomes alone, where what cannot be read is told elsewhere."""
        return replace(self, unreadable=()) if self.unreadable else self

    def understood(self) -> "Logged":
        """Return the outcomes of which it is told what was asked, the others as unreadable."""
        told = np.array([one.wrong is None for one in self.columns], np.bool_)
        if told.all():
            return self
        right = told[self.column]
        wrong = {int(self.decision[one]): one for one in np.flatnonzero(~right).tolist()}
        unreadable = [
            Unreadable(
                self.decision_ids[row],
                self.revision.item(one),
                self.columns[self.column.item(one)].wrong or "",
            )
            for row, one in wrong.items()
        ]
        return replace(self.some(np.flatnonzero(right)), unreadable=[*self.unreadable, *unreadable])


def together(parts: Sequence[Logged]) -> Logged:
    """Return the outcomes of several batches as one, those of the first before the others."""
    if len(parts) == 1:
        return parts[0]
    names, columns = list[str](), list[Column]()
    decision, column = list[Positions](), list[Positions]()
    for part in parts:
        decision.append(part.decision + len(names))
        column.append(part.column + len(columns))
        names += part.decision_ids
        columns += part.columns
    return Logged(
        decision_ids=names,
        decision=np.concatenate(decision),
        position=np.concatenate([part.position for part in parts]),
        columns=columns,
        column=np.concatenate(column),
        revision=np.concatenate([part.revision for part in parts]),
        answered_at=np.concatenate([part.answered_at for part in parts]),
        evaluated_at=np.concatenate([part.evaluated_at for part in parts]),
        past=np.concatenate([part.past for part in parts]),
        ids=side_by_side([part.ids for part in parts]),
        answers=joined([part.answers for part in parts]),
        unreadable=[one for part in parts for one in part.unreadable],
    )


def side_by_side(parts: Sequence[Spelled]) -> Spelled:
    """Return all of these ids, over bytes of their own."""
    if len(parts) == 1:
        return parts[0]
    sizes = np.array([len(one.all_bytes()) for one in parts], np.int64)
    offsets = np.cumsum(sizes) - sizes
    starts = [one.starts + offset for one, offset in zip(parts, offsets.tolist(), strict=True)]
    text = b"".join(bytes(one.all_bytes()) for one in parts)
    return Spelled(text, np.concatenate(starts), np.concatenate([one.lengths for one in parts]))


def joined(parts: Sequence[Answers]) -> Answers:
    """Return all of these answers, those of the first before the others."""
    return Answers(
        permitted=np.concatenate([one.permitted for one in parts]),
        reason=np.concatenate([one.reason for one in parts]),
        policy_version=np.concatenate([one.policy_version for one in parts]),
        start=np.concatenate([one.start for one in parts]),
        end=np.concatenate([one.end for one in parts]),
    )
