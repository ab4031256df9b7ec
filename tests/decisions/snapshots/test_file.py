"""An index comes back from its file as it was, or not at all; the file tells nobody anything."""

import io
import os
import random
import tracemalloc
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.decisions.compiled.spelling import Spelled
from service.decisions.compiled.whole import parts_of
from service.decisions.explanation import explain
from service.decisions.index import Index
from service.decisions.snapshots import sealed
from service.decisions.snapshots.file import read_index
from service.decisions.snapshots.sealed import (
    PREAMBLE_SIZE,
    Reach,
    SnapshotUnusable,
    read_sealed,
    write_sealed,
)
from service.domain.consent import Answer, Scope
from service.domain.events import ConsentRecorded
from service.ledger.derived_keys import INDEX_SNAPSHOTS, derived_key
from tests.decisions.compiled.compiling import assert_as_the_rules, every_instant, questions
from tests.decisions.compiled.crowds import TEMPERS, Crowd
from tests.decisions.snapshots.indexes import (
    erased,
    feed,
    name_of,
    new_index,
    read,
    written,
)
from tests.domain.histories import (
    ARTISTS,
    MUSIC,
    SONG,
    TICK,
    Erase,
    Event,
    Ledger,
    Register,
    fold,
    ledgers,
)
from tests.ledger.writing import KEY

LAYOUT = {
    1: {
        "policies": "bytes",
        **{f"{ids}.arena": "bytes" for ids in ("subjects", "contents", "names.ids")},
        **{f"{ids}.starts": "int64" for ids in ("subjects", "contents", "names.ids")},
        **{f"{ids}.slots": "uint64" for ids in ("subjects", "contents", "names.ids")},
        "names.voice_of": "uint32",
        "names.id_of": "uint32",
        "voices.standing": "uint8",
        "voices.registered_at": "int64",
        "voices.said": "uint8",
        "voices.exceptions.slots": "uint64",
        "voices.exceptions.artists.slots": "uint64",
        **{
            f"voices.exceptions.{part}": "uint32"
            for part in ("heads", "artist", "content", "voice", "next")
        },
        "rightsholders.kind": "uint8",
        **{f"rightsholders.{part}": "uint32" for part in ("first", "place", "links")},
        "rightsholders.wasted": "int64",
        "records.breadths": "bytes",
        "records.artists.slots": "uint64",
        **{f"records.{part}": "uint32" for part in ("free", "heads", "breadth", "content", "next")},
        **{f"records.{part}": "int64" for part in ("revision", "recorded_at", "expires_at")},
        "records.answer": "uint8",
        "deliveries.1:train.music": "int64",
    }
}
"""Names and types of parts, by the number of the format."""


def lived(seed: int, wishes: int) -> tuple[list[Event], list[Event]]:
    """Return a random past, and what came after it."""
    rng = random.Random(seed)
    ledger = Crowd(rng, rng.choice(tuple(TEMPERS))).live(wishes)
    cut = rng.randrange(1, len(ledger.events) + 1)
    return ledger.events[:cut], ledger.events[cut:]


def assert_as_built(index: Index, events: list[Event]) -> None:
    """It answers, explains and names as one that has read the events just now."""
    history = fold(events)
    built = new_index(events, nameless=erased(events))
    assert (index.revision, index.recorded_at) == (built.revision, built.recorded_at)
    assert index.range == built.range
    asked, instants = questions(history), every_instant(history)
    some = instants if len(instants) < 12 else random.sample(instants, 12)
    assert_as_the_rules(index, history, asked, some)
    for query in random.sample(asked, min(len(asked), 20)):
        now = random.choice(instants)
        told = explain(index.history, query, now, index.artist_id)
        assert told == explain(history, query, now, built.artist_id)
    assert dict(index.history.artists) == history.artists
    names = Spelled.of([name_of(one) for one in history.artists])
    assert index.artists(names).tolist() == [
        0 if one in erased(events) else index.subjects.find(one) for one in history.artists
    ]


# -- what comes back -------------------------------------------------------------------------------


@given(st.integers(0, 2**32), st.integers(1, 120))
@settings(max_examples=30)
def test_a_crowd_comes_back(seed: int, wishes: int) -> None:
    """At any point of its past; what happens afterwards happens to it as to any other index."""
    past, later = lived(seed, wishes)
    index = read(written(new_index(past)))
    assert_as_built(index, past)
    feed(index, later, nameless=erased(past + later))
    if not erased(later):
        assert_as_built(index, past + later)
    else:  # their names are forgotten when it is written next
        assert_as_built(read(written(index)), past + later)


@given(ledgers(), st.data())
@settings(max_examples=40)
def test_a_small_world_comes_back(ledger: Ledger, data: st.DataObject) -> None:
    """Every event kind, in the order that breaks things, and written and read more than once."""
    cut = data.draw(st.integers(1, len(ledger.events)))
    index = new_index(ledger.events[:cut])
    for _ in range(data.draw(st.integers(1, 2))):
        index = read(written(index))
    assert_as_built(index, ledger.events[:cut])
    feed(index, ledger.events[cut:])
    assert_as_built(read(written(index)), ledger.events)


def test_an_index_before_the_first_event_comes_back() -> None:
    """Nothing is a state like any other."""
    assert read(written(new_index())).revision == 0


def test_an_index_that_grows_comes_back_grown() -> None:
    """Tables that were about to move are whole in the file, and take more afterwards."""
    index = new_index()
    while not index.contents._slots.growing:
        index.contents.add(f"track-{len(index.contents)}")
    index.rightsholders.reach(len(index.contents))
    again = read(written(index))
    known = [f"track-{number}" for number in range(1, len(index.contents))]
    assert again.contents.find_all(Spelled.of(known)).tolist() == list(range(1, len(known) + 1))
    assert again.contents.add("one more") == len(known) + 1


def test_columns_are_compiled_anew() -> None:
    """Nothing that was worked out is kept: the file holds what was said and done."""
    past, _ = lived(7, 80)
    index = new_index(past)
    assert_as_built(index, past)
    assert index.nbytes["columns"] > 0
    assert read(written(index)).nbytes["columns"] == 0


# -- nothing of the erased -------------------------------------------------------------------------


def everything(index: Index) -> bytes:
    """Return all that a file holds, in clear."""
    return b"".join(bytes(part) for part in parts_of(index).values())


def test_the_erased_leave_nothing_behind() -> None:
    """No name, no record, not even which track they spoke of; who they are not stays as it was."""
    ledger = Ledger().grant(Register(1, artist) for artist in ARTISTS)
    for artist, lasts in (("ana", 1_111), ("ben", 2_222)):
        said = ConsentRecorded(artist, Answer.OPT_IN, Scope(MUSIC, SONG, None), lasts * 10**6)
        ledger.append(ledger.history.recorded_at + TICK, said)
    before = new_index(ledger.events)
    voice = before.voices.exceptions.find(before.subjects.find("ana"), before.contents.find(SONG))
    assert voice
    ledger.grant([Erase(1, "ana")])
    index = new_index(ledger.events)
    text = written(index)
    again = everything(read(text))
    for gone in (name_of("ana").encode(), np.int64(1_111 * 10**6).tobytes()):
        assert gone in everything(before)
        assert gone not in again
    for kept in (name_of("ben").encode(), np.int64(2_222 * 10**6).tobytes()):
        assert kept in again
    assert len(read(text).voices.exceptions.of(before.subjects.find("ana"))) == 0
    assert_as_built(read(text), ledger.events)


def test_a_name_that_went_on_to_somebody_else_stays_theirs() -> None:
    """An artist who comes back after an erasure is a new one, by the old name."""
    ledger = Ledger().grant([Register(1, "ana"), Erase(1, "ana"), Register(1, "ben")])
    index = feed(new_index(), ledger.events[:-1])
    (at, fact), last = ledger.events[-1], len(ledger.events)
    index.apply(last, at, fact, {"ben": name_of("ana")})
    index.range = index.range.append(bytes(32))
    again = read(written(index))
    assert again.artist(name_of("ana")) == index.subjects.find("ben")
    assert again.artist_id("ben") == name_of("ana")
    assert again.artist_id("ana") is None


def test_who_comes_back_under_a_forgotten_name_is_found_by_it() -> None:
    """A name that was forgotten leads nowhere until it is given again, and then to its bearer."""
    ledger = Ledger().grant([Register(1, "ana"), Erase(1, "ana")])
    again = read(written(new_index(ledger.events)))
    assert again.artist(name_of("ana")) == 0
    (at, fact) = ledger.grant([Register(1, "ben")]).events[-1]
    again.apply(again.revision + 1, at, fact, {"ben": name_of("ana")})
    assert again.artist(name_of("ana")) == again.subjects.find("ben")
    for number in range(500):  # and when the table moves to a larger one
        again.names.ids.add(f"more-{number}")
    assert again.artist(name_of("ana")) == again.subjects.find("ben")


# -- what is not a snapshot ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole() -> bytes:
    """Return the file of an index with everything in it."""
    ledger = Crowd(random.Random(3), "everything").live(120)
    return written(new_index(ledger.events))


@given(data=st.data())
@settings(max_examples=150)
def test_one_bit_is_enough(whole: bytes, data: st.DataObject) -> None:
    """Wherever one is flipped, nothing comes of it."""
    position = data.draw(st.integers(0, len(whole) - 1) | st.integers(0, PREAMBLE_SIZE + 400))
    bit = data.draw(st.integers(0, 7))
    flipped = bytearray(whole)
    flipped[position] ^= 1 << bit
    with pytest.raises(SnapshotUnusable):
        read(bytes(flipped))


@given(data=st.data())
def test_a_file_that_was_cut_or_has_more_is_none(whole: bytes, data: st.DataObject) -> None:
    """At any length but its own."""
    length = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(SnapshotUnusable):
        read(whole[:length])
    with pytest.raises(SnapshotUnusable):
        read(whole + bytes(data.draw(st.integers(1, 5_000))))


def test_a_file_that_is_cut_while_it_is_read_is_none(whole: bytes) -> None:
    """It had its size when it was opened."""
    with pytest.raises(SnapshotUnusable):
        read_index(io.BytesIO(whole[:-1]), len(whole), KEY)


def test_another_key_opens_nothing(whole: bytes) -> None:
    """The advice names the variable."""
    with pytest.raises(SnapshotUnusable, match="FERMATA_KEY_ENCRYPTION_KEY"):
        read(whole, key=KEY[::-1])


@pytest.mark.parametrize("number", [0, sealed.FORMAT + 1])
def test_a_file_of_another_format_is_told_apart(number: int, monkeypatch: Any) -> None:
    """An older or a newer release wrote it, whole and under the right key."""
    with monkeypatch.context() as other:
        other.setattr(sealed, "FORMAT", number)
        text = written(new_index())
    with pytest.raises(SnapshotUnusable, match=f"format {number}"):
        read(text)


def test_what_is_no_snapshot_at_all_is_said_to_be_none() -> None:
    """However long it is."""
    for text in (b"", b"PK\x03\x04", bytes(10_000)):
        with pytest.raises(SnapshotUnusable):
            read(text)


CHUNKS = (bytearray(b"one-"), bytearray(b"two-"), bytearray(b"four" * 2))


def seal(body: tuple[bytearray, ...] = CHUNKS, header: bytes = b"header") -> bytearray:
    """Return a small sealed file."""
    file = io.BytesIO()
    parts = [memoryview(part) for part in body]
    write_sealed(file, KEY, header, parts, reach=Reach(1, 2, 3), random_bytes=os.urandom)
    return bytearray(file.getvalue())


def unseal(text: bytes | bytearray) -> list[bytearray]:
    """Return what is in a small sealed file."""
    rooms = [bytearray(len(part)) for part in CHUNKS]
    read_sealed(io.BytesIO(text), len(text), KEY, lambda _: [memoryview(room) for room in rooms])
    return rooms


FIRST, SECOND = (slice(start, start + 20) for start in (PREAMBLE_SIZE + 22, PREAMBLE_SIZE + 42))


def test_chunks_stay_where_they_are() -> None:
    """None in another's place, none from another file under the same key, nor twice."""
    text, other = seal(), seal()
    assert unseal(text) == list(CHUNKS)
    for swapped in (
        [(FIRST, text[SECOND]), (SECOND, text[FIRST])],
        [(SECOND, text[FIRST])],
        [(FIRST, other[FIRST])],
        [(slice(PREAMBLE_SIZE), other[:PREAMBLE_SIZE])],
    ):
        changed = bytearray(text)
        for place, part in swapped:
            changed[place] = part
        with pytest.raises(SnapshotUnusable):
            unseal(changed)


def test_chunks_of_one_part_are_bounded(monkeypatch: Any) -> None:
    """A part that is larger than a chunk is several, and each is sealed by itself."""
    monkeypatch.setattr(sealed, "CHUNK", 3)
    assert unseal(seal()) == list(CHUNKS)
    assert len(seal()) == PREAMBLE_SIZE + 6 + 16 * (1 + 2 + 2 + 3) + 16


def test_nothing_in_a_file_can_be_read(whole: bytes) -> None:
    """Not a name, not an id, not a use; and two files of the same index have nothing in common."""
    index = read(whole)
    known = [*index.history.artists, *index.history.content, *map(name_of, index.history.artists)]
    assert known
    for text in (*known, MUSIC, "breadths"):
        assert text.encode() not in whole
    again = written(index)
    assert len(again) == len(whole)
    assert again[PREAMBLE_SIZE:][:16] != whole[PREAMBLE_SIZE:][:16]


def sealed_as(changes: dict[str, Any]) -> bytes:
    """Return a file whose header says something else of the parts that follow."""
    index = new_index(Ledger().grant([Register(1, "ana")]).events)
    headers: list[bytes] = []
    key, rooms = derived_key(KEY, INDEX_SNAPSHOTS), list[bytearray]()

    def allocate(header: bytes) -> list[memoryview]:
        headers.append(header)
        widths = {"int64": 8, "uint64": 8, "uint32": 4}
        for part in msgspec.json.decode(header)["parts"]:
            rooms.append(bytearray(part["size"] * widths.get(part["type"], 1)))
        return [memoryview(room) for room in rooms]

    text = written(index)
    read_sealed(io.BytesIO(text), len(text), key, allocate)
    header = msgspec.json.decode(headers[0])
    for part in header["parts"]:
        part.update(changes.get(part["name"], {}))
    header.update({name: said for name, said in changes.items() if name in header})
    file, body = io.BytesIO(), [memoryview(room) for room in rooms]
    write_sealed(
        file,
        key,
        msgspec.json.encode(header),
        body,
        reach=Reach(index.revision, index.recorded_at, len(index.subjects) + len(index.contents)),
        random_bytes=os.urandom,
    )
    return file.getvalue()


@pytest.mark.parametrize(
    "changes",
    [
        {"voices.standing": {"name": "voices.sitting"}},
        {"voices.standing": {"type": "bytes"}},
        {"voices.standing": {"type": "object"}},
        {"voices.standing": {"size": 10**9}},
        {"voices.registered_at": {"type": "uint64"}},
        {"policies": {"type": "uint8"}},
        {"policies": {"name": "records.breadths"}, "records.breadths": {"name": "policies"}},
        {"subjects.arena": {"name": "contents.arena"}},
        {"stack": "AAAA"},
        {"tree_size": 1},
    ],
    ids=str,
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, Any]) -> None:
    """Whoever wrote them had the key, and a mistake in their code."""
    assert read(sealed_as({})).revision == 2
    with pytest.raises(SnapshotUnusable):
        read(sealed_as(changes))


# -- what it takes ---------------------------------------------------------------------------------


def test_the_layout_has_a_number() -> None:
    """Whoever changes a part's name or type raises `FORMAT`, and writes the new layout down here.

    So does whoever gives a number in them another meaning: standings, kinds of content, answers.
    """
    for seed in range(50):
        ledger = Crowd(random.Random(seed), "everything").live(80)
        parts = parts_of(new_index(ledger.events))
        if "deliveries.1:train.music" in parts:
            break
    found = {
        name: "bytes" if isinstance(part, bytearray) else part.dtype.name
        for name, part in parts.items()
        if not name.startswith("deliveries.") or name == "deliveries.1:train.music"
    }
    assert found == LAYOUT[sealed.FORMAT]


def test_reading_takes_one_chunk_beside_what_is_read() -> None:
    """However large the index."""
    index = new_index()
    index.contents.add_all([f"track-{number:07}" for number in range(300_000)])
    index.rightsholders.reach(len(index.contents))
    text = written(index)
    held = len(everything(index))
    file, before = io.BytesIO(text), len(text)
    del index
    tracemalloc.start()
    try:
        again = read_index(file, before, KEY)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(again.contents) == 300_001
    assert held > 3 * sealed.CHUNK
    assert peak < held + 2 * sealed.CHUNK
