"""Checks as Apache Arrow streams: questions and answers as in JSON, and strangers' bytes."""

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api import arrow_limits
from service.api.check_arrow import MOST_IN_ARROW, answer_schema, read_stream
from service.api.problems import BodyMalformed
from service.auth.local_issuer import LocalIssuer
from service.decisions.question import About
from service.domain.refusal import Refused
from tests.api.arrow import ARROW, ask_arrow, rows_of, stream, table_of
from tests.api.door import open_door
from tests.api.people import AUDITING_PIPELINE, PIPELINE
from tests.api.story import MUSIC, RECOMMENDATION, Story

ABOUT: Final = {"use": RECOMMENDATION}
TEXTS: Final = ["song", "tune", "a track that nobody knows, with a long id", "ä", "song"]
STRINGS: Final = (pa.utf8(), pa.large_utf8(), pa.string_view())
INDICES: Final = (pa.int8(), pa.uint16(), pa.int64())


def refusal_of(body: bytes) -> tuple[str, str]:
    """Return the field and the code that a stream is refused with."""
    with pytest.raises(Refused) as refused:
        read_stream(body)
    (one,) = refused.value.refusals
    return one.field, one.code


def texts_of(body: bytes) -> list[str]:
    """Return the ids that a stream asks about."""
    asked = read_stream(body)
    texts = asked.check.ids.texts()
    assert asked.ids.strings().to_pylist() == texts
    return texts


# What is read


@pytest.mark.parametrize("kind", STRINGS, ids=str)
def test_strings_of_every_encoding_are_read(kind: pa.DataType) -> None:
    """Short offsets, long ones, views; in one batch, in several, with empty ones between."""
    column = pa.array(TEXTS, kind)
    for columns in ([column], [column[:2], column[2:2], column[2:]]):
        assert texts_of(stream(*columns, about=ABOUT)) == TEXTS


@pytest.mark.parametrize("kind", STRINGS, ids=str)
@pytest.mark.parametrize("index", INDICES, ids=str)
def test_dictionaries_are_read(index: pa.DataType, kind: pa.DataType) -> None:
    """Each batch may bring a dictionary of its own."""
    words = pa.array(["tune", "song", "never asked"], kind)
    columns = [
        pa.DictionaryArray.from_arrays(pa.array([0, 1, 1], index), words),
        pa.DictionaryArray.from_arrays(pa.array([1, 0], index), words[1:]),
    ]
    found = texts_of(stream(*columns, about=ABOUT))
    assert found == ["tune", "song", "song", "never asked", "song"]


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_compressed_buffers_are_read(compression: str) -> None:
    """Within the limit that plain ones have."""
    column = pa.array([f"track {n}" for n in range(1_000)])
    for one in (column, column.dictionary_encode()):
        body = stream(one, about=ABOUT, compression=compression)
        assert texts_of(body) == column.to_pylist()


def test_the_metadata_says_what_json_would() -> None:
    """Every member but the ids and the explanation; artists are a column's name."""
    about = {
        "use": MUSIC,
        "recipient": "partner:x",
        "consistency": {"at_least": 3},
        "min_policy_version": 2,
        "at": "2126-01-01T00:00:00Z",
        "run": "nightly-1",
        "shape": "columns",
    }
    asked = read_stream(stream(pa.array(["ana"]), name="artist", about=about))
    check = asked.check
    assert (check.about, check.use, check.recipient) == (About.ARTISTS, MUSIC, "partner:x")
    assert (check.min_policy_version, check.run, asked.shape) == (2, "nightly-1", "columns")
    assert check.at is not None


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), max_size=6))
def test_what_json_refuses_arrow_refuses(texts: list[str]) -> None:
    """No empty id, no NUL, and at least one."""
    body = stream(pa.array(texts, pa.utf8()), about=ABOUT)
    odd = [n for n, text in enumerate(texts) if not text] or [
        n for n, text in enumerate(texts) if "\0" in text
    ]
    if odd:
        assert refusal_of(body) == (f"content[{odd[0]}]", "invalid")
    elif texts:
        assert texts_of(body) == texts
    else:
        assert refusal_of(body) == ("content", "invalid")


# What is refused


def test_a_row_without_an_id_is_named() -> None:
    """Null in the column, in the indices, or where they lead."""
    strings = pa.array(["a", None, "b"])
    words = pa.array(["a", None])
    for column in (
        strings,
        strings.cast(pa.string_view()),
        strings.dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([0, 1]), words),
    ):
        body = stream(column[:1], column, about=ABOUT)
        assert refusal_of(body) == ("content[2]", "missing")
    unused = pa.DictionaryArray.from_arrays(pa.array([0, 0]), words)
    assert texts_of(stream(unused, about=ABOUT)) == ["a", "a"]


@pytest.mark.parametrize("length", [-(2**31), 100, 2**31 - 1])
def test_what_an_unused_null_view_says_is_not_followed(length: int) -> None:
    """Nobody validates it, and casting it would lead out of memory: the process would end."""
    views = np.zeros((2, 4), np.int32)
    views[0, :2], views[1] = (1, ord("a")), (length, 0, 99, 2**31 - 1)
    buffers = [pa.py_buffer(b"\x01"), pa.py_buffer(views)]
    words = pa.Array.from_buffers(pa.string_view(), 2, buffers)
    unused = pa.DictionaryArray.from_arrays(pa.array([0, 0], pa.int32()), words)
    assert texts_of(stream(unused, about=ABOUT)) == ["a", "a"]
    used = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int32()), words)
    assert refusal_of(stream(used, about=ABOUT)) == ("content[1]", "missing")


def test_ids_have_two_hundred_characters_at_most() -> None:
    """Characters, not bytes, as in JSON."""
    assert texts_of(stream(pa.array(["ä" * 200]), about=ABOUT)) == ["ä" * 200]
    body = stream(pa.array(["a", "ä" * 200, "ä" * 201]), about=ABOUT)
    assert refusal_of(body) == ("content[2]", "invalid")


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1]),
        pa.array([b"a"]),
        pa.array([["a"]]),
        pa.array([None]),
        pa.array(['"a"'], pa.json_()),
        pa.array([1]).dictionary_encode(),
        pa.array(["a"]).dictionary_encode().cast(pa.dictionary(pa.int32(), pa.binary())),
    ],
    ids=lambda column: str(column.type),
)
def test_only_strings_are_ids(column: pa.Array) -> None:
    """Numbers, bytes, lists and extension types are not guessed at."""
    assert refusal_of(stream(column, about=ABOUT)) == ("content", "not_strings")


def test_one_column_is_asked_about() -> None:
    """A second one would be ignored, and one of another name is a typo."""
    assert refusal_of(stream(pa.array(["a"]), name="track", about=ABOUT))[0] == "columns"
    both = pa.record_batch({"content": ["a"], "artist": ["b"]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, both.schema) as writer:
        writer.write_batch(both)
    assert refusal_of(sink.getvalue().to_pybytes()) == ("columns", "content_or_artist")


@pytest.mark.parametrize(
    ("about", "field"),
    [
        (None, "fermata.check"),
        ({}, "use"),
        (ABOUT | {"typo": 1}, "typo"),
        (ABOUT | {"content": ["a"]}, "content"),
        (ABOUT | {"min_policy_version": 0}, "min_policy_version"),
        (ABOUT | {"consistency": {}}, "consistency"),
        (ABOUT | {"explain": True}, "explain"),
        (ABOUT | {"run": "a\0"}, "run"),
    ],
)
def test_what_it_is_about_is_refused_as_in_json(about: Any, field: str) -> None:
    """By field; and that there is an explanation in JSON only."""
    assert refusal_of(stream(pa.array(["a"]), about=about))[0] == field


def test_a_million_is_the_most() -> None:
    """One more is refused, whatever the batches."""
    million = pa.array(np.arange(MOST_IN_ARROW)).cast(pa.utf8())
    assert len(read_stream(stream(million, about=ABOUT)).ids) == MOST_IN_ARROW
    body = stream(million, pa.array(["a"]), about=ABOUT)
    assert refusal_of(body) == ("content", "too_many")


# Strangers' bytes


def test_what_is_no_stream_is_malformed() -> None:
    """Cut short anywhere, followed by something, or nothing of the kind."""
    body = stream(pa.array(TEXTS), about=ABOUT)
    end_of_batch = len(body) - 8
    for cut in range(0, len(body), 4):
        if cut != end_of_batch:  # a stream may end without its mark
            with pytest.raises((BodyMalformed, Refused)):
                read_stream(body[:cut])
    for bad in (body + b"\0", body + body, b"{}", b"ARROW1\0\0" + body):
        with pytest.raises(BodyMalformed):
            read_stream(bad)


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_a_bomb_does_not_go_off(compression: str) -> None:
    """Two megabytes that become eighty are refused before anything is unpacked."""
    column = pa.array(["a" * 100]).take(pa.array(np.zeros(800_000, np.int32)))
    before = pa.total_allocated_bytes()
    body = stream(column, about=ABOUT, compression=compression)
    assert len(body) < 4_000_000
    with pytest.raises(BodyMalformed, match="have more than"):
        read_stream(body)
    claimed = bytearray(stream(pa.array(["a" * 1_000] * 10), about=ABOUT, compression=compression))
    size = (10_000).to_bytes(8, "little")
    at = claimed.rindex(size)
    claimed[at : at + 8] = (1 << 40).to_bytes(8, "little")
    with pytest.raises(BodyMalformed, match="have more than"):
        read_stream(bytes(claimed))
    del column
    assert pa.total_allocated_bytes() <= before


def test_few_words_do_not_become_many_bytes() -> None:
    """A dictionary or a view may stand for one text a million times."""
    zeros = pa.array(np.zeros(MOST_IN_ARROW, np.int8))
    column = pa.DictionaryArray.from_arrays(zeros, pa.array(["a" * 200]))
    assert refusal_of(stream(column, about=ABOUT)) == ("content", "too_large")


def test_a_stream_has_so_many_messages_at_most() -> None:
    """Batches of a few rows cost what batches of many do; the refusal says so."""
    few = [pa.array(["a"])] * (arrow_limits.MOST_MESSAGES + 1)
    with pytest.raises(BodyMalformed, match="more rows in a batch"):
        read_stream(stream(*few, about=ABOUT))


@pytest.mark.parametrize(
    ("offsets", "text"),
    [
        ([0, 5, 2], b"abcde"),
        ([0, 2, 2_000_000_000], b"abcde"),
        ([-4, 2, 5], b"abcde"),
        ([0, 2, 5], b"ab\xff\xfee"),
        ([0, 2, 5], b"ab\xed\xa0\x80"),
        ([0, 1, 2], "ä".encode()),
    ],
    ids=["backwards", "beyond", "before", "no UTF-8", "half a surrogate", "half a letter"],
)
def test_offsets_and_texts_are_looked_at_before_they_are_followed(
    offsets: list[int], text: bytes
) -> None:
    """A peer's numbers lead nowhere outside of what it sent."""
    buffers = [None, pa.py_buffer(np.array(offsets, np.int32)), pa.py_buffer(text + bytes(64))]
    sound = [None, pa.py_buffer(np.array([0, 2, 5], np.int32)), buffers[2]]
    body = stream(pa.Array.from_buffers(pa.utf8(), 2, sound), about=ABOUT)
    at = body.index(np.array([0, 2, 5], np.int32).tobytes())
    broken = body[:at] + np.array(offsets, np.int32).tobytes() + body[at + 12 :]
    if text not in body:
        broken = broken.replace(b"ab\0\0\0", text)
    with pytest.raises(BodyMalformed):
        read_stream(broken)


SEEDS: Final = tuple(
    stream(column, column, about=ABOUT, compression=compression)
    for compression in (None, "lz4", "zstd")
    for strings in (pa.array(TEXTS, kind) for kind in STRINGS)
    for column in (strings, pa.DictionaryArray.from_arrays(pa.array([1, 0, 1], pa.int8()), strings))
)
NUMBERS: Final = (0, 1, 8, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)


@given(data=st.data())
def test_no_damage_does_harm(data: st.DataObject) -> None:
    """Whatever is written over a stream: it is refused, or read as what it then says."""
    body = bytearray(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(1, 4))):
        width = data.draw(st.sampled_from([1, 2, 4, 8]))
        at = data.draw(st.integers(0, len(body) // width - 1)) * width
        number = data.draw(st.one_of(st.sampled_from(NUMBERS), st.integers(0, 255)))
        body[at : at + width] = (number % 256**width).to_bytes(width, "little")
    try:
        texts = texts_of(bytes(body))
    except (BodyMalformed, Refused):
        return
    assert all(0 < len(text) <= 200 and "\0" not in text for text in texts)


# The same questions and answers


@pytest.fixture
async def told(begun: Story) -> Story:
    """Return a platform on which some permit and some do not."""
    await begun.say("ben", "opt_out")
    await begun.say("ana", "opt_in", MUSIC, expires_at="2126-03-01T00:00:00.5Z")
    return begun


@pytest.mark.parametrize("use", [RECOMMENDATION, MUSIC])
@pytest.mark.parametrize(("name", "field"), [("content", "content"), ("artist", "artists")])
async def test_arrow_and_json_say_the_same(told: Story, use: str, name: str, field: str) -> None:
    """All four ways from one to the other, about content and about artists."""
    asked = ["song", "tune", "duet", "nowhere", "song", "ana", "ben"] * 40
    body = {"use": use, field: asked, "consistency": {"at_least": await told.revision()}}
    expected = (await told.door.done("POST", "/v1/checks", body, by=PIPELINE))["results"]
    column = pa.array(asked)
    sent = stream(column[:3], column[3:], name=name, about={"use": use, "shape": "columns"})
    arrow = table_of(await ask_arrow(told.door, sent))
    assert rows_of(arrow) == expected
    headers = told.door.headers(PIPELINE) | {"Accept": ARROW}
    answered = await told.door.http.post("/v1/checks", json=body, headers=headers)
    assert rows_of(table_of(answered)) == expected
    columns = (await ask_arrow(told.door, sent, Accept="application/json")).json()["results"]
    rows = zip(*columns.values(), strict=True)
    assert [dict(zip(columns, row, strict=True)) for row in rows] == expected


async def test_an_answer_in_arrow_says_what_was_asked_and_when(told: Story) -> None:
    """Its columns are those of the contract; what belongs to all of them is metadata."""
    about = {"use": RECOMMENDATION, "recipient": "partner:x", "run": "r"}
    response = await ask_arrow(told.door, stream(pa.array(["song"]), about=about))
    table = table_of(response)
    assert table.schema.remove_metadata() == answer_schema(About.CONTENT)
    metadata = {name.decode(): text.decode() for name, text in table.schema.metadata.items()}
    assert metadata.keys() == {"decision_id", "revision", "evaluated_at", "use", "recipient"}
    assert metadata["revision"] == str(await told.revision())
    assert (metadata["use"], metadata["recipient"]) == (RECOMMENDATION, "partner:x")
    assert int(response.headers["content-length"]) == len(response.content)


async def test_a_million_are_answered(told: Story) -> None:
    """All of them, in the order asked; as JSON they are too many."""
    words = pa.array(["song", "tune", "nowhere"])
    which = np.arange(MOST_IN_ARROW) % 3
    column = words.take(pa.array(which))
    sent = stream(column, about=ABOUT)
    table = table_of(await ask_arrow(told.door, sent))
    assert table.num_rows == MOST_IN_ARROW
    assert table["content"].combine_chunks().equals(column)
    assert (table["permitted"].to_numpy() == (which == 0)).all()
    reasons = table["reason"].combine_chunks().dictionary_decode()
    expected = pa.array(["window_closed", "opted_out", "unknown_content"]).take(pa.array(which))
    assert reasons.equals(expected)
    as_json = await ask_arrow(told.door, sent, Accept="application/json")
    assert as_json.status_code == 406
    assert "100,000" in as_json.json()["detail"]


async def test_another_instant_takes_the_scope_in_arrow_too(told: Story) -> None:
    """As in JSON, where the metadata asks about it."""
    sent = stream(pa.array(["song"]), about=ABOUT | {"at": "2126-01-01T00:00:00Z"})
    assert (await ask_arrow(told.door, sent)).status_code == 403
    assert table_of(await ask_arrow(told.door, sent, by=AUDITING_PIPELINE)).num_rows == 1


async def test_refusals_are_problems_in_arrow_too(told: Story) -> None:
    """Nobody has to read a stream to learn what is wrong."""
    bad = await ask_arrow(told.door, b"no stream")
    assert (bad.status_code, bad.headers["content-type"]) == (400, "application/problem+json")
    null = await ask_arrow(told.door, stream(pa.array(["a", None]), about=ABOUT))
    assert null.status_code == 422
    assert null.json()["errors"][0]["field"] == "content[1]"


async def test_streams_have_a_limit_of_their_own(movable_url: str, issuer: LocalIssuer) -> None:
    """A check in Arrow may be larger than other bodies are, and no larger than that."""
    async with open_door(movable_url, issuer, max_body_bytes=1_024, max_arrow_bytes=4_096) as door:
        await Story(door).begin()
        texts = [f"track {n}" for n in range(100)]
        fits = await ask_arrow(door, stream(pa.array(texts), about=ABOUT))
        assert table_of(fits).num_rows == 100
        too_large = await ask_arrow(door, stream(pa.array(texts * 5), about=ABOUT))
        assert too_large.status_code == 413
        assert "4096" in too_large.json()["detail"]
        body = {"use": RECOMMENDATION, "content": texts}
        assert (await door.ask("POST", "/v1/checks", body, by=PIPELINE)).status_code == 413
