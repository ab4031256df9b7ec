"""The tree as it is stored: full tiles as they were written, the rest from events and their roots.

Nothing here hashes an event anew. A proof made of what is stored is worth what it leads to: hold it
against a signed root before anybody gets it.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

from service.domain.merkle import HASH_SIZE, CompactRange
from service.domain.proofs import Range, joined, subtrees_of
from service.domain.tiles import WIDTH, Place, Tile, place_of
from service.ledger.events import LedgerBroken

_FULL: Final = """
SELECT t.level, t.number, t.hashes FROM ledger_tiles t
JOIN unnest($1::smallint[], $2::bigint[]) AS asked (level, number)
ON t.level = asked.level AND t.number = asked.number
"""
_BEGINNING: Final = """
SELECT substring(hashes FOR $3) FROM ledger_tiles WHERE level = $1 AND number = $2
"""
_LEAVES: Final = """
SELECT leaf_hash FROM ledger WHERE revision BETWEEN $1 AND $2 ORDER BY revision
"""
_ROOTS: Final = """
SELECT root FROM ledger_tiles WHERE level = $1 AND number BETWEEN $2 AND $3 ORDER BY number
"""


class Source(Protocol):
    """A connection or a pool of them. What is read is final, so one statement is like another."""

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        """Return all rows."""

    async def fetchrow(self, query: str, *args: Any) -> Any:
        """Return the first row, or None."""

    async def fetchval(self, query: str, *args: Any) -> Any:
        """Return the first value, or None."""


async def tile_hashes(source: Source, tile: Tile, width: int) -> bytes:
    """Return the first `width` hashes of a tile. Raises LedgerBroken where they are not there.

    A full tile is read as it was written, never put together from what else is known.
    """
    found: bytes | None = await source.fetchval(
        _BEGINNING, tile.level, tile.number, width * HASH_SIZE
    )
    if found is None and width < WIDTH:
        found = await _growing(source, tile, width)
    if found is None or len(found) != width * HASH_SIZE:
        raise LedgerBroken(f"tile {tile.number} of level {tile.level} is not there, or not whole")
    return found


async def _growing(source: Source, tile: Tile, width: int) -> bytes:
    first = tile.number * WIDTH
    if tile.level == 0:
        rows = await source.fetch(_LEAVES, first + 1, first + width)
    else:
        rows = await source.fetch(_ROOTS, tile.level - 1, first, first + width - 1)
    return b"".join(row[0] for row in rows)


async def range_roots(source: Source, ranges: Sequence[Range], size: int) -> list[bytes]:
    """Return the root over each range of leaves of a tree of `size`. Raises LedgerBroken."""
    places = [[place_of(*subtree) for subtree in subtrees_of(leaves)] for leaves in ranges]
    tiles = await _tiles(source, (place for some in places for place in some), size)
    return [joined([place.root(tiles[place.tile]) for place in some]) for some in places]


async def stored_range(source: Source, size: int) -> CompactRange:
    """Return the tree of the first `size` events, as the stored tiles have it."""
    places = [place_of(*subtree) for subtree in subtrees_of((0, size))]
    tiles = await _tiles(source, places, size)
    return CompactRange(size, tuple(place.root(tiles[place.tile]) for place in places))


async def _tiles(source: Source, places: Iterable[Place], size: int) -> dict[Tile, bytes]:
    """Read the tiles that these places lie in, the full ones at once."""
    wanted = {place.tile for place in places}
    full = [tile for tile in wanted if tile.width(size) == WIDTH]
    rows = await source.fetch(_FULL, [t.level for t in full], [t.number for t in full])
    found = {Tile(row["level"], row["number"]): row["hashes"] for row in rows}
    for tile in sorted(wanted - set(found)):
        found[tile] = await tile_hashes(source, tile, tile.width(size))
    for tile, hashes in found.items():
        if len(hashes) != tile.width(size) * HASH_SIZE:
            raise LedgerBroken(f"tile {tile.number} of level {tile.level} is not whole")
    return found
