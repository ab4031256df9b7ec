"""Proofs that an entry is in a tree, and that a tree begins with an older one.

RFC 6962 sections 2.1.1 and 2.1.2 say what they consist of, RFC 9162 sections 2.1.3.2 and 2.1.4.2
how they are verified. What a proof needs is told as ranges of leaves, for whoever has the hashes.
"""

from collections.abc import Sequence
from typing import TypeAlias

from service.domain.merkle import EMPTY_ROOT, HASH_SIZE, node_hash

Range: TypeAlias = tuple[int, int]
"""Neighbouring leaves: the first one's index, and the index after the last."""

Subtree: TypeAlias = tuple[int, int]
"""A perfect subtree: its height, and how many of that height are left of it."""


def inclusion_path(index: int, size: int) -> list[Range]:
    """Return the ranges whose roots prove that leaf `index` is in a tree of `size` leaves.

    The leaf's sibling comes first. Raises ValueError unless 0 <= index < size.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    start, end, path = 0, size, list[Range]()
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start = middle
    return path[::-1]


def consistency_path(older: int, newer: int) -> list[Range]:
    """Return the ranges whose roots prove that a tree of `newer` leaves begins with `older` ones.

    None for two trees of one size, and none for an empty older one. Raises ValueError unless
    0 <= older <= newer.
    """
    if not 0 <= older <= newer:
        raise ValueError(f"a tree of {newer} leaves does not begin with {older}")
    if older in {0, newer}:
        return []
    start, end, path, whole = 0, newer, list[Range](), True
    while end != older:
        middle = start + _split(end - start)
        if older <= middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start, whole = middle, False
    if not whole:
        path.append((start, end))
    return path[::-1]


def subtrees_of(leaves: Range) -> list[Subtree]:
    """Return the perfect subtrees that a range consists of, from left to right."""
    start, end = leaves
    found = list[Subtree]()
    while start < end:
        height = (end - start).bit_length() - 1
        if start:
            height = min(height, (start & -start).bit_length() - 1)
        found.append((height, start >> height))
        start += 1 << height
    return found


def joined(roots: Sequence[bytes]) -> bytes:
    """Return the root over perfect subtrees of falling height, given theirs from left to right."""
    if not roots:
        return EMPTY_ROOT
    root = roots[-1]
    for left in reversed(roots[:-1]):
        root = node_hash(left, root)
    return root


def includes(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Tell whether a proof shows that a leaf of this hash is at `index` of the tree with `root`."""
    if not 0 <= index < size or not _are_hashes((leaf, root, *proof)):
        return False
    at, last, reached = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            reached = node_hash(sibling, reached)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            reached = node_hash(reached, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and reached == root


def is_consistent(
    older: int, newer: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> bool:
    """Tell whether a proof shows that the tree with `new_root` begins with that of `old_root`."""
    if not 0 <= older <= newer or not _are_hashes((old_root, new_root, *proof)):
        return False
    if older == newer:
        return not proof and old_root == new_root
    if older == 0:
        return not proof and old_root == EMPTY_ROOT
    return _leads_to_both(older, newer, proof, old_root, new_root)


def _leads_to_both(
    older: int, newer: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> bool:
    """Follow RFC 9162 section 2.1.4.2 for 0 < older < newer."""
    path = [old_root, *proof] if older & (older - 1) == 0 else list(proof)
    if not proof:
        return False
    at, last = older - 1, newer - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and old == old_root and new == new_root


def _split(leaves: int) -> int:
    """Return the largest power of two smaller than a number of leaves, of which there are two."""
    return 1 << (leaves - 1).bit_length() - 1


def _are_hashes(values: Sequence[bytes]) -> bool:
    return all(len(value) == HASH_SIZE for value in values)
