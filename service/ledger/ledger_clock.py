"""The ledger's clock, the database server's, and whether anybody should believe it."""

import logging

from service.clock import Clock
from service.domain.instant import Duration, Instant

_log = logging.getLogger(__name__)


class ClocksDisagree(Exception):  # noqa: N818 - names what was found
    """The ledger's and this machine's clocks are too far apart to let time decide anything."""


class LedgerClock:
    """Watches the database's clock in ways that fail differently.

    Against this machine's wall clock and the last event's time, of which one may be wrong; and
    against this machine's steady clock since the first reading, since both wall clocks may jump
    together. A jump that is no mistake is believed after a restart.
    """

    def __init__(self, clock: Clock, max_disagreement: Duration) -> None:
        """Take this machine's clocks, and how far apart clocks may be."""
        self._clock = clock
        self._bound = max_disagreement
        self._first: tuple[Instant, int] | None = None
        self.agrees = True
        """Whether the last reading was believable."""

    def observe(self, said: Instant, recorded_at: Instant) -> bool:
        """Take a reading of the database's clock, just made, and tell whether to believe it.

        `recorded_at` is the last event's time: a clock that is far behind it has gone back.
        """
        monotonic = self._clock.monotonic()
        apart = max(abs(said - self._clock.now()), recorded_at - said)
        first_said, first_monotonic = self._first or (said, monotonic)
        jumped = abs((said - first_said) - (monotonic - first_monotonic))
        agrees = apart <= self._bound and jumped <= self._bound
        if agrees:
            self._first = (first_said, first_monotonic)
        if agrees != self.agrees:
            self._tell(agrees=agrees, apart=apart, jumped=jumped)
        self.agrees = agrees
        return agrees

    def _tell(self, *, agrees: bool, apart: Duration, jumped: Duration) -> None:
        if agrees:
            _log.warning("the clocks agree again")
            return
        message = (
            "CLOCKS DISAGREE: the database's clock is %.1f s from this machine's, and has run "
            "%.1f s off its steady one; nothing is permitted by time and only noes are recorded"
        )
        _log.critical(message, apart / 1e6, jumped / 1e6)
