"""What bare numpy takes for gathers of the same shape: nothing that answers can be faster."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from bench.crowd import Crowd
from bench.part import Run

Numbers: TypeAlias = npt.NDArray[np.int64]
_INSTANT: Final = 75


class Numbered(Protocol):
    """A batch by numbers."""

    @property
    def numbers(self) -> Numbers:
        """Tracks."""

    @property
    def artist_numbers(self) -> Numbers:
        """Artists."""


def limits(crowd: Crowd, batches: Sequence[Numbered], run: Run) -> dict[str, list[float]]:
    """Return gathers a second in each run, for artists, content, and content by string id."""
    rng = np.random.default_rng(1)
    table = rng.integers(0, 2**62, crowd.tracks * 3 // 2)
    words = rng.integers(0, 2**62, crowd.tracks)
    content = content_gather(crowd)
    tracks = [batch.numbers for batch in batches]
    prints = [rng.integers(0, len(table), len(one)) for one in tracks]

    def strings(pair: tuple[Numbers, Numbers]) -> object:
        numbers, slots = pair
        return (table[slots] == words[numbers]), content(numbers)

    return {
        "artist": _rates(artist_gather(crowd), [batch.artist_numbers for batch in batches], run),
        "content": _rates(content, tracks, run),
        "string": _rates(strings, list(zip(tracks, prints, strict=True)), run),
    }


def artist_gather(crowd: Crowd) -> Callable[[Numbers], npt.NDArray[np.bool_]]:
    """Return the bare gather for artists: two instants of each and two comparisons."""
    rng = np.random.default_rng(2)
    starts = rng.integers(0, 100, crowd.artists)
    ends = rng.integers(50, 200, crowd.artists)

    def gather(numbers: Numbers) -> npt.NDArray[np.bool_]:
        return (starts[numbers] <= _INSTANT) & (ends[numbers] > _INSTANT)

    return gather


def content_gather(crowd: Crowd) -> Callable[[Numbers], npt.NDArray[np.bool_]]:
    """Return the bare gather for content: its first artist's, then its second's if it has one."""
    artists, several = artist_gather(crowd), crowd.second >= 0

    def gather(numbers: Numbers) -> npt.NDArray[np.bool_]:
        permitted = artists(crowd.first[numbers])
        more = np.flatnonzero(several[numbers])
        permitted[more] &= artists(crowd.second[numbers[more]])
        return permitted

    return gather


def _rates(work: Callable[[Any], object], batches: Sequence[Any], run: Run) -> list[float]:
    rates = []
    for _ in range(run.runs):
        done, began = 0, time.perf_counter()
        while time.perf_counter() - began < run.seconds / 3:
            for batch in batches:
                work(batch)
                done += len(batch[0]) if isinstance(batch, tuple) else len(batch)
        rates.append(done / (time.perf_counter() - began))
    return rates
