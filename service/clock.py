"""The only place that reads a clock."""

import time
from typing import Protocol

from service.domain.instant import Instant


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
        """Return the monotonic clock's time."""
        return time.monotonic_ns() // 1_000
