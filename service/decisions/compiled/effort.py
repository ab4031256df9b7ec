"""How much work a slice may take, so that whoever waits for the loop waits for a few milliseconds.

Effort is counted, not timed, so that a slice is the same on every machine and in every test. The
unit is about a microsecond of one idle processor core.
"""

from typing import Final

SLICE: Final = 3_000
"""The effort of a usual slice."""

ASKED: Final = 100
"""The effort of asking the rules, for each version that there is."""

UNBOUNDED: Final = 1 << 62
"""For whoever waits until all is done."""


class Effort:
    """What is left of a slice. It is spent before the work is done, so it may end below zero."""

    def __init__(self, most: int) -> None:
        """Allow this much; the first piece of work is done however little it is."""
        self.left = max(most, 1)

    def spend(self, effort: int) -> bool:
        """Take up some more work; False where nothing is left for it."""
        if self.left <= 0:
            return False
        self.left -= effort
        return True
