"""Logged decisions out of the table: whole rows as COPY sends them, hundreds at a time.

    rows_in(data) -> where each row begins
    copied_rows(data, rows) -> Logged

A query lays every row out in the same way, all that has a fixed length first, and says there how
long the rest is; so nothing is done for a single row but to find where it ends and whose column it
is.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from service.decisions.log.alone import PADDING, Alone, read_numbers
from service.decisions.log.packing import Damaged, Outcomes, unpack
from service.replay.logged import (
    Asked,
    Column,
    Logged,
    Positions,
    Unreadable,
    column_of,
    joined,
    side_by_side,
)

COLUMNS: Final = """
octet_length(outcomes) + octet_length(decision_id)
    + octet_length(coalesce(request->'min_policy_version', 'null')::text)
    + octet_length(coalesce(use, request->>'use', ''))
    + octet_length(coalesce(recipient, request->>'recipient', ''))
    + octet_length(coalesce(about, request->>'about', '')) AS rest,
revision,
answered_at,
evaluated_at,
request ? 'at' AS past,
outcomes,
decision_id,
coalesce(request->'min_policy_version', 'null')::text AS min_version,
coalesce(use, request->>'use', '') AS use,
coalesce(recipient, request->>'recipient', '') AS recipient,
coalesce(about, request->>'about', '') AS about
"""
"""What is asked for of the table `decisions`; `rest` is the bytes of all that vary in length."""

_FIELDS: Final = 11
_REST, _REVISION, _ANSWERED, _EVALUATED, _PAST, _OUTCOMES = 6, 14, 26, 38, 50, 51
"""Where each begins in a row: two bytes tell how many fields there are, four how long each is."""

_LENGTH: Final = 4
_FIXED: Final = _OUTCOMES + 6 * _LENGTH
"""What a row takes beside its rest: six more lengths."""

_EPOCH: Final = 946_684_800_000_000
"""PostgreSQL counts microseconds from the year 2000."""

_LONGEST_NUMBER: Final = 10
_NUMBER: Final = struct.Struct(">i").unpack_from


def rows_in(data: bytes) -> tuple[list[int], int]:
    """Return where each whole row begins, and where the first begins that is not whole.

    `data` begins with a row of COPY in binary (PostgreSQL, "COPY", "Binary Format").
    """
    starts, start, last = list[int](), 0, len(data) - _REST - _LENGTH
    while start <= last:
        end = start + _FIXED + _NUMBER(data, start + _REST)[0]
        if end > len(data):
            break
        starts.append(start)
        start = end
    return starts, start


def copied_rows(data: bytes, rows: Sequence[int]) -> Logged:
    """Return every outcome of the rows that begin there, the last one where `data` ends.

    Raises Damaged for what is no such rows.
    """
    packed = np.frombuffer(data + PADDING, np.uint8)
    starts = np.array(rows, np.int64)
    ends = np.append(starts[1:], len(data))
    first, outcomes = starts + _OUTCOMES + _LENGTH, read_numbers(packed, starts + _OUTCOMES, ">i4")
    named = first + outcomes + _LENGTH
    names = _Names(data, named, read_numbers(packed, named - _LENGTH, ">i4"))
    asked = named + names.lengths
    if (read_numbers(packed, starts, ">i2") != _FIELDS).any() or (asked > ends).any():
        raise Damaged("rows of the log are not laid out as they were asked for")
    columns, column = _columns(data, asked.tolist(), ends.tolist())
    return _outcomes_of(
        _Rows(
            names=names,
            columns=columns,
            column=column,
            revision=read_numbers(packed, starts + _REVISION, ">i8"),
            answered_at=read_numbers(packed, starts + _ANSWERED, ">i8") + _EPOCH,
            evaluated_at=read_numbers(packed, starts + _EVALUATED, ">i8") + _EPOCH,
            past=packed[starts + _PAST] == 1,
        ),
        Alone(packed, first, first + outcomes),
    ).understood()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows(Asked):
    """What is said once for a decision."""

    names: "_Names"


def _outcomes_of(rows: _Rows, alone: Alone) -> Logged:
    """Put the outcomes of all rows side by side, those about one thing alone before the others."""
    apart = [_unpacked(one) for one in alone.others_packed()]
    several = [
        (row, one)
        for row, one in zip(alone.others, apart, strict=True)
        if isinstance(one, Outcomes)
    ]
    numbers = [len(one) for _, one in several]
    row = np.concatenate(
        [alone.rows, np.repeat(np.array([r for r, _ in several], np.int64), numbers)]
    )
    return Logged(
        decision_ids=rows.names,
        decision=row,
        position=np.concatenate([np.zeros(len(alone.rows), np.int64), *map(np.arange, numbers)]),
        columns=rows.columns,
        column=rows.column[row],
        revision=rows.revision[row],
        answered_at=rows.answered_at[row],
        evaluated_at=rows.evaluated_at[row],
        past=rows.past[row],
        ids=side_by_side([alone.ids, *(one.ids for _, one in several)]),
        answers=joined([alone.answers, *(one.answers for _, one in several)]),
        unreadable=[
            Unreadable(rows.names[row], rows.revision.item(row), str(one))
            for row, one in zip(alone.others, apart, strict=True)
            if isinstance(one, Damaged)
        ],
    )


class _Names(Sequence[str]):
    """The names of decisions, told when they are asked for: of few of them they are."""

    def __init__(self, data: bytes, starts: Positions, lengths: Positions) -> None:
        self._data = data
        self._starts = starts
        self.lengths = lengths

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, row: Any) -> Any:
        start = self._starts.item(row)
        return self._data[start : start + self.lengths.item(row)].decode("utf-8", "replace")


def _columns(data: bytes, starts: list[int], ends: list[int]) -> tuple[list[Column], Positions]:
    """Return the different columns, and for each row the number of its own."""
    number: dict[bytes, int] = {}
    each = [
        number.setdefault(data[start:end], len(number))
        for start, end in zip(starts, ends, strict=True)
    ]
    return [_column(one) for one in number], np.array(each, np.int64)


def _column(packed: bytes) -> Column:
    fields = list[bytes]()
    while packed:
        end = _LENGTH + _NUMBER(packed, 0)[0]
        fields.append(packed[_LENGTH:end])
        packed = packed[end:]
    least, use, recipient, about = fields
    # Whatever is longer is no number of a version, and nobody knows how deep it goes.
    version = msgspec.json.decode(least) if len(least) <= _LONGEST_NUMBER else least
    return column_of(use.decode(), recipient.decode(), about.decode(), version)


def _unpacked(packed: bytes) -> Outcomes | Damaged:
    try:
        return unpack(packed)
    except Damaged as damaged:
        return damaged
