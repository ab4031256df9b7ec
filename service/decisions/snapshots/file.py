"""An index as a file: its parts, the tree's stack and the seed of its prints.

Not kept are the columns: what the rules say follows from the parts, and is compiled anew when it is
first asked for. Nor is anything of erased artists but that they were there.
"""

from typing import BinaryIO, Final

import msgspec
import numpy as np

from service.decisions.compiled.parts import Part, Parts
from service.decisions.compiled.spelling import Hashing
from service.decisions.compiled.whole import forget_erased, parts_of, restore
from service.decisions.index import Index
from service.decisions.snapshots.sealed import (
    Buffer,
    Reach,
    SnapshotUnusable,
    read_sealed,
    write_sealed,
)
from service.domain.merkle import CompactRange
from service.ledger.derived_keys import INDEX_SNAPSHOTS, derived_key
from service.ledger.vault import RandomBytes

_BYTES: Final = "bytes"
"""The type of a part that is no array."""

_TYPES: Final = frozenset({"uint8", "uint32", "uint64", "int64"})


class _PartSize(msgspec.Struct):
    name: str
    type: str
    size: int


class _Header(msgspec.Struct):
    """Size and stack of the tree, the seed of the prints, and the parts in the order they follow.

    `size` of a part counts its values.
    """

    tree_size: int
    stack: bytes
    seed: bytes
    parts: list[_PartSize]


def write_index(
    file: BinaryIO, index: Index, key_encryption_key: bytes, random_bytes: RandomBytes
) -> None:
    """Write an index. Nobody may change it meanwhile.

    It forgets erased artists' names and words for good, as the file must not have them.
    """
    forget_erased(index)
    parts = parts_of(index)
    header = _Header(
        index.range.size,
        index.range.to_bytes(),
        index.subjects.seed,
        [_PartSize(name, _type(part), len(part)) for name, part in parts.items()],
    )
    write_sealed(
        file,
        derived_key(key_encryption_key, INDEX_SNAPSHOTS),
        msgspec.json.encode(header),
        [_bytes_of(part) for part in parts.values()],
        reach=reach_of(index),
        random_bytes=random_bytes,
    )


def read_index(file: BinaryIO, size: int, key_encryption_key: bytes) -> Index:
    """Read the index in a file of `size` bytes. Raises SnapshotUnusable.

    It is the one that was written. Whether it is the ledger's is for `restore` to find out.
    """
    parts: Parts = {}
    headers: list[_Header] = []

    def allocate(text: bytes) -> list[Buffer]:
        header = msgspec.json.decode(text, type=_Header)
        headers.append(header)
        parts.update((part.name, _room(part)) for part in header.parts)
        return [_bytes_of(part) for part in parts.values()]

    try:
        preamble = read_sealed(
            file, size, derived_key(key_encryption_key, INDEX_SNAPSHOTS), allocate
        )
        (header,) = headers
        index = Index(Hashing(header.seed))
        restore(index, parts)
        index.range = CompactRange.from_bytes(header.tree_size, header.stack)
    except ValueError as error:
        raise SnapshotUnusable(f"its parts do not fit together: {error}") from error
    if preamble.reach != reach_of(index) or index.range.size != index.revision:
        raise SnapshotUnusable("its parts stand at different revisions")
    return index


def reach_of(index: Index) -> Reach:
    """Return how far an index has come."""
    ids = len(index.subjects) + len(index.contents)
    return Reach(index.revision, index.recorded_at, ids)


def _type(part: Part) -> str:
    return _BYTES if isinstance(part, bytearray) else part.dtype.name


def _room(part: _PartSize) -> Part:
    if part.type == _BYTES:
        return bytearray(part.size)
    if part.type not in _TYPES:
        message = f"{part.name} is of an unknown type, {part.type}"
        raise ValueError(message)
    return np.empty(part.size, part.type)


def _bytes_of(part: Part) -> Buffer:
    if isinstance(part, bytearray):
        return memoryview(part)
    return part.view(np.uint8).data
