"""What verifying finds: everything that is wrong, each named, and what could not be looked at."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, TypeAlias

Json: TypeAlias = dict[str, Any]

MOST_OF_A_KIND: Final = 50
"""Findings of one kind that are told each; more are counted."""


class CannotLook(Exception):  # noqa: N818 - "cannot tell" is an outcome of its own
    """What was asked for cannot be looked at, so nothing is known to hold or not to hold."""


class What(StrEnum):
    """Kinds of finding; scripts may rely on these names, which are never reused."""

    EVENT_MISSING = "event_missing"
    EVENT_EXTRA = "event_extra"
    EVENT_ALTERED = "event_altered"
    EVENT_UNREADABLE = "event_unreadable"
    EVENT_OUT_OF_TIME = "event_out_of_time"
    BATCH_ALTERED = "batch_altered"
    PRIVATE_MISSING = "private_missing"
    PRIVATE_ALTERED = "private_altered"
    NOT_ERASED = "not_erased"
    AGAINST_THE_RULES = "against_the_rules"
    HEAD_DIFFERS = "head_differs"
    TILE_MISSING = "tile_missing"
    TILE_ALTERED = "tile_altered"
    CHECKPOINT_UNREADABLE = "checkpoint_unreadable"
    SIGNATURE_WRONG = "signature_wrong"
    HISTORY_CHANGED = "history_changed"
    WENT_BACK = "went_back"
    ROW_MISSING = "row_missing"
    ROW_EXTRA = "row_extra"
    ROW_DIFFERS = "row_differs"
    SEALED_MISSING = "sealed_missing"
    SEALED_ALTERED = "sealed_altered"
    DECISION_DIFFERS = "decision_differs"
    EXPORT_ALTERED = "export_altered"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: from which revision on, where it lies, and what is wrong with it.

    `revision` is None where no event can be named.
    """

    what: What
    revision: int | None
    where: str
    says: str

    def as_json(self) -> Json:
        """Return it as `--json` prints it."""
        return {
            "what": self.what.value,
            "revision": self.revision,
            "where": self.where,
            "says": self.says,
        }


def _in_order(finding: Finding) -> tuple[bool, int, str]:
    return finding.revision is None, finding.revision or 0, finding.where


@dataclass(frozen=True, slots=True)
class Span:
    """Something that is wrong with some of the events from `first` to `last`; a hash tells no more.

    Where something else that is wrong names a revision among them, that is where.
    """

    what: What
    first: int
    last: int
    where: str
    says: str

    def finding(self, named: Iterable[int]) -> Finding:
        """Return it with the first of the revisions that are named already, or of its own."""
        revision = min((n for n in named if self.first <= n <= self.last), default=self.first)
        return Finding(self.what, revision, self.where, self.says)


@dataclass(slots=True)
class Findings:
    """Collects; it keeps the first of each kind in each place, and counts all."""

    found: list[Finding] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    looked: Counter[str] = field(default_factory=Counter)
    unseen: Counter[str] = field(default_factory=Counter)

    def add(self, what: What, revision: int | None, where: str, says: str) -> None:
        """Note what is wrong."""
        kind = f"{what.value} {where.partition(' ')[0]}"
        self.counts[kind] += 1
        if self.counts[kind] <= MOST_OF_A_KIND:
            self.found.append(Finding(what, revision, where, says))

    def add_span(self, span: Span) -> None:
        """Note what is wrong somewhere in a span of events."""
        kind = f"{span.what.value} {span.where.partition(' ')[0]}"
        self.counts[kind] += 1
        if self.counts[kind] <= MOST_OF_A_KIND:
            self.spans.append(span)

    def saw(self, what: str, number: int = 1) -> None:
        """Count what was looked at."""
        self.looked[what] += number

    def could_not_see(self, what: str, number: int = 1) -> None:
        """Count what could not be looked at; `what` says why."""
        self.unseen[what] += number

    @property
    def untold(self) -> int:
        """How many more there are than those that are told each."""
        return sum(self.counts.values()) - len(self.found) - len(self.spans)

    def take(self, others: "Findings") -> None:
        """Add what was found elsewhere."""
        self.found += others.found
        self.spans += others.spans
        self.counts += others.counts
        self.looked += others.looked
        self.unseen += others.unseen

    def report(self, size: int, root: bytes) -> "Report":
        """Return all of it, the first wrong revision first."""
        found = sorted([*self.found, *self._settled()], key=_in_order)
        untold = sum(self.counts.values()) - len(found)
        return Report(size, root, tuple(found), untold, dict(self.looked), dict(self.unseen))

    def _settled(self) -> list[Finding]:
        """Return the spans as findings; what the shortest ones say helps to place the longer."""
        named = {one.revision for one in self.found if one.revision is not None}
        settled = []
        for span in sorted(self.spans, key=lambda one: one.last - one.first):
            settled.append(span.finding(named))
            named |= {one.revision for one in settled[-1:] if one.revision is not None}
        return settled


@dataclass(frozen=True, slots=True)
class Report:
    """What a whole run found, in order of revisions.

    `untold` counts findings beyond those listed, each of a kind of which enough are; `looked` and
    `unseen` count what was looked at and what could not be.
    """

    size: int
    root: bytes
    findings: tuple[Finding, ...]
    untold: int
    looked: Mapping[str, int]
    unseen: Mapping[str, int]

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong with what was looked at."""
        return not self.findings

    @property
    def first_wrong(self) -> int | None:
        """The lowest revision that anything wrong is named with."""
        return min((one.revision for one in self.findings if one.revision), default=None)

    def with_more(
        self, findings: Iterable[Finding], looked: Mapping[str, int], *, untold: int = 0
    ) -> "Report":
        """Return it with what another reader found."""
        found = sorted([*self.findings, *findings], key=_in_order)
        return replace(
            self,
            findings=tuple(found),
            untold=self.untold + untold,
            looked={**self.looked, **looked},
        )

    def unable(self, what: str, number: int = 1) -> "Report":
        """Return it with something more that could not be looked at."""
        return replace(self, unseen={**self.unseen, what: number})

    def as_json(self) -> Json:
        """Return it as `--json` prints it."""
        return {
            "holds": self.holds,
            "first_wrong_revision": self.first_wrong,
            "size": self.size,
            "root": self.root.hex(),
            "findings": [one.as_json() for one in self.findings],
            "more_findings": self.untold,
            "looked_at": dict(self.looked),
            "could_not_look_at": dict(self.unseen),
        }
