"""Questions that each have an instant of their own are answered as each would be alone."""

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from service.decisions.compiled.answers import decision_of
from service.decisions.compiled.index import CompiledIndex
from service.decisions.compiled.spelling import Spelled
from service.domain.decision import Query, decide
from service.domain.history import History
from service.domain.instant import Instant
from tests.decisions.compiled.compiling import all_stale, compiled, every_instant, questions
from tests.decisions.compiled.crowds import TEMPERS, Crowd


@given(st.integers(0, 2**32), st.sampled_from(tuple(TEMPERS)), st.integers(1, 3))
@settings(max_examples=15)
def test_each_is_answered_at_its_own_instant(seed: int, temper: str, least: int) -> None:
    """Together and one by one, with everything compiled before, and with nothing."""
    rng = random.Random(seed)
    ledger = Crowd(rng, temper).live(60)
    index, history = compiled(ledger.events), ledger.history
    instants = every_instant(history)
    columns: dict[tuple[str, str, bool], list[Query]] = {}
    for query in questions(history):
        columns.setdefault((query.use, query.recipient, query.content is None), []).append(query)
    for batch in columns.values():
        some = [
            Query(one.use, one.recipient, one.content, one.artist, least)
            for one in rng.choices(batch, k=50)
        ]
        nows = rng.choices(instants, k=len(some))
        assert_each(index, history, some, nows)
        all_stale(index)
        assert_each(index, history, some, nows)


def assert_each(
    index: CompiledIndex, history: History, some: list[Query], nows: list[Instant]
) -> None:
    """Hold both ways of asking to the rules."""
    first, expected = some[0], [decide(history, *one) for one in zip(some, nows, strict=True)]
    by_artist = first.content is None
    known = index.subjects if by_artist else index.contents
    ordinals = known.find_all(Spelled.of([one.artist or one.content or "" for one in some]))
    answers = index.decide_each(
        first.use,
        first.recipient,
        artists=ordinals if by_artist else None,
        contents=None if by_artist else ordinals,
        nows=np.array(nows, np.int64),
        min_version=first.min_version,
    )
    assert [answers.decision(place) for place in range(len(some))] == expected
    ask = index.asking(
        first.use, first.recipient, by_artist=by_artist, min_version=first.min_version
    )
    alone = [ask(now, one) for now, one in zip(nows, ordinals.tolist(), strict=True)]
    assert [decision_of(one) for one in alone] == expected
