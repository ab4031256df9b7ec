"""The names of decisions: `dec_` and a UUID of version 7, which says when it was answered.

RFC 9562, section 5.7: 48 bits of milliseconds, then, by method 3 of section 6.2, 12 bits of what is
left of the millisecond, then 62 random bits. So names sort as their decisions do, and a look-up by
name knows the month to look in. Decisions of before the log had months have random names (version
4), which say nothing.
"""

import re
from typing import Final

from service.domain.instant import LATEST, Instant

RANDOM_BYTES: Final = 8
"""What a name takes of randomness."""

PREFIX: Final = "dec_"
PATTERN: Final = r"^dec_[0-9a-f]{32}$"

_MILLISECOND: Final = 1_000
_RANDOM_BITS: Final = 62
_VARIANT: Final = 0b10 << _RANDOM_BITS
_VERSION: Final = 7 << 76
_VERSION_AT: Final = len(PREFIX) + 12
_WELL_FORMED: Final = re.compile(PATTERN)


def name_decision(answered_at: Instant, random: bytes) -> str:
    """Return the name of a decision that is answered at this instant; `random` is 8 bytes."""
    milliseconds, rest = divmod(answered_at, _MILLISECOND)
    fraction = (rest << 12) // _MILLISECOND
    noise = int.from_bytes(random, "big") >> 2
    number = milliseconds << 80 | _VERSION | fraction << 64 | _VARIANT | noise
    return f"dec_{number:032x}"


def is_name(text: str) -> bool:
    """Whether this can be a decision's name."""
    return _WELL_FORMED.fullmatch(text) is not None


def answered_at(name: str) -> Instant | None:
    """Return the instant that a name tells, or None for one that tells none.

    A made-up name may tell of years for which no date can be written; that is `LATEST`.
    """
    if name[_VERSION_AT] != "7":
        return None
    number = int(name.removeprefix(PREFIX), 16)
    fraction = number >> 64 & 0xFFF
    return min((number >> 80) * _MILLISECOND + -(-fraction * _MILLISECOND >> 12), LATEST)
