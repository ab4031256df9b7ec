"""What a column says of everybody who has said nothing and been told nothing.

Such an artist's answer depends on one thing, when they registered, and on that only by which
versions were published before. So a column in which nobody spoke is a handful of numbers however
many artists there are. With no window and no expiry to wait for, nothing about it changes by
itself, so it is one answer from the later of registration and the last publication on.
"""

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from service.decisions.compiled.answers import (
    FOREVER,
    LAST_PERMIT,
    REASON_BITS,
    Codes,
    Instants,
    Packed,
    code_of,
    permits,
)
from service.decisions.compiled.shapes import Terms
from service.domain.history import Artist
from service.domain.instant import Instant


@dataclass(frozen=True, slots=True)
class Rule:
    """Codes by time of registration: before `since[0]`, from there on, from `since[1]` on."""

    since: Instants
    codes: Codes
    published_at: Instant

    @property
    def one_for_all(self) -> bool:
        """Whether the time of registration makes no difference."""
        return len(self.codes) == 1

    @property
    def permits_some(self) -> bool:
        """Whether silence permits anything at all."""
        return bool(permits(self.codes).any())

    def judge(self, registered_at: Instants) -> Codes:
        """Return the code for each time of registration."""
        if self.one_for_all:
            return np.full(len(registered_at), self.codes[0], np.int32)
        return self.codes[np.searchsorted(self.since, registered_at, side="right")]

    def judge_one(self, registered_at: Instant) -> Packed:
        """Return code, start and end for one time of registration."""
        place = bisect_right(self.since.tolist(), registered_at) if len(self.codes) > 1 else 0
        code = self.codes.item(place)
        if code & REASON_BITS > LAST_PERMIT:
            return code, FOREVER, FOREVER
        return code, max(registered_at, self.published_at), FOREVER


def rule_of(terms: Terms) -> Rule:
    """Ask the rules about one artist of each class."""
    published = [version.published_at for version in terms.versions]
    since: list[Instant] = []
    codes: list[int] = []
    for turn in (None, *published):
        # Nobody registers at the very instant of a publication: no two events share one.
        registered_at = published[0] - 1 if turn is None else turn + 1
        if registered_at in published:
            continue
        (span,) = terms.spans(Artist(registered_at))
        code = code_of(span.reason, span.policy_version)
        if not codes or codes[-1] != code:
            codes.append(code)
            if turn is not None:
                since.append(turn)
    return Rule(np.array(since, np.int64), np.array(codes, np.int32), published[-1])
