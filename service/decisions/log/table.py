"""The log as a table: one row for each outcome, as exports, sealed files and packs have it.

    SCHEMA                                # the columns; docs/decision-log.md says what each holds
    batch_of(rows) -> pa.RecordBatch
    batches_of(logged, most) -> Iterator  # the same in parts, of rows that are columns already
    batches_of_rows(rows, most)           # likewise, of rows that are an Arrow batch
    parts_of(numbers, most)               # which rows to take at once

Rows of `decisions` go in as they are read (`LOGGED`), and nothing is made for a single outcome: the
parts of all of them are laid side by side and then taken apart by column.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sqlalchemy import Row

from service.decisions.compiled.answers import NO_INSTANT, REASONS
from service.decisions.compiled.slots import Positions
from service.decisions.log.alone import PADDING, Alone
from service.decisions.log.packing import (
    Damaged,
    Opened,
    damage_told,
    numbers_in,
    opened_parts,
    text_of,
)

INSTANT: Final = pa.timestamp("us", "UTC")

SCHEMA: Final = pa.schema(
    [
        pa.field("decision_id", pa.string(), nullable=False),
        pa.field("answered_at", INSTANT, nullable=False),
        pa.field("evaluated_at", INSTANT, nullable=False),
        pa.field("revision", pa.int64(), nullable=False),
        pa.field("client", pa.string(), nullable=False),
        pa.field("caller", pa.string(), nullable=False),
        pa.field("use", pa.string(), nullable=False),
        pa.field("recipient", pa.string(), nullable=False),
        pa.field("about", pa.string(), nullable=False),
        pa.field("one", pa.string(), nullable=False),
        pa.field("position", pa.int32(), nullable=False),
        pa.field("permitted", pa.bool_(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("policy_version", pa.int32()),
        pa.field("permitted_from", INSTANT),
        pa.field("valid_until", INSTANT),
        pa.field("run", pa.string()),
        pa.field("job", pa.string()),
        pa.field("request", pa.string(), nullable=False),
    ]
)

LOGGED: Final = (
    "decision_id",
    "answered_at",
    "evaluated_at",
    "revision",
    "client",
    "caller",
    "use",
    "recipient",
    "about",
    "run",
    "job",
    "request",
    "outcomes",
)
"""The columns of `decisions` that `batch_of` takes; it does not mind others."""

LoggedRow: TypeAlias = Any
"""A row of `decisions`, as asyncpg (`Record`) or SQLAlchemy (`Row`) reads it."""

_OF_A_REQUEST: Final = tuple(name for name in SCHEMA.names if name in LOGGED)
_IN_OLD_REQUESTS: Final = ("use", "recipient", "about", "run", "job")
"""What the release before the one that divided the log by months says in the request alone."""

_DIFFERENT_REQUESTS: Final = 4_096
_LARGEST_TEXT: Final = (1 << 31) - 1
_REASONS: Final = pa.array([reason.value for reason in REASONS], pa.string())
_NUMBER: Final = {reason.value: number for number, reason in enumerate(REASONS)}

LoggedColumns: TypeAlias = Mapping[str, Sequence[Any]]
"""Rows of `decisions`, column by column."""


def batch_of(rows: Sequence[LoggedRow]) -> pa.RecordBatch:
    """Return every outcome of these decisions in `SCHEMA`: rows in order, outcomes in order asked.

    All rows come from one query of at least the columns `LOGGED`. It may run in any thread. Raises
    Damaged for outcomes that cannot be read, and OverflowError where the ids, or what is repeated
    beside each, take more than 2 GiB: a few million outcomes at once never do.
    """
    if not rows:
        return pa.RecordBatch.from_pylist([], SCHEMA)
    (batch,) = batches_of(logged_columns(rows), sys.maxsize)
    return batch


def batches_of(logged: LoggedColumns, most: int) -> Iterator[pa.RecordBatch]:
    """Yield the same in batches of so many outcomes, of rows that are given column by column.

    A decision about a million takes little memory this way. Raises what `batch_of` raises.
    """
    with damage_told():
        once = {name: pa.array(logged[name], SCHEMA.field(name).type) for name in _OF_A_REQUEST}
        packed = pa.array(logged["outcomes"], pa.large_binary())
    return _told_of(once, packed, most)


def batches_of_rows(rows: pa.RecordBatch, most: int) -> Iterator[pa.RecordBatch]:
    """Yield the same of rows that Arrow has read, with the columns `LOGGED` and maybe others.

    What old rows say in the request alone has been put where it belongs. A million and more
    decisions about one thing take a second. Raises what `batch_of` raises.
    """
    with damage_told():
        once = {name: rows.column(name).cast(SCHEMA.field(name).type) for name in _OF_A_REQUEST}
        requests = once["request"].dictionary_encode()
        said = pa.array([_request(one) for one in requests.dictionary.to_pylist()], pa.string())
        once["request"] = said.take(requests.indices)
        packed = rows.column("outcomes").cast(pa.large_binary())
    return _told_of(once, packed, most)


def parts_of(numbers: Positions, most: int) -> Iterator[slice]:
    """Yield which rows to take together, one slice after the other, whatever the numbers say.

    Of the outcomes that each row is said to have there are at most twice so many in a slice; a row
    that has as many as that by itself is alone in its slice.
    """
    part, large = np.cumsum(np.clip(numbers, 1, most)) // most, numbers >= most
    begins = np.diff(part, prepend=-1) != 0
    begins |= large
    begins[1:] |= large[:-1]
    for start, end in pairwise([*np.flatnonzero(begins).tolist(), len(numbers)]):
        yield slice(start, end)


def _told_of(
    once: Mapping[str, pa.Array], packed: pa.LargeBinaryArray, most: int
) -> Iterator[pa.RecordBatch]:
    with damage_told():
        _require_said(once)
        outcomes = _Outcomes(packed)
        for start in range(0, outcomes.total, most):
            some = slice(start, min(start + most, outcomes.total))
            columns = _repeated(once, outcomes.row[some]) | outcomes.columns(some)
            arrays = [columns[name] for name in SCHEMA.names]
            yield pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def logged_columns(rows: Sequence[LoggedRow]) -> LoggedColumns:
    """Return rows as columns, with what old ones have in the request where it belongs."""
    first = rows[0]
    names = first._fields if isinstance(first, Row) else first.keys()
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    requests = [
        _request(one) if isinstance(one, str) else msgspec.json.encode(one, order="sorted").decode()
        for one in columns["request"]
    ]
    missing = {
        name: [
            _in_request(request, name) if value is None else value
            for value, request in zip(columns[name], requests, strict=True)
        ]
        for name in _IN_OLD_REQUESTS
        if None in columns[name]
    }
    return columns | {"request": requests} | missing


def _require_said(once: Mapping[str, pa.Array]) -> None:
    for name, column in once.items():
        if column.null_count and not SCHEMA.field(name).nullable:
            message = f"a decision does not say its {name}"
            raise Damaged(message)


@lru_cache(_DIFFERENT_REQUESTS)
def _request(text: str) -> str:
    """Return a request in one form, whatever the database puts between its parts (RFC 8785)."""
    return msgspec.json.encode(msgspec.json.decode(text), order="sorted").decode()


@lru_cache(_DIFFERENT_REQUESTS)
def _in_request(request: str, name: str) -> str | None:
    found: str | None = msgspec.json.decode(request).get(name)
    return found


def _repeated(once: Mapping[str, pa.Array], row: Positions) -> dict[str, pa.Array]:
    """Return what is said once for a decision beside each of its outcomes."""
    each = np.bincount(row, minlength=len(once["decision_id"]))
    for column in once.values():
        if pa.types.is_string(column.type):
            _require_room(int(np.diff(_offsets(column)) @ each))
    rows = pa.array(row)
    return {name: column.take(rows) for name, column in once.items()}


def _offsets(texts: pa.StringArray) -> npt.NDArray[np.int64]:
    offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset :]
    return offsets[: len(texts) + 1].astype(np.int64)


def _require_room(size: int) -> None:
    if size > _LARGEST_TEXT:
        message = f"{size} bytes of text are too many for one batch: take fewer decisions at once"
        raise OverflowError(message)


class _Outcomes:
    """The outcomes of all decisions side by side; those that are the same are still told once.

    Most decisions are about one thing alone and are read together; the others are opened each.
    """

    def __init__(self, packed: pa.LargeBinaryArray) -> None:
        """Take each decision's outcomes as they are packed. Raises Damaged."""
        alone = Alone(*_lying(packed))  # gone in the end, and the others: a large one has much text
        others = dict(zip(alone.others, map(opened_parts, alone.others_packed()), strict=True))
        opened = list(others.values())
        self._numbers, self._told = np.ones((2, len(packed)), np.int64)
        self._numbers[alone.others] = [one.number for one in opened]
        self._told[alone.others] = [len(one.reason) for one in opened]
        if len(packed) and (self._numbers.min() < 1 or self._told.min() < 1):
            message = "there are no outcomes where there have to be some"
            raise Damaged(message)
        self._starts = np.cumsum(self._numbers) - self._numbers
        self._first = np.cumsum(self._told) - self._told
        self.total: int = self._numbers.sum().item()
        self.row: Positions = np.repeat(np.arange(len(packed)), self._numbers)
        """For each outcome, the row of its decision."""
        self._which = self._where_told(others)
        self._ids = _texts(self._lengths(alone, others), _text(alone, others))
        self._reason = self._told_in_order(alone, "reason", _reasons(opened))
        self._permitted = self._told_in_order(
            alone, "permitted", _numbers(opened, "permitted", "u1") == 1
        )
        self._version = self._told_in_order(
            alone, "policy_version", _numbers(opened, "version", "<i4")
        )
        self._start = self._told_in_order(alone, "start", _numbers(opened, "start", "<i8"))
        self._end = self._told_in_order(alone, "end", _numbers(opened, "end", "<i8"))

    def columns(self, some: slice) -> dict[str, pa.Array]:
        """Return all columns that differ from outcome to outcome, of some outcomes."""
        which, version = self._which[some], self._version[self._which[some]]
        position = np.arange(some.start, some.stop) - self._starts[self.row[some]]
        return {
            "one": self._ids[some],
            "position": pa.array(position.astype(np.int32)),
            "permitted": pa.array(self._permitted[which]),
            "reason": _REASONS.take(pa.array(self._reason[which])),
            "policy_version": pa.array(version, mask=version == 0),
            "permitted_from": _instants(self._start[which]),
            "valid_until": _instants(self._end[which]),
        }

    def _told_in_order(
        self, alone: Alone, name: str, of_others: npt.NDArray[Any]
    ) -> npt.NDArray[Any]:
        """Return what is told in the order of the decisions. Raises Damaged if that is not all."""
        places, of_alone = self._first[alone.rows], getattr(alone.answers, name)
        apart = np.ones(self._told.sum(), np.bool_)
        apart[places] = False
        if np.count_nonzero(apart) != len(of_others):
            message = "outcomes are not told in columns of one length"
            raise Damaged(message)
        whole = np.empty(len(apart), of_alone.dtype)
        whole[places], whole[apart] = of_alone, of_others
        return whole

    def _where_told(self, others: Mapping[int, Opened]) -> Positions:
        """Return for each outcome where it is told, among what all decisions tell."""
        local = np.zeros(self.total, np.int64)
        for row, one in others.items():
            if one.which:
                local[self._place(row)] = numbers_in(one.which, one.number)
            elif len(one.reason) > 1:
                local[self._place(row)] = np.arange(one.number)
        if (local >= self._told[self.row]).any():
            message = "an outcome is none of those that are told"
            raise Damaged(message)
        local += self._first[self.row]
        return local

    def _lengths(self, alone: Alone, others: Mapping[int, Opened]) -> Positions:
        """Return how many bytes each id has."""
        lengths = np.empty(self.total, np.int64)
        lengths[self._starts[alone.rows]] = alone.ids.lengths
        for row, one in others.items():
            place = self._place(row)
            if one.lengths:
                lengths[place] = numbers_in(one.lengths, one.number)
            else:
                lengths[place] = len(one.text) // one.number
            if lengths[place].sum() != len(one.text):
                message = "the lengths of the ids are not those of their text"
                raise Damaged(message)
        return lengths

    def _place(self, row: int) -> slice:
        start = self._starts.item(row)
        return slice(start, start + self._numbers.item(row))


def _lying(packed: pa.LargeBinaryArray) -> tuple[npt.NDArray[np.uint8], Positions, Positions]:
    """Return the bytes of all, padded, and where each begins and ends."""
    _, offsets, data = packed.buffers()
    bounds = np.frombuffer(offsets, np.int64)[packed.offset : packed.offset + len(packed) + 1]
    first = bounds.item(0)
    lying = memoryview(data or b"")[first : bounds.item(-1)]
    bounds = bounds - first
    return np.frombuffer(b"".join((lying, PADDING)), np.uint8), bounds[:-1], bounds[1:]


def _text(alone: Alone, others: Mapping[int, Opened]) -> bytes:
    """Return the bytes of all ids in order: of runs that are alone, and of others between."""
    text, bounds = bytes(text_of(alone.ids)), np.append(0, np.cumsum(alone.ids.lengths))
    before = bounds[np.searchsorted(alone.rows, alone.others)].tolist()
    pieces, start = list[bytes](), 0
    for end, one in zip(before, others.values(), strict=True):
        pieces += (text[start:end], one.text)
        start = end
    return b"".join(piece for piece in (*pieces, text[start:]) if piece)


def _texts(lengths: Positions, text: bytes) -> pa.StringArray:
    """Return the ids, one behind the other. What is no text in one of them is shown as U+FFFD."""
    _require_room(len(text))
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    ids = pa.StringArray.from_buffers(len(lengths), pa.py_buffer(offsets), pa.py_buffer(text))
    try:
        ids.validate(full=True)
    except pa.ArrowInvalid:
        shown = [
            text[start:end].decode("utf-8", "replace")
            for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
        ]
        return pa.array(shown, pa.string())
    return ids


def _reasons(opened: Sequence[Opened]) -> npt.NDArray[np.uint8]:
    """Return the reason of everything that is told, as a number into `_REASONS`."""
    words = np.array([_NUMBER[word] for one in opened for word in one.words], np.uint8)
    each = np.array([len(one.words) for one in opened], np.int64)
    told = _numbers(opened, "reason", "u1")
    number_told = [len(one.reason) for one in opened]
    if (told >= np.repeat(each, number_told)).any():
        message = "a reason is none of the words"
        raise Damaged(message)
    reasons: npt.NDArray[np.uint8] = words[np.repeat(np.cumsum(each) - each, number_told) + told]
    return reasons


def _numbers(opened: Sequence[Opened], part: str, form: str) -> npt.NDArray[Any]:
    """Return a part of all of them, one behind the other."""
    return np.frombuffer(b"".join([getattr(one, part) for one in opened]), form)


def _instants(numbers: npt.NDArray[np.int64]) -> pa.Array:
    return pa.array(numbers, pa.int64(), mask=numbers == NO_INSTANT).cast(INSTANT)
