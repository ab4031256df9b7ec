"""What a stranger's Arrow stream may claim, found out before anything is made of it.

A stream is a row of messages. A few hundred bytes of one can claim any number of batches, or, where
its buffers are compressed, any size. So each message's own description is read first; by then
pyarrow has verified it, and it is only followed: a table's fields by the table of their places,
as FlatBuffers lays them out.
"""

import struct
from typing import Final

import pyarrow as pa

from service.api.problems import BodyMalformed

MOST_BYTES: Final = 64 * 1024 * 1024
"""Of a stream, and of what its compressed buffers become."""

MOST_MESSAGES: Final = 4_096
"""A million rows in batches of some 250 are within it."""

_HEADER, _IS_DICTIONARY, _IS_BATCH, _KIND = 2, 2, 3, 1
_DICTIONARY_DATA: Final = 1
_BUFFERS, _COMPRESSION = 2, 3
_BUFFER: Final = struct.Struct("<qq")
_LENGTH: Final = struct.Struct("<q")
_WORD, _OFFSET, _PLACE = struct.Struct("<I"), struct.Struct("<i"), struct.Struct("<H")
_AS_IT_IS: Final = -1


def require_modest(source: pa.Buffer) -> None:
    """Raise BodyMalformed where a stream has too many messages, grows too much, or goes on.

    What is no stream at all raises as pyarrow does.
    """
    reader = pa.BufferReader(source)
    grown = 0
    for number, message in enumerate(pa.ipc.MessageReader.open_stream(reader)):
        if number > MOST_MESSAGES:
            _refuse(f"it has more than {MOST_MESSAGES:,} messages: put more rows in a batch")
        try:
            grown += _grown(memoryview(message.metadata), message.body)
        except (struct.error, IndexError):
            _refuse("a message in it cannot be read")
        if grown > MOST_BYTES:
            _refuse(f"its buffers have more than {MOST_BYTES:,} bytes")
    if reader.tell() != source.size:
        _refuse("something follows its end")


def _refuse(what: str) -> None:
    raise BodyMalformed(f"the body is no Arrow IPC stream that is read here: {what}")


def _grown(description: memoryview, body: pa.Buffer | None) -> int:
    """Return how many bytes the compressed buffers of a message say that they become."""
    message = _WORD.unpack_from(description)[0]
    kind_at, batch = _field(description, message, _KIND), _table(description, message, _HEADER)
    kind = description[kind_at] if kind_at else 0
    if batch and kind == _IS_DICTIONARY:
        batch = _table(description, batch, _DICTIONARY_DATA)
    elif kind != _IS_BATCH:
        return 0
    if not batch or not _field(description, batch, _COMPRESSION):
        return 0
    vector = _table(description, batch, _BUFFERS)
    number = _WORD.unpack_from(description, vector)[0] if vector else 0
    content, total = memoryview(body or b""), 0
    for position in range(number):
        where = vector + _WORD.size + position * _BUFFER.size
        offset, length = _BUFFER.unpack_from(description, where)
        if length:
            total += _becomes(content, offset)
    return total


def _becomes(content: memoryview, offset: int) -> int:
    if offset < 0:
        raise IndexError
    becomes: int = _LENGTH.unpack_from(content, offset)[0]
    if becomes < _AS_IT_IS:
        raise IndexError
    return max(becomes, 0)


def _field(description: memoryview, table: int, number: int) -> int:
    """Return where a table's field lies; 0 where the table has none of this number."""
    places = table - _OFFSET.unpack_from(description, table)[0]
    at = 4 + 2 * number
    if at >= _PLACE.unpack_from(description, places)[0]:
        return 0
    place: int = _PLACE.unpack_from(description, places + at)[0]
    return table + place if place else 0


def _table(description: memoryview, table: int, number: int) -> int:
    """Return where that lies which a field refers to; 0 where there is none."""
    at = _field(description, table, number)
    return at + int(_WORD.unpack_from(description, at)[0]) if at else 0
