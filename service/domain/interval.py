"""Half-open intervals `[start, end)` of instants, possibly empty or unbounded (R9)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from service.domain.instant import Instant


@dataclass(frozen=True, slots=True)
class Interval:
    """All instants from `start` on, before `end`. `start` None is empty, `end` None unbounded."""

    start: Instant | None
    end: Instant | None = None

    def __contains__(self, instant: Instant) -> bool:
        """Tell whether the instant lies within; the end itself does not."""
        if self.start is None or instant < self.start:
            return False
        return self.end is None or instant < self.end


NEVER: Final = Interval(None)


def intersection(intervals: Iterable[Interval]) -> Interval:
    """Return the instants that lie in every one of the intervals; there is at least one."""
    starts: list[Instant] = []
    ends: list[Instant] = []
    for interval in intervals:
        if interval.start is None:
            return NEVER
        starts.append(interval.start)
        if interval.end is not None:
            ends.append(interval.end)
    start, end = max(starts), min(ends, default=None)
    return NEVER if end is not None and end <= start else Interval(start, end)
