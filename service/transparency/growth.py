"""Hashing the ledger's events anew, from their bytes as they lie there, before anybody signs.

The appender has hashed them once, in memory. A bit that flipped between there and the disk, or was
flipped by somebody, is found here and not signed.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from service.domain import merkle
from service.domain.merkle import HASH_SIZE, CompactRange
from service.domain.tiles import HEIGHT, WIDTH, Tile, perfect_root
from service.ledger.events import LedgerBroken
from service.transparency.tree import Source

_AT_ONCE: Final = 128
"""Events that are hashed at a time: whoever else runs in this process waits for them."""

_EVENTS: Final = """
SELECT revision, leaf, leaf_hash FROM ledger WHERE revision > $1 AND revision <= $2
ORDER BY revision
"""
_TILES: Final = """
SELECT t.level, t.number, t.hashes, t.root FROM ledger_tiles t
JOIN unnest($1::smallint[], $2::bigint[]) AS asked (level, number)
ON t.level = asked.level AND t.number = asked.number
"""


async def grown(source: Source, tree: CompactRange, size: int) -> CompactRange:
    """Return the tree after `size` events, of which `tree` has the first ones.

    Raises LedgerBroken naming the first event that is missing or not what its hash says, or the
    first full tile that is not what the events make of it.
    """
    while tree.size < size:
        rows = await source.fetch(_EVENTS, tree.size, min(size, tree.size + _AT_ONCE))
        tree, completed = _appended(tree, rows)
        await _compare(source, completed)
        await asyncio.sleep(0)
    return tree


def _appended(tree: CompactRange, rows: Sequence[Any]) -> tuple[CompactRange, dict[Tile, bytes]]:
    """Return the tree with these events, and the roots of the tiles that they have completed."""
    completed = dict[Tile, bytes]()
    if not rows:
        raise LedgerBroken(f"event {tree.size + 1} is missing from the ledger")
    for row in rows:
        revision, leaf_hash = row["revision"], merkle.leaf_hash(row["leaf"])
        if revision != tree.size + 1:
            raise LedgerBroken(f"event {tree.size + 1} is missing from the ledger")
        if leaf_hash != row["leaf_hash"]:
            raise LedgerBroken(f"event {revision}: its bytes do not have the hash stored with them")
        if revision % WIDTH == 0:
            roots = tree.completed_by(leaf_hash)
            for height in range(HEIGHT, len(roots), HEIGHT):
                tile = Tile(height // HEIGHT - 1, tree.size >> height)
                completed[tile] = roots[height]
        tree = tree.append(leaf_hash)
    return tree, completed


async def _compare(source: Source, completed: dict[Tile, bytes]) -> None:
    """Raise LedgerBroken unless these tiles are stored and have these roots."""
    if not completed:
        return
    levels, numbers = [t.level for t in completed], [t.number for t in completed]
    rows = await source.fetch(_TILES, levels, numbers)
    stored = {Tile(row["level"], row["number"]): (row["hashes"], row["root"]) for row in rows}
    for tile, root in completed.items():
        hashes, stored_root = stored.get(tile, (b"", b""))
        if len(hashes) != WIDTH * HASH_SIZE or not root == stored_root == perfect_root(hashes):
            raise LedgerBroken(
                f"tile {tile.number} of level {tile.level} is not what the events make of it"
            )
