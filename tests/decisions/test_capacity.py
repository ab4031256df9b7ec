"""Room for checks: taken before it is used, refused rather than queued, and always given back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.decisions.capacity import SMALL, Capacity, Overloaded, Room

LARGE = SMALL + 1


def small_capacity() -> Capacity:
    """Return room for three small requests and for two large ones."""
    return Capacity(small=(3, 2 * SMALL), large=(2, 3 * LARGE))


def test_room_is_given_back_however_a_request_ends() -> None:
    """By an answer or by an error; and giving it back twice gives it back once."""
    capacity = small_capacity()
    with capacity.room(10) as room:
        assert capacity.in_flight == (1, 10)
        room.give_back()
        room.give_back()
        assert capacity.in_flight == (0, 0)
    with pytest.raises(ZeroDivisionError), capacity.room(10):
        raise ZeroDivisionError
    assert capacity.in_flight == (0, 0)


def test_who_finds_no_room_is_told_when_to_come_again() -> None:
    """At once, and in whole seconds; nothing waits here."""
    capacity = small_capacity()
    with capacity.room(1), capacity.room(1), capacity.room(1):
        with pytest.raises(Overloaded) as refused:
            capacity.room(1)
        assert refused.value.retry_after >= 1
        assert capacity.in_flight == (3, 3)
    capacity.room(1).give_back()


def test_ids_are_counted_as_well_as_requests() -> None:
    """Two of the largest small requests are as much as three of others."""
    capacity = small_capacity()
    with capacity.room(SMALL), capacity.room(SMALL), pytest.raises(Overloaded):
        capacity.room(1)


def test_giants_do_not_keep_small_requests_out() -> None:
    """Nor the other way round: each have room of their own."""
    capacity = small_capacity()
    with capacity.room(LARGE), capacity.room(LARGE):
        with pytest.raises(Overloaded):
            capacity.room(LARGE)
        with capacity.room(1), capacity.room(1), capacity.room(1):
            assert capacity.in_flight == (5, 2 * LARGE + 3)


def test_a_request_becomes_as_heavy_as_it_is() -> None:
    """It may move to where it belongs, if there is room."""
    capacity = small_capacity()
    with capacity.room(2 * LARGE) as giant:
        giant.weigh(3)
        assert capacity.in_flight == (1, 3)
        giant.weigh(LARGE)
        with capacity.room(2 * LARGE), pytest.raises(Overloaded):
            giant.weigh(LARGE + 1)
        assert capacity.in_flight == (1, LARGE)
    with capacity.room(LARGE), capacity.room(LARGE), capacity.room(1) as sly:
        with pytest.raises(Overloaded):
            sly.weigh(LARGE)
        assert capacity.in_flight == (3, 2 * LARGE + 1)
    assert capacity.in_flight == (0, 0)


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["room", "weigh", "back"]), st.integers(0, 3 * LARGE)),
        max_size=30,
    )
)
def test_nothing_is_ever_lost_or_found(steps: list[tuple[str, int]]) -> None:
    """Whatever happens, what is in flight is what is held."""
    capacity = small_capacity()
    held: list[tuple[Room, int]] = []
    for what, weight in steps:
        try:
            if what == "room":
                held.append((capacity.room(weight), weight))
            elif held and what == "weigh":
                room, _ = held[-1]
                room.weigh(weight)
                held[-1] = (room, weight)
            elif held:
                room, _ = held.pop()
                room.give_back()
        except Overloaded:
            pass
        assert capacity.in_flight == (len(held), sum(weight for _, weight in held))
