"""What a whole replay found, added up."""

from dataclasses import dataclass, field
from typing import Final

from service.replay.difference import Difference, Judged, Outcome

MOST_TOLD: Final = 1_000
"""Differences that a report names; it counts them all. So with what cannot be recomputed."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay has come: decisions done, of how many, and the revision it stands at."""

    done: int
    total: int
    revision: int


@dataclass(slots=True)
class ReplayReport:
    """What was recomputed, counted in outcomes but for `decisions` and `not_kept`.

    `gone` cannot be recomputed: it rests on what an erased artist had said, which is destroyed. It
    is counted as neither equal nor different. `not_kept` are decisions of sealed months that nobody
    keeps any more, so nothing can be said of them. `revision` is that of the last decision.
    """

    decisions: int = 0
    outcomes: int = 0
    different: int = 0
    gone: int = 0
    not_kept: int = 0
    revision: int = 0
    differences: list[Difference] = field(default_factory=list)
    gone_ones: list[Outcome] = field(default_factory=list)

    @property
    def equal(self) -> int:
        """How many outcomes the ledger leads to again, exactly."""
        return self.outcomes - self.different - self.gone

    def add(self, judged: Judged) -> None:
        """Take in what came of some more decisions."""
        self.decisions += judged.decisions
        self.outcomes += judged.outcomes
        self.different += judged.different
        self.gone += judged.gone
        self.revision = max(self.revision, judged.revision)
        self.differences += judged.differences[: MOST_TOLD - len(self.differences)]
        self.gone_ones += judged.gone_ones[: MOST_TOLD - len(self.gone_ones)]
