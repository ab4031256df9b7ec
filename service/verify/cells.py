"""Rows of a bundle's files, in whatever format, as the same values (docs/exports.md, "Types")."""

import csv
import sys
from base64 import b64decode
from collections.abc import Iterator, Sequence
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
_MARK: Final = "'"
_WORDS: Final = {"true": True, "false": False}
_BROKEN: Final = (TypeError, KeyError, AttributeError, OverflowError, RecursionError)
"""What values of other types than they should be lead to."""


def read_rows(path: Path, format_: str, columns: Sequence[Column]) -> Iterator[Row]:
    """Yield the rows of a file. Raises ValueError where it has other columns, or no such rows."""
    read = {"parquet": _parquet, "csv": _csv, "ndjson": _ndjson}.get(format_)
    if read is None:
        raise ValueError(f"{format_[:40]!r} is no format that is known here")
    try:
        yield from read(path, columns)
    except _BROKEN as error:
        raise ValueError(f"its values are not of the types that they should be: {error}") from error


def count_rows(path: Path, format_: str, columns: Sequence[Column]) -> int:
    """Return how many rows a file has. Raises ValueError as reading them would."""
    if format_ != "parquet":
        return sum(1 for _ in read_rows(path, format_, columns))
    try:
        with pq.ParquetFile(path) as file:
            _require(file.schema_arrow.names, columns)
            number: int = file.metadata.num_rows
            return number
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"it is no Parquet that can be read: {error}") from error


def _parquet(path: Path, columns: Sequence[Column]) -> Iterator[Row]:
    try:
        with pq.ParquetFile(path) as file:
            _require(file.schema_arrow.names, columns)
            for batch in file.iter_batches(_AT_ONCE):
                yield from _plain(batch).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"it is no Parquet that can be read: {error}") from error


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return rows with instants as numbers."""
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
        return instant(value)
    return b64decode(value, validate=True) if type_ == "bytes" else value


def _csv(path: Path, columns: Sequence[Column]) -> Iterator[Row]:
    csv.field_size_limit(min(sys.maxsize, 1 << 30))
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, strict=True)
        try:
            _require(next(lines, []), columns)
            for line in lines:
                pairs = zip(columns, line, strict=True)
                yield {one.name: _from_cell(one.type, cell) for one, cell in pairs}
        except csv.Error as error:
            raise ValueError(f"it is no CSV that can be read: {error}") from error


def _from_cell(type_: str, cell: str) -> Any:
    if not cell:
        return None
    if type_ == "integer":
        return int(cell)
    if type_ == "boolean":
        return _WORDS[cell]
    if type_ == "instant":
        return instant(cell)
    text = cell.removeprefix(_MARK)
    if type_ == "bytes":
        return b64decode(text, validate=True)
    return msgspec.json.decode(text) if type_ == "texts" else text


def _require(names: Sequence[str], columns: Sequence[Column]) -> None:
    if list(names) != [one.name for one in columns]:
        raise ValueError("it has other columns than the manifest says")
