"""Files of one dataset: Parquet, CSV and NDJSON, each written batch by batch.

file = open_file(Format.PARQUET, path, columns, schema)
file.write(batch)
file.close()
"""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from service.exports.columns import Column, Type
from service.exports.csv_cells import as_cells, as_text
from service.exports.wanted import Format

SUFFIX: Final = {Format.PARQUET: ".parquet", Format.CSV: ".csv", Format.NDJSON: ".ndjson"}

BYTE_ORDER_MARK: Final = "\ufeff".encode()
"""Without it spreadsheets take UTF-8 for something else."""

_LEVEL: Final = 3
_AT_ONCE: Final = 10_000
GROUP: Final = 1 << 15
"""Rows that a row group in Parquet has at least, but for the last one of a file..."""
GROUP_BYTES: Final = 16 << 20
"""...and one that has so many bytes before."""


class RowsFile(Protocol):
    """A file that rows are written to. It may be used in any thread, by one at a time."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows."""

    def close(self) -> None:
        """Finish the file."""


def open_file(
    format_: Format, path: Path, columns: Sequence[Column], schema: pa.Schema
) -> RowsFile:
    """Return a new file in a format, with nothing in it but its columns."""
    if format_ is Format.PARQUET:
        return _ParquetFile(path, schema)
    if format_ is Format.CSV:
        return _CsvFile(path, columns)
    return _NdjsonFile(path, columns)


class _ParquetFile:
    """Rows wait for a row group: a file of small ones is large, and slow to read."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._waiting: list[pa.RecordBatch] = []
        self._rows, self._bytes = 0, 0
        self._writer = pa.parquet.ParquetWriter(
            path, schema, compression="zstd", compression_level=_LEVEL, store_schema=True
        )

    def write(self, batch: pa.RecordBatch) -> None:
        if batch.num_rows:
            self._waiting.append(batch.cast(self._schema))
            self._rows += batch.num_rows
            self._bytes += batch.nbytes
        if self._rows >= GROUP or self._bytes >= GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        group = pa.Table.from_batches(self._waiting, self._schema)
        self._writer.write_table(group, row_group_size=group.num_rows)
        self._waiting.clear()
        self._rows, self._bytes = 0, 0

    def close(self) -> None:
        if self._waiting:
            self._flush()
        self._writer.close()


class _CsvFile:
    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._file = path.open("wb")
        self._file.write(BYTE_ORDER_MARK)
        schema = pa.schema([(one.name, _in_csv(one)) for one in columns])
        options = pa.csv.WriteOptions(quoting_style="needed", quoting_header="none", eol="\r\n")
        self._writer = pa.csv.CSVWriter(self._file, schema, write_options=options)

    def write(self, batch: pa.RecordBatch) -> None:
        cells = [
            as_cells(column, declared)
            for column, declared in zip(batch.columns, self._columns, strict=True)
        ]
        names = [one.name for one in self._columns]
        self._writer.write_batch(pa.RecordBatch.from_arrays(cells, names))

    def close(self) -> None:
        self._writer.close()
        self._file.close()


def _in_csv(column: Column) -> pa.DataType:
    number = column.type in {Type.INTEGER, Type.BOOLEAN}
    return column.field.type if number else pa.string()


class _NdjsonFile:
    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._file: BinaryIO = path.open("wb")
        self._encoder = msgspec.json.Encoder()

    def write(self, batch: pa.RecordBatch) -> None:
        for start in range(0, batch.num_rows, _AT_ONCE):
            self._write(batch.slice(start, _AT_ONCE))

    def _write(self, batch: pa.RecordBatch) -> None:
        names = [one.name for one in self._columns]
        values = [
            (column if declared.type is Type.TEXTS else as_text(column, declared.type)).to_pylist()
            for column, declared in zip(batch.columns, self._columns, strict=True)
        ]
        rows = [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]
        self._file.write(self._encoder.encode_lines(rows))

    def close(self) -> None:
        self._file.close()
