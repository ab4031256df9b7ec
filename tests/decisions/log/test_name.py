"""A decision's name says when it was answered, and sorts as its decision does."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from service.decisions.log.name import answered_at, is_name, name_decision
from service.domain.instant import EARLIEST, LATEST

INSTANTS = st.integers(EARLIEST, LATEST)
RANDOM = st.binary(min_size=8, max_size=8)


@given(INSTANTS, RANDOM)
def test_a_name_tells_its_instant_exactly(instant: int, random: bytes) -> None:
    """To the microsecond, whatever the random part is."""
    name = name_decision(instant, random)
    assert is_name(name)
    assert answered_at(name) == instant


@given(INSTANTS, RANDOM)
def test_a_name_is_a_uuid_of_version_7(instant: int, random: bytes) -> None:
    """RFC 9562, section 5.7: its version and variant, and milliseconds in the first 48 bits."""
    name = name_decision(instant, random)
    identifier = uuid.UUID(name.removeprefix("dec_"))
    assert len(name) == 36
    assert (identifier.version, identifier.variant) == (7, uuid.RFC_4122)
    assert identifier.int >> 80 == instant // 1_000


@given(INSTANTS, INSTANTS, RANDOM, RANDOM)
def test_names_sort_as_their_instants(one: int, other: int, noise: bytes, more: bytes) -> None:
    """Whatever the random parts are."""
    if one < other:
        assert name_decision(one, noise) < name_decision(other, more)


def test_an_old_name_tells_nothing() -> None:
    """Before the log had months names were random throughout."""
    name = f"dec_{uuid.uuid4().hex}"
    assert is_name(name)
    assert answered_at(name) is None


def test_a_made_up_name_tells_an_instant_that_can_be_looked_for() -> None:
    """48 bits of milliseconds reach beyond the last year that a date can be written for."""
    assert answered_at("dec_ffffffffffff7fffbfffffffffffffff") == LATEST


def test_other_texts_are_no_names() -> None:
    """Neither too short nor in capitals, nor with a line after it."""
    for text in ("", "dec_", "dec_" + "F" * 32, "dec_" + "f" * 31, "dec_" + "f" * 32 + "\n"):
        assert not is_name(text)
