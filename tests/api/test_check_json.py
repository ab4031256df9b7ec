"""Checks in JSON are read and written in bulk exactly as they would be one by one."""

import json
from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.api import check_ids, check_results
from service.api.check_ids import ids_in_json
from service.api.check_wire import CheckRequest, read_check
from service.api.problems import BodyMalformed
from service.decisions.compiled.answers import LAST_PERMIT, NO_INSTANT, REASONS, Answers
from service.decisions.question import About, Answer
from service.domain.instant import LATEST, format_instant
from service.domain.refusal import Refused

MANY: Final = 100_000


def outcome(read: Callable[[], Any]) -> object:
    """Return what reading gives, or what it refuses."""
    try:
        return read()
    except Refused as refused:
        return [(one.field, one.code, one.message) for one in refused.refusals]
    except BodyMalformed:
        return BodyMalformed


@pytest.fixture
def always_in_bulk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no batch be too small for the ways that large ones go."""
    monkeypatch.setattr(check_ids, "_WORTH_IT", 0)
    monkeypatch.setattr(check_ids, "_AT_ONCE", 3)
    monkeypatch.setattr(check_results, "_WORTH_IT", 0)


def one_by_one(raw: bytes) -> object:
    """Read ids with nothing but a decoder."""

    def read() -> list[str]:
        return check_ids._one_by_one(raw, "content").spelled.texts()

    return outcome(read)


def in_bulk(raw: bytes) -> object:
    """Read ids, and see that they are the same each way they are needed."""

    def read() -> list[str]:
        ids = ids_in_json(raw, "content")
        texts = ids.spelled.texts()
        assert ids.strings().to_pylist() == texts
        assert b"".join(ids.quoted().to_pylist()) == msgspec.json.encode(texts)[1:-1] + b","
        assert [ids.spelled.text(n).decode() for n in range(len(ids))] == texts
        return texts

    return outcome(read)


# JSON values, mostly arrays of strings, written in every way there is

PLAIN: Final = st.text("ab ,:[]{}\x7fä字🎵", min_size=1, max_size=6)
ODD: Final = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.sampled_from(
        ["", "\0", "a\0", "x" * 200, "x" * 201, "ä" * 200, "ä" * 201, '"', "\\", '\\"']
    ),
)
NO_TEXT: Final = st.one_of(
    st.none(), st.booleans(), st.integers(), st.just([]), st.just({"a": "b"}), st.just(["a"])
)
BLANK: Final = st.sampled_from(["", " ", "\n", "\t ", "\r\n  "])


@st.composite
def written(draw: st.DrawFn, value: object) -> str:
    """Write a value with blanks, and with as many escapes as somebody may like."""
    if isinstance(value, list):
        parts = [draw(BLANK) + draw(written(one)) + draw(BLANK) for one in value]
        return "[" + (",".join(parts) or draw(BLANK)) + "]"
    text = json.dumps(value, ensure_ascii=draw(st.booleans()))
    if isinstance(value, str) and value.isascii() and draw(st.integers(0, 9)) == 0:
        return '"' + "".join(f"\\u{ord(letter):04x}" for letter in value) + '"'
    return text


PLAIN_LISTS: Final = st.lists(PLAIN, min_size=1, max_size=8)
LISTS: Final = st.one_of(
    PLAIN_LISTS,
    st.lists(st.one_of(PLAIN, ODD), max_size=8),
    st.lists(st.one_of(PLAIN, ODD, NO_TEXT), max_size=8),
)


@pytest.mark.usefixtures("always_in_bulk")
@given(raw=LISTS.flatmap(written).map(str.encode))
@example(raw=b'[ "a" ]')
@example(raw=b'["a","b\\"","\\"c"]')
@example(raw=b'["a\\\\","b"]')
@example(raw=b'["a\\\\\\"","b"]')
@example(raw=b'["a",["b"]]')
@example(raw=b'["a",{"b":"c"}]')
@example(raw=b'{"a":"b"}')
@example(raw=b'"a"')
@example(raw=b'["a\xff"]')
@example(raw=b'["a","\xed\xa0\x80"]')
@example(raw=b'["a","b\\"\xff"]')
@example(raw=b'["\\ud83c\\udfb5","b"]')
def test_ids_read_in_bulk_are_those_read_one_by_one(raw: bytes) -> None:
    """Blanks, escapes, every script; and what is refused is refused in the same words."""
    assert in_bulk(raw) == one_by_one(raw)


@pytest.mark.usefixtures("always_in_bulk")
@given(texts=PLAIN_LISTS)
def test_what_is_usual_never_goes_the_long_way(texts: list[str]) -> None:
    """As compact encoders write it, as Python's does, and indented for people to read."""
    for text in (
        json.dumps(texts, ensure_ascii=False, separators=(",", ":")),
        json.dumps(texts, ensure_ascii=False),
        json.dumps(texts, ensure_ascii=False, indent=2),
    ):
        bare = check_ids._laid_bare(text.encode())
        assert bare is not None
        assert check_ids._at_a_glance(*bare) is not None


NAMES: Final = st.sampled_from(
    ["use", "recipient", "content", "artists", "run", "explain", "shape", "at", "typo"]
)
VALUES: Final = st.one_of(LISTS, PLAIN, NO_TEXT, st.sampled_from(["columns", "objects", "strong"]))


def reference(body: bytes) -> object:
    """Read a check as one struct with lists of strings, as long as that was all there was."""

    def read() -> object:
        try:
            asked = msgspec.json.decode(body, type=CheckRequest)
        except msgspec.ValidationError:
            return Refused
        except (msgspec.DecodeError, UnicodeDecodeError):
            return BodyMalformed
        texts = [*(asked.content or ()), *(asked.artists or ())]
        if any("\0" in one for one in (asked.use, asked.recipient, asked.run or "", *texts)):
            return Refused
        if (asked.content is None) == (asked.artists is None):
            return Refused
        about = About.ARTISTS if asked.content is None else About.CONTENT
        return (about, texts, asked.use, asked.recipient, asked.run, asked.explain, asked.shape)

    return outcome(read)


def as_read(body: bytes) -> object:
    """Read a check in bulk, and return the same of it."""
    try:
        asked = read_check(body)
    except Refused:
        return Refused
    except BodyMalformed:
        return BodyMalformed
    check = asked.check
    texts = check.ids.texts()
    return (check.about, texts, check.use, check.recipient, check.run, check.explain, asked.shape)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Write an object whose members may be anything, and sometimes spoil the text."""
    members = draw(st.dictionaries(NAMES, VALUES, max_size=4))
    if draw(st.booleans()):
        members = {"use": "a.b", "content": draw(LISTS)} | members
    text = ",".join(f"{json.dumps(name)}: {draw(written(one))}" for name, one in members.items())
    body = f"{{{text}}}".encode()
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(body)))
        body = (
            body[:at]
            + draw(st.sampled_from([b"", b'"', b"\\", b"\xff", b",", b"\x01"]))
            + (body[at + draw(st.integers(0, 1)) :])
        )
    return body


@pytest.mark.usefixtures("always_in_bulk")
@given(body=bodies())
@example(body=b'{"use":"a","content":null,"artists":["x"]}')
@example(body=b'{"use":"a","content":["x"],"artists":null}')
@example(body=b'{"use":"content","content":["content","artists"]}')
def test_a_check_is_read_as_a_decoder_would(body: bytes) -> None:
    """Whatever the text: the same question, or refused where the decoder refuses."""
    expected, found = reference(body), as_read(body)
    wrong = (Refused, BodyMalformed)  # which of two things that are wrong is named may differ
    assert found == expected or (found in wrong and expected in wrong)


def test_a_nest_without_end_is_malformed() -> None:
    """Not the interpreter's own limit shows, but a refusal."""
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        nest = opening * 100_000 + b"1" + closing * 100_000
        with pytest.raises(BodyMalformed):
            read_check(b'{"use":"a","content":' + nest + b"}")


def test_the_last_of_two_lists_counts() -> None:
    """As in every reader of JSON here; the first is not asked about."""
    asked = read_check(b'{"use":"a","content":["x"],"content":["y","z"]}')
    assert asked.check.ids.texts() == ["y", "z"]


# Answers

INSTANTS: Final = st.one_of(
    st.just(NO_INSTANT), st.integers(0, LATEST), st.sampled_from([0, LATEST])
)
ROWS: Final = st.tuples(
    st.integers(0, len(REASONS) - 1), st.sampled_from([0, 1, 2, 2**31 - 1]), INSTANTS, INSTANTS
)


def answers_of(rows: list[tuple[int, int, int, int]]) -> Answers:
    """Return answers of these reasons, versions, starts and ends."""
    reason, version, start, end = (list(column) for column in zip(*rows, strict=True))
    numbers = np.array(reason, np.uint8)
    return Answers(
        permitted=numbers <= LAST_PERMIT,
        reason=numbers,
        policy_version=np.array(version, np.int32),
        start=np.array(start, np.int64),
        end=np.array(end, np.int64),
    )


def expected_json(answer: Answer, shape: str) -> bytes:
    """Write an answer as an encoder would, row by row."""
    answers, named = answer.answers, {"content": "content", "artists": "artist"}
    rows = [
        {
            named[answer.check.about]: text,
            "permitted": (one := answers.decision(n)).permitted,
            "reason": one.reason.value,
            "policy_version": one.policy_version,
            "permitted_from": None
            if one.interval.start is None
            else format_instant(one.interval.start),
            "valid_until": None if one.interval.end is None else format_instant(one.interval.end),
        }
        for n, text in enumerate(answer.check.ids.texts())
    ]
    results: object = rows
    if shape == "columns":
        results = {name: [row[name] for row in rows] for name in rows[0]}
    return msgspec.json.encode(
        {
            "decision_id": answer.decision_id,
            "revision": answer.revision,
            "evaluated_at": format_instant(answer.evaluated_at),
            "use": answer.check.use,
            "recipient": answer.check.recipient,
            "results": results,
        }
    )


@pytest.mark.usefixtures("always_in_bulk")
@given(data=st.data(), shape=st.sampled_from(["objects", "columns"]))
def test_answers_written_in_bulk_are_those_of_an_encoder(data: st.DataObject, shape: Any) -> None:
    """Byte for byte, in both shapes, about content and artists, few outcomes or all different."""
    texts = data.draw(st.lists(st.one_of(PLAIN, ODD.filter(_is_an_id)), min_size=1, max_size=12))
    kinds = data.draw(st.lists(ROWS, min_size=1, max_size=12))
    rows = [data.draw(st.sampled_from(kinds)) for _ in texts]
    field = data.draw(st.sampled_from(["content", "artists"]))
    text = data.draw(written(texts))
    asked = read_check(f'{{"use":"a.ä","{field}":{text}}}'.encode())
    answer = Answer("dec_1", 7, LATEST, asked.check, answers_of(rows), None)
    assert check_results.write_answer(answer, asked.ids, shape) == expected_json(answer, shape)


def _is_an_id(text: str) -> bool:
    return 0 < len(text) <= 200 and "\0" not in text


@pytest.mark.parametrize("shape", ["objects", "columns"])
@pytest.mark.parametrize("outcomes", [1, 3, 70_000])
def test_a_hundred_thousand_answers_are_those_of_an_encoder(shape: Any, outcomes: int) -> None:
    """Also where there are more outcomes than slots to tell them apart by."""
    random = np.random.default_rng(20261122)
    which = random.integers(0, outcomes, MANY)
    answers = Answers(
        permitted=which % 2 == 0,
        reason=np.where(which % 2 == 0, 1, 9).astype(np.uint8),
        policy_version=(which % 5).astype(np.int32),
        start=np.where(which % 2 == 0, 1_700_000_000_000_000 + which * 1_000_003, NO_INSTANT),
        end=np.full(MANY, NO_INSTANT),
    )
    texts = [f"track-{n}-ä" for n in range(MANY)]
    asked = read_check(msgspec.json.encode({"use": "a", "content": texts}))
    answer = Answer("dec_1", 7, 0, asked.check, answers, None)
    same = check_results.write_answer(answer, asked.ids, shape) == expected_json(answer, shape)
    assert same  # and not compared by pytest, which would show 14 MB
