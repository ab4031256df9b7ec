"""The compact tree has the roots that RFC 6962 section 2.1 defines."""

import json
from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.merkle import EMPTY_ROOT, HASH_SIZE, CompactRange, leaf_hash, node_hash
from tests.domain.shared_folder import SHARED

PUBLISHED = SHARED / "vectors" / "merkle_roots_8_leaves.json"

_leaves = st.lists(st.binary(max_size=8), max_size=70)


def tree_of(leaves: Sequence[bytes]) -> CompactRange:
    """Return the tree that appending these entries one by one makes."""
    tree = CompactRange()
    for leaf in leaves:
        tree = tree.append(leaf_hash(leaf))
    return tree


def tree_hash(leaves: Sequence[bytes]) -> bytes:
    """Return the Merkle tree hash by its recursive definition."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + tree_hash(leaves[:split]) + tree_hash(leaves[split:])).digest()


def test_the_empty_tree_has_the_well_known_root() -> None:
    """It is the SHA-256 of nothing."""
    known = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert CompactRange().root().hex() == EMPTY_ROOT.hex() == known


def test_one_empty_leaf_has_the_well_known_root() -> None:
    """A leaf is hashed behind a zero byte, so that no leaf passes for a node or for nothing."""
    known = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert leaf_hash(b"").hex() == tree_of([b""]).root().hex() == known


def test_leaves_and_nodes_are_hashed_apart() -> None:
    """An entry that looks like a pair of hashes does not have that pair's hash."""
    left, right = leaf_hash(b"left"), leaf_hash(b"right")
    assert leaf_hash(left + right) != node_hash(left, right)
    assert node_hash(left, right) != node_hash(right, left)


@pytest.mark.skipif(not PUBLISHED.exists(), reason="no shared folder beside this one")
def test_the_published_roots_are_reached() -> None:
    """Eight published leaves give the nine published roots, from none to all of them."""
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    leaves = [bytes.fromhex(leaf) for leaf in published["leaf_inputs_hex"]]
    roots = [tree_of(leaves[:size]).root().hex() for size in range(len(leaves) + 1)]
    assert roots == published["roots_hex_by_size"]


def test_every_small_tree_has_the_root_of_the_definition() -> None:
    """All sizes up to 130 cover every shape around three powers of two."""
    leaves = [bytes([number]) for number in range(130)]
    tree = CompactRange()
    for size, leaf in enumerate(leaves):
        assert tree.size == size
        assert tree.root() == tree_hash(leaves[:size])
        tree = tree.append(leaf_hash(leaf))
    assert tree.root() == tree_hash(leaves)


@given(_leaves)
def test_any_tree_has_the_root_of_the_definition(leaves: list[bytes]) -> None:
    """Appending one by one ends where the recursive definition does."""
    assert tree_of(leaves).root() == tree_hash(leaves)


@given(_leaves)
def test_a_stored_range_goes_on_where_it_stopped(leaves: list[bytes]) -> None:
    """Size and stack are all that has to be kept to append further."""
    tree = tree_of(leaves)
    stored = tree.to_bytes()
    assert len(stored) == HASH_SIZE * len(leaves).bit_count()
    read = CompactRange.from_bytes(len(leaves), stored)
    assert read == tree
    assert read.append(leaf_hash(b"next")).root() == tree_hash([*leaves, b"next"])


def test_appending_leaves_the_range_it_started_from_alone() -> None:
    """A range is a value: an append that is rolled back has changed nothing."""
    tree = tree_of([b"one"])
    tree.append(leaf_hash(b"two"))
    assert tree == tree_of([b"one"])


@pytest.mark.parametrize(("size", "nodes"), [(0, 1), (1, 0), (3, 1), (4, 2), (7, 2)])
def test_a_stack_that_contradicts_its_size_is_refused(size: int, nodes: int) -> None:
    """A tree that cannot be is never appended to."""
    with pytest.raises(ValueError, match=f"{size} leaves"):
        CompactRange.from_bytes(size, bytes(HASH_SIZE * nodes))


def test_a_stack_cut_short_is_refused() -> None:
    """Half a hash is none."""
    with pytest.raises(ValueError, match="1 leaves"):
        CompactRange.from_bytes(1, bytes(HASH_SIZE - 1))
