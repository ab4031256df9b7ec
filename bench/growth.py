"""Time per check as the catalogue grows a thousandfold: the same batches, drawn from all of it.

Beside the index by string id (the figure) and by ordinal stand a whole check, from a request's
bytes to the answer's, and what bare numpy takes to gather the same: its growth is the memory's.
"""

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from bench.asking import Address
from bench.crowd import Crowd, make_crowd, track_id
from bench.figures import Curve, Figure, Found, Line, table
from bench.index import COLUMNS, Batch, build, make_batch, now_of, ways
from bench.limits import content_gather
from bench.part import Run
from bench.profiles import of_call
from bench.questions import Form, ask_about
from bench.whole import Whole, body_of
from service.decisions.compiled.index import CompiledIndex

FIGURES: Final = ("growth_10k_to_10m",)
_SIZES: Final = (10_000, 100_000, 1_000_000, 10_000_000)
_QUICK: Final = (1_000, 10_000)
_TRACKS_EACH: Final = 5
"""Tracks to an artist, at every size."""

_AT_ONCE: Final = 10_000
_BATCHES: Final = 100
"""Different batches, a million ids together, so that no id is asked about soon again."""

_WAYS: Final = {
    "string": "by string id",
    "content": "by ordinal",
    "json": "a whole check in JSON, bytes to bytes",
    "arrow": "a whole check in Arrow, bytes to bytes",
    "gather": "bare numpy gather, by ordinal",
}
_FIGURES: Final = {
    "growth_10k_to_10m": "string",
    "growth_ordinals_10k_to_10m": "content",
    "growth_whole_json_10k_to_10m": "json",
    "growth_whole_arrow_10k_to_10m": "arrow",
    "growth_gather_10k_to_10m": "gather",
}
_NOBODY: Final = Address("127.0.0.1", 0)


def measure(run: Run) -> Found:
    """Measure at each size, and compare the worst with the best."""
    found, sizes = Found(), _QUICK if run.quick else _SIZES
    times: dict[str, list[list[float]]] = {name: [] for name in _WAYS}
    for size in sizes:
        for name, once in _ways(*_grown(size)).items():
            times[name].append([_nanoseconds(once, run.seconds / 2) for _ in range(run.runs)])
        gc.collect()
    for figure, name in _FIGURES.items():
        found.figures[figure] = _growth(figure, times[name])
    medians = {name: [statistics.median(one) for one in runs] for name, runs in times.items()}
    found.curves["growth"] = Curve(
        "Time per check as the catalogue grows, in process, 10,000 a batch",
        "content",
        "nanoseconds per check",
        [
            Line(_WAYS[name], list(zip(map(float, sizes), one, strict=True)))
            for name, one in medians.items()
        ],
    )
    rows = [(_WAYS[name], *(f"{time:.0f} ns" for time in one)) for name, one in medians.items()]
    method = (
        f"{_TRACKS_EACH} tracks to an artist at every size; {_BATCHES} batches of {_AT_ONCE:,} "
        "drawn by chance from the whole catalogue, in turn, so at ten million content nearly every "
        "look is one past every cache, while at ten thousand all lies in the nearest ones. Three "
        "columns in turn."
    )
    found.notes += [method, table(("", *(f"{size:,} content" for size in sizes)), rows)]
    return found


def explain(run: Run, _: Sequence[str]) -> str:
    """Return what the time goes into at the smallest size and at the largest."""
    sizes = _QUICK if run.quick else _SIZES
    words = []
    for size in (sizes[0], sizes[-1]):
        once = _ways(*_grown(size))["string"]
        once()
        words.append(f"{size:,} content\n{of_call(once)}")
    return "\n\n".join(words)


def _grown(size: int) -> tuple[Crowd, CompiledIndex]:
    crowd = make_crowd(size // _TRACKS_EACH, size)
    return crowd, build(crowd)


def _ways(crowd: Crowd, index: CompiledIndex) -> dict[str, Callable[[], int]]:
    """Return calls, each of which asks about every batch once and tells how many checks it was."""
    batches = [make_batch(index, crowd, _AT_ONCE, seed) for seed in range(_BATCHES)]
    columns = [COLUMNS[number % len(COLUMNS)] for number in range(_BATCHES)]
    now, asking = now_of(index), ways(index)
    whole, gather = Whole(index, now), content_gather(crowd)
    bodies = {
        form: [
            body_of(ask_about(_NOBODY, "", use, _ids(batch), form, recipient=recipient))
            for batch, (use, recipient) in zip(batches, columns, strict=True)
        ]
        for form in Form
    }

    def index_alone(name: str) -> int:
        for batch, (use, recipient) in zip(batches, columns, strict=True):
            asking[name](batch, use, recipient, now)
        return _BATCHES * _AT_ONCE

    def in_whole(form: Form) -> int:
        answer = whole.in_json if form is Form.JSON else whole.in_arrow
        for body in bodies[form]:
            answer(body)
        return _BATCHES * _AT_ONCE

    def bare() -> int:
        for batch in batches:
            gather(batch.numbers)
        return _BATCHES * _AT_ONCE

    return {
        "string": partial(index_alone, "string"),
        "content": partial(index_alone, "content"),
        "json": partial(in_whole, Form.JSON),
        "arrow": partial(in_whole, Form.ARROW),
        "gather": bare,
    }


def _ids(batch: Batch) -> list[str]:
    return [track_id(number) for number in batch.numbers.tolist()]


def _growth(name: str, times: Sequence[Sequence[float]]) -> Figure:
    """Return the ratio of the worst median to the best; each run makes one ratio for the bounds."""
    medians = [statistics.median(one) for one in times]
    each = [max(at) / min(at) for at in zip(*times, strict=True)]
    value = Figure.of(name, [max(medians) / min(medians)])
    bounds = Figure.of(name, [value.value, *each])
    return Figure(value.value, value.unit, bounds.min, bounds.max, len(each))


def _nanoseconds(once: Callable[[], int], seconds: float) -> float:
    once()
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        done += once()
    return (time.perf_counter() - began) * 1e9 / done
