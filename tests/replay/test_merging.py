"""Streams that are each in order of revisions are read as one that is."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.decision import Query, decide
from service.domain.history import History
from service.replay.logged import Logged, Unreadable
from service.replay.merging import merged
from tests.replay.keeping import Kept, batches

ASKED = Query("train.music", "internal", content="song")
ANSWER = decide(History(), ASKED, 1)
revisions = st.lists(st.integers(0, 30), max_size=30)


def log_of(named: Sequence[int]) -> list[Kept]:
    """Return decisions at these revisions, in order."""
    return [Kept(f"dec_{n}", revision, 1, [ASKED], [ANSWER]) for n, revision in enumerate(named)]


@given(st.lists(revisions, max_size=4), st.integers(0, 2**32))
def test_no_part_goes_behind_the_one_before(streams: list[list[int]], seed: int) -> None:
    """However the streams are cut up, and everything in them is there once."""
    rng = random.Random(seed)
    given_ones = [batches(log_of(sorted(one)), size=rng.choice((1, 2, 5, 100))) for one in streams]
    reached, seen = 0, list[int]()
    for part in merged(given_ones):
        assert part.revision.min(initial=31) >= reached
        reached = part.revision.max(initial=reached)
        names = {part.decision_ids[one] for one in part.decision.tolist()}
        assert all(name.startswith("dec_") for name in names)
        assert {part.columns[one].use for one in part.column.tolist()} <= {ASKED.use}
        assert set(part.ids.texts()) <= {ASKED.content}
        seen += part.revision.tolist()
    assert sorted(seen) == sorted(one for stream in streams for one in stream)


def test_what_cannot_be_read_is_told_once() -> None:
    """Though its batch is handed on in parts."""
    torn = Unreadable("dec_torn", 3, "torn")

    def first() -> Iterator[Logged]:
        (batch,) = batches(log_of([1, 5, 9]))
        yield replace(batch, unreadable=[torn])

    parts = list(merged([first(), batches(log_of([4, 6]), size=1)]))
    assert [one for part in parts for one in part.unreadable] == [torn]


def test_a_stream_that_goes_back_is_refused() -> None:
    """Nothing could be recomputed from it."""
    with pytest.raises(ValueError, match="come after those"):
        list(merged([batches(log_of([5, 4]), size=1)]))
