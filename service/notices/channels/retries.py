"""When to try again (Standard Webhooks 1.0.0, "Deliverability and reliability")."""

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from service.domain.instant import SECOND, Duration, Instant, to_instant

MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE

SCHEDULE: Final[tuple[Duration, ...]] = (
    0,
    5 * SECOND,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
)
"""The pause before each try, the first included: 10 tries over 75 hours and 35 minutes."""

MOST_JITTER: Final = 0.2
"""Up to a fifth is added to each pause, so that what failed together does not return together."""

LONGEST_WAIT: Final[Duration] = 24 * HOUR
"""No receiver can put us off for longer at a time."""


def pause_before(tries: int, jitter: float, asked: Duration = 0) -> Duration | None:
    """Return how long to wait after so many tries, or None when it is time to give up.

    `jitter` is a random number in [0, 1); `asked` is what the receiver wants at least
    (`Outcome.not_before`), and is itself spread by the same fraction.
    """
    if tries >= len(SCHEDULE):
        return None
    pause = max(SCHEDULE[tries], min(asked, LONGEST_WAIT))
    return pause + int(pause * MOST_JITTER * jitter)


def read_retry_after(value: str | None, now: Instant) -> Duration | None:
    """Read a Retry-After header (RFC 9110 section 10.2.3): seconds or an HTTP date.

    Returns microseconds from now, at most a day and never negative; None where there is nothing
    that can be read.
    """
    if value is None:
        return None
    text = value.strip()
    if re.fullmatch(r"[0-9]{1,12}", text):
        return min(int(text) * SECOND, LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    # "-0000" parses to a naive time; an HTTP date is always UTC.
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0, min(to_instant(aware) - now, LONGEST_WAIT))
