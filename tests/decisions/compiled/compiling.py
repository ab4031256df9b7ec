"""A compiled index held to the rules: the same events, every question, every turning point.

Every question is put in every way there is: alone, with a few others, and with many, because these
take different ways through the index.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from service.decisions.compiled.answers import Answers
from service.decisions.compiled.index import CompiledIndex
from service.decisions.compiled.slots import Prints
from service.decisions.compiled.spelling import Hashing, Spelled
from service.domain.decision import Decision, Query, decide
from service.domain.history import History
from service.domain.instant import Instant
from tests.domain.histories import RECIPIENTS, Event, queries, turning_points

SEED: Final = b"sixteen bytes of tests"
HASHING: Final = Hashing(SEED)

MANY: Final = 40
"""So many are asked about together and not one by one."""

STRANGER: Final = "stranger"
"""Neither an artist nor a content, a recipient no version lists, nor a use."""


class Narrow(Hashing):
    """Prints of which there are only a few, all of them at the table's very end."""

    def __init__(self, different: int) -> None:
        """Let there be so many different prints."""
        super().__init__(SEED)
        self._different = different

    def of(self, text: bytes) -> int:
        """Return a print that many share."""
        return 0xFFFF_FFFF - super().of(text) % self._different

    def of_all(self, ids: Spelled) -> Prints:
        """Return prints that many share."""
        return np.uint64(0xFFFF_FFFF) - super().of_all(ids) % np.uint64(self._different)


def compiled(events: Iterable[Event], hashing: Hashing = HASHING) -> CompiledIndex:
    """Return an index of the events."""
    index = CompiledIndex(hashing)
    for revision, (at, fact) in enumerate(events, start=1):
        index.apply(revision, at, fact)
    return index


def questions(history: History) -> list[Query]:
    """Return every question worth asking, those about what does not exist included."""
    known = queries(history)
    uses = sorted({query.use for query in known})
    return [
        *known,
        *(Query(use, to, content=STRANGER) for use in uses for to in RECIPIENTS),
        *(Query(use, to, artist=STRANGER) for use in uses for to in RECIPIENTS),
        *(replace(query, recipient=STRANGER) for query in known if query.recipient == "internal"),
        Query(STRANGER, "internal", content=STRANGER),
    ]


def assert_as_the_rules(
    index: CompiledIndex, history: History, asked: Iterable[Query], instants: Iterable[Instant]
) -> None:
    """Every answer, however it is asked for, is the one that `decide` gives."""
    columns: dict[tuple[str, str, int, bool], list[Query]] = {}
    for query in asked:
        key = (query.use, query.recipient, query.min_version, query.content is None)
        columns.setdefault(key, []).append(query)
    for now in instants:
        for batch in columns.values():
            expected = [decide(history, query, now) for query in batch]
            for size in (MANY, 3):
                assert _asked_together(index, batch, now, size) == expected, (batch, now, size)
            assert [index.decide(query, now) for query in batch] == expected, (batch, now)


def _asked_together(
    index: CompiledIndex, batch: Sequence[Query], now: Instant, size: int
) -> list[Decision]:
    """Ask about one column, so many at a time, and over again where there are not so many."""
    first = batch[0]
    by_artist = first.content is None
    known = index.subjects if by_artist else index.contents
    ordinals = known.find_all(Spelled.of([one.artist or one.content or "" for one in batch]))
    asked = np.resize(ordinals, max(len(batch), size))
    answers = Answers.empty(len(asked))
    for start in range(0, len(asked), size):
        some = slice(start, start + size)
        found = index.decide_many(
            first.use,
            first.recipient,
            artists=asked[some] if by_artist else None,
            contents=None if by_artist else asked[some],
            now=now,
            min_version=first.min_version,
        )
        answers.place(some, found)
    decisions = [answers.decision(position) for position in range(len(answers))]
    assert all(one == decisions[n % len(batch)] for n, one in enumerate(decisions))
    return decisions[: len(batch)]


def every_instant(history: History) -> list[Instant]:
    """Return every turning point from the last event on."""
    return [at for at in turning_points(history) if at >= history.recorded_at]


def all_stale(index: CompiledIndex) -> None:
    """Let every column forget what it compiled."""
    everybody = np.arange(index.voices.size, dtype=np.uint32)
    for key, column in index._columns.items():
        if key[1]:
            column.mark(everybody)
