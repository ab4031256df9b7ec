"""What a batch is answered with: parallel arrays, and how one answer is packed into a number.

A reason and the policy version it names travel as one 32-bit code, `version << 5 | reason`, with
version 0 for none; reasons are numbered in their own order, permits first. Instants are exact, in
64-bit microseconds. While answers are combined, `FOREVER` as a start means "never" and as an end
"unbounded", so that the intersection of intervals is a maximum and a minimum.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from service.domain.assessment import PERMITS, Reason
from service.domain.decision import Decision
from service.domain.instant import Instant
from service.domain.interval import Interval

Codes: TypeAlias = npt.NDArray[np.int32]
Instants: TypeAlias = npt.NDArray[np.int64]

REASONS: Final = tuple(Reason)
"""Reasons by number."""

NUMBER: Final = {reason: number for number, reason in enumerate(REASONS)}

LAST_PERMIT: Final = max(NUMBER[reason] for reason in PERMITS)
"""Reasons up to this number permit."""

_BITS: Final = 5
REASON_BITS: Final = (1 << _BITS) - 1

FOREVER: Final = 2**63 - 1
NO_INSTANT: Final = -1
"""In finished answers: no start (never permitted), or no end (unbounded, or never permitted)."""


def code_of(reason: Reason, version: int | None) -> int:
    """Return a reason and the version it names as one number."""
    return (version or 0) << _BITS | NUMBER[reason]


def permits(codes: Codes) -> npt.NDArray[np.bool_]:
    """Tell which codes are permits."""
    return (codes & REASON_BITS) <= LAST_PERMIT


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers to a batch, in the order asked.

    `reason` numbers into `REASONS`; `policy_version` is 0 where none is named; `start` and `end`
    are the interval of R9 in microseconds, `NO_INSTANT` where there is none.
    """

    permitted: npt.NDArray[np.bool_]
    reason: npt.NDArray[np.uint8]
    policy_version: npt.NDArray[np.int32]
    start: Instants
    end: Instants

    @classmethod
    def empty(cls, size: int) -> "Answers":
        """Return room for so many answers."""
        return cls(
            permitted=np.empty(size, np.bool_),
            reason=np.empty(size, np.uint8),
            policy_version=np.empty(size, np.int32),
            start=np.empty(size, np.int64),
            end=np.empty(size, np.int64),
        )

    def fill(self, block: slice, codes: Codes, start: Instants, end: Instants) -> None:
        """Take combined answers apart, and into their place."""
        reason = codes & REASON_BITS
        self.reason[block] = reason
        self.permitted[block] = reason <= LAST_PERMIT
        self.policy_version[block] = codes >> _BITS
        never = end <= start
        self.start[block] = np.where(never, NO_INSTANT, start)
        self.end[block] = np.where(never | (end == FOREVER), NO_INSTANT, end)

    def __len__(self) -> int:
        return len(self.reason)

    def decision(self, position: int) -> Decision:
        """Return one answer as the rules give it."""
        return Decision(
            permitted=bool(self.permitted[position]),
            reason=REASONS[self.reason[position]],
            policy_version=int(self.policy_version[position]) or None,
            interval=Interval(
                _instant(int(self.start[position])), _instant(int(self.end[position]))
            ),
        )


def _instant(number: int) -> Instant | None:
    return None if number == NO_INSTANT else number
