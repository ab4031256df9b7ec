"""Proofs are those of RFC 6962, by its own definition, and verify only where they are true."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.merkle import EMPTY_ROOT, leaf_hash
from service.domain.proofs import (
    consistency_path,
    includes,
    inclusion_path,
    is_consistent,
    joined,
    subtrees_of,
)
from tests.ledger.naive_tree import tree_head

MOST: Final = 600
LEAVES: Final = [number.to_bytes(2, "big") for number in range(MOST)]
_KNOWN: dict[tuple[int, int], bytes] = {}


def head(start: int, end: int) -> bytes:
    """Return the root over some of the leaves, by the definition, remembered for the next test."""
    if (start, end) not in _KNOWN:
        _KNOWN[start, end] = tree_head(LEAVES[start:end])
    return _KNOWN[start, end]


def inclusion_by_definition(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return PATH(m, D[n]) as RFC 6962 section 2.1.1 defines it."""
    if len(leaves) == 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return [*inclusion_by_definition(index, leaves[:split]), tree_head(leaves[split:])]
    return [*inclusion_by_definition(index - split, leaves[split:]), tree_head(leaves[:split])]


def consistency_by_definition(older: int, leaves: Sequence[bytes], *, whole: bool) -> list[bytes]:
    """Return SUBPROOF(m, D[n], b) as RFC 6962 section 2.1.2 defines it."""
    if older == len(leaves):
        return [] if whole else [tree_head(leaves)]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    left, right = leaves[:split], leaves[split:]
    if older <= split:
        return [*consistency_by_definition(older, left, whole=whole), tree_head(right)]
    return [*consistency_by_definition(older - split, right, whole=False), tree_head(left)]


def inclusion(index: int, size: int) -> list[bytes]:
    """Return the proof that the paths of the tested code lead to."""
    return [head(*leaves) for leaves in inclusion_path(index, size)]


def consistency(older: int, newer: int) -> list[bytes]:
    """Return the proof that the paths of the tested code lead to."""
    return [head(*leaves) for leaves in consistency_path(older, newer)]


def test_every_small_proof_is_the_definitions() -> None:
    """All leaves and all older trees of all sizes up to 70."""
    for size in range(1, 71):
        leaves = LEAVES[:size]
        for index in range(size):
            assert inclusion(index, size) == inclusion_by_definition(index, leaves)
        for older in range(1, size + 1):
            expected = consistency_by_definition(older, leaves, whole=True)
            assert consistency(older, size) == expected


@pytest.mark.parametrize("size", [255, 256, 257, 511, 512, 513, MOST])
def test_every_proof_of_larger_trees_is_accepted(size: int) -> None:
    """Around full tiles as well."""
    root = head(0, size)
    for index in range(size):
        leaf = leaf_hash(LEAVES[index])
        assert includes(leaf, index, size, inclusion(index, size), root)
    for older in range(size + 1):
        assert is_consistent(older, size, consistency(older, size), head(0, older), root)


@given(st.integers(1, MOST), st.data())
def test_a_proof_proves_nothing_else(size: int, data: st.DataObject) -> None:
    """Not another leaf, place, size or root; not cut short, longer or altered."""
    index = data.draw(st.integers(0, size - 1))
    proof, root, leaf = inclusion(index, size), head(0, size), leaf_hash(LEAVES[index])
    assert includes(leaf, index, size, proof, root)
    other = sha256(b"other").digest()
    assert not includes(other, index, size, proof, root)
    assert not includes(leaf, index, size, proof, other)
    assert not includes(leaf, index, size, [*proof, other], root)
    assert not includes(leaf, size, size, proof, root)
    assert not includes(leaf, -1, size, proof, root)
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        assert not includes(leaf, index, size, [*proof[:at], *proof[at + 1 :]], root)
        assert not includes(leaf, index, size, [*proof[:at], other, *proof[at + 1 :]], root)
        elsewhere = data.draw(st.integers(0, size - 1).filter(lambda place: place != index))
        assert not includes(leaf, elsewhere, size, proof, root)


@given(st.integers(1, MOST), st.data())
def test_growth_is_proven_for_what_grew_only(newer: int, data: st.DataObject) -> None:
    """Not for other roots or sizes; not cut short, longer or altered."""
    older = data.draw(st.integers(1, newer))
    proof, old, new = consistency(older, newer), head(0, older), head(0, newer)
    assert is_consistent(older, newer, proof, old, new)
    other = sha256(b"other").digest()
    assert not is_consistent(older, newer, proof, other, new)
    assert not is_consistent(older, newer, proof, old, other)
    assert not is_consistent(older, newer, [*proof, other], old, new)
    assert not is_consistent(newer + 1, newer, proof, old, new)
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        assert not is_consistent(older, newer, [*proof[:at], *proof[at + 1 :]], old, new)
        assert not is_consistent(older, newer, [*proof[:at], other, *proof[at + 1 :]], old, new)


def test_everything_goes_on_from_nothing() -> None:
    """An empty tree needs no proof, and takes none."""
    assert is_consistent(0, 0, [], EMPTY_ROOT, EMPTY_ROOT)
    assert is_consistent(0, 7, [], EMPTY_ROOT, head(0, 7))
    assert not is_consistent(0, 7, [head(0, 7)], EMPTY_ROOT, head(0, 7))
    assert not is_consistent(0, 7, [], head(0, 1), head(0, 7))
    assert not is_consistent(0, 0, [], EMPTY_ROOT, head(0, 1))


def test_half_a_hash_is_none() -> None:
    """Whatever is not 32 bytes long proves nothing."""
    leaf, root = leaf_hash(LEAVES[0]), head(0, 2)
    (sibling,) = inclusion(0, 2)
    assert not includes(leaf, 0, 2, [sibling[:31]], root)
    assert not includes(leaf[:31], 0, 2, [sibling], root)
    assert not is_consistent(1, 2, [sibling[:31]], leaf, root)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 3), (7, 3)])
def test_a_leaf_that_is_not_there_has_no_path(index: int, size: int) -> None:
    """It is an error of whoever asks."""
    with pytest.raises(ValueError, match="no leaf"):
        inclusion_path(index, size)


@pytest.mark.parametrize(("older", "newer"), [(2, 1), (-1, 1)])
def test_a_tree_does_not_begin_with_a_larger_one(older: int, newer: int) -> None:
    """Nor with less than nothing."""
    with pytest.raises(ValueError, match="does not begin"):
        consistency_path(older, newer)


@given(st.integers(1, MOST), st.data())
def test_ranges_are_made_of_perfect_subtrees(size: int, data: st.DataObject) -> None:
    """Each range of a path is covered once, and their roots join to the range's."""
    index = data.draw(st.integers(0, size - 1))
    for start, end in [(0, size), *inclusion_path(index, size)]:
        found = subtrees_of((start, end))
        spans = [(at << height, at + 1 << height) for height, at in found]
        assert [leaf for span in spans for leaf in range(*span)] == list(range(start, end))
        assert joined([head(*span) for span in spans]) == head(start, end)
