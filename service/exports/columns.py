"""Columns of datasets: what each is called, what it holds, and where it comes from, said once."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import pyarrow as pa

INSTANT: Final = pa.timestamp("us", "UTC")


class Type(StrEnum):
    """What a column's values are; docs/exports.md says how each format writes them."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    INSTANT = "instant"
    BYTES = "bytes"
    TEXTS = "texts"
    JSON = "json"


_ARROW: Final = {
    Type.TEXT: pa.string(),
    Type.INTEGER: pa.int64(),
    Type.BOOLEAN: pa.bool_(),
    Type.INSTANT: INSTANT,
    Type.BYTES: pa.binary(),
    Type.TEXTS: pa.list_(pa.string()),
    Type.JSON: pa.string(),
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a dataset. A name and its meaning are for ever; new columns go to the end.

    `sql` is the expression it is selected by, where the dataset is a query: bytes in hexadecimal,
    `texts` as a JSON array.
    """

    name: str
    type: Type
    description: str
    sql: str = ""
    nullable: bool = False

    @property
    def field(self) -> pa.Field:
        """The column as Arrow and Parquet have it, its description included."""
        return pa.field(
            self.name, _ARROW[self.type], self.nullable, {"description": self.description}
        )

    def to_json(self) -> dict[str, object]:
        """Return the column as a manifest describes it."""
        return {
            "name": self.name,
            "type": self.type.value,
            "nullable": self.nullable,
            "description": self.description,
        }


def schema_of(name: str, version: int, columns: tuple[Column, ...]) -> pa.Schema:
    """Return the columns of a dataset's files."""
    about = {"fermata.dataset": name, "fermata.version": str(version)}
    return pa.schema([column.field for column in columns], about)
