"""The Merkle tree over the ledger's leaves: RFC 6962 section 2.1, SHA-256."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

HASH_SIZE: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of one entry's bytes."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class CompactRange:
    """All that appending needs of a tree: its size and the roots of its perfect subtrees.

    `stack` holds them from left to right; their number is the popcount of `size`.
    """

    size: int = 0
    stack: tuple[bytes, ...] = ()

    def append(self, leaf: bytes) -> "CompactRange":
        """Return the range with one more leaf hash at its right edge."""
        completed = self.completed_by(leaf)
        untouched = len(self.stack) - len(completed) + 1
        return CompactRange(self.size + 1, (*self.stack[:untouched], completed[-1]))

    def completed_by(self, leaf: bytes) -> list[bytes]:
        """Return the roots of the perfect subtrees that this leaf completes, by height from 0 on.

        The one of height h is the (size >> h)-th of that height, from the left and from 0 on.
        """
        completed, rest = [leaf], self.size
        while rest & 1:
            completed.append(node_hash(self.stack[-len(completed)], completed[-1]))
            rest >>= 1
        return completed

    def root(self) -> bytes:
        """Return the tree's root hash."""
        if not self.stack:
            return EMPTY_ROOT
        root = self.stack[-1]
        for node in reversed(self.stack[:-1]):
            root = node_hash(node, root)
        return root

    def to_bytes(self) -> bytes:
        """Return the stack as stored beside the size: 32 bytes a node, left to right."""
        return b"".join(self.stack)

    @classmethod
    def from_bytes(cls, size: int, stack: bytes) -> "CompactRange":
        """Read a stored range. Raises ValueError where size and stack contradict each other."""
        nodes = tuple(stack[i : i + HASH_SIZE] for i in range(0, len(stack), HASH_SIZE))
        if len(stack) != size.bit_count() * HASH_SIZE:
            message = f"a tree of {size} leaves needs {size.bit_count()} nodes, not {len(nodes)}"
            raise ValueError(message)
        return cls(size, nodes)
