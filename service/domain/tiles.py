"""Where a tree's hashes lie in tiles: C2SP tlog-tiles v0.1.0, tiles of height 8.

A tile of level L holds up to 256 neighbouring hashes of height 8·L; only when it is full does its
own root become a hash of the level above.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from service.domain.merkle import HASH_SIZE, node_hash

HEIGHT: Final = 8
WIDTH: Final = 1 << HEIGHT
"""Hashes in a full tile, entries in a full bundle."""
TOP_LEVEL: Final = 63
LONGEST_ENTRY: Final = 65_535

_LEVEL: Final = re.compile(r"0|[1-9][0-9]?", re.ASCII)
_NUMBER: Final = re.compile(r"((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)
_MOST_DIGITS: Final = 18
_GROUP: Final = 1_000


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """One tile's place: its level, and its number on that level from the left, from 0 on."""

    level: int
    number: int

    def width(self, size: int) -> int:
        """Return how many hashes of it a tree of `size` leaves has, 0 to 256."""
        return max(0, min(WIDTH, (size >> HEIGHT * self.level) - self.number * WIDTH))

    def parent(self) -> "Tile":
        """Return the tile that this one's root is a hash of."""
        return Tile(self.level + 1, self.number // WIDTH)

    @property
    def is_last_child(self) -> bool:
        """Whether its root is the last hash of its parent, which is full with it."""
        return self.number % WIDTH == WIDTH - 1


@dataclass(frozen=True, slots=True)
class Place:
    """The hashes of one tile that a perfect subtree's root is made of."""

    tile: Tile
    first: int
    count: int

    def root(self, hashes: bytes) -> bytes:
        """Return the subtree's root. Raises ValueError where the tile is not wide enough."""
        start, end = self.first * HASH_SIZE, (self.first + self.count) * HASH_SIZE
        if len(hashes) < end:
            raise ValueError(f"tile {self.tile} is {len(hashes) // HASH_SIZE} wide: too narrow")
        return perfect_root(hashes[start:end])


def place_of(level: int, index: int) -> Place:
    """Return where the perfect subtree over leaves [index·2^level, (index+1)·2^level) is found."""
    rest = level % HEIGHT
    first = index << rest
    return Place(Tile(level // HEIGHT, first // WIDTH), first % WIDTH, 1 << rest)


def perfect_root(hashes: bytes) -> bytes:
    """Return the root over neighbouring hashes, as many as a power of two, laid end to end."""
    row = [hashes[at : at + HASH_SIZE] for at in range(0, len(hashes), HASH_SIZE)]
    while len(row) > 1:
        row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return row[0]


def tile_path(tile: Tile, width: int = WIDTH) -> str:
    """Return a tile's path below the log's prefix, such as `tile/0/x001/x234/067.p/8`."""
    return f"tile/{tile.level}/{number_path(tile.number, width)}"


def bundle_path(number: int, width: int = WIDTH) -> str:
    """Return an entry bundle's path below the log's prefix, such as `tile/entries/000`."""
    return f"tile/entries/{number_path(number, width)}"


def number_path(number: int, width: int) -> str:
    """Return a number in groups of three digits, and the width unless it is full."""
    groups = [f"{number % _GROUP:03d}"]
    while number := number // _GROUP:
        groups.insert(0, f"x{number % _GROUP:03d}")
    return "/".join(groups) + ("" if width == WIDTH else f".p/{width}")


def parse_level(text: str) -> int | None:
    """Return a level as a path names it, or None where no level is called that."""
    if not _LEVEL.fullmatch(text) or int(text) > TOP_LEVEL:
        return None
    return int(text)


def parse_number(text: str) -> tuple[int, int] | None:
    """Return number and width as a path names them, or None where it names none.

    Each tile has one name only, so a cache keeps it once.
    """
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    groups, width = found.groups()
    digits = groups.replace("/", "").replace("x", "")
    if len(digits) > _MOST_DIGITS or (len(digits) > len("000") and digits.startswith("000")):
        return None
    parsed = WIDTH if width is None else int(width)
    return None if width is not None and parsed >= WIDTH else (int(digits), parsed)


def bundle(entries: Iterable[bytes]) -> bytes:
    """Return an entry bundle: each entry behind its length in two bytes, most significant first.

    Raises OverflowError for an entry of more than 65,535 bytes.
    """
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def hashes_of(tile: bytes) -> Sequence[bytes]:
    """Return a tile's hashes one by one."""
    return [tile[at : at + HASH_SIZE] for at in range(0, len(tile), HASH_SIZE)]
