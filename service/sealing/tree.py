"""The tree over a sealed month's outcomes (RFC 6962, section 2.1), block by block.

A block is a row group: 65,536 rows, the month's last one fewer. All but that are perfect subtrees,
so the tree over the roots of the blocks is the tree over all rows, and a proof needs one block's
rows and the roots of the others.
"""

from collections.abc import Sequence
from typing import Final

from service.domain.merkle import EMPTY_ROOT, node_hash

BLOCK_BITS: Final = 16
BLOCK: Final = 1 << BLOCK_BITS
"""Rows in a block."""


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Return the root over the hashes of neighbouring leaves, or of blocks; of none it is known."""
    if not hashes:
        return EMPTY_ROOT
    return _folded(list(hashes))[-1][0]


def path_to(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Return the inclusion proof of one of them (RFC 9162, section 2.1.3.1), its sibling first."""
    path = []
    for row in _folded(list(hashes))[:-1]:
        sibling = index ^ 1
        if sibling < len(row):
            path.append(row[sibling])
        index >>= 1
    return path


def _folded(row: list[bytes]) -> list[list[bytes]]:
    """Return the rows of the tree from the leaves up; who has no neighbour goes up as it is."""
    rows = [row]
    while len(row) > 1:
        above = [node_hash(row[at], row[at + 1]) for at in range(0, len(row) - 1, 2)]
        if len(row) % 2:
            above.append(row[-1])
        row = above
        rows.append(row)
    return rows
