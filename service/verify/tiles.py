"""Full tiles as they are stored, and the root beside each, against the hashes of the events."""

from typing import Any, Final

from service.domain.merkle import HASH_SIZE
from service.verify.connecting import Connection
from service.verify.finding import Findings, Span, What
from service.verify.tree import TILE_HEIGHT, TILE_WIDTH, Tree, hashes_in

_LOWER: Final = """
SELECT number, coalesce(hashes, '') FROM ledger_tiles
WHERE level = 0 AND number >= $1 AND number < $2 ORDER BY number
"""
_TILES: Final = """
SELECT level, number, root, CASE WHEN level > 0 THEN coalesce(hashes, '') END AS hashes
FROM ledger_tiles ORDER BY level, number
"""
_ROWS: Final = 1_000
_TILES_AT_ONCE: Final = 100
_BYTES: Final = TILE_WIDTH * HASH_SIZE


class LowerTiles:
    """The tiles of one range of events. It begins with a tile; its last tile may not be full."""

    def __init__(self, after: int, leaves: bytes | bytearray, findings: Findings) -> None:
        """Take the hashes of the events that follow `after`, end to end."""
        self._first = after // TILE_WIDTH
        self._end = self._first + len(leaves) // _BYTES
        self._leaves = leaves
        self._findings = findings

    async def hold(self, connection: Connection) -> None:
        """Find each full tile that is missing, and each hash in one that is no event's."""
        expected = self._first
        cursor = await connection.cursor(_LOWER, self._first, self._end)
        while rows := await cursor.fetch(_TILES_AT_ONCE):
            for number, hashes in rows:
                self._missing(expected, number)
                self._hold(number, hashes)
                expected = number + 1
        self._missing(expected, self._end)

    def _missing(self, first: int, end: int) -> None:
        for number in range(first, end):
            says = "this full tile is not there"
            revision = number * TILE_WIDTH + 1
            self._findings.add(What.TILE_MISSING, revision, _named(0, number), says)

    def _hold(self, number: int, hashes: bytes) -> None:
        self._findings.saw("tiles")
        begin = (number - self._first) * _BYTES
        leaves = bytes(self._leaves[begin : begin + _BYTES])
        if hashes == leaves:
            return
        pairs = zip(hashes_in(hashes.ljust(_BYTES, b"\0")), hashes_in(leaves), strict=False)
        for place, (stored, made) in enumerate(pairs):
            if stored != made:
                revision = number * TILE_WIDTH + place + 1
                says = f"its hash {place} is not that of event {revision}: one of them was changed"
                self._findings.add(What.TILE_ALTERED, revision, _named(0, number), says)
        if len(hashes) > _BYTES:
            says = f"it has {len(hashes)} bytes"
            self._findings.add(What.TILE_ALTERED, number * TILE_WIDTH + 1, _named(0, number), says)


async def hold_upper_tiles(connection: Connection, tree: Tree, findings: Findings) -> None:
    """Hold every stored root, and every tile above level 0, against a tree of all events."""
    expected = {
        (level, number)
        for level, roots in enumerate(tree.tile_roots)
        for number in range(len(roots))
    }
    cursor = await connection.cursor(_TILES)
    while rows := await cursor.fetch(_ROWS):
        for row in rows:
            if (row["level"], row["number"]) in expected:
                expected.discard((row["level"], row["number"]))
                _hold(row, tree, findings)
            else:
                says = "the ledger has no such full tile"
                findings.add(What.ROW_EXTRA, None, _named(row["level"], row["number"]), says)
    for level, number in sorted(expected):
        if level:  # those of events were looked for with them
            first, last = _revisions(level + 1, number)
            says = "this full tile is not there"
            findings.add_span(Span(What.TILE_MISSING, first, last, _named(level, number), says))


def _hold(row: Any, tree: Tree, findings: Findings) -> None:
    level, number, hashes = row["level"], row["number"], row["hashes"]
    named = _named(level, number)
    if row["root"] != tree.tile_roots[level][number]:
        first, last = _revisions(level + 1, number)
        says = f"the root beside it is not its own, or not that of the events {first} to {last}"
        findings.add_span(Span(What.TILE_ALTERED, first, last, named, says))
    if hashes is None:
        return
    findings.saw("tiles")
    begin = number * TILE_WIDTH
    for place, made in enumerate(tree.tile_roots[level - 1][begin : begin + TILE_WIDTH]):
        if hashes[place * HASH_SIZE : (place + 1) * HASH_SIZE] != made:
            first, last = _revisions(level, begin + place)
            says = f"its hash {place} is not that of the events {first} to {last}"
            findings.add_span(Span(What.TILE_ALTERED, first, last, named, says))


def _revisions(level: int, index: int) -> tuple[int, int]:
    """Return the first and the last of the events beneath one hash of a level of tiles."""
    height = TILE_HEIGHT * level
    return (index << height) + 1, (index + 1) << height


def _named(level: int, number: int) -> str:
    return f"ledger_tiles {level}/{number}"
