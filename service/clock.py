"""The only place that reads a clock."""

import time
from typing import Protocol

from service.domain.instant import Instant

_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> Instant:
        """Return this machine's idea of the time, in microseconds since the epoch."""

    def monotonic(self) -> int:
        """Return microseconds that never go back and mean nothing by themselves."""


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> Instant:
        """Return the wall clock's time. It may jump; see the ledger's clock for what counts."""
        return time.time_ns() // 1_000

    def monotonic(self) -> int:
        """Return the time of a clock that never steps, and if possible goes on in sleep."""
        return time.clock_gettime_ns(_STEADY) // 1_000
