"""A compiled index held to the rules: the same events, every question, every turning point."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import numpy as np

from service.decisions.compiled.index import CompiledIndex
from service.decisions.compiled.spelling import Hashing, Spelled
from service.domain.decision import Query, decide
from service.domain.history import History
from service.domain.instant import Instant
from tests.domain.histories import RECIPIENTS, Event, queries, turning_points

HASHING: Final = Hashing(b"sixteen bytes of tests")

STRANGER: Final = "stranger"
"""Neither an artist nor a content, a recipient no version lists, nor a use."""


def compiled(events: Iterable[Event]) -> CompiledIndex:
    """Return an index of the events."""
    index = CompiledIndex(HASHING)
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
    """Every answer, asked for in batches, is the one that `decide` gives."""
    columns: dict[tuple[str, str, int, bool], list[Query]] = {}
    for query in asked:
        key = (query.use, query.recipient, query.min_version, query.content is None)
        columns.setdefault(key, []).append(query)
    for now in instants:
        for (use, recipient, least, by_artist), batch in columns.items():
            ids = [query.artist or query.content or "" for query in batch]
            known = index.subjects if by_artist else index.contents
            ordinals = known.find_all(Spelled.of(ids))
            answers = index.decide_many(
                use,
                recipient,
                artists=ordinals if by_artist else None,
                contents=None if by_artist else ordinals,
                now=now,
                min_version=least,
            )
            for position, query in enumerate(batch):
                expected = decide(history, query, now)
                assert answers.decision(position) == expected, (query, now)


def every_instant(history: History) -> list[Instant]:
    """Return every turning point from the last event on."""
    return [at for at in turning_points(history) if at >= history.recorded_at]


def all_stale(index: CompiledIndex) -> None:
    """Let every column forget what it compiled."""
    everybody = np.arange(index.voices.size, dtype=np.uint32)
    for key, column in index._columns.items():
        if key[1]:
            column.mark(everybody)
