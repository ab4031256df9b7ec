"""The compiled index answers as the rules do: every history, every column, every edge instant."""

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.decisions.compiled import columns, shapes, told
from service.decisions.compiled.columns import STALE, CompiledColumn
from service.decisions.compiled.compile import Compiler
from service.decisions.compiled.effort import Effort
from service.decisions.compiled.index import CompiledIndex
from service.decisions.compiled.shapes import Terms
from service.decisions.compiled.slots import Ordinals
from service.decisions.compiled.spelling import Spelled
from service.domain.assessment import Reason
from service.domain.consent import Answer, Scope
from service.domain.decision import Query, Span
from service.domain.events import ContentStatus
from service.domain.history import History
from service.domain.policy import Mode
from tests.decisions.compiled.compiling import (
    HASHING,
    Narrow,
    all_stale,
    assert_as_the_rules,
    compiled,
    every_instant,
    questions,
)
from tests.decisions.compiled.crowds import TEMPERS, Crowd
from tests.domain.histories import (
    DUET,
    MUSIC,
    RECIPIENTS,
    SONG,
    TICK,
    Deliver,
    Erase,
    Ledger,
    Publish,
    Put,
    Register,
    Say,
    Wish,
    fold,
    ledgers,
    queries,
    talk,
)

histories = ledgers(talk) | ledgers()
least_versions = st.integers(1, 4)


@given(histories, least_versions)
def test_an_index_built_at_once_answers_as_the_rules_do(ledger: Ledger, least: int) -> None:
    """Every question there is, at every turning point and a microsecond to either side."""
    index, history = compiled(ledger.events), ledger.history
    asked = [replace(query, min_version=least) for query in questions(history)]
    assert_as_the_rules(index, history, asked, every_instant(history))


@given(histories)
@settings(max_examples=20)
def test_ids_that_look_alike_are_answered_as_the_rules_do(ledger: Ledger) -> None:
    """Even where all ids there are have one print."""
    index, history = compiled(ledger.events, Narrow(1)), ledger.history
    assert_as_the_rules(index, history, questions(history), every_instant(history)[:3])


@given(histories, st.randoms(use_true_random=False))
def test_an_index_fed_event_by_event_answers_as_the_rules_do(
    ledger: Ledger, rng: random.Random
) -> None:
    """What was compiled before an event is never answered after it, asked in between or not."""
    index = CompiledIndex(HASHING)
    for revision, (at, fact) in enumerate(ledger.events, start=1):
        index.apply(revision, at, fact)
        if rng.random() < 0.3:
            index.refresh(rng.choice((1, 2, 100)))
        if rng.random() < 0.3:
            _prepare(index, rng.choice(questions(ledger.history)), rng.choice((1, 2, 100)))
        if rng.random() < 0.6:
            history = fold(ledger.events[:revision])
            asked = [
                replace(query, min_version=rng.choice((1, 1, 1, 2, 3)))
                for query in questions(history)
                if rng.random() < 0.3
            ]
            instants = every_instant(history)
            chosen = rng.sample(instants, min(3, len(instants)))
            assert_as_the_rules(index, history, asked, chosen)
    assert_as_the_rules(
        index, ledger.history, questions(ledger.history), every_instant(ledger.history)
    )


def _prepare(index: CompiledIndex, query: Query, most: int) -> bool:
    """Prepare everything there is in one column, a slice."""
    by_artist = query.content is None
    known = len(index.subjects if by_artist else index.contents)
    everything = np.arange(known + 2, dtype=np.uint32)
    return index.prepare(
        query.use,
        query.recipient,
        artists=everything if by_artist else None,
        contents=None if by_artist else everything,
        min_version=query.min_version,
        most=most,
    )


seeds = st.integers(0, 2**32)


@given(seeds, st.integers(1, 120), least_versions)
@settings(max_examples=40)
def test_a_crowd_is_answered_as_the_rules_answer_each(seed: int, wishes: int, least: int) -> None:
    """Whoever shares an answer with another has the very same one, whenever it is asked for.

    The index is asked on the way, so that what it remembers of some is there to be misapplied to
    others; and it is held to the rules with everything compiled before, and with nothing.
    """
    rng = random.Random(seed)
    ledger = Crowd(rng, rng.choice(tuple(TEMPERS))).live(wishes)
    index, history = CompiledIndex(HASHING), History()
    stops = {rng.randrange(len(ledger.events)) for _ in range(8)}
    for revision, (at, fact) in enumerate(ledger.events, start=1):
        index.apply(revision, at, fact)
        history.apply(revision, at, fact)
        if revision in stops:
            assert_as_the_rules(index, history, questions(history), [at])
    asked = [replace(query, min_version=rng.choice((1, least))) for query in questions(history)]
    instants = every_instant(history)
    for _ in range(2):
        assert_as_the_rules(index, history, asked, rng.sample(instants, min(4, len(instants))))
        all_stale(index)
        while rng.random() < 0.7 and index.refresh(rng.choice((1, 3, 500))):
            pass


@pytest.mark.parametrize("temper", ["windows", "talk", "works"])
@given(seeds, st.integers(20, 80))
@settings(max_examples=120)
def test_nobody_is_taken_for_another(temper: str, seed: int, wishes: int) -> None:
    """Many who were told, or who spoke, of much the same at much the same time, in one column."""
    rng = random.Random(seed)
    ledger = Crowd(rng, temper).live(wishes)
    about_works = temper == "works"
    asked = [
        query
        for query in queries(ledger.history)
        if query.use == MUSIC and query.recipient == "internal"
        if (query.content is not None) is about_works
    ]
    instants = every_instant(ledger.history)
    chosen = rng.sample(instants, min(3, len(instants)))
    assert_as_the_rules(compiled(ledger.events), ledger.history, asked, chosen)


@given(seeds, st.integers(1, 9))
@settings(max_examples=20)
def test_the_background_leaves_nothing_stale(seed: int, most: int) -> None:
    """Slice by slice, whatever happens in between, every voice of every column is compiled."""
    rng = random.Random(seed)
    ledger = Crowd(rng, rng.choice(tuple(TEMPERS))).live(40)
    index, asked = CompiledIndex(HASHING), questions(ledger.history)
    for revision, (at, fact) in enumerate(ledger.events, start=1):
        index.apply(revision, at, fact)
        index.refresh(most)
        query = rng.choice(asked)
        index.decide(query, at)
    while index.refresh(most):
        pass
    assert not any((column.own_states() == STALE).any() for column in index._columns.values())
    assert_as_the_rules(index, ledger.history, asked, [ledger.history.recorded_at])


@given(seeds, st.integers(1, 300))
@settings(max_examples=30)
def test_what_is_prepared_is_answered_without_asking_the_rules(seed: int, most: int) -> None:
    """In slices however small, each of which comes further, while other columns stay stale."""
    rng = random.Random(seed)
    ledger = Crowd(rng, rng.choice(tuple(TEMPERS))).live(60)
    index, history = compiled(ledger.events), ledger.history
    asked = questions(history)
    for query in rng.sample(asked, min(5, len(asked))):
        slices = 0
        while not _prepare(index, query, most):
            slices += 1
            assert slices <= len(index.subjects)
        alike = replace(query, content=None, artist=None)
        column = [one for one in asked if replace(one, content=None, artist=None) == alike]
        some = [one for one in column if (one.content is None) is (query.content is None)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Compiler, "freshen", _never)
            assert_as_the_rules(index, history, some, [history.recorded_at])


def _never(_: Compiler, __: CompiledColumn, stale: Ordinals, ___: Effort) -> bool:
    assert not len(stale)
    return True


def test_a_slice_asks_the_rules_no_more_often_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many orders of instants, or voices that spoke, there are to look at."""
    calls: list[object] = []
    spans = Terms.spans

    def counted(*arguments: Any) -> tuple[Span, ...]:
        calls.append(arguments)
        return spans(*arguments)

    for temper in ("windows", "talk"):
        index = compiled(Crowd(random.Random(temper), temper).live(200).events)
        everybody = np.arange(len(index.subjects), dtype=np.uint32)
        index.decide_many(MUSIC, "internal", artists=everybody[:1], now=index.recorded_at)
        monkeypatch.setattr(Terms, "spans", counted)
        for prepared in (True, False):
            all_stale(index)
            done = False
            while not done:
                calls.clear()
                if prepared:
                    done = index.prepare(MUSIC, "internal", artists=everybody, most=1)
                else:
                    done = not index.refresh(most=1)
                assert len(calls) <= 1
        monkeypatch.undo()


@pytest.mark.parametrize("temper", ["windows", "talk"])
def test_answers_are_the_same_where_room_runs_out(
    temper: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More shapes than states, more orders than fit a number, more than can be remembered."""
    monkeypatch.setattr(columns, "LAST_SHAPE", columns.FIRST_SHAPE + 1)
    monkeypatch.setattr(told, "_FULL", 1_000)
    monkeypatch.setattr(shapes, "_MOST_REMEMBERED", 2)
    for _ in range(20):
        rng = random.Random(random.getrandbits(32))
        ledger = Crowd(rng, temper).live(60)
        asked = [query for query in queries(ledger.history) if query.artist is not None]
        index, instants = compiled(ledger.events), every_instant(ledger.history)
        assert_as_the_rules(index, ledger.history, asked, rng.sample(instants, 2))


def test_who_came_after_a_version_is_not_taken_for_who_came_before() -> None:
    """The same words again bind at once those who were bound by them, and nobody who came later.

    Both are told of it at the same moment, so that nothing but their registration tells them apart.
    """
    ledger = Ledger().grant(
        [
            Publish(1, MUSIC, Mode.OPT_OUT, frozenset(RECIPIENTS), 0, "A"),
            Register(1, "ana"),
            Publish(1, MUSIC, Mode.OPT_OUT, frozenset(RECIPIENTS), 0, "A"),
            Register(1, "ben"),
            Deliver(1, MUSIC, 0, frozenset({"ana", "ben"})),
        ]
    )
    index, history = compiled(ledger.events), ledger.history
    now = history.recorded_at
    both = index.subjects.find_all(Spelled.of(["ana", "ben"]))
    answers = index.decide_many(MUSIC, "internal", artists=both, now=now)
    assert answers.policy_version.tolist() == [2, 1]
    assert_as_the_rules(index, history, questions(history), every_instant(history))


@pytest.mark.parametrize(
    ("later", "permitted"),
    [
        ([Say(1, "ana", Answer.OPT_OUT, Scope("*"))], False),
        ([Deliver(1, MUSIC, 0, frozenset({"ana"}))], True),
        ([Erase(1, "ana")], False),
        ([], True),
    ],
)
def test_what_concerns_all_work_concerns_the_one_spoken_of(
    later: list[Wish], *, permitted: bool
) -> None:
    """A yes for one track stands until something is said or done about everything (example 7)."""
    ledger = Ledger().grant(
        [
            Publish(1, MUSIC, Mode.OPT_OUT, frozenset(RECIPIENTS), 0, "A"),
            Register(1, "ana"),
            Put(1, SONG, ("ana",), ContentStatus.ACTIVE),
            Say(1, "ana", Answer.OPT_OUT, Scope(MUSIC)),
            Say(1, "ana", Answer.OPT_IN, Scope(MUSIC, SONG)),
            Publish(1, MUSIC, Mode.OPT_OUT, frozenset(RECIPIENTS), 0, "B"),
        ]
    )
    index = compiled(ledger.events)
    song = Query(MUSIC, "internal", SONG)
    assert index.decide(song, ledger.history.recorded_at).reason is Reason.OPTED_IN
    ledger.grant(later)
    for revision, (at, fact) in enumerate(ledger.events, start=1):
        if revision > index.revision:
            index.apply(revision, at, fact)
    history = ledger.history
    assert_as_the_rules(index, history, questions(history), every_instant(history))
    assert index.decide(song, history.recorded_at).permitted is permitted


def test_who_spoke_is_not_taken_for_who_said_it_of_something_else() -> None:
    """A no for everything and a yes for the track; a no for the track and a yes for everything."""
    ledger = Ledger().grant(
        [
            Publish(1, MUSIC, Mode.OPT_OUT, frozenset(RECIPIENTS), 0, "A"),
            Register(1, "ana"),
            Register(1, "ben"),
            Put(1, SONG, ("ana",), ContentStatus.ACTIVE),
            Put(1, DUET, ("ben",), ContentStatus.ACTIVE),
            Say(1, "ana", Answer.OPT_OUT, Scope(MUSIC)),
            Say(1, "ana", Answer.OPT_IN, Scope(MUSIC, SONG)),
            Say(1, "ben", Answer.OPT_OUT, Scope(MUSIC, DUET)),
            Say(1, "ben", Answer.OPT_IN, Scope(MUSIC)),
        ]
    )
    index, now = compiled(ledger.events), ledger.history.recorded_at
    assert index.decide(Query(MUSIC, "internal", SONG), now).reason is Reason.OPTED_IN
    assert index.decide(Query(MUSIC, "internal", DUET), now).reason is Reason.OPTED_OUT


def test_who_spoke_is_not_taken_for_who_was_told_of_another_version() -> None:
    """Both took back what they had said; each is bound by the version they were told of."""
    both = frozenset(RECIPIENTS)
    ledger = Ledger().grant(
        [
            Register(1, "ana"),
            Register(1, "ben"),
            Publish(1, MUSIC, Mode.OPT_OUT, both, 0, "A"),
            Publish(1, MUSIC, Mode.OPT_OUT, both, 0, "B"),
            Deliver(1, MUSIC, 1, frozenset({"ana"})),
            Say(1, "ana", Answer.INHERIT, Scope(MUSIC)),
            Deliver(1, MUSIC, 0, frozenset({"ben"})),
            Say(1, "ben", Answer.INHERIT, Scope(MUSIC)),
        ]
    )
    index, then = compiled(ledger.events), ledger.history.recorded_at + 100 * TICK
    artists = index.subjects.find_all(Spelled.of(["ana", "ben"]))
    answers = index.decide_many(MUSIC, "internal", artists=artists, now=then)
    assert answers.policy_version.tolist() == [1, 2]
