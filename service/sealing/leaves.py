"""Outcomes as leaves of the sealed tree, byte by byte as docs/decision-log.md says for ever.

A leaf is its row's columns one behind the other: a byte that tells whether there is a value, and
the value; for none, the value that is nothing. A text is its length in four bytes and its UTF-8;
numbers and instants have eight bytes, what is true or false one; the first byte is the highest.
"""

from hashlib import sha256
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_LEAF: Final = b"\x00"
_THERE: Final = 1


def leaf_hashes(batch: pa.RecordBatch) -> list[bytes]:
    """Return the hash of each row's leaf (RFC 6962, section 2.1). Some 600,000 a second."""
    return [sha256(_LEAF + leaf).digest() for leaf in leaves(batch).to_pylist()]


def leaves(batch: pa.RecordBatch) -> pa.BinaryArray:
    """Return each row's leaf."""
    parts = [part for column in batch.columns for part in _parts(column)]
    return pc.binary_join_element_wise(*parts, b"")


def _parts(column: pa.Array) -> list[pa.Array]:
    """Return a column's bytes in each leaf: in front what has a fixed width, behind it the text."""
    there = column.is_valid().cast(pa.uint8()).to_numpy().astype(">u1")
    if pa.types.is_string(column.type):
        texts = column.fill_null("")
        lengths = pc.binary_length(texts).to_numpy().astype(">u4")
        return [_fixed(there, lengths), texts.cast(pa.binary())]
    if pa.types.is_boolean(column.type):
        return [_fixed(there, column.cast(pa.uint8()).fill_null(0).to_numpy().astype(">u1"))]
    return [_fixed(there, column.cast(pa.int64()).fill_null(0).to_numpy().astype(">i8"))]


def _fixed(*columns: npt.NDArray[np.generic]) -> pa.Array:
    """Return numbers of these widths side by side, as bytes."""
    rows = len(columns[0])
    each = np.concatenate(
        [np.frombuffer(one.tobytes(), np.uint8).reshape(rows, one.itemsize) for one in columns],
        axis=1,
    )
    width = each.shape[1]
    data = pa.py_buffer(each.tobytes())
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), rows, [None, data]).cast(
        pa.binary()
    )
