"""Full tiles of the ledger's tree, written beside its events and never again.

What is not full yet is read from the events themselves. Kept apart from them, a tile is a second
copy of the tree: to change the past, both have to be changed alike, and every root above as well.
"""

from typing import Any, Final

from sqlalchemy import text

from service.db.engine import WriteSession
from service.domain.merkle import HASH_SIZE
from service.domain.tiles import WIDTH, Tile, perfect_root
from service.ledger.events import LedgerBroken

MOST_AT_ONCE: Final = 8
"""Tiles of events that one append completes at most: it has only one or two, unless the release
before this one, which wrote none, appended meanwhile."""

# As text, and put together by the database: these stand between an append and its commit.
_LAST: Final = text("SELECT coalesce(max(number), -1) FROM ledger_tiles WHERE level = 0")
_LEAVES: Final = text(
    "SELECT string_agg(leaf_hash, '' ORDER BY revision) FROM ledger"
    " WHERE revision > :first AND revision <= :last"
)
_ROOTS: Final = text(
    "SELECT string_agg(root, '' ORDER BY number) FROM ledger_tiles"
    " WHERE level = :level AND number >= :first AND number < :last"
)
_WRITE: Final = text(
    "INSERT INTO ledger_tiles (level, number, hashes, root)"
    " VALUES (:level, :number, :hashes, :root) ON CONFLICT DO NOTHING"
)


async def complete_tiles(session: WriteSession, size: int, *, most: int = MOST_AT_ONCE) -> bool:
    """Write the next full tiles of a ledger of `size` events, up to `most` of events and theirs.

    Returns whether all are there now. Whoever else completes the same ones meanwhile writes the
    same. Raises LedgerBroken where an event is missing.
    """
    last: int = (await session.execute(_LAST)).scalar_one()
    begin, end = last + 1, size // WIDTH
    for number in range(begin, min(end, begin + most)):
        tile = Tile(0, number)
        await _write(session, tile, await _leaf_hashes(session, number))
        while tile.is_last_child:
            tile = tile.parent()
            await _write(session, tile, await _roots_below(session, tile))
    return begin + most >= end


async def _leaf_hashes(session: WriteSession, number: int) -> bytes:
    first = number * WIDTH
    found = await session.execute(_LEAVES, {"first": first, "last": first + WIDTH})
    return found.scalar() or b""


async def _roots_below(session: WriteSession, tile: Tile) -> bytes:
    first = tile.number * WIDTH
    asked: dict[str, Any] = {"level": tile.level - 1, "first": first, "last": first + WIDTH}
    found = await session.execute(_ROOTS, asked)
    return found.scalar() or b""


async def _write(session: WriteSession, tile: Tile, hashes: bytes) -> None:
    if len(hashes) != WIDTH * HASH_SIZE:
        raise LedgerBroken(f"tile {tile.number} of level {tile.level} lacks some of its hashes")
    root = perfect_root(hashes)
    row = {"level": tile.level, "number": tile.number, "hashes": hashes, "root": root}
    await session.execute(_WRITE, row)
