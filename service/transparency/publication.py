"""What everybody may read of the log, up to its newest checkpoint and never beyond."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Self

import asyncpg

from service.db.engine import connect
from service.domain.merkle import leaf_hash
from service.domain.proofs import (
    consistency_path,
    includes,
    inclusion_path,
    is_consistent,
)
from service.domain.tiles import WIDTH, Tile, bundle
from service.ledger.events import LedgerBroken
from service.transparency.checkpoint import Checkpoint, parse_checkpoint
from service.transparency.note import parse_note
from service.transparency.tree import range_roots, stored_range, tile_hashes

_MOST_CONNECTIONS: Final = 4
_PATIENCE_SECONDS: Final = 10
_WHOLE_NOTE: Final = """
SELECT c.note || coalesce(string_agg(s.line, '' ORDER BY s.witness), '')
FROM (
    SELECT origin, size, note FROM ledger_checkpoints
    WHERE origin = $1 AND ($2::bigint IS NULL OR size = $2) ORDER BY size DESC LIMIT 1
) c LEFT JOIN ledger_cosignatures s ON s.origin = c.origin AND s.size = c.size
GROUP BY c.note
"""
_NEWEST_SIZE: Final = "SELECT max(size) FROM ledger_checkpoints WHERE origin = $1"
_LEAVES: Final = "SELECT leaf FROM ledger WHERE revision BETWEEN $1 AND $2 ORDER BY revision"
_HEAD: Final = "SELECT size FROM ledger_head"


@dataclass(frozen=True, slots=True)
class Inclusion:
    """That one entry is in the tree of one checkpoint. It has been verified."""

    index: int
    leaf: bytes
    hashes: tuple[bytes, ...]
    checkpoint: Checkpoint
    note: str


@dataclass(frozen=True, slots=True)
class Consistency:
    """That one tree begins with another. It has been verified."""

    older: int
    newer: int
    older_root: bytes
    newer_root: bytes
    hashes: tuple[bytes, ...]


class Publication:
    """The log as outsiders read it, through connections that nobody else waits for."""

    def __init__(self, url: str, origin: str) -> None:
        """Take the database's address and the log's name."""
        self._origin = origin
        self._source: Any = asyncpg.create_pool(
            min_size=0,
            max_size=_MOST_CONNECTIONS,
            connect=partial(_connect, url),
        )

    async def __aenter__(self) -> Self:
        """Return itself; connections open as they are needed."""
        await self._source
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        self._source.terminate()

    @property
    def origin(self) -> str:
        """The log's name."""
        return self._origin

    async def note(self, size: int | None = None) -> str | None:
        """Return the newest checkpoint, or that of a size, with all its signatures, or None."""
        found: str | None = await self._source.fetchval(_WHOLE_NOTE, self._origin, size)
        return found

    async def size(self) -> int:
        """Return how many events the newest checkpoint covers; 0 where there is none."""
        return await self._source.fetchval(_NEWEST_SIZE, self._origin) or 0

    async def holds(self, revision: int) -> bool:
        """Tell whether the ledger has got that far, signed or not."""
        size: int = await self._source.fetchval(_HEAD)
        return 0 < revision <= size

    async def tile(self, tile: Tile, width: int) -> bytes | None:
        """Return the first `width` hashes of a tile; None where no checkpoint covers them.

        Raises LedgerBroken where they should be there and are not.
        """
        if tile.width(await self.size()) < width:
            return None
        return await tile_hashes(self._source, tile, width)

    async def bundle(self, number: int, width: int) -> bytes | None:
        """Return the first `width` entries of a bundle; None where no checkpoint covers them.

        Raises LedgerBroken where one that should be there is not.
        """
        if Tile(0, number).width(await self.size()) < width:
            return None
        first = number * WIDTH + 1
        rows = await self._source.fetch(_LEAVES, first, first + width - 1)
        if len(rows) != width:
            raise LedgerBroken(f"events are missing between {first} and {first + width - 1}")
        return bundle(row["leaf"] for row in rows)

    async def inclusion(self, revision: int, size: int | None = None) -> Inclusion | None:
        """Return the proof of an event in the tree of the newest checkpoint, or in that of a size.

        None where there is no such checkpoint or it does not cover the event. Raises LedgerBroken
        where what is stored does not prove it.
        """
        note = await self.note(size)
        checkpoint = None if note is None else parse_checkpoint(parse_note(note).text)
        if note is None or checkpoint is None or not 0 < revision <= checkpoint.size:
            return None
        path = inclusion_path(revision - 1, checkpoint.size)
        hashes = await range_roots(self._source, path, checkpoint.size)
        rows = await self._source.fetch(_LEAVES, revision, revision)
        leaf = rows[0]["leaf"] if rows else b""
        if not includes(leaf_hash(leaf), revision - 1, checkpoint.size, hashes, checkpoint.root):
            raise LedgerBroken(
                f"what is stored does not prove event {revision} in the tree of {checkpoint.size}"
            )
        return Inclusion(revision - 1, leaf, tuple(hashes), checkpoint, note)

    async def consistency(self, older: int, newer: int | None = None) -> Consistency | None:
        """Return the proof that the tree of `newer` events, or the newest, begins with `older`.

        None where no checkpoint covers them. Raises LedgerBroken where what is stored does not
        prove it.
        """
        size = await self.size()
        newer = size if newer is None else newer
        if not 0 <= older <= newer <= size:
            return None
        old, new = [await stored_range(self._source, one) for one in (older, newer)]
        hashes = await range_roots(self._source, consistency_path(older, newer), newer)
        if not is_consistent(older, newer, hashes, old.root(), new.root()):
            raise LedgerBroken(f"what is stored does not prove that {newer} goes on from {older}")
        return Consistency(older, newer, old.root(), new.root(), tuple(hashes))


async def _connect(url: str, *_: object, **_more: object) -> asyncpg.Connection:
    return await connect(url, writable=True, command_timeout=_PATIENCE_SECONDS)
