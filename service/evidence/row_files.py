"""Rows as files, written as they come: Parquet for programs, CSV for spreadsheets.

Both are as docs/exports.md says of a bundle's datasets: descriptions beside the columns of Parquet;
CSV behind a byte order mark, texts in quotes, and an apostrophe before what looks like a formula.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from service.ledger.events import Json


class Type(StrEnum):
    """What a column's values are."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    INSTANT = "instant"


_ARROW: Final = {
    Type.TEXT: pa.string(),
    Type.INTEGER: pa.int64(),
    Type.BOOLEAN: pa.bool_(),
    Type.INSTANT: pa.timestamp("us", "UTC"),
}
_LIKE_A_FORMULA: Final = "^['=+\\-@\\t\\r\\n＝＋－＠]"  # noqa: RUF001 - these are the dangerous ones
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_CSV: Final = pyarrow.csv.WriteOptions(include_header=False, eol="\r\n")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a file. `source` is the expression it is selected by; instants are numbers."""

    name: str
    type: Type
    description: str
    source: str
    nullable: bool = False

    @property
    def field(self) -> pa.Field:
        """The column as Parquet has it."""
        about = {"description": self.description}
        return pa.field(self.name, _ARROW[self.type], self.nullable, about)

    def to_json(self) -> Json:
        """Return the column as a document describes it."""
        return {
            "name": self.name,
            "type": self.type.value,
            "nullable": self.nullable,
            "description": self.description,
        }


class RowFiles:
    """`<name>.parquet` and `<name>.csv` with the same rows. There even where there are none."""

    def __init__(self, folder: Path, name: str, columns: Sequence[Column]) -> None:
        """Take a folder that is there, and the columns in order."""
        self.columns = columns
        self.paths = [folder / f"{name}.parquet", folder / f"{name}.csv"]
        self.rows = 0
        self._schema = pa.schema([column.field for column in columns])

    def __enter__(self) -> Self:
        """Open the files."""
        self._parquet = pq.ParquetWriter(self.paths[0], self._schema, compression="zstd")
        self._csv_file = self.paths[1].open("wb")
        self._csv_file.write(_BYTE_ORDER_MARK)
        self._csv_file.write(",".join(self._schema.names).encode() + b"\r\n")
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """Finish them."""
        self._parquet.close()
        self._csv_file.close()

    @property
    def selected(self) -> str:
        """What to select for `write`."""
        return ", ".join(f"{column.source} AS {column.name}" for column in self.columns)

    def write(self, rows: pa.Table) -> None:
        """Add rows, selected by `selected`."""
        typed = rows.select(self._schema.names).cast(self._schema)
        self._parquet.write_table(typed)
        texts = [_as_text(typed.column(one.name), one.type) for one in self.columns]
        pyarrow.csv.write_csv(pa.table(texts, self._schema.names), self._csv_file, _CSV)
        self.rows += len(rows)

    def to_json(self) -> Json:
        """Return the files as a document describes them."""
        return {
            "files": [path.name for path in self.paths],
            "rows": self.rows,
            "columns": [column.to_json() for column in self.columns],
        }


def _as_text(column: pa.ChunkedArray, kind: Type) -> pa.ChunkedArray:
    """Return a column as CSV has it. Only texts can be harmful."""
    if kind is Type.INSTANT:
        return pc.binary_join_element_wise(
            pc.strftime(column, "%Y-%m-%dT%H:%M:%S"), "Z", "", null_handling="emit_null"
        )
    if kind is Type.TEXT:
        harmful = pc.match_substring_regex(column, _LIKE_A_FORMULA)
        quoted = pc.binary_join_element_wise("'", column, "", null_handling="emit_null")
        return pc.if_else(harmful, quoted, column)
    return column
