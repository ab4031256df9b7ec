"""Finds answers that overlook a write which had been acknowledged before they were asked for.

All times are of one monotonic clock. For every check: the least revision it may have been made at
is the highest that had been told to anybody before it was asked (STANDARDS.md H3, invariant I4),
and what it answers has to follow from what had been said up to its own revision (I5).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, slots=True)
class Said:
    """An acknowledged statement about everything, by the one artist there is."""

    called: int
    returned: int
    revision: int
    answer: str


@dataclass(frozen=True, slots=True)
class Checked:
    """An answered check of that artist's one content."""

    called: int
    returned: int
    revision: int
    permitted: bool


def stale(said: Sequence[Said], checks: Iterable[Checked]) -> Iterator[Checked]:
    """Yield every check that was answered at an older state than it had to see."""
    told = sorted(said, key=lambda one: one.returned)
    returned = [one.returned for one in told]
    least = list(accumulate((one.revision for one in told), max, initial=0))
    for check in checks:
        if check.revision < least[bisect_left(returned, check.called)]:
            yield check


def wrong(said: Sequence[Said], checks: Iterable[Checked]) -> Iterator[Checked]:
    """Yield every check whose answer does not follow from what had been said at its revision."""
    in_order = sorted(said, key=lambda one: one.revision)
    revisions = [one.revision for one in in_order]
    for check in checks:
        before = bisect_right(revisions, check.revision)
        if check.permitted != (before == 0 or in_order[before - 1].answer == "opt_in"):
            yield check
