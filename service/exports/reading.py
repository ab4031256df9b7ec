"""Rows of a query as Arrow, streamed: COPY out of PostgreSQL, parsed some megabytes at a time.

PostgreSQL writes the rows as CSV and Arrow reads it, so nothing is made for a single row or value.
Nothing is read ahead: the database rests while what it has sent is being worked on. An export takes
one processor at a time this way, and leaves the others to whoever asks meanwhile.
"""

import asyncio
import binascii
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv

from service.exports.columns import INSTANT, Column, Type

AT_ONCE: Final = 1 << 20
"""Bytes of CSV that become one batch."""

_PARSED_AS: Final = {
    Type.TEXT: pa.string(),
    Type.INTEGER: pa.int64(),
    Type.BOOLEAN: pa.bool_(),
    Type.INSTANT: INSTANT,
    Type.BYTES: pa.string(),
    Type.TEXTS: pa.string(),
    Type.JSON: pa.string(),
}


async def read_batches(
    connection: asyncpg.Connection, query: str, arguments: Sequence[Any], columns: Sequence[Column]
) -> AsyncIterator[pa.RecordBatch]:
    """Yield the rows of a query, one of whose expressions makes each of these columns.

    Bytes are selected in hexadecimal, lists of texts as JSON. Nothing else may use the connection
    until the last batch is taken.
    """
    async with _chunks(connection, query, arguments) as chunks:
        while (chunk := await chunks.get()) is not None:
            yield await asyncio.to_thread(parse, chunk, columns)
            chunks.task_done()


@asynccontextmanager
async def _chunks(
    connection: asyncpg.Connection, query: str, arguments: Sequence[Any]
) -> AsyncIterator["asyncio.Queue[bytes | None]"]:
    """Yield a queue of whole rows in CSV that ends with None, filled when all in it is done."""
    queue: asyncio.Queue[bytes | None] = asyncio.Queue()
    failure: BaseException | None = None
    waiting = bytearray()

    async def take(some: bytes) -> None:
        # Each message of COPY is one row (PostgreSQL, "COPY Operations"): rows are never cut.
        waiting.extend(some)
        if len(waiting) >= AT_ONCE:
            queue.put_nowait(bytes(waiting))
            waiting.clear()
            await queue.join()

    async def copy() -> None:
        nonlocal failure
        try:
            await connection.copy_from_query(query, *arguments, output=take, format="csv")
            if waiting:
                queue.put_nowait(bytes(waiting))
        except Exception as error:  # noqa: BLE001 - whatever it was, the reader is told
            failure = error
        queue.put_nowait(None)

    copying = asyncio.create_task(copy(), name="fermata-export-copy")
    try:
        yield queue
    finally:
        copying.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await copying
    if failure is not None:
        raise failure


def parse(chunk: bytes, columns: Sequence[Column]) -> pa.RecordBatch:
    """Return rows of CSV as PostgreSQL writes it, in these columns. It may run in any thread."""
    table = pa.csv.read_csv(
        pa.BufferReader(chunk),
        read_options=pa.csv.ReadOptions(
            column_names=[column.name for column in columns],
            block_size=len(chunk) + 1,
            use_threads=False,
        ),
        parse_options=pa.csv.ParseOptions(newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(
            column_types={column.name: _PARSED_AS[column.type] for column in columns},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        ),
    )
    arrays = [
        _as_declared(table.column(at).combine_chunks(), column) for at, column in enumerate(columns)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema([one.field for one in columns]))


def _as_declared(parsed: pa.Array, column: Column) -> pa.Array:
    if column.type is Type.BYTES:
        return _from_hex(parsed)
    if column.type is Type.TEXTS:
        return pa.array(_from_json(parsed), pa.list_(pa.string()))
    return parsed


def _from_hex(texts: pa.StringArray) -> pa.BinaryArray:
    """Return what is written in hexadecimal, all of it at once."""
    nulls, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int32)[: len(texts) + 1]
    decoded = b"" if data is None else binascii.unhexlify(memoryview(data)[: ends[-1]])
    buffers = [nulls, pa.py_buffer(ends // 2), pa.py_buffer(decoded)]
    return pa.BinaryArray.from_buffers(pa.binary(), len(texts), buffers)


def _from_json(texts: pa.StringArray) -> list[list[str | None] | None]:
    """Return lists that are written in JSON, all of them at once."""
    each = texts.fill_null("null").to_pylist()
    return msgspec.json.decode(f"[{','.join(each)}]", type=list[list[str | None] | None])
