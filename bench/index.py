"""The index alone: a million answers a batch, in this process and one thread."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from bench.crowd import ANNOUNCED, DAY, Crowd, artist_id, facts, make_crowd, track_id
from bench.figures import Found, table
from bench.limits import limits
from bench.part import Run
from bench.profiles import of_call
from service.decisions.compiled.answers import Answers
from service.decisions.compiled.index import CompiledIndex
from service.decisions.compiled.slots import Ordinals
from service.decisions.compiled.spelling import Hashing, Spelled

FIGURES: Final = (
    "index_artist_checks_per_s",
    "index_content_checks_per_s",
    "index_string_checks_per_s",
)
COLUMNS: Final = (
    ("training.analysis", "internal"),
    (ANNOUNCED, "partner:tuney"),
    ("training.generative.voice", "partner:musiio"),
)
"""Asked in turn: silence permits; everybody was told and every window has closed; prohibited."""

_BEGINNING: Final = 1_700_000_000_000_000
_STEP: Final = 1_000
_HELD: Final = 2_000
_DIFFERENT: Final = 3
"""Batches; together they do not fit into any cache."""


_ABOUT: Final = """\
{artists:,} artists, {tracks:,} tracks (half with two artists), 10 uses and 3 recipients, {spoke:,}
artists with a no; built from its events in {took:.0f} s. {size:,} a batch, drawn by chance;
{batches} batches and three columns in turn. An answer is permit, reason, version and both instants.
{held:,} answers were held against what the artists said."""
_LIMIT: Final = """\
The bare gather: for artists the two instants of each and two comparisons; for content the first
artist, the second where there is one, and their instants; for strings one look into a table of
prints and one at the first eight bytes of the id before that."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is asked about, in each of the ways to say it."""

    numbers: npt.NDArray[np.int64]
    """The tracks' numbers in the crowd."""
    artist_numbers: npt.NDArray[np.int64]
    artists: Ordinals
    contents: Ordinals
    ids: Spelled


def build(crowd: Crowd) -> CompiledIndex:
    """Return an index that holds the crowd, from events as the ledger brings them."""
    index = CompiledIndex(Hashing(b"sixteen bytes of a benchmark"))
    for revision, fact in enumerate(facts(crowd), start=1):
        index.apply(revision, _BEGINNING + revision * _STEP, fact)
    while index.refresh():
        pass  # as the service does when it is idle: tables that have grown are put in order
    return index


def now_of(index: CompiledIndex) -> int:
    """Return an instant at which every window has closed."""
    return index.recorded_at + 40 * DAY


def make_batch(index: CompiledIndex, crowd: Crowd, size: int, seed: int) -> Batch:
    """Return so many drawn by chance from everything there is."""
    rng = np.random.default_rng(seed)
    numbers = rng.integers(0, crowd.tracks, size)
    artist_numbers = rng.integers(0, crowd.artists, size)
    ids = Spelled.of([track_id(one) for one in numbers.tolist()])
    artists = index.subjects.find_all(
        Spelled.of([artist_id(one) for one in artist_numbers.tolist()])
    )
    return Batch(numbers, artist_numbers, artists, index.contents.find_all(ids), ids)


def ways(index: CompiledIndex) -> Mapping[str, Callable[[Batch, str, str, int], Answers]]:
    """Return how a batch is asked: by artists, by content, by content that is named."""
    return {
        "artist": lambda batch, use, to, now: index.decide_many(
            use, to, artists=batch.artists, now=now
        ),
        "content": lambda batch, use, to, now: index.decide_many(
            use, to, contents=batch.contents, now=now
        ),
        "string": lambda batch, use, to, now: index.decide_many(
            use, to, contents=index.contents.find_all(batch.ids), now=now
        ),
    }


def measure(run: Run) -> Found:
    """Measure each way over the columns in turn, and the limit beside it."""
    found = Found()
    crowd, index, took = _built(run)
    size = run.size(1_000_000, 20_000)
    batches = [make_batch(index, crowd, size, seed) for seed in range(_DIFFERENT)]
    held = _hold(index, crowd, batches[0])
    bare = limits(crowd, batches, run)
    rows = []
    for name, ask in ways(index).items():
        rates = [_rate(ask, batches, COLUMNS, index, run.seconds) for _ in range(run.runs)]
        figure = found.say(f"index_{name}_checks_per_s", rates)
        limit = found.say(f"limit_{name}_per_s", bare[name])
        single = [_rate(ask, batches, [column], index, run.seconds / 3) for column in COLUMNS]
        rows.append((name, figure.value, *single, limit.value, f"{figure.value / limit.value:.0%}"))
    named = (f"{use} to {recipient}" for use, recipient in COLUMNS)
    found.notes += [
        _ABOUT.format(
            artists=crowd.artists,
            tracks=crowd.tracks,
            spoke=len(crowd.spoke),
            took=took,
            size=size,
            batches=len(batches),
            held=held,
        ),
        table(("asked by", "in turn", *named, "bare gather", "of it"), rows),
        _LIMIT,
    ]
    return found


def explain(run: Run, missed: Sequence[str]) -> str:
    """Return what the time of the way that missed goes into."""
    crowd, index, _ = _built(run)
    name = next((one.split("_")[1] for one in missed), "string")
    batch = make_batch(index, crowd, run.size(1_000_000, 20_000), 1)
    ask, now = ways(index)[name], now_of(index)

    def work() -> None:
        for _ in range(5):
            for use, recipient in COLUMNS:
                ask(batch, use, recipient, now)

    work()
    return of_call(work)


def _built(run: Run) -> tuple[Crowd, CompiledIndex, float]:
    crowd = make_crowd(run.size(1_000_000, 5_000), run.size(5_000_000, 25_000))
    began = time.perf_counter()
    return crowd, build(crowd), time.perf_counter() - began


def _rate(
    ask: Callable[[Batch, str, str, int], Answers],
    batches: Sequence[Batch],
    columns: Sequence[tuple[str, str]],
    index: CompiledIndex,
    seconds: float,
) -> float:
    """Return answers a second; what is stale is compiled before the clock starts."""
    now = now_of(index)
    for use, recipient in columns:
        for batch in batches:
            ask(batch, use, recipient, now)
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        for number, batch in enumerate(batches):
            use, recipient = columns[number % len(columns)]
            done += len(ask(batch, use, recipient, now))
    return done / (time.perf_counter() - began)


def _hold(index: CompiledIndex, crowd: Crowd, batch: Batch) -> int:
    """Hold some answers of every way against what the crowd said. Raises ValueError."""
    one_track = {scope.content: scope for scope in crowd.scopes if scope.content is not None}
    for use, recipient in COLUMNS:
        refused = crowd.refused(use, recipient)
        prohibited = use == "training.generative.voice"

        def permits(track: int) -> bool:
            own = one_track.get(track_id(track))
            out = own is not None and own.use in {"*", use}  # noqa: B023 - used at once
            return not (prohibited or out or refused.intersection(crowd.holders(track)))  # noqa: B023

        expected = {
            "artist": [
                not prohibited and one not in refused
                for one in batch.artist_numbers[:_HELD].tolist()
            ],
            "content": [permits(one) for one in batch.numbers[:_HELD].tolist()],
        }
        expected["string"] = expected["content"]
        for name, ask in ways(index).items():
            given = ask(batch, use, recipient, now_of(index)).permitted[:_HELD].tolist()
            if given != expected[name]:
                raise ValueError(f"the index errs about {use} to {recipient} by {name}")
    return 3 * _HELD * len(COLUMNS)
