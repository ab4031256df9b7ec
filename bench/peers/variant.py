"""One way of asking a peer, and how fast it turned out to be."""

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TypeAlias

from bench.part import Run
from bench.world import World

Batch: TypeAlias = tuple[str, list[str]]


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to ask a peer: checks a second in each run.

    `aside` says why it is not held against us, where it does not do the same work.
    """

    peer: str
    how: str
    rates: list[float]
    aside: str = ""

    @property
    def rate(self) -> float:
        """The median."""
        return statistics.median(self.rates)


def fastest(variants: Iterable[Variant]) -> Variant:
    """Return the fastest of those that do the same work."""
    return max((one for one in variants if not one.aside), key=lambda one: one.rate)


def hold_peer(
    world: World, batches: Sequence[Batch], answer: Callable[[str, list[str]], list[bool]]
) -> None:
    """Hold a peer's permits and denies against the world's. Raises ValueError."""
    for use, ids in batches:
        expected = [world.permits(use, one) for one in ids]
        found = answer(use, ids)
        if found != expected:
            wrong = sum(one != other for one, other in zip(found, expected, strict=True))
            raise ValueError(f"{wrong} of {len(ids)} answers about {use} are not ours")


def in_process(run: Run, batches: Sequence[Batch], work: Callable[[Batch], object]) -> list[float]:
    """Return checks a second of each run of some seconds; what `work` takes is ready."""
    work(batches[0])
    rates = []
    for _ in range(run.runs):
        began, done = time.perf_counter(), 0
        for batch in cycle(batches):
            work(batch)
            done += len(batch[1])
            if time.perf_counter() - began > run.seconds:
                break
        rates.append(done / (time.perf_counter() - began))
    return rates
