"""A tree that grows by leaves, and the hashes that tiles are made of (RFC 6962, C2SP)."""

from collections.abc import Sequence
from typing import Final

from service.domain.merkle import EMPTY_ROOT, HASH_SIZE, node_hash

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 256


class Tree:
    """A Merkle tree of which only the right edge is kept, and the roots of its full tiles."""

    def __init__(self) -> None:
        """Begin empty."""
        self.size = 0
        self._edge: list[bytes] = []
        self.tile_roots: list[list[bytes]] = []
        """For each level of tiles, the roots of those that are full, from the left."""

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Append leaf hashes."""
        edge, size = self._edge, self.size
        for leaf in leaves:
            node, carry, height = leaf, size, 0
            while carry & 1:
                node = node_hash(edge.pop(), node)
                carry >>= 1
                height += 1
                if height % TILE_HEIGHT == 0:
                    self._keep(height // TILE_HEIGHT - 1, node)
            edge.append(node)
            size += 1
        self.size = size

    def root(self) -> bytes:
        """Return the root over all leaves so far."""
        root = EMPTY_ROOT
        for number, node in enumerate(reversed(self._edge)):
            root = node if number == 0 else node_hash(node, root)
        return root

    def edge(self) -> bytes:
        """Return the roots of the perfect subtrees that make it up, largest first, end to end."""
        return b"".join(self._edge)

    def unlike(self, edge: bytes) -> tuple[int, int]:
        """Return the leaves beneath the first root that another edge has otherwise.

        The first of them is counted from 0; the last is followed by the number returned.
        """
        start = 0
        for number, node in enumerate(self._edge):
            width = 1 << ((self.size - start).bit_length() - 1)
            if edge[number * HASH_SIZE : (number + 1) * HASH_SIZE] != node:
                return start, start + width
            start += width
        return 0, self.size

    def _keep(self, level: int, root: bytes) -> None:
        if level == len(self.tile_roots):
            self.tile_roots.append([])
        self.tile_roots[level].append(root)


def hashes_in(data: bytes) -> list[bytes]:
    """Return hashes that lie end to end, one by one."""
    return [data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)]


def includes(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Tell whether a path leads from a leaf hash to a root (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size or any(len(one) != HASH_SIZE for one in (leaf, root, *path)):
        return False
    here, last, node = index, size - 1, leaf
    for other in path:
        if last == 0:
            return False
        if here % 2 or here == last:
            node = node_hash(other, node)
            while here and here % 2 == 0:
                here, last = here // 2, last // 2
        else:
            node = node_hash(node, other)
        here, last = here // 2, last // 2
    return last == 0 and node == root


def is_prefix(
    older: int, newer: int, path: Sequence[bytes], old_root: bytes, new_root: bytes
) -> bool:
    """Tell whether a proof shows that one tree begins with another (RFC 9162 section 2.1.4.2)."""
    if older == newer:
        return not path and old_root == new_root
    if not 0 < older < newer or not path or any(len(one) != HASH_SIZE for one in path):
        return False
    nodes = [old_root, *path] if older.bit_count() == 1 else list(path)
    here, last = older - 1, newer - 1
    while here % 2:
        here, last = here // 2, last // 2
    old = new = nodes[0]
    for other in nodes[1:]:
        if last == 0:
            return False
        if here % 2 or here == last:
            old, new = node_hash(other, old), node_hash(other, new)
            while here and here % 2 == 0:
                here, last = here // 2, last // 2
        else:
            new = node_hash(new, other)
        here, last = here // 2, last // 2
    return last == 0 and (old, new) == (old_root, new_root)
