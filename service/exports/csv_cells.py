"""Cells of CSV: what spreadsheets would run is made a text, and can be read back as it was.

A cell of text that begins like a formula, or with an apostrophe, gets one apostrophe before it; so
whoever takes one away where a cell begins with one has every text as it was. Numbers, instants and
booleans are not text and stay as they are.
"""

import base64
import json
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from service.exports.columns import Column, Type

MARK: Final = "'"
"""Stands before a cell that would be taken for something else."""

DANGEROUS: Final = "=+-@\t\r\n＝＋－＠"  # noqa: RUF001 - the full-width ones are run as well
"""What a formula begins with, in the eyes of one spreadsheet or another."""

_MARKED: Final = rf"\A[{MARK}=+\-@\t\r\n＝＋－＠]"  # noqa: RUF001 - likewise

_TEXTS: Final = frozenset({Type.TEXT, Type.BYTES, Type.TEXTS, Type.JSON})


def as_cells(column: pa.Array, declared: Column) -> pa.Array:
    """Return a column as it is written in CSV: what is text in the end with its marks."""
    cells = as_text(column, declared.type)
    return _marked(cells) if declared.type in _TEXTS else cells


def as_text(column: pa.Array, type_: Type) -> pa.Array:
    """Return a column with instants, bytes and lists as text; others as they are."""
    if type_ is Type.INSTANT:  # of Arrow's own form, a space stands where RFC 3339 has its T
        return pc.replace_substring(column.cast(pa.string()), " ", "T", max_replacements=1)
    if type_ is Type.BYTES:
        return pa.array(
            [None if one is None else base64.b64encode(one).decode() for one in column.to_pylist()],
            pa.string(),
        )
    if type_ is Type.TEXTS:
        return pa.array(
            [
                None if one is None else json.dumps(one, ensure_ascii=False, separators=(",", ":"))
                for one in column.to_pylist()
            ],
            pa.string(),
        )
    return column


def _marked(cells: pa.StringArray) -> pa.StringArray:
    dangerous = pc.match_substring_regex(cells, _MARKED)
    if not pc.any(dangerous).as_py():
        return cells
    return pc.if_else(dangerous, pc.binary_join_element_wise(MARK, cells, ""), cells)
