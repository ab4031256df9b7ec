"""The ids of a check between JSON, Arrow and the index, without a Python object for each.

    ids_in_json(raw, "content") -> Ids      # raises Refused, BodyMalformed
    ids.spelled                             # for the index and the log
    ids.quoted()                            # for an answer in JSON
    ids.strings()                           # for an answer in Arrow

An array of plain strings, and nearly all are, is taken apart by where its quotes lie. Whatever is
unusual about it (an escape, a number, an id too long) goes the exact way: decoded one by one, and
refused by name. Both ways read the same, which a property test sees to.
"""

import re
import time
from collections.abc import Iterator
from typing import Annotated, Final, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from service.api.problems import BodyMalformed
from service.api.schemas.types import LONGEST_ID
from service.decisions.compiled.spelling import Spelled
from service.domain.refusal import Refused, refuse

MOST_IN_JSON: Final = 100_000
"""Ids in one request in JSON."""

_Id: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_ID)]
IdList: TypeAlias = Annotated[list[_Id], msgspec.Meta(min_length=1, max_length=MOST_IN_JSON)]
_exactly = msgspec.json.Decoder(IdList)

_WORTH_IT: Final = 2_048
"""Bytes from which on it is faster to look at all of them together."""

_AT_ONCE: Final = 4_096
_PADDING: Final = 8
_QUOTE, _COMMA, _OPENS, _CLOSES = b'",[]'
_IS_BLANK: Final = np.isin(np.arange(256), list(b" \t\n\r"))
_BACKSLASH: Final = b"\\"
_NUL: Final = rb"\u0000"
"""JSON has no other way to write one."""

_OF_A_MEMBER: Final = re.compile(
    r"Object (?:missing required|contains unknown) field `(.*)`", re.DOTALL
)
_NO_NUL: Final = "no name here holds the character NUL"


class Ids:
    """The ids of one check, each way they are needed."""

    def __init__(
        self,
        spelled: Spelled,
        strings: pa.StringArray | None = None,
        quoted: pa.BinaryArray | None = None,
    ) -> None:
        """Take what is at hand; the rest is made when it is asked for."""
        self.spelled = spelled
        self._strings, self._quoted = strings, quoted

    def __len__(self) -> int:
        return len(self.spelled)

    def strings(self) -> pa.StringArray:
        """Return them as an Arrow array."""
        if self._strings is None:
            self._strings = pa.array(self.spelled.texts(), pa.utf8())
        return self._strings

    def quoted(self) -> pa.BinaryArray:
        """Return each as JSON, with a comma behind it; they lie one behind the other."""
        if self._quoted is None:
            self._quoted = _quoted(self.strings())
        return self._quoted


def _quoted(strings: pa.StringArray) -> pa.BinaryArray:
    parts = []
    for start in _with_breath(len(strings)):
        texts = strings[start : start + _AT_ONCE].to_pylist()
        quoted = [msgspec.json.encode(text) + b"," for text in texts]
        parts.append(pa.array(quoted, pa.binary()))
    return pa.concat_arrays(parts)


def _strings(texts: list[str]) -> pa.StringArray:
    starts = _with_breath(len(texts))
    return pa.concat_arrays([pa.array(texts[n : n + _AT_ONCE], pa.utf8()) for n in starts])


def _with_breath(size: int) -> Iterator[int]:
    """Yield where each part begins, and let the event loop have its turn in between.

    In whatever thread this runs: nothing else here lets go of the interpreter's lock for long.
    """
    for start in range(0, size, _AT_ONCE):
        time.sleep(0)
        yield start


def ids_in_json(raw: bytes, field: str) -> Ids:
    """Read the ids of one JSON value, in the words of the field it stands in.

    Raises Refused, or BodyMalformed where it is no UTF-8. It is taken to be JSON otherwise.
    """
    bare = _laid_bare(raw) if len(raw) >= _WORTH_IT else None
    ids = None
    if bare is not None:
        ids = _part_by_part(*bare) if _BACKSLASH in raw else _at_a_glance(*bare)
    return ids or _one_by_one(raw, field)


def _one_by_one(raw: bytes, field: str) -> Ids:
    try:
        texts = _exactly.decode(raw)
    except msgspec.ValidationError as error:
        raise refused(error, field) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BodyMalformed(f"the body is not valid JSON: {error}") from None
    if _NUL in raw:
        for position, text in enumerate(texts):
            if "\0" in text:
                raise refuse(f"{field}[{position}]", "invalid", _NO_NUL)
    return Ids(Spelled.of(texts)) if len(texts) < _AT_ONCE else ids_of(_strings(texts))


def refused(error: msgspec.ValidationError, within: str = "") -> Refused:
    """Return what msgspec found wrong as a refusal of the field that it is wrong with."""
    message, _, path = str(error).partition(" - at `$")
    # Of a member that is missing or unknown msgspec's path names the object that it belongs to.
    member = _OF_A_MEMBER.fullmatch(message)
    field = within + path.strip("`") + (f".{member[1]}" if member else "")
    return refuse(field.removeprefix(".") or "body", "invalid", message)


def refuse_nul(field: str, text: str) -> None:
    """PostgreSQL's text has no NUL, so nothing there has one, and the decision's log cannot."""
    if "\0" in text:
        raise refuse(field, "invalid", _NO_NUL)


def _laid_bare(raw: bytes) -> tuple[bytes, npt.NDArray[np.int64]] | None:
    """Return an array of strings without blanks, and where its quotes lie; None for all else."""
    quotes = _quotes(raw)
    if not _lies_close(raw, quotes):
        raw = _without_blanks(raw, quotes)
        quotes = _quotes(raw)
    return (raw, quotes) if _lies_close(raw, quotes) else None


def _quotes(raw: bytes) -> npt.NDArray[np.int64]:
    """Return where strings begin and end; nothing where that is hard to say."""
    text = np.frombuffer(raw, np.uint8)
    quotes: npt.NDArray[np.int64] = np.flatnonzero(text == _QUOTE)
    if _BACKSLASH not in raw:
        return quotes
    if 2 * _BACKSLASH in raw:
        return quotes[:0]
    unescaped: npt.NDArray[np.int64] = quotes[text[quotes - 1] != ord(_BACKSLASH)]
    return unescaped


def _at_a_glance(raw: bytes, quotes: npt.NDArray[np.int64]) -> Ids | None:
    """Read strings without escapes; None where anything about one is unusual."""
    sizes = quotes[1::2] - quotes[::2] - 1
    if len(sizes) > MOST_IN_JSON or sizes.min() < 1 or sizes.max() > LONGEST_ID:
        return None  # it may still be no longer in characters
    if not _is_text(raw):
        return None
    quoted = _elements(raw, quotes[::2])
    return ids_of(_cut(quoted).view(pa.utf8()), quoted)


def _part_by_part(raw: bytes, quotes: npt.NDArray[np.int64]) -> Ids | None:
    """Read strings with escapes; None where one is to be refused, by whoever knows its place."""
    begins, ends = quotes[::2], quotes[1::2] + 1
    if len(begins) > MOST_IN_JSON or _NUL in raw:
        return None
    parts = []
    for first in _with_breath(len(begins)):
        last = min(first + _AT_ONCE, len(begins)) - 1
        part = raw[begins.item(first) : ends.item(last)]
        try:
            texts = _exactly.decode(b"[" + part + b"]")
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        parts.append(pa.array(texts, pa.utf8()))
    return ids_of(pa.concat_arrays(parts))


def _is_text(raw: bytes) -> bool:
    if raw.isascii():
        return True
    try:
        str(raw, "utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _lies_close(raw: bytes, quotes: npt.NDArray[np.int64]) -> bool:
    """Tell whether it is an array of strings with a comma between two, and nothing else.

    It is known to be JSON, so that every other quote begins a string.
    """
    if len(quotes) == 0 or quotes[0] != 1 or quotes[-1] != len(raw) - 2 or raw[0] != _OPENS:
        return False
    ends, begins = quotes[1:-1:2], quotes[2::2]
    commas = np.frombuffer(raw, np.uint8)[ends + 1] == _COMMA
    return bool((begins - ends == 2).all() and commas.all())  # noqa: PLR2004 - a comma between


def _without_blanks(raw: bytes, quotes: npt.NDArray[np.int64]) -> bytes:
    """Return it without what JSON allows between its parts and gives no meaning."""
    text = np.frombuffer(raw, np.uint8)
    turns = np.zeros(len(text), np.uint8)
    turns[quotes] = 1
    outside = np.bitwise_xor.accumulate(turns) == 0
    close: bytes = text[~(outside & _IS_BLANK[text])].tobytes()
    return close


def _elements(raw: bytes, begins: npt.NDArray[np.int64]) -> pa.BinaryArray:
    """Return each string with its quotes and the comma behind it."""
    offsets = np.empty(len(begins) + 1, np.int32)
    offsets[:-1] = begins
    offsets[-1] = len(raw)
    text = raw[:-1] + b","
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(text)]
    return pa.Array.from_buffers(pa.binary(), len(begins), buffers)


def _cut(quoted: pa.BinaryArray) -> pa.BinaryArray:
    return pc.binary_slice(quoted, 1, -2)


def ids_of(strings: pa.StringArray, quoted: pa.BinaryArray | None = None) -> Ids:
    """Return ids that lie one behind the other in an Arrow array, which has been validated."""
    _, offsets, text = strings.buffers()
    bounds = np.frombuffer(offsets, np.int32)[strings.offset :][: len(strings) + 1]
    first, last = bounds.item(0), bounds.item(-1)
    padded = np.empty(last - first + _PADDING, np.uint8)
    if last > first:
        padded[:-_PADDING] = np.frombuffer(text, np.uint8)[first:last]
    padded[-_PADDING:] = 0
    ends = bounds.astype(np.int64) - first
    return Ids(Spelled.over(padded, ends[:-1], np.diff(ends)), strings, quoted)
