"""Which decisions somebody wants recomputed."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.decisions.log.name import answered_at
from service.domain.instant import Instant
from service.sealing.period import Period


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which logged decisions: those answered from `since` on and before `until`; None is any.

    With `decisions` only those of these names.
    """

    since: Instant | None = None
    until: Instant | None = None
    decisions: Sequence[str] = ()

    def spans(self, period: Period) -> bool:
        """Whether any of a sealed month may be among them."""
        begins, ends = period.month.begins, period.month.ends
        told = [answered_at(one) for one in self.decisions]
        if told and not any(at is None or begins <= at < ends for at in told):
            return False
        return (self.until is None or begins < self.until) and (
            self.since is None or ends > self.since
        )
