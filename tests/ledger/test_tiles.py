"""Full tiles are written with the events that fill them, and are the definition's to the byte."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import pytest

from service.db.engine import Database
from service.ledger.events import LedgerBroken
from service.ledger.tiles import MOST_AT_ONCE, complete_tiles
from tests.ledger.naive_tree import tree_head
from tests.ledger.writing import appending, breaking, connected
from tests.transparency.logs import entries_of, grow, superuser

Tiles = dict[tuple[int, int], tuple[bytes, bytes]]


async def tiles_of(url: str) -> Tiles:
    """Return every stored tile: its hashes and its root."""
    async with connected(url) as connection:
        rows: list[Any] = await connection.fetch("SELECT * FROM ledger_tiles")
    return {(row["level"], row["number"]): (row["hashes"], row["root"]) for row in rows}


def tiles_by_definition(entries: Sequence[bytes]) -> Tiles:
    """Return every full tile of level 0 over some entries."""
    found: Tiles = {}
    for number in range(len(entries) // 256):
        some = entries[number * 256 : (number + 1) * 256]
        hashes = b"".join(sha256(b"\0" + entry).digest() for entry in some)
        found[0, number] = (hashes, tree_head(some))
    return found


@pytest.mark.parametrize("sizes", [(255, 256, 257), (600,), (511, 512, 1_300)])
async def test_a_tile_is_there_when_it_is_full(database_url: str, sizes: tuple[int, ...]) -> None:
    """Not an event earlier, and none is left out by a group that fills more than one."""
    size = 0
    for reached in sizes:
        await grow(database_url, reached - size)
        size = reached
        entries = await entries_of(database_url)
        assert len(entries) == size
        assert await tiles_of(database_url) == tiles_by_definition(entries)


async def test_a_write_that_is_undone_leaves_no_tile(database_url: str) -> None:
    """A tile is part of the transaction that fills it."""
    await grow(database_url, 255)
    async with appending(database_url) as appender:
        with pytest.raises(RuntimeError, match="broke"):
            await appender.submit(breaking("discovery"))
    assert await tiles_of(database_url) == {}
    await grow(database_url, 1)
    assert await tiles_of(database_url) == tiles_by_definition(await entries_of(database_url))


async def test_tiles_that_an_older_release_left_out_are_caught_up_with(database_url: str) -> None:
    """The next append that fills a tile writes some of those before it, the signer the rest."""
    await grow(database_url, 256 * (MOST_AT_ONCE + 3))
    expected = tiles_by_definition(await entries_of(database_url))
    async with superuser(database_url) as database:
        await database.execute("TRUNCATE ledger_tiles")
    async with Database(database_url, pool_size=1) as database:
        async with database.keep() as session:
            assert not await complete_tiles(session, len(expected) * 256)
        first = {place: tile for place, tile in expected.items() if place[1] < MOST_AT_ONCE}
        assert await tiles_of(database_url) == first
        async with database.keep() as session:
            assert await complete_tiles(session, len(expected) * 256)
            assert await complete_tiles(session, len(expected) * 256)
    assert await tiles_of(database_url) == expected


async def test_a_full_tile_of_tiles_is_written_with_them(database_url: str) -> None:
    """65,536 events fill a tile of level 1; here they are made up, only their hashes count."""
    async with superuser(database_url) as database:
        await database.execute(
            "INSERT INTO ledger SELECT n, 'epoch'::timestamptz + n * interval '1 second', 'k',"
            " int4send(n), sha256('\\x00'::bytea || int4send(n)) FROM generate_series(1, 65536) n"
        )
    async with Database(database_url, pool_size=1) as database, database.keep() as session:
        while not await complete_tiles(session, 65_536, most=64):
            pass
    entries = [number.to_bytes(4, "big") for number in range(1, 65_537)]
    expected = tiles_by_definition(entries)
    roots = b"".join(expected[0, number][1] for number in range(256))
    expected[1, 0] = (roots, tree_head(entries))
    assert await tiles_of(database_url) == expected


async def test_no_tile_is_made_over_a_missing_event(database_url: str) -> None:
    """It would be the tile of another ledger."""
    await grow(database_url, 255)
    async with superuser(database_url) as database:
        await database.execute("DELETE FROM ledger WHERE revision = 100")
    async with Database(database_url, pool_size=1) as database, database.keep() as session:
        with pytest.raises(LedgerBroken, match="lacks some"):
            await complete_tiles(session, 256)
