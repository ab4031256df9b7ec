"""What every part of a run is told."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Run:
    """How long and how often to measure. A quick run shows that a part works, and no more."""

    seconds: float
    runs: int
    quick: bool

    def size(self, full: int, quick: int) -> int:
        """Return one of two sizes."""
        return quick if self.quick else full
