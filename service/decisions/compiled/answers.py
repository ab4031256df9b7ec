"""What a batch is answered with: parallel arrays, and how one answer is packed into a number.

A reason and the policy version it names travel as one 32-bit code, `version << 5 | reason`, with
version 0 for none; reasons are numbered in their own order, permits first. Instants are exact, in
64-bit microseconds. While answers are combined, `FOREVER` as a start means "never" and as an end
"unbounded", so that the intersection of intervals is a maximum and a minimum.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from service.domain.assessment import PERMITS, Reason
from service.domain.decision import Decision
from service.domain.instant import Instant
from service.domain.interval import NEVER, Interval

Codes: TypeAlias = npt.NDArray[np.int32]
Instants: TypeAlias = npt.NDArray[np.int64]
Packed: TypeAlias = tuple[int, int, int]
"""One answer: code, start and end, not finished yet."""

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


def decision_of(packed: Packed) -> Decision:
    """Return one answer as the rules give it."""
    code, start, end = packed
    number = code & REASON_BITS
    interval = NEVER if end <= start else Interval(start, None if end == FOREVER else end)
    return Decision(number <= LAST_PERMIT, REASONS[number], code >> _BITS or None, interval)


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

    @classmethod
    def of(cls, decisions: Sequence[Decision]) -> "Answers":
        """Return answers as the rules give them, in order: what `decision` undoes."""
        reasons = (NUMBER[one.reason] for one in decisions)
        versions = (one.policy_version or 0 for one in decisions)
        starts = (_number(one.interval.start) for one in decisions)
        ends = (_number(one.interval.end) for one in decisions)
        size = len(decisions)
        return cls(
            permitted=np.fromiter((one.permitted for one in decisions), np.bool_, size),
            reason=np.fromiter(reasons, np.uint8, size),
            policy_version=np.fromiter(versions, np.int32, size),
            start=np.fromiter(starts, np.int64, size),
            end=np.fromiter(ends, np.int64, size),
        )

    @classmethod
    def packed(cls, each: Sequence[Packed]) -> "Answers":
        """Return answers that were found one by one."""
        answers = cls.empty(len(each))
        for position, (code, start, end) in enumerate(each):
            number, never = code & REASON_BITS, end <= start
            answers.reason[position] = number
            answers.permitted[position] = number <= LAST_PERMIT
            answers.policy_version[position] = code >> _BITS
            answers.start[position] = NO_INSTANT if never else start
            answers.end[position] = NO_INSTANT if never or end == FOREVER else end
        return answers

    def take(self, positions: npt.NDArray[np.integer | np.bool_] | slice) -> "Answers":
        """Return the answers at these positions, in the order of the positions."""
        return Answers(
            permitted=self.permitted[positions],
            reason=self.reason[positions],
            policy_version=self.policy_version[positions],
            start=self.start[positions],
            end=self.end[positions],
        )

    def place(self, block: slice | npt.NDArray[np.integer], part: "Answers") -> None:
        """Put the answers of a part into their place, or each into its own."""
        self.permitted[block] = part.permitted
        self.reason[block] = part.reason
        self.policy_version[block] = part.policy_version
        self.start[block] = part.start
        self.end[block] = part.end

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


def _number(instant: Instant | None) -> int:
    return NO_INSTANT if instant is None else instant


def _instant(number: int) -> Instant | None:
    return None if number == NO_INSTANT else number
