"""Outcomes are kept exactly, in a form that can be read without this program."""

import json
import zlib

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.decisions.compiled.answers import Answers
from service.decisions.compiled.spelling import Spelled
from service.decisions.log.packing import LONG, Damaged, find, pack, unpack
from service.domain.assessment import Reason
from tests.decisions.log.deciding import LAUNCH, Said, answers, known, outcomes_of

IDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12) | st.sampled_from(
    ["a", "ab", "é", "t-1"]
)
SAID = st.builds(
    Said,
    st.sampled_from(Reason),
    st.integers(0, 2**31 - 1),
    st.sampled_from([-1, LAUNCH, LAUNCH + 1]) | st.integers(0, 2**62),
    st.sampled_from([-1, LAUNCH + 9]),
)
ROWS = st.lists(st.tuples(IDS, SAID), min_size=1, max_size=60)


def as_written(rows: list[tuple[str, Said]]) -> list[list[object]]:
    """Return rows as the document's reader reads them."""
    return [
        [one, said.reason.value, said.version or None, known(said.start), known(said.end)]
        for one, said in rows
    ]


def packed(rows: list[tuple[str, Said]]) -> bytes:
    """Pack ids and what was said of each."""
    return pack(Spelled.of([one for one, _ in rows]), answers([said for _, said in rows]))


def same(one: Answers, other: Answers) -> bool:
    """Whether two batches of answers are the same throughout."""
    names = ("permitted", "reason", "policy_version", "start", "end")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


@given(ROWS)
def test_what_is_packed_is_read_again(rows: list[tuple[str, Said]]) -> None:
    """Every id and every part of every outcome, in the order asked."""
    outcomes = unpack(packed(rows))
    assert outcomes.ids.texts() == [one for one, _ in rows]
    assert same(outcomes.answers, answers([said for _, said in rows]))


@given(ROWS)
def test_the_document_is_enough_to_read_it(rows: list[tuple[str, Said]]) -> None:
    """By MessagePack and Zstandard alone, without a number that only this program knows."""
    assert outcomes_of(packed(rows)) == as_written(rows)


@pytest.mark.parametrize("kinds", [1, 2, 300, 70_000])
@pytest.mark.parametrize("number", [2, 513, 70_000])
def test_many_are_kept_as_exactly_as_few(number: int, kinds: int) -> None:
    """However many different outcomes there are: as wide numbers as it takes."""
    draw = np.random.default_rng(number * kinds)
    kind = draw.integers(0, kinds, number)
    said = Answers(
        permitted=kind % 3 == 0,
        reason=np.where(kind % 3 == 0, 1, 10).astype(np.uint8),
        policy_version=(kind % 5).astype(np.int32),
        start=np.where(kind % 7 == 0, -1, LAUNCH + kind),
        end=np.where(kind % 2 == 0, -1, LAUNCH - kind),
    )
    ids = [f"track-{one}" for one in draw.integers(0, 10**9, number).tolist()]
    outcomes = unpack(pack(Spelled.of(ids), said))
    assert outcomes.ids.texts() == ids
    assert same(outcomes.answers, said)


def test_outcomes_that_meet_in_a_slot_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """By comparing them, never by a hash alone: here that one is the same for all."""
    monkeypatch.setattr("service.decisions.log.packing._MIXERS", (0, 0, 0))
    rows = [(f"t{n}", Said(start=LAUNCH + n % 3, version=n % 2)) for n in range(40)]
    assert outcomes_of(packed(rows)) == as_written(rows)


def test_ids_may_lie_anywhere_in_their_text() -> None:
    """As they came in a request: with something between them, backwards, one over another."""
    text = b'{"content":["one","three","f\xc3\xbcnf"]}'
    starts = [text.index(word) for word in (b"three", b"one", b"f\xc3\xbcnf", b"hree")]
    ids = Spelled(text, np.array(starts), np.array([5, 3, 5, 4]))
    outcomes = unpack(pack(ids, answers([Said()] * 4)))
    assert outcomes.ids.texts() == ["three", "one", "fünf", "hree"]


def test_half_a_character_is_kept_too() -> None:
    """Whatever JSON can write can be asked about, and what was asked is logged."""
    ids = ["\ud800", "a\udfffb"]
    assert unpack(pack(Spelled.of(ids), answers([Said()] * 2))).ids.texts() == ids


def test_what_is_long_is_compressed() -> None:
    """Ten thousand tracks of a few outcomes take some two bytes each."""
    few = [(f"track-{n}", Said(start=LAUNCH + n % 5)) for n in range(10)]
    many = [(f"track-{n}", Said(start=LAUNCH + n % 5)) for n in range(10_000)]
    assert len(packed(few)) < LONG
    assert packed(many).startswith(b"\x28\xb5\x2f\xfd")
    assert len(packed(many)) < 50_000


@given(ROWS, IDS)
def test_an_id_is_found_where_it_was_first_asked_about(
    rows: list[tuple[str, Said]], one: str
) -> None:
    """And no other: not one that only begins with it, nor two that make it up together."""
    ids = [other for other, _ in rows]
    for wanted in (one, ids[-1]):
        found = find(packed(rows), wanted.encode())
        assert (None if found is None else found[1]) == (
            ids.index(wanted) if wanted in ids else None
        )


def test_the_form_of_old_rows_is_read() -> None:
    """A list in JSON, compressed by zlib: what the first releases wrote."""
    rows = [
        ["song", "window_closed", 2, LAUNCH, None],
        ["gone", "unknown_content", None, None, None],
    ]
    old = zlib.compress(json.dumps(rows).encode(), 1)
    outcomes = unpack(old)
    assert outcomes.ids.texts() == ["song", "gone"]
    assert outcomes_of(packed([("song", Said(version=2))])) == rows[:1]
    assert outcomes.answers.permitted.tolist() == [True, False]
    assert outcomes.answers.decision(0).policy_version == 2
    assert outcomes.answers.decision(0).interval.start == LAUNCH
    assert outcomes.answers.decision(1).interval.start is None
    found = find(old, b"gone")
    assert found is not None
    assert found[1] == 1
    assert find(old, b"son") is None


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\x78\x9cno",
        b"\x28\xb5\x2f\xfdno",
        msgspec.msgpack.encode([2, 1]),
        msgspec.msgpack.encode((2, 1, b"", b"", b"", [], b"", b"", b"", b"", b"")),
        msgspec.msgpack.encode((1, 2, b"abc", b"", b"", ["open"], *[b"\0"] * 2, b"", b"", b"")),
        msgspec.msgpack.encode((1, 1, b"a", b"", b"", ["love"], *[b"\0"] * 2, b"", b"", b"")),
        msgspec.msgpack.encode((1, 0, b"", b"\1", b"", ["open"], *[b"\0"] * 2, b"", b"", b"")),
    ],
)
def test_what_cannot_be_read_is_not_guessed(broken: bytes) -> None:
    """It is damaged, or of a later release."""
    with pytest.raises(Damaged):
        unpack(broken)
