"""The log as a table: one row for each outcome, as exports, sealed files and packs have it.

    SCHEMA                                # the columns; docs/decision-log.md says what each holds
    batch_of(rows) -> pa.RecordBatch
    batches_of(logged, most) -> Iterator  # the same in parts, of rows that are columns already

Rows of `decisions` go in as they are read (`LOGGED`), and nothing is made for a single outcome: the
parts of all of them are laid side by side and then taken apart by column.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sqlalchemy import Row

from service.decisions.compiled.answers import NO_INSTANT, REASONS
from service.decisions.log.packing import Damaged, Opened, damage_told, numbers_in, opened_parts

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

_Positions: TypeAlias = npt.NDArray[np.int64]
LoggedColumns: TypeAlias = Mapping[str, Sequence[Any]]
"""Rows of `decisions`, column by column."""


def batch_of(rows: Sequence[LoggedRow]) -> pa.RecordBatch:
    """Return every outcome of these decisions in `SCHEMA`: rows in order, outcomes in order asked.

    All rows come from one query of at least the columns `LOGGED`. Some million outcomes a second of
    decisions about many; some hundred thousand decisions about one. It may run in any thread.
    Raises Damaged for outcomes that cannot be read, and OverflowError where the ids, or what is
    repeated beside each, take more than 2 GiB: a few million outcomes at once never do.
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
        _require_said(logged)
        outcomes = _Outcomes([opened_parts(packed) for packed in logged["outcomes"]])
        once = {name: pa.array(logged[name], SCHEMA.field(name).type) for name in _OF_A_REQUEST}
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


def _require_said(logged: LoggedColumns) -> None:
    for name in _IN_OLD_REQUESTS:
        if not SCHEMA.field(name).nullable and None in logged[name]:
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


def _repeated(once: Mapping[str, pa.Array], row: _Positions) -> dict[str, pa.Array]:
    """Return what is said once for a decision beside each of its outcomes."""
    each = np.bincount(row, minlength=len(once["decision_id"]))
    for column in once.values():
        if pa.types.is_string(column.type):
            _require_room(int(np.diff(_offsets(column)) @ each))
    rows = pa.array(row)
    return {name: column.take(rows) for name, column in once.items()}


def _offsets(texts: pa.StringArray) -> npt.NDArray[np.int64]:
    return np.frombuffer(texts.buffers()[1], np.int32, len(texts) + 1).astype(np.int64)


def _require_room(size: int) -> None:
    if size > _LARGEST_TEXT:
        message = f"{size} bytes of text are too many for one batch: take fewer decisions at once"
        raise OverflowError(message)


class _Outcomes:
    """The outcomes of all decisions side by side; those that are the same are still told once."""

    def __init__(self, opened: Sequence[Opened]) -> None:
        """Take each decision's outcomes as they are packed. Raises Damaged."""
        self._opened = opened
        self._numbers = np.array([one.number for one in opened], np.int64)
        self._told = np.array([len(one.reason) for one in opened], np.int64)
        if self._numbers.min() < 1 or self._told.min() < 1:
            message = "there are no outcomes where there have to be some"
            raise Damaged(message)
        self._many = [row for row, one in enumerate(opened) if one.number > 1]
        self._starts = np.cumsum(self._numbers) - self._numbers
        self.total: int = self._numbers.sum().item()
        self.row: _Positions = np.repeat(np.arange(len(opened)), self._numbers)
        """For each outcome, the row of its decision."""
        self._which = self._where_told()
        self._reason = self._reasons()
        self._ids = self._texts()
        self._permitted = np.frombuffer(b"".join([one.permitted for one in opened]), "u1") == 1
        self._version = np.frombuffer(b"".join([one.version for one in opened]), "<i4")
        self._start = np.frombuffer(b"".join([one.start for one in opened]), "<i8")
        self._end = np.frombuffer(b"".join([one.end for one in opened]), "<i8")

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

    def _where_told(self) -> _Positions:
        """Return for each outcome where it is told, among what all decisions tell."""
        local = np.zeros(len(self.row), np.int64)
        for row in self._many:
            one, place = self._opened[row], self._place(row)
            if one.which:
                local[place] = numbers_in(one.which, one.number)
            elif self._told[row] > 1:
                local[place] = np.arange(one.number)
        if (local >= self._told[self.row]).any():
            message = "an outcome is none of those that are told"
            raise Damaged(message)
        first: _Positions = np.cumsum(self._told) - self._told
        return first[self.row] + local

    def _reasons(self) -> npt.NDArray[np.int64]:
        """Return the reason of everything that is told, as a number into `_REASONS`."""
        opened = self._opened
        words = np.array([_NUMBER[word] for one in opened for word in one.words], np.int64)
        each = np.array([len(one.words) for one in opened], np.int64)
        told = np.frombuffer(b"".join([one.reason for one in opened]), "u1")
        if (told >= np.repeat(each, self._told)).any():
            message = "a reason is none of the words"
            raise Damaged(message)
        reasons: _Positions = words[np.repeat(np.cumsum(each) - each, self._told) + told]
        return reasons

    def _texts(self) -> pa.StringArray:
        """Return the ids. What is no text in one of them is shown as U+FFFD."""
        text = b"".join([one.text for one in self._opened])
        _require_room(len(text))
        ends = np.cumsum(self._lengths())
        offsets = np.concatenate(([0], ends)).astype(np.int32)
        ids = pa.StringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(text))
        try:
            ids.validate(full=True)
        except pa.ArrowInvalid:
            shown = [
                text[start:end].decode("utf-8", "replace")
                for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
            ]
            return pa.array(shown, pa.string())
        return ids

    def _lengths(self) -> _Positions:
        texts = np.array([len(one.text) for one in self._opened], np.int64)
        lengths = texts[self.row]
        for row in self._many:
            one, place = self._opened[row], self._place(row)
            if one.lengths:
                lengths[place] = numbers_in(one.lengths, one.number)
            else:
                lengths[place] //= one.number
        if (np.add.reduceat(lengths, self._starts) != texts).any():
            message = "the lengths of the ids are not those of their text"
            raise Damaged(message)
        return lengths

    def _place(self, row: int) -> slice:
        start = self._starts.item(row)
        return slice(start, start + self._numbers.item(row))


def _instants(numbers: npt.NDArray[np.int64]) -> pa.Array:
    return pa.array(numbers, pa.int64(), mask=numbers == NO_INSTANT).cast(INSTANT)
