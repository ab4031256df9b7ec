"""Tiles lie where C2SP tlog-tiles says, and are called as it says."""

from hashlib import sha256
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.merkle import leaf_hash
from service.domain.tiles import (
    LONGEST_ENTRY,
    WIDTH,
    Tile,
    bundle,
    bundle_path,
    parse_level,
    parse_number,
    perfect_root,
    place_of,
    tile_path,
)
from tests.ledger.naive_tree import tree_head

LEAVES: Final = [number.to_bytes(2, "big") for number in range(1024)]


@pytest.mark.parametrize(
    ("size", "widths"),
    [
        (70_000, {(0, 272): 256, (0, 273): 112, (1, 0): 256, (1, 1): 17, (2, 0): 1}),
        (256, {(0, 0): 256, (0, 1): 0, (1, 0): 1}),
        (255, {(0, 0): 255, (1, 0): 0}),
        (0, {(0, 0): 0}),
    ],
)
def test_widths_are_those_of_the_specification(
    size: int, widths: dict[tuple[int, int], int]
) -> None:
    """Its own examples, and the smallest ones."""
    assert {place: Tile(*place).width(size) for place in widths} == widths


@pytest.mark.parametrize(
    ("tile", "width", "path"),
    [
        (Tile(0, 0), 256, "tile/0/000"),
        (Tile(0, 1_234_067), 256, "tile/0/x001/x234/067"),
        (Tile(1, 1_000), 256, "tile/1/x001/000"),
        (Tile(63, 999), 255, "tile/63/999.p/255"),
        (Tile(0, 1_234_067), 8, "tile/0/x001/x234/067.p/8"),
    ],
)
def test_a_tile_is_called_as_the_specification_says(tile: Tile, width: int, path: str) -> None:
    """In groups of three digits, all but the last behind an x, the width behind them."""
    assert tile_path(tile, width) == path
    assert bundle_path(tile.number, width) == path.replace(f"/{tile.level}/", "/entries/", 1)
    _, level, number = path.split("/", 2)
    assert parse_level(level) == tile.level
    assert parse_number(number) == (tile.number, width)


@given(st.integers(0, 10**15), st.integers(1, WIDTH))
def test_every_name_is_read_back(number: int, width: int) -> None:
    """Whatever the number and the width."""
    assert parse_number(bundle_path(number, width).removeprefix("tile/entries/")) == (number, width)


@pytest.mark.parametrize(
    "name",
    [
        "", "0", "00", "0000", "x000/000", "x000/x001/000", "001/000", "x001", "000.p", "000.p/",
        "000.p/0", "000.p/256", "000.p/01", "000.p/1/", "/000", "000/", "x01/000",
        "\u0660\u0660\u0660",
        "-01", "000 ", "000\n", "x001/000.p/1.p/2", "x999/" * 7 + "999",
    ],
)  # fmt: skip
def test_a_tile_has_one_name(name: str) -> None:
    """Another spelling is nothing, so that a cache has each tile once."""
    assert parse_number(name) is None


@pytest.mark.parametrize("level", ["", "00", "01", "64", "-1", "1 ", "x", "\u0663", "100"])
def test_there_are_64_levels(level: str) -> None:
    """From 0 to 63, without leading zeroes."""
    assert parse_level(level) is None
    assert parse_level("63") == 63


def stored(tile: Tile) -> bytes:
    """Return a tile over the leaves, by the definition."""
    span = WIDTH**tile.level
    first = tile.number * WIDTH
    return b"".join(
        tree_head(LEAVES[at * span : (at + 1) * span])
        for at in range(first, min(first + WIDTH, len(LEAVES) // span))
    )


@pytest.mark.parametrize("height", range(11))
def test_every_perfect_subtree_is_found_in_a_tile(height: int) -> None:
    """All of those over 1,024 leaves."""
    for index in range(len(LEAVES) >> height):
        place = place_of(height, index)
        assert place.tile.level == height // 8
        expected = tree_head(LEAVES[index << height : (index + 1) << height])
        assert place.root(stored(place.tile)) == expected


def test_a_tile_that_is_too_narrow_is_no_answer() -> None:
    """A root over fewer hashes would be another tree's."""
    with pytest.raises(ValueError, match="too narrow"):
        place_of(1, 3).root(b"".join(leaf_hash(leaf) for leaf in LEAVES[:7]))


def test_a_full_tiles_root_is_the_next_levels_hash() -> None:
    """It becomes that only when it is full."""
    assert perfect_root(stored(Tile(0, 1))) == stored(Tile(1, 0))[32:64]
    assert Tile(0, 255).is_last_child
    assert not Tile(0, 254).is_last_child
    assert Tile(0, 511).parent() == Tile(1, 1)


def test_entries_stand_behind_their_length() -> None:
    """Two bytes, the most significant first."""
    assert bundle([b"", b"a", b"bc" * 200]) == b"\0\0" + b"\0\1a" + b"\x01\x90" + b"bc" * 200
    assert len(bundle([bytes(LONGEST_ENTRY)])) == LONGEST_ENTRY + 2
    with pytest.raises(OverflowError):
        bundle([bytes(LONGEST_ENTRY + 1)])


def test_a_known_tree_has_known_tiles() -> None:
    """The bytes of tiles are for ever: over 1,024 known leaves they are these."""
    digests = {
        "level 0, first": sha256(stored(Tile(0, 0))).hexdigest(),
        "level 1": sha256(stored(Tile(1, 0))).hexdigest(),
        "entries, last": sha256(bundle(LEAVES[768:])).hexdigest(),
    }
    assert digests == VECTOR


VECTOR: Final = {
    "level 0, first": "9e49076d1801028174bcf90fff1a270d962bfee444b3e82c356f21eeaefaf113",
    "level 1": "439a2513633a0775fb9e8962e067a47d8d4409cfce1921126a6ebe7c5a1c19fb",
    "entries, last": "c0c13fff6816a99c5335b99386a52d473f96401e1a4b278cf6d993b7bde9a47e",
}
