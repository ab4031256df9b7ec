"""Every outcome of one decision as bytes: kept for ever, described in docs/decision-log.md.

    pack(ids, answers) -> bytes
    unpack(packed) -> Outcomes(ids, answers)
    opened_parts(packed) -> Opened(…)         # the parts as they lie there

Format 1 is an array in MessagePack: the format's number, how many answers there are, the ids one
behind the other, their lengths, which of the distinct outcomes each id has, and the distinct
outcomes column by column. Nothing is said by a number that only this program knows. Where it is
long it is compressed (Zstandard, which begins with a magic number). Format 0, of which there are
old rows, is a list in JSON, compressed by zlib.
"""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from service.decisions.compiled.answers import NO_INSTANT, NUMBER, REASONS, Answers
from service.decisions.compiled.spelling import Spelled, same_texts
from service.domain.assessment import PERMITS, Reason

FORMAT: Final = 1
LONG: Final = 1_024
"""Bytes from which on it is compressed."""

LARGEST_UNPACKED: Final = 1 << 30
"""Bytes. No decision is larger, so what claims to be is damaged."""

_LEVEL: Final = 1
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_ZLIB_MAGIC: Final = b"\x78"
_MIXERS: Final = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)
_BITS: Final = 64
_ROOM: Final = 4
"""Slots for each id while outcomes are told apart: so few collide that one look settles most."""

_UNSIGNED: Final = {size: f"<u{size}" for size in (1, 2, 4)}
_VERSION: Final = struct.Struct("<i")
_INSTANT: Final = struct.Struct("<q")
_NO, _YES = b"\0", b"\1"
_FIRST: Final = b"\0"
_WORDS: Final = [(reason.value,) for reason in REASONS]

_SIGNS_OF_DAMAGE: Final = (
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    OSError,
    ZeroDivisionError,
    zlib.error,
    msgspec.MsgspecError,
)

_Positions: TypeAlias = npt.NDArray[np.integer]


class Damaged(Exception):  # noqa: N818 - names a state
    """Bytes that are no outcomes in any format there has been."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What was answered about each id, in the order asked."""

    ids: Spelled
    answers: Answers

    def __len__(self) -> int:
        return len(self.ids)

    def place_of(self, one: bytes) -> int | None:
        """Return where an id was first asked about, or None where it was not."""
        ids, asked = self.ids, Spelled(one, np.zeros(1, np.int64), np.array([len(one)]))
        places = np.flatnonzero(ids.lengths == len(one))
        lengths = ids.lengths[places]
        same = same_texts(
            (ids.words, ids.starts[places], lengths),
            (asked.words, np.zeros(len(places), np.int64), lengths),
        )
        return places[same][0].item() if same.any() else None


def pack(ids: Spelled, answers: Answers) -> bytes:
    """Return these ids and the answer to each as bytes that `unpack` and docs/ explain.

    Some 4 microseconds for one id, 30 nanoseconds each for many; it may run in any thread.
    """
    if len(ids) == 1:
        return _encode(1, ids.text(0), b"", b"", *_columns_of_one(answers))
    which, distinct = _told_apart(answers)
    packed = _encode(
        len(ids),
        text_of(ids),
        _lengths(ids.lengths),
        which,
        *_columns(answers.take(distinct)),
    )
    if len(packed) < LONG:
        return packed
    compressed: bytes = pa.Codec("zstd", compression_level=_LEVEL).compress(packed, asbytes=True)
    return compressed


def _encode(number: int, *parts: object) -> bytes:
    return msgspec.msgpack.encode((FORMAT, number, *parts))


def _columns_of_one(answers: Answers) -> tuple[object, ...]:
    return (
        _WORDS[answers.reason.item(0)],
        _YES if answers.permitted.item(0) else _NO,
        _FIRST,
        _VERSION.pack(answers.policy_version.item(0)),
        _INSTANT.pack(answers.start.item(0)),
        _INSTANT.pack(answers.end.item(0)),
    )


def _columns(distinct: Answers) -> tuple[object, ...]:
    """Return outcomes column by column, reasons as numbers into those words that occur."""
    occurring = np.flatnonzero(np.bincount(distinct.reason, minlength=len(REASONS)))
    number = np.zeros(len(REASONS), np.uint8)
    number[occurring] = np.arange(len(occurring))
    return (
        [REASONS[reason].value for reason in occurring.tolist()],
        distinct.permitted.astype("u1").tobytes(),
        number[distinct.reason].tobytes(),
        distinct.policy_version.astype("<i4").tobytes(),
        distinct.start.astype("<i8").tobytes(),
        distinct.end.astype("<i8").tobytes(),
    )


def text_of(ids: Spelled) -> memoryview:
    """Return the bytes of all ids one behind the other, whatever lies between them as they are."""
    if not len(ids):
        return memoryview(b"")
    text, starts, lengths = memoryview(ids.all_bytes()), ids.starts, ids.lengths
    ends = starts + lengths
    if (starts[1:] == ends[:-1]).all():
        return text[starts.item(0) : ends.item(-1)]
    after = np.cumsum(lengths)
    places = np.repeat(starts - (after - lengths), lengths) + np.arange(after.item(-1))
    return np.frombuffer(text, np.uint8)[places].data


def _lengths(lengths: npt.NDArray[np.int64]) -> bytes:
    """Return the lengths in as few bytes as the longest takes; nothing where all are the same."""
    longest = lengths.max().item()
    return b"" if longest == lengths.min() else lengths.astype(_unsigned(longest)).tobytes()


def _unsigned(largest: int) -> np.dtype[Any]:
    return np.min_scalar_type(largest).newbyteorder("<")


def _told_apart(answers: Answers) -> tuple[bytes, _Positions | slice]:
    """Return which of the distinct outcomes each answer is, and one answer for each outcome.

    The first is empty where there is one outcome for all, or one for each. No sorting: answers are
    thrown into slots by a hash, and where two different ones meet, the latter are thrown again.
    """
    size = len(answers)
    codes = answers.policy_version.astype(np.uint64) << np.uint64(8) | answers.reason
    columns = (codes, answers.start.view(np.uint64), answers.end.view(np.uint64))
    which = np.empty(size, np.int64)
    left: _Positions = np.arange(size)
    distinct: list[_Positions] = []
    found = 0
    while len(left):
        first = _first_like(left, [column[left] for column in columns], len(distinct))
        alike = np.logical_and.reduce([column[first] == column[left] for column in columns])
        new = left[first == left]
        found += len(new)
        if found > size // 2:
            return b"", slice(None)
        which[new] = np.arange(found - len(new), found)
        which[left[alike]] = which[first[alike]]
        distinct.append(new)
        left = left[~alike]
    if found == 1:
        return b"", distinct[0]
    return which.astype(_unsigned(found - 1)).tobytes(), np.concatenate(distinct)


def _first_like(left: _Positions, columns: list[npt.NDArray[np.uint64]], turn: int) -> _Positions:
    """Return for each of these answers one that fell into the same slot."""
    bits = (_ROOM * len(left)).bit_length()
    mixed = np.zeros(len(left), np.uint64)
    for column, mixer in zip(columns, _MIXERS, strict=True):
        mixed = (mixed ^ column) * np.uint64(mixer + 2 * turn)
        mixed ^= mixed >> np.uint64(29)
    slots = (mixed * np.uint64(_MIXERS[0]) >> np.uint64(_BITS - bits)).astype(np.int64)
    holders = np.empty(1 << bits, np.int64)
    holders[slots] = left
    return holders[slots]


def unpack(packed: bytes) -> Outcomes:
    """Return what was packed, in any format there has been. Raises Damaged."""
    with damage_told():
        if packed.startswith(_ZLIB_MAGIC):
            return _format_0(packed)
        return _format_1(_opened(packed))


def find(packed: bytes, one: bytes) -> tuple[Outcomes, int] | None:
    """Return the outcomes and an id's place among them, or None where it is not. Raises Damaged.

    Most of what does not hold it is put away without being unpacked.
    """
    with damage_told():
        if packed.startswith(_ZLIB_MAGIC):
            outcomes = _format_0(packed)
        else:
            opened = _opened(packed)
            if one not in opened.text:
                return None
            outcomes = _format_1(opened)
    place = outcomes.place_of(one)
    return None if place is None else (outcomes, place)


def counts(answers: Answers) -> dict[str, int]:
    """Return how many answers there are for each reason that occurs."""
    found = np.bincount(answers.reason).tolist()
    return {REASONS[reason].value: count for reason, count in enumerate(found) if count}


@contextmanager
def damage_told() -> Iterator[None]:
    """Raise Damaged for whatever goes wrong in the block because the bytes are no outcomes."""
    try:
        yield
    except _SIGNS_OF_DAMAGE as error:
        message = f"these are no outcomes: {error}"
        raise Damaged(message) from error


class Opened(msgspec.Struct, array_like=True):
    """One decision's outcomes as they are packed: docs/decision-log.md says what each part is."""

    form: int
    number: int
    text: bytes
    lengths: bytes
    which: bytes
    words: list[str]
    permitted: bytes
    reason: bytes
    version: bytes
    start: bytes
    end: bytes


_decoder: Final = msgspec.msgpack.Decoder(Opened)


def opened_parts(packed: bytes) -> Opened:
    """Return the parts as they lie there, those of an old format as the newest would say them.

    For whoever puts the outcomes of many decisions side by side. Raises Damaged.
    """
    if packed.startswith(_ZLIB_MAGIC):
        outcomes = unpack(packed)
        packed = pack(outcomes.ids, outcomes.answers)
    with damage_told():
        return _opened(packed)


def _opened(packed: bytes) -> Opened:
    opened = _decoder.decode(_expanded(packed))
    if opened.form != FORMAT:
        message = f"they are of format {opened.form}, which this release cannot read"
        raise Damaged(message)
    _require_one_whole(opened)
    return opened


def _require_one_whole(opened: Opened) -> None:
    """Raise Damaged for parts that do not go together, which could be read as a neighbour's."""
    told = len(opened.reason)
    sizes = (opened.permitted, 1), (opened.version, 4), (opened.start, 8), (opened.end, 8)
    if any(len(part) != told * size for part, size in sizes):
        message = "outcomes are not told in columns of one length"
        raise Damaged(message)
    if opened.permitted.strip(_NO + _YES):
        message = "something is neither permitted nor not"
        raise Damaged(message)
    if not 1 <= opened.number <= max(1, len(opened.lengths), len(opened.text)):
        message = f"{opened.number} ids are not what there is text for"
        raise Damaged(message)


def _expanded(packed: bytes) -> bytes:
    if not packed.startswith(_ZSTD_MAGIC):
        return packed
    with pa.CompressedInputStream(pa.BufferReader(packed), "zstd") as stream:
        expanded: bytes = stream.read(LARGEST_UNPACKED)
    if len(expanded) == LARGEST_UNPACKED:
        message = "they are larger than any decision"
        raise Damaged(message)
    return expanded


def _format_1(opened: Opened) -> Outcomes:
    words = np.array([NUMBER[Reason(word)] for word in opened.words], np.uint8)
    distinct = Answers(
        permitted=np.frombuffer(opened.permitted, "u1").astype(np.bool_),
        reason=words[np.frombuffer(opened.reason, "u1")],
        policy_version=np.frombuffer(opened.version, "<i4").astype(np.int32),
        start=np.frombuffer(opened.start, "<i8").astype(np.int64),
        end=np.frombuffer(opened.end, "<i8").astype(np.int64),
    )
    number = opened.number
    if opened.which:
        distinct = distinct.take(numbers_in(opened.which, number))
    elif len(distinct) != number:
        distinct = distinct.take(np.zeros(number, np.int64))
    return Outcomes(_spelled(opened.text, opened.lengths, number), distinct)


def _spelled(text: bytes, lengths: bytes, number: int) -> Spelled:
    each = numbers_in(lengths, number) if lengths else np.full(number, len(text) // number)
    each = each.astype(np.int64)
    if each.sum() != len(text):
        message = "the lengths of the ids are not those of their text"
        raise Damaged(message)
    return Spelled(text, np.cumsum(each) - each, each)


def numbers_in(packed: bytes, number: int) -> _Positions:
    """Return so many unsigned numbers, each of as many bytes as there are for it, at most four."""
    return np.frombuffer(packed, _UNSIGNED[len(packed) // number])


def _format_0(packed: bytes) -> Outcomes:
    rows: list[tuple[str, str, int | None, int | None, int | None]] = msgspec.json.decode(
        zlib.decompress(packed)
    )
    ids, words, versions, starts, ends = zip(*rows, strict=True)
    reasons = [Reason(word) for word in words]
    answers = Answers(
        permitted=np.array([reason in PERMITS for reason in reasons], np.bool_),
        reason=np.array([NUMBER[reason] for reason in reasons], np.uint8),
        policy_version=np.array([version or 0 for version in versions], np.int32),
        start=np.array([_number(start) for start in starts], np.int64),
        end=np.array([_number(end) for end in ends], np.int64),
    )
    return Outcomes(Spelled.of(ids), answers)


def _number(instant: int | None) -> int:
    return NO_INSTANT if instant is None else instant
