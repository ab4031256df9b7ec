"""Logged decisions as replay takes them: many outcomes side by side.

    rows_in(data) -> Rows             # whole rows of `decisions`, as COPY sends `COLUMNS`
    logged_rows(data, rows) -> Logged
    logged_table(batch) -> Logged     # `service.decisions.log.table.SCHEMA`: sealed months, exports

Reading a row at a time would take as long as recomputing it. So a query lays every row out in the
same way, all that has a fixed length first, and says there how long the rest is; nothing is done
for a single row but to find where it ends and whose column it is. Most rows are about one thing
alone, and the outcomes of all those have the same form byte for byte but for the id and the word.
They are recognised by it and read together; whatever has another form is unpacked.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from service.decisions.compiled.answers import NO_INSTANT, REASONS, Answers, Instants
from service.decisions.compiled.spelling import Spelled, same_texts, words_at
from service.decisions.log.packing import Damaged, Outcomes, unpack
from service.decisions.log.table import SCHEMA
from service.decisions.question import About

Positions: TypeAlias = npt.NDArray[np.int64]

COLUMNS: Final = """
octet_length(outcomes) + octet_length(decision_id)
    + octet_length(coalesce(use, request->>'use', ''))
    + octet_length(coalesce(recipient, request->>'recipient', ''))
    + octet_length(coalesce(about, request->>'about', '')) AS rest,
revision,
answered_at,
evaluated_at,
request ? 'at' AS past,
outcomes,
decision_id,
coalesce((request->>'min_policy_version')::integer, 1) AS min_version,
coalesce(use, request->>'use', '') AS use,
coalesce(recipient, request->>'recipient', '') AS recipient,
coalesce(about, request->>'about', '') AS about
"""
"""What is asked for of the table `decisions`; `rest` is the bytes of all that vary in length."""

_FIELDS: Final = 11
_REST, _REVISION, _ANSWERED, _EVALUATED, _PAST, _OUTCOMES = 6, 14, 26, 38, 50, 51
"""Where each begins in a row: two bytes tell how many fields there are, four how long each is."""

_LENGTH: Final = 4
_FIXED: Final = _OUTCOMES + 6 * _LENGTH + 4
"""What a row takes beside its rest: six more lengths, and the least version."""

_EPOCH: Final = 946_684_800_000_000
"""PostgreSQL counts microseconds from the year 2000."""

_PADDING: Final = bytes(8)
_NUMBER: Final = struct.Struct(">i").unpack_from
_OTHER: Final = -1
_ABOUT_NOTHING: Final = "it is neither about content nor about artists"


class Column(NamedTuple):
    """What many questions have in common. `about` is None where nobody can tell."""

    use: str
    recipient: str
    about: About | None
    min_version: int


class Unreadable(NamedTuple):
    """A logged decision whose outcomes cannot be read, and why."""

    decision_id: str
    revision: int
    why: str


@dataclass(frozen=True, slots=True)
class Logged:
    """Outcomes of some decisions.

    `decision` numbers into `decision_ids`, `column` into `columns`; `past` tells which were asked
    about an instant that the question named. Instants are microseconds.
    """

    decision_ids: Sequence[str]
    decision: Positions
    position: Positions
    columns: Sequence[Column]
    column: Positions
    revision: Positions
    answered_at: Instants
    evaluated_at: Instants
    past: npt.NDArray[np.bool_]
    ids: Spelled
    answers: Answers
    unreadable: Sequence[Unreadable] = ()

    def __len__(self) -> int:
        return len(self.revision)

    def some(self, some: Positions) -> "Logged":
        """Return some of the outcomes, in the order of the positions."""
        return replace(
            self,
            decision=self.decision[some],
            position=self.position[some],
            column=self.column[some],
            revision=self.revision[some],
            answered_at=self.answered_at[some],
            evaluated_at=self.evaluated_at[some],
            past=self.past[some],
            ids=self.ids.some(some),
            answers=self.answers.take(some),
        )

    def without_unreadable(self) -> "Logged":
        """Return the outcomes alone, where what cannot be read is told elsewhere."""
        return replace(self, unreadable=()) if self.unreadable else self

    def understood(self) -> "Logged":
        """Return the outcomes of which it is told what they are about, the others as unreadable."""
        about = np.array([one.about is not None for one in self.columns], np.bool_)
        if about.all():
            return self
        right = about[self.column]
        wrong = {int(self.decision[one]): one for one in np.flatnonzero(~right).tolist()}
        unreadable = [
            Unreadable(self.decision_ids[row], self.revision.item(one), _ABOUT_NOTHING)
            for row, one in wrong.items()
        ]
        return replace(self.some(np.flatnonzero(right)), unreadable=[*self.unreadable, *unreadable])


def together(parts: Sequence[Logged]) -> Logged:
    """Return the outcomes of several batches as one, those of the first before the others."""
    if len(parts) == 1:
        return parts[0]
    names, columns = list[str](), list[Column]()
    decision, column = list[Positions](), list[Positions]()
    for part in parts:
        decision.append(part.decision + len(names))
        column.append(part.column + len(columns))
        names += part.decision_ids
        columns += part.columns
    return Logged(
        decision_ids=names,
        decision=np.concatenate(decision),
        position=np.concatenate([part.position for part in parts]),
        columns=columns,
        column=np.concatenate(column),
        revision=np.concatenate([part.revision for part in parts]),
        answered_at=np.concatenate([part.answered_at for part in parts]),
        evaluated_at=np.concatenate([part.evaluated_at for part in parts]),
        past=np.concatenate([part.past for part in parts]),
        ids=_side_by_side([part.ids for part in parts]),
        answers=_joined([part.answers for part in parts]),
        unreadable=[one for part in parts for one in part.unreadable],
    )


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


def logged_rows(data: bytes, rows: Sequence[int]) -> Logged:
    """Return every outcome of the rows that begin there, the last one where `data` ends.

    Raises Damaged for what is no such rows.
    """
    packed = np.frombuffer(data + _PADDING, np.uint8)
    starts = np.array(rows, np.int64)
    ends = np.append(starts[1:], len(data))
    first, outcomes = starts + _OUTCOMES + _LENGTH, _read(packed, starts + _OUTCOMES, ">i4")
    named = first + outcomes + _LENGTH
    names = _Names(data, named, _read(packed, named - _LENGTH, ">i4"))
    asked = named + names.lengths
    if (_read(packed, starts, ">i2") != _FIELDS).any() or (asked > ends).any():
        raise Damaged("rows of the log are not laid out as they were asked for")
    columns, column = _columns(data, asked.tolist(), ends.tolist())
    return _outcomes_of(
        _Rows(
            names,
            columns,
            column,
            revision=_read(packed, starts + _REVISION, ">i8"),
            answered_at=_read(packed, starts + _ANSWERED, ">i8") + _EPOCH,
            evaluated_at=_read(packed, starts + _EVALUATED, ">i8") + _EPOCH,
            past=packed[starts + _PAST] == 1,
        ),
        _Alone(packed, first, first + outcomes),
    ).understood()


@dataclass(frozen=True, slots=True)
class _Rows:
    """What is said once for a decision."""

    names: "_Names"
    columns: Sequence[Column]
    column: Positions
    revision: Positions
    answered_at: Instants
    evaluated_at: Instants
    past: npt.NDArray[np.bool_]


def _outcomes_of(rows: _Rows, alone: "_Alone") -> Logged:
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
        ids=_side_by_side([alone.ids, *(one.ids for _, one in several)]),
        answers=_joined([alone.answers, *(one.answers for _, one in several)]),
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
    return Column(
        use.decode(), recipient.decode(), _about(about.decode()), int.from_bytes(least, "big")
    )


def _about(text: str) -> About | None:
    return About(text) if text in set(About) else None


def _unpacked(packed: bytes) -> Outcomes | Damaged:
    try:
        return unpack(packed)
    except Damaged as damaged:
        return damaged


def logged_table(batch: pa.RecordBatch) -> Logged:
    """Return every outcome of a batch in `SCHEMA`. Outcomes of one decision may be in several."""
    batch = batch.cast(SCHEMA)
    reason, unknown = _known_reasons(batch["reason"])
    names = pc.dictionary_encode(batch["decision_id"])
    decision = names.indices.to_numpy().astype(np.int64)
    names = names.dictionary.to_pylist()
    revision = batch["revision"].to_numpy()
    unreadable = [
        Unreadable(names[decision[row]], revision.item(row), "a reason is none of the words")
        for row in np.flatnonzero(unknown).tolist()
    ]
    columns, column, past = _asked(batch)
    whole = Logged(
        decision_ids=names,
        decision=decision,
        position=batch["position"].to_numpy().astype(np.int64),
        columns=columns,
        column=column,
        revision=revision,
        answered_at=_microseconds(batch["answered_at"]),
        evaluated_at=_microseconds(batch["evaluated_at"]),
        past=past,
        ids=_texts(batch["one"]),
        answers=Answers(
            permitted=batch["permitted"].to_numpy(zero_copy_only=False),
            reason=reason,
            policy_version=pc.fill_null(batch["policy_version"], 0).to_numpy(),
            start=_microseconds(batch["permitted_from"]),
            end=_microseconds(batch["valid_until"]),
        ),
        unreadable=unreadable,
    )
    return (whole.some(np.flatnonzero(~unknown)) if unreadable else whole).understood()


def _known_reasons(words: pa.StringArray) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Return reasons by number, and which of the words are none."""
    encoded = pc.dictionary_encode(words)
    number = {reason.value: number for number, reason in enumerate(REASONS)}
    numbers = np.array([number.get(word, _OTHER) for word in encoded.dictionary.to_pylist()])
    each = numbers.astype(np.int64)[encoded.indices.to_numpy()]
    return np.maximum(each, 0).astype(np.uint8), each == _OTHER


def _asked(batch: pa.RecordBatch) -> tuple[list[Column], Positions, npt.NDArray[np.bool_]]:
    """Return the different columns, the number of each outcome's, and which name an instant."""
    whole = np.zeros(len(batch), np.int64)
    parts = [pc.dictionary_encode(batch[name]) for name in ("use", "recipient", "about", "request")]
    for part in parts:
        whole = whole * len(part.dictionary) + part.indices.to_numpy()
    _, first, each = np.unique(whole, return_index=True, return_inverse=True)
    different = zip(*(part.take(pa.array(first)).to_pylist() for part in parts), strict=True)
    columns, past = list[Column](), list[bool]()
    for use, recipient, about, request in different:
        said = msgspec.json.decode(request)
        columns.append(Column(use, recipient, _about(about), said.get("min_policy_version") or 1))
        past.append("at" in said)
    return columns, each.astype(np.int64), np.array(past, np.bool_)[each]


def _microseconds(instants: pa.Array) -> Instants:
    numbers: Instants = pc.fill_null(instants.cast(pa.int64()), NO_INSTANT).to_numpy()
    return numbers


def _texts(texts: pa.StringArray) -> Spelled:
    _, offsets, data = texts.buffers()
    some = slice(texts.offset, texts.offset + len(texts) + 1)
    bounds: Positions = np.frombuffer(offsets, np.int32)[some].astype(np.int64)
    return Spelled(memoryview(data or b""), bounds[:-1], bounds[1:] - bounds[:-1])


class _Alone:
    """The rows about one thing alone, told by their bytes; `others` are all that look otherwise.

    What `pack` writes for one id ends in 32 bytes at places of their own, behind the word of the
    reason, and begins with five before the id (MessagePack: fixarray, bin 8, fixstr).
    """

    def __init__(self, data: npt.NDArray[np.uint8], starts: Positions, ends: Positions) -> None:
        """Look at what `pack` wrote, between those places of padded bytes."""
        self._data, self._starts, self._ends = data, starts, ends
        fits = np.flatnonzero(ends - starts > _SHORTEST)
        starts, ends = starts[fits], ends[fits]
        long = data[starts + 4].astype(np.int64)
        word = starts + 5 + long + 4
        inside = word + 2 + _TAIL < ends
        fits, starts, ends, long, word = (one[inside] for one in (fits, starts, ends, long, word))
        of_word = data[word + 1].astype(np.int64) & 0x1F
        alike = (word + 2 + of_word + _TAIL == ends) & (data[word + 1] & 0xE0 == 0xA0)  # noqa: PLR2004
        for place, at, byte in _MARKS:
            alike &= data[{"start": starts, "word": word, "end": ends}[place] + at] == byte
        reason = _reasons(data, word + 2, of_word)
        alike &= reason != _OTHER
        self.rows = fits[alike]
        others = np.ones(len(self._starts), np.bool_)
        others[self.rows] = False
        self.others: list[int] = np.flatnonzero(others).tolist()
        ends = ends[alike]
        self.ids = Spelled.over(data, starts[alike] + 5, long[alike])
        self.answers = Answers(
            permitted=data[ends - 30] == 1,
            reason=reason[alike].astype(np.uint8),
            policy_version=_read(data, ends - 24, "<i4"),
            start=_read(data, ends - 18, "<i8"),
            end=_read(data, ends - 8, "<i8"),
        )

    def others_packed(self) -> Iterator[bytes]:
        """Return the outcomes of all others, as they are packed."""
        for row in self.others:
            yield self._data[self._starts.item(row) : self._ends.item(row)].tobytes()


_TAIL: Final = 32
_SHORTEST: Final = 5 + 4 + 2 + _TAIL
_MARKS: Final = (
    ("start", 0, 0x9B),
    ("start", 1, 0x01),
    ("start", 2, 0x01),
    ("start", 3, 0xC4),
    ("word", -4, 0xC4),
    ("word", -3, 0x00),
    ("word", -2, 0xC4),
    ("word", -1, 0x00),
    ("word", 0, 0x91),
    ("end", -32, 0xC4),
    ("end", -31, 0x01),
    ("end", -29, 0xC4),
    ("end", -28, 0x01),
    ("end", -27, 0x00),
    ("end", -26, 0xC4),
    ("end", -25, 0x04),
    ("end", -20, 0xC4),
    ("end", -19, 0x08),
    ("end", -10, 0xC4),
    ("end", -9, 0x08),
)
"""Every byte that says how what follows is to be read, from where it is counted."""

_WORDS: Final = Spelled.of([reason.value for reason in REASONS])


def _reasons(data: npt.NDArray[np.uint8], starts: Positions, lengths: Positions) -> Positions:
    """Return the number of the reason that each word is, or `_OTHER`."""
    view, found = words_at(data), np.full(len(starts), _OTHER, np.int64)
    for number, length in enumerate(_WORDS.lengths.tolist()):
        some = np.flatnonzero(lengths == length)
        known = (_WORDS.words, np.repeat(_WORDS.starts[number], len(some)), lengths[some])
        found[some[same_texts((view, starts[some], lengths[some]), known)]] = number
    return found


def _read(data: npt.NDArray[np.uint8], starts: Positions, form: str) -> Any:
    """Return the number that begins at each of these places, in the byte order of the machine."""
    size = np.dtype(form).itemsize
    view = np.ndarray((len(data) - size + 1,), form, data, strides=(1,))
    return view[starts].astype(np.int64 if size > _LENGTH or form[0] == ">" else np.int32)


def _side_by_side(parts: Sequence[Spelled]) -> Spelled:
    """Return all of these ids, over bytes of their own."""
    if len(parts) == 1:
        return parts[0]
    sizes = np.array([len(one.all_bytes()) for one in parts], np.int64)
    offsets = np.cumsum(sizes) - sizes
    starts = [one.starts + offset for one, offset in zip(parts, offsets.tolist(), strict=True)]
    text = b"".join(bytes(one.all_bytes()) for one in parts)
    return Spelled(text, np.concatenate(starts), np.concatenate([one.lengths for one in parts]))


def _joined(parts: Sequence[Answers]) -> Answers:
    return Answers(
        permitted=np.concatenate([one.permitted for one in parts]),
        reason=np.concatenate([one.reason for one in parts]),
        policy_version=np.concatenate([one.policy_version for one in parts]),
        start=np.concatenate([one.start for one in parts]),
        end=np.concatenate([one.end for one in parts]),
    )
