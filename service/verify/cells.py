"""Rows of a bundle's files, in whatever format, as the same values (docs/exports.md, "Types")."""

import csv
import sys
from base64 import b64decode
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from service.verify.leaf import instant
from service.verify.manifest import Column

Row: TypeAlias = dict[str, Any]
"""Values by column. Instants are microseconds; of CSV, what is empty is None."""

_AT_ONCE: Final = 4_096
_TYPES: Final = {
    "text": pa.string(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "instant": pa.int64(),
    "bytes": pa.binary(),
    "texts": pa.list_(pa.string()),
    "json": pa.string(),
}
_MARK: Final = "'"
_instant: Final = lru_cache(_AT_ONCE)(instant)
"""Many rows have the same few."""
_WORDS: Final = {"true": True, "false": False}
_BROKEN: Final = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    OverflowError,
    RecursionError,
    OSError,
    csv.Error,
    pa.ArrowException,
)
"""What files lead to that are not what the manifest says they are."""


class Unread(ValueError):  # noqa: N818 - names what was found
    """A file has other columns than it should, or no such rows."""


def read_batches(path: Path, format_: str, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file, some at a time, as Arrow has them; instants are numbers.

    Raises Unread, maybe after some rows.
    """
    batches = _read(path, format_, columns)
    while True:
        try:
            batch = next(batches, None)
        except _BROKEN as error:
            raise Unread(f"it cannot be read as {format_[:40]!r}: {error}") from error
        if batch is None:
            return
        yield batch


def schema_of(columns: Sequence[Column]) -> pa.Schema:
    """Return the columns of rows as they are yielded. Raises KeyError for a type unknown here."""
    return pa.schema([(one.name, _TYPES[one.type]) for one in columns])


def _read(path: Path, format_: str, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
    schema = schema_of(columns)
    if format_ == "parquet":
        for batch in _parquet(path, columns):
            yield batch.cast(schema)
        return
    read = {"csv": _csv, "ndjson": _ndjson}.get(format_)
    if read is None:
        raise ValueError("that is no format that is known here")
    rows = read(path, columns)
    while some := list(islice(rows, _AT_ONCE)):
        yield pa.RecordBatch.from_pylist(some, schema)


def _parquet(path: Path, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        _require(file.schema_arrow.names, columns)
        for batch in file.iter_batches(_AT_ONCE):
            yield plain(batch)


def plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return rows with instants as numbers, in microseconds."""
    arrays = [
        column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(arrays, batch.schema.names)


def _ndjson(path: Path, columns: Sequence[Column]) -> Iterator[Row]:
    decoder = msgspec.json.Decoder(dict[str, Any])
    with path.open("rb") as file:
        for line in file:
            row = decoder.decode(line)
            _require(list(row), columns)
            yield {one.name: _from_json(one.type, row[one.name]) for one in columns}


def _from_json(type_: str, value: Any) -> Any:
    if value is None:
        return None
    if type_ == "instant":
        return _instant(value)
    return b64decode(value, validate=True) if type_ == "bytes" else value


def _csv(path: Path, columns: Sequence[Column]) -> Iterator[Row]:
    csv.field_size_limit(min(sys.maxsize, 1 << 30))
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, strict=True)
        _require(next(lines, []), columns)
        for line in lines:
            pairs = zip(columns, line, strict=True)
            yield {one.name: _from_cell(one.type, cell) for one, cell in pairs}


def _from_cell(type_: str, cell: str) -> Any:
    if not cell:
        return None
    if type_ == "integer":
        return int(cell)
    if type_ == "boolean":
        return _WORDS[cell]
    if type_ == "instant":
        return _instant(cell)
    text = cell.removeprefix(_MARK)
    if type_ == "bytes":
        return b64decode(text, validate=True)
    return msgspec.json.decode(text) if type_ == "texts" else text


def _require(names: Sequence[str], columns: Sequence[Column]) -> None:
    if list(names) != [one.name for one in columns]:
        raise ValueError("it has other columns than the manifest says")
