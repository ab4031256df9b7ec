"""The answers of a check as JSON, written from arrays.

Most of a batch share few outcomes, so each outcome is written once and then put behind every id
that it belongs to. What comes out is, byte for byte, what an encoder would make of the rows.
"""

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from service.api.check_ids import Ids
from service.api.explained import explanation_json
from service.decisions.compiled.answers import NO_INSTANT, REASONS, Answers
from service.decisions.question import About, Answer
from service.domain.instant import Instant, format_instant
from service.ledger.events import Json

Shape: TypeAlias = Literal["objects", "columns"]

NAMED: Final = {About.CONTENT: "content", About.ARTISTS: "artist"}
"""What one thing asked about is called in a result."""

_WORTH_IT: Final = 128
"""Results from which on it is faster to write all of them together."""

_MOST_BITS: Final = 16
_MIXERS: Final = (0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F)
_PERMITTED: Final = pa.array([b"false", b"true"], pa.binary())
_REASON: Final = pa.array([f'"{reason.value}"'.encode() for reason in REASONS], pa.binary())
_NULL: Final = b"null"
_DAY_ENDS: Final = 10
_TEXT_LENGTH: Final = 26
_NONE: Final = pa.scalar(b"", pa.binary())
_Numbers: TypeAlias = npt.NDArray[np.int32]


def write_answer(answer: Answer, ids: Ids, shape: Shape) -> bytes:
    """Return the answer's JSON, results in the order asked."""
    if answer.explanations is not None or len(ids) < _WORTH_IT:
        return _by_rows(answer, shape)
    head = msgspec.json.encode(_moment(answer))[:-1]
    write = _columns if shape == "columns" else _objects
    parts = write(answer.answers, ids, NAMED[answer.check.about])
    return b"".join((head, b',"results":', *parts, b"}"))


def _moment(answer: Answer) -> Json:
    return {
        "decision_id": answer.decision_id,
        "revision": answer.revision,
        "evaluated_at": format_instant(answer.evaluated_at),
        "use": answer.check.use,
        "recipient": answer.check.recipient,
    }


def _by_rows(answer: Answer, shape: Shape) -> bytes:
    rows = _rows(answer)
    results: object = rows
    if shape == "columns":
        results = {name: [row[name] for row in rows] for name in rows[0]}
    return msgspec.json.encode(_moment(answer) | {"results": results})


def _rows(answer: Answer) -> list[Json]:
    named, written, answers = NAMED[answer.check.about], _Instants(), answer.answers
    columns = (
        answer.check.ids.texts(),
        answers.permitted.tolist(),
        answers.reason.tolist(),
        answers.policy_version.tolist(),
        answers.start.tolist(),
        answers.end.tolist(),
    )
    rows: list[Json] = [
        {
            named: one,
            "permitted": permitted,
            "reason": REASONS[reason].value,
            "policy_version": version or None,
            "permitted_from": written(start),
            "valid_until": written(end),
        }
        for one, permitted, reason, version, start, end in zip(*columns, strict=True)
    ]
    if answer.explanations is not None:
        for row, explanation in zip(rows, answer.explanations, strict=True):
            row["explanation"] = explanation_json(explanation)
    return rows


class _Instants:
    """Writes instants; most of a batch share few of them."""

    def __init__(self) -> None:
        self._known: dict[Instant, str | None] = {NO_INSTANT: None}

    def __call__(self, instant: Instant) -> str | None:
        if instant not in self._known:
            self._known[instant] = format_instant(instant)
        return self._known[instant]


# From here on, a text is what stands in an array of Arrow's, and a number is where it stands.


def _columns(answers: Answers, ids: Ids, named: str) -> list[bytes | memoryview]:
    which, distinct = told_apart(answers)
    version, start, end = (
        _with_comma(_versions(distinct)),
        _with_comma(_instants(distinct.start)),
        _with_comma(_instants(distinct.end)),
    )
    columns = {
        named: ids.quoted(),
        "permitted": _taken(_with_comma(_PERMITTED), answers.permitted.view(np.uint8)),
        "reason": _taken(_with_comma(_REASON), answers.reason),
        "policy_version": _taken(version, which),
        "permitted_from": _taken(start, which),
        "valid_until": _taken(end, which),
    }
    parts: list[bytes | memoryview] = []
    for name, column in columns.items():
        parts += [b"," if parts else b"{", f'"{name}":['.encode(), _run_of(column)[:-1], b"]"]
    return [*parts, b"}"]


def _objects(answers: Answers, ids: Ids, named: str) -> Sequence[bytes | memoryview]:
    which, distinct = told_apart(answers)
    endings = _joined(
        b'"permitted":',
        _taken(_PERMITTED, distinct.permitted.view(np.uint8)),
        b',"reason":',
        _taken(_REASON, distinct.reason),
        b',"policy_version":',
        _versions(distinct),
        b',"permitted_from":',
        _instants(distinct.start),
        b',"valid_until":',
        _instants(distinct.end),
        b"},",
    )
    rows = _joined(f'{{"{named}":'.encode(), ids.quoted(), _taken(endings, which))
    return (b"[", _run_of(rows)[:-1], b"]")


def told_apart(answers: Answers) -> tuple[_Numbers, Answers]:
    """Return which outcome each answer is, and the outcomes.

    By a hash, in one look: two outcomes that meet in one slot only make the table longer, since
    every answer that is not what its slot holds becomes an outcome of its own.
    """
    size = len(answers)
    bits = min(size.bit_length(), _MOST_BITS)
    slots, held = _slots(answers, bits), np.full(1 << bits, -1, np.int32)
    held[slots] = np.arange(size, dtype=np.int32)
    like = held[slots]
    strangers = np.flatnonzero(
        (answers.start[like] != answers.start)
        | (answers.end[like] != answers.end)
        | (answers.policy_version[like] != answers.policy_version)
        | (answers.reason[like] != answers.reason)
    )
    holders = held[held >= 0]
    number = np.empty(len(held), np.int32)
    number[slots[holders]] = np.arange(len(holders), dtype=np.int32)
    which: _Numbers = number[slots]
    which[strangers] = np.arange(len(holders), len(holders) + len(strangers), dtype=np.int32)
    return which, answers.take(np.concatenate([holders, strangers]))


def _slots(answers: Answers, bits: int) -> npt.NDArray[np.int64]:
    first, second, third = map(np.uint64, _MIXERS)
    mixed = answers.start.view(np.uint64) * first
    mixed ^= mixed >> np.uint64(32)
    mixed += answers.end.view(np.uint64)
    mixed *= second
    mixed ^= mixed >> np.uint64(32)
    mixed += answers.policy_version.astype(np.uint64) << np.uint64(8) | answers.reason
    mixed *= third
    return (mixed >> np.uint64(64 - bits)).astype(np.int64)


def _versions(answers: Answers) -> pa.BinaryArray:
    known, which = np.unique(answers.policy_version, return_inverse=True)
    texts = [str(version).encode() if version else _NULL for version in known.tolist()]
    return _taken(pa.array(texts, pa.binary()), which)


def _instants(instants: npt.NDArray[np.int64]) -> pa.BinaryArray:
    """Return them as `format_instant` writes them, in quotes, or null."""
    size, none = len(instants), instants == NO_INSTANT
    buffers = [None, pa.py_buffer(np.where(none, 0, instants))]
    # pyarrow writes "2026-03-01 00:00:00.000000", from 1970 to 9999 all of this length.
    plain = pa.Array.from_buffers(pa.timestamp("us"), size, buffers).cast(pa.utf8())
    written = np.empty((size, _TEXT_LENGTH + 3), np.uint8)
    written[:, 1:-2] = np.frombuffer(plain.buffers()[2], np.uint8).reshape(size, _TEXT_LENGTH)
    written[:, 0] = written[:, -1] = ord('"')
    written[:, 1 + _DAY_ENDS] = ord("T")
    written[:, -2] = ord("Z")
    width = written.shape[1]
    texts = _lying(written.tobytes() + _NULL, np.arange(size + 1) * width)
    return _taken(texts, np.where(none, size, np.arange(size)))


def _lying(text: bytes, bounds: npt.NDArray[np.int64]) -> pa.BinaryArray:
    offsets = np.append(bounds, len(text)).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(text)]
    return pa.Array.from_buffers(pa.binary(), len(bounds), buffers)


def _with_comma(texts: pa.BinaryArray) -> pa.BinaryArray:
    return _joined(texts, b",")


def _joined(*parts: pa.BinaryArray | bytes) -> pa.BinaryArray:
    """Return the texts that these make, side by side."""
    wrapped = [pa.scalar(p, pa.binary()) if isinstance(p, bytes) else p for p in parts]
    return pc.binary_join_element_wise(*wrapped, _NONE)


def _taken(texts: pa.BinaryArray, numbers: npt.NDArray[np.integer]) -> pa.BinaryArray:
    return texts.take(pa.array(numbers))


def _run_of(texts: pa.BinaryArray) -> memoryview:
    """Return all of them, one behind the other."""
    _, offsets, text = texts.buffers()
    bounds = np.frombuffer(offsets, np.int32)[texts.offset :][: len(texts) + 1]
    return memoryview(text)[bounds.item(0) : bounds.item(-1)]
