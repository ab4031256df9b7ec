"""Ids lead to their ordinals, whatever they look like, however many, and however they hash."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.decisions.compiled.ids import UNKNOWN, Ids
from service.decisions.compiled.spelling import LONGEST, Hashing, Spelled, spell
from tests.decisions.compiled.compiling import SEED, Narrow

texts = st.text(max_size=40) | st.text("ab\0é𝄞", max_size=20) | st.text("a", max_size=LONGEST + 9)
hashings = st.sampled_from([Hashing(SEED), Narrow(1), Narrow(3)])
batches = st.lists(st.lists(texts, max_size=20), max_size=8)


@given(hashings, batches, st.lists(texts, max_size=20))
def test_ids_are_a_dictionary(hashing: Hashing, added: list[list[str]], asked: list[str]) -> None:
    """Added in batches or one by one, with repetitions: each id has one ordinal, in order."""
    ids, model = Ids(hashing), dict[str, int]()
    for number, batch in enumerate(added):
        for one in batch:
            model.setdefault(one, len(model) + 1)
        given_now = [ids.add(one) for one in batch] if number % 2 else ids.add_all(batch).tolist()
        assert given_now == [model[one] for one in batch]
    wanted = [*model, *asked]
    expected = [model.get(one, UNKNOWN) for one in wanted]
    assert ids.find_all(Spelled.of(wanted)).tolist() == expected
    assert [ids.find(one) for one in wanted] == expected
    assert ids.names(np.arange(1, len(ids))) == list(model)


@given(st.lists(texts, min_size=1), st.integers(0, 2**32))
def test_both_forms_of_the_print_are_one(ids: list[str], seed: int) -> None:
    """An id has the print alone that it has in a batch, and its length is part of it."""
    hashing = Hashing(seed.to_bytes(16))
    assert hashing.of_all(Spelled.of(ids)).tolist() == [hashing.of(spell(one)) for one in ids]


@pytest.mark.parametrize(("hashing", "number"), [(Hashing(SEED), 3_000), (Narrow(50), 800)])
def test_what_is_there_stays_found_while_the_table_grows(hashing: Hashing, number: int) -> None:
    """At no size, and in no half-moved state, is an id lost or an unknown one found."""
    ids, many = Ids(hashing), [f"track-{one:05}" for one in range(number)]
    strangers = Spelled.of([f"truck-{number:05}" for number in range(500)])
    grew = set()
    for start in range(0, len(many), 100):
        ids.add_all(many[start : start + 100])
        known = many[: start + 100]
        assert ids.find_all(Spelled.of(known)).tolist() == list(range(1, len(known) + 1))
        assert not ids.find_all(strangers).any()
        assert ids.find(known[-1]) == len(known)
        assert ids.find("truck-00000") == UNKNOWN
        grew.add(ids._slots.moving)
    assert grew == {True, False}


def test_an_addition_moves_a_bounded_part_of_the_table() -> None:
    """No single new id waits for all the others to move."""
    ids = Ids(Hashing(SEED))
    ids.add_all([f"track-{number}" for number in range(100_000)])
    while not ids._slots.moving:
        ids.add(f"more-{len(ids)}")
    moved = ids._slots._moved
    ids.add("one more")
    assert 0 <= ids._slots._moved - moved < 100


def test_a_table_that_nobody_adds_to_is_put_in_order() -> None:
    """Nobody looks in two tables for ever: slice by slice the old one goes, and nothing is lost."""
    ids = Ids(Hashing(SEED))
    many = [f"track-{number}" for number in range(100_000)]
    ids.add_all(many)
    while not ids._slots.moving:
        many.append(f"more-{len(ids)}")
        ids.add(many[-1])
    slices = 0
    while ids.tidy():
        slices += 1
    assert slices > 1
    assert ids._slots._old is None
    assert ids.find_all(Spelled.of(many)).tolist() == list(range(1, len(many) + 1))


@pytest.mark.parametrize("number", [10_000, 37_000, 52_000, 73_000, 100_000])
def test_an_id_costs_at_most_24_bytes_beside_its_own(number: int) -> None:
    """Whatever the number, but for the time in which the table grows (and some room at first)."""
    ids = Ids(Hashing(SEED))
    ids.add_all([f"track-{number}" for number in range(number)])
    extra = 0
    while ids._slots.growing:
        ids.add_all([f"more-{extra + number}" for number in range(100)])
        extra += 100
    assert ids.nbytes - ids._starts.nbytes + 8 * len(ids) <= 24 * len(ids)
    assert ids._starts.nbytes <= 8 * len(ids) * 1.25 + 8_192


def test_a_nameless_ordinal_is_found_by_nothing() -> None:
    """Not by the empty text either, which is an id like any other."""
    ids = Ids(Hashing(SEED))
    nameless = ids.nameless()
    assert ids.find("") == UNKNOWN
    empty = ids.add("")
    assert empty not in {UNKNOWN, nameless}
    assert ids.find("") == ids.find_all(Spelled.of([""]))[0] == empty


def test_ids_in_one_buffer_need_no_strings() -> None:
    """Ids that lie in a larger buffer, as an Arrow array's do, are found where they lie."""
    ids = Ids(Hashing(SEED))
    ids.add_all(["ana", "benedict", "cleo"])
    text = b"xxcleoanabenedictdora"
    spelled = Spelled(text, np.array([2, 6, 9, 17]), np.array([4, 3, 8, 4]))
    assert ids.find_all(spelled).tolist() == [3, 1, 2, UNKNOWN]


def test_the_arena_grows_under_somebody_who_still_looks_at_it() -> None:
    """They keep what they saw, and nothing is lost."""
    ids = Ids(Hashing(SEED))
    ids.add("ana")
    seen = memoryview(ids._arena)
    ids.add("ben")
    assert seen[:3].tobytes() == b"ana"
    assert [ids.name(1), ids.name(2)] == ["ana", "ben"]


def test_long_ids_are_compared_to_their_end() -> None:
    """Those that are looked at one by one as well, where every print is the same."""
    ids = Ids(Narrow(1))
    long = ["x" * LONGEST + end for end in ("a", "b", "ab")]
    assert ids.add_all(long).tolist() == [1, 2, 3]
    assert ids.find_all(Spelled.of([*reversed(long), "x" * LONGEST + "c"])).tolist() == [3, 2, 1, 0]
    assert [ids.find(one) for one in long] == [1, 2, 3]
