"""The parts that the compiled index is made of, each held to a plain model of itself."""

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.decisions.compiled.answers import FOREVER, LAST_PERMIT, REASONS, Answers
from service.decisions.compiled.deliveries import Deliveries
from service.decisions.compiled.exceptions import Exceptions
from service.decisions.compiled.growing import Growing
from service.decisions.compiled.numbered import Numbered
from service.decisions.compiled.records import Records
from service.decisions.compiled.rightsholders import Rightsholders
from service.decisions.compiled.rows import Rows
from service.decisions.compiled.shapes import Shape
from service.domain.assessment import PERMITS, Reason
from service.domain.consent import Answer, ConsentRecord, Scope
from service.domain.decision import Decision
from service.domain.events import ContentStatus
from service.domain.interval import NEVER, Interval

ordinals = st.integers(1, 2**32 - 1)


def some(*numbers: int) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    """Return ordinals."""
    return np.array(numbers, np.uint32)


def test_permits_are_the_first_reasons() -> None:
    """A reason permits if its number is no higher than the last permit's, and only then."""
    assert {reason for n, reason in enumerate(REASONS) if n <= LAST_PERMIT} == PERMITS
    assert len(REASONS) < 32
    assert REASONS[0] is Reason.OPEN


# -- answers ---------------------------------------------------------------------------------------

intervals = st.builds(
    lambda start, length: Interval(start, None if length is None else start + length),
    st.integers(0, 2**61),
    st.none() | st.integers(1, 2**61),
)
decisions = st.builds(
    lambda reason, version, interval: Decision(
        permitted=reason in PERMITS, reason=reason, policy_version=version, interval=interval
    ),
    st.sampled_from(Reason),
    st.none() | st.integers(1, 10_000),
    st.just(NEVER) | intervals,
)


@given(st.lists(st.lists(decisions, max_size=9), min_size=1, max_size=4), st.randoms())
def test_answers_are_decisions_side_by_side(
    batches: list[list[Decision]], rng: random.Random
) -> None:
    """Whatever was put in comes out, from batches put together and from parts of them."""
    all_of_them = [one for batch in batches for one in batch]
    answers, start = Answers.empty(len(all_of_them)), 0
    for batch in batches:
        answers.place(slice(start, start + len(batch)), Answers.of(batch))
        start += len(batch)
    assert [answers.decision(n) for n in range(len(answers))] == all_of_them
    chosen = rng.choices(range(len(answers)), k=5) if all_of_them else []
    some_of_them = answers.take(np.array(chosen, np.intp))
    assert [some_of_them.decision(n) for n in range(len(chosen))] == [
        all_of_them[position] for position in chosen
    ]


# -- arrays that grow ------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 3_000), max_size=12))
def test_what_was_never_set_holds_the_filling(sizes: list[int]) -> None:
    """However the array has grown, within its size and in the room beyond."""
    array = Growing(np.uint8, fill=7)
    for size in sizes:
        array.reach(size)
    assert (array.values == 7).all()
    assert array.size == max(sizes, default=0)


def test_a_view_of_an_array_that_grows_stays_what_it_was() -> None:
    """Nobody ever reads memory that has been given away."""
    array = Growing(np.int64)
    array.extend(range(100))
    view = array.values[:100]
    array.reach(1_000_000)
    array.values[:100] = -1
    assert view.tolist() == list(range(100))


def test_one_more_value_takes_a_bounded_step() -> None:
    """The room beyond is a quarter at first, and never more than a quarter of a million values."""
    array = Growing(np.uint8)
    array.reach(20_000_000)
    before = len(array.values)
    array.append(1)
    assert len(array.values) - before == 1 << 18


# -- sparse keys -----------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 50)), st.lists(ordinals))
def test_sparse_keys_are_numbered_in_order(keys: list[int], others: list[int]) -> None:
    """Each once, and what was never added has number 0."""
    numbered, model = Numbered(), dict[int, int]()
    for key in keys:
        assert numbered.add(key) == model.setdefault(key, len(model) + 1)
    asked = [*keys, *others]
    expected = [model.get(key, 0) for key in asked]
    assert numbered.find_all(np.array(asked, np.uint32)).tolist() == expected
    assert [numbered.find(key) for key in asked] == expected
    for key in others:
        model.setdefault(key, len(model) + 1)
    assert numbered.add_all(np.array([*model], np.uint32)).tolist() == list(model.values())


# -- what was said ---------------------------------------------------------------------------------


@given(st.integers(0, 2**32))
def test_the_latest_record_of_each_scope_is_kept(seed: int) -> None:
    """In the order said, exactly, for as long as the artist is not erased."""
    rng = random.Random(seed)
    records, model = Records(), dict[int, dict[Scope, ConsentRecord]]()
    for revision in range(1, 60):
        artist = rng.randrange(1, 5)
        if rng.random() < 0.05:
            records.forget(artist)
            model.pop(artist, None)
            continue
        content = rng.choice((0, 0, 1, 2))
        scope = Scope(rng.choice("ab"), str(content) if content else None, rng.choice((None, "x")))
        expires_at = rng.choice((None, revision + 5, 2**62))
        record = ConsentRecord(
            revision, revision * 10, rng.choice(tuple(Answer)), scope, expires_at
        )
        records.say(artist, content, record)
        model.setdefault(artist, {})[scope] = record
    for artist in range(6):
        kept = [
            records.record(s, str(s.content) if s.content else None) for s in records.of(artist)
        ]
        said = sorted(model.get(artist, {}).values(), key=lambda record: record.revision)
        assert kept == said


def test_saying_the_same_again_takes_no_more_room() -> None:
    """A switch that is flipped a thousand times is one record; those of the erased are reused."""
    records = Records()
    for revision in range(1, 1_000):
        record = ConsentRecord(revision, revision, Answer.OPT_OUT, Scope("*"))
        records.say(revision % 2 + 1, 0, record)
        if revision % 10 == 0:
            records.forget(1)
    assert records._revision.size == 3


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), unique=True))
def test_a_pair_has_a_voice_of_its_own(pairs: list[tuple[int, int]]) -> None:
    """Found by the pair, and leading back to it; everybody else speaks as the artist they are."""
    exceptions = Exceptions()
    voices = {pair: 10 + 3 * number for number, pair in enumerate(pairs)}
    for (artist, content), voice in voices.items():
        exceptions.add(artist, content, voice)
    everything = [(artist, content) for artist in range(1, 8) for content in range(1, 8)]
    artists, contents = zip(*everything, strict=True)
    expected = [voices.get(pair, pair[0]) for pair in everything]
    assert exceptions.instead(some(*artists), some(*contents)).tolist() == expected
    assert [exceptions.find(*pair) for pair in everything] == [voices.get(p, 0) for p in everything]
    assert [exceptions.pair(voice) for voice in voices.values()] == list(voices)
    for artist in range(1, 8):
        own = {voice for (one, _), voice in voices.items() if one == artist}
        assert set(exceptions.of(artist)) == own
    with_own = exceptions.with_own(some(1, 2)).tolist()
    assert sorted(with_own) == sorted([1, 2, *exceptions.of(1), *exceptions.of(2)])


def test_the_first_delivery_counts() -> None:
    """A second one of the same version changes nothing, one of another version is its own."""
    deliveries = Deliveries()
    deliveries.deliver(1, some(2, 3), 10, ordinals=5)
    deliveries.deliver(1, some(3, 4), 20, ordinals=5)
    deliveries.deliver(3, some(7), 30, ordinals=8)
    deliveries.reach(8)
    assert deliveries.at(1, some(1, 2, 3, 4, 7)).tolist() == [0, 10, 10, 20, 0]
    assert np.flatnonzero(deliveries.reached(8)).tolist() == [2, 3, 4, 7]
    assert [deliveries.of(one) for one in (1, 2, 7)] == [{}, {1: 10}, {3: 30}]
    deliveries.forget(2)
    assert deliveries.of(2) == {}


# -- who has to agree ------------------------------------------------------------------------------

_sizes = st.sampled_from((0, 1, 1, 2, 3, 4, 5, 62, 63, 64, 65, 200))
_puts = st.lists(
    st.dictionaries(
        st.integers(1, 5), st.tuples(_sizes, st.sampled_from(ContentStatus)), min_size=1
    ),
    max_size=8,
)


@given(_puts, st.integers(0, 2**32))
def test_content_has_the_rightsholders_last_put(
    puts: list[dict[int, tuple[int, ContentStatus]]], seed: int
) -> None:
    """All of them, in order, whatever it had before and whatever its neighbours have."""
    rng = random.Random(seed)
    rightsholders, model = Rightsholders(), dict[int, tuple[ContentStatus, list[int]]]()
    rightsholders.reach(7)
    for put in puts:
        holders = {c: [rng.randrange(1, 99) for _ in range(size)] for c, (size, _) in put.items()}
        rightsholders.put(
            some(*put),
            [status for _, status in put.values()],
            np.array([size for size, _ in put.values()], np.int64),
            some(*(one for each in holders.values() for one in each)),
        )
        model |= {content: (put[content][1], holders[content]) for content in put}
        for content in range(7):
            status, voices = model.get(content, (None, []))
            assert rightsholders.status(content) is status
            assert rightsholders.of(content) == voices
            assert rightsholders.number(some(content)).tolist() == [len(voices)]
        used = sum(max(len(v) - 1, 0) + (len(v) >= 63) for _, v in model.values())
        assert rightsholders.links.size == used + rightsholders.wasted


def test_a_voice_stands_wherever_the_artist_stood() -> None:
    """First or later, once or twice, in that content alone."""
    rightsholders = Rightsholders()
    rightsholders.reach(3)
    active = [ContentStatus.ACTIVE] * 2
    rightsholders.put(some(1, 2), active, np.array([4, 1]), some(5, 6, 5, 7, 5))
    rightsholders.speak_for(1, 5, 50)
    rightsholders.speak_for(1, 7, 70)
    assert rightsholders.of(1) == [50, 6, 50, 70]
    assert rightsholders.of(2) == [5]


# -- answers written out ---------------------------------------------------------------------------


@pytest.mark.parametrize("turns", range(6))
def test_an_answer_written_out_turns_exactly_when_it_should(turns: int) -> None:
    """At each of its instants, not a microsecond earlier, however many they are."""
    instants = [5, *(10 * turn for turn in range(1, turns + 1))]
    shape = Shape(tuple(range(100, 101 + turns)), tuple(range(1, turns + 1)), 0, turns or None)
    rows = Rows()
    before = Shape((1, 2, 3, 4), (1, 2, 3), None, None)
    rows.put([(7, before, [0, 1, 2, 3]), (8, Shape((9,), (), 0, None), [4])])
    assert rows.put([(7, shape, instants)]).tolist() == [7]
    for earlier, later in pairwise([*instants, 1_000]):
        for now in (earlier, later - 1):
            codes, start, end = rows.answer(some(8, 7), now)
            assert codes.tolist() == [9, 100 + sum(at <= now for at in instants[1:])]
            assert start.tolist() == [4, 5]
            assert end.tolist() == [FOREVER, instants[-1] if turns else FOREVER]
