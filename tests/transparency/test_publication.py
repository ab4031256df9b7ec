"""What outsiders read is the definition's to the byte, up to the newest checkpoint, not beyond."""

import random
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import pytest

from service.domain.merkle import EMPTY_ROOT, leaf_hash
from service.domain.proofs import includes, is_consistent
from service.domain.tiles import Tile
from service.ledger.events import LedgerBroken
from tests.ledger.naive_tree import tree_head
from tests.transparency.logs import IDENTITY, entries_of, grow, published, signing, superuser

SIZES: Final = (1, 2, 3, 255, 256, 257, 511, 512, 513, 600)


def by_definition(entries: Sequence[bytes], tile: Tile, width: int) -> bytes:
    """Return a tile as C2SP tlog-tiles defines it."""
    span = 256**tile.level
    first = tile.number * 256
    return b"".join(
        tree_head(entries[at * span : (at + 1) * span]) for at in range(first, first + width)
    )


def taken_apart(bundle: bytes) -> list[bytes]:
    """Return a bundle's entries."""
    entries = []
    while bundle:
        length = 2 + int.from_bytes(bundle[:2], "big")
        entries.append(bundle[2:length])
        bundle = bundle[length:]
    return entries


async def test_tiles_and_bundles_of_every_size_are_the_definitions(database_url: str) -> None:
    """Every tile of every signed size, partial ones later cut from the full one included."""
    size, asked = 0, dict[tuple[Tile, int], bytes]()
    async with signing(database_url) as signer, published(database_url) as log:
        for reached in SIZES:
            await grow(database_url, reached - size)
            size = reached
            await signer.look()
            entries = await entries_of(database_url)
            for tile in (Tile(0, size // 256), Tile(0, 0), Tile(0, 1), Tile(1, 0), Tile(2, 0)):
                if width := tile.width(size):
                    asked[tile, width] = by_definition(entries, tile, width)
            for (tile, width), expected in asked.items():
                assert await log.tile(tile, width) == expected
                if tile.level == 0:
                    found = await log.bundle(tile.number, width)
                    assert found is not None
                    first = tile.number * 256
                    assert taken_apart(found) == entries[first : first + width]


async def test_nothing_is_served_beyond_the_checkpoint(database_url: str) -> None:
    """What was not signed over is not there, though the database has it."""
    await grow(database_url, 300)
    async with signing(database_url) as signer, published(database_url) as log:
        await grow(database_url, 300)
        for tile, width in (
            (Tile(0, 1), 45),
            (Tile(0, 1), 256),
            (Tile(0, 2), 1),
            (Tile(1, 0), 2),
            (Tile(2, 0), 1),
            (Tile(63, 10**17), 256),
        ):
            assert await log.tile(tile, width) is None
            if tile.level == 0:
                assert await log.bundle(tile.number, width) is None
        assert await log.tile(Tile(0, 1), 44) is not None
        assert await log.inclusion(301) is None
        assert await log.consistency(1, 301) is None
        assert await log.holds(301)
        await signer.look()
        assert await log.tile(Tile(0, 1), 256) is not None
        assert await log.inclusion(301) is not None


async def test_before_the_first_checkpoint_there_is_nothing(database_url: str) -> None:
    """Not even what the database has."""
    await grow(database_url, 3)
    async with published(database_url) as log:
        assert await log.note() is None
        assert await log.tile(Tile(0, 0), 3) is None
        assert await log.inclusion(1) is None
        found = await log.consistency(0)
    assert found is not None
    assert found.newer_root == EMPTY_ROOT


async def test_every_event_is_proven(database_url: str) -> None:
    """In the newest tree and in that of an older checkpoint, by their signed roots."""
    async with signing(database_url) as signer, published(database_url) as log:
        for size in (5, 300, 600):
            await grow(database_url, size - (signer.size or 0))
            await signer.look()
        entries = await entries_of(database_url)
        for size in (5, 300, 600):
            for revision in {1, 2, size, *random.sample(range(1, size + 1), 5)}:
                proof = await log.inclusion(revision, size)
                assert proof is not None
                assert proof.leaf == entries[revision - 1]
                signed = IDENTITY.open(proof.note)
                assert signed == proof.checkpoint
                assert signed.root == tree_head(entries[:size])
                leaf = sha256(b"\0" + proof.leaf).digest()
                assert includes(leaf, proof.index, size, proof.hashes, signed.root)
        assert await log.inclusion(6, 5) is None
        assert await log.inclusion(1, 4) is None
        newest = await log.inclusion(600)
        assert newest is not None
        assert newest.checkpoint.size == 600


async def test_any_two_sizes_are_proven_consistent(database_url: str) -> None:
    """Those of checkpoints and those between."""
    await grow(database_url, 600)
    entries = await entries_of(database_url)
    async with signing(database_url), published(database_url) as log:
        pairs = [sorted(random.sample(range(601), 2)) for _ in range(40)]
        for older, newer in (*pairs, (0, 0), (0, 600), (256, 512), (7, 7), (600, 600)):
            proof = await log.consistency(older, newer)
            assert proof is not None
            roots = tree_head(entries[:older]), tree_head(entries[:newer])
            assert (proof.older_root, proof.newer_root) == roots
            assert is_consistent(older, newer, proof.hashes, *roots)
        assert await log.consistency(7, 6) is None
        assert await log.consistency(7, 601) is None


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger SET leaf = 'x' WHERE revision = 10",
        "DELETE FROM ledger WHERE revision = 10",
        "UPDATE ledger_tiles SET hashes = set_bit(hashes, 9, 1 - get_bit(hashes, 9))",
        "UPDATE ledger_tiles SET hashes = substring(hashes for 8000)",
        "UPDATE ledger SET leaf_hash = sha256('x') WHERE revision = 290",
        "DELETE FROM ledger WHERE revision = 290",
        "DELETE FROM ledger_tiles",
    ],
)
async def test_what_is_stored_wrongly_is_not_handed_out_as_a_proof(
    database_url: str, change: str
) -> None:
    """A proof that does not lead to the signed root is an alarm, and no answer."""
    await grow(database_url, 300)
    async with signing(database_url), published(database_url) as log:
        async with superuser(database_url) as database:
            await database.execute(change)
        with pytest.raises(LedgerBroken):
            await log.inclusion(10)


async def test_a_missing_tile_is_not_made_up(database_url: str) -> None:
    """What should be there and is not is said to be missing."""
    await grow(database_url, 300)
    async with signing(database_url), published(database_url) as log:
        async with superuser(database_url) as database:
            await database.execute("DELETE FROM ledger_tiles")
            await database.execute("DELETE FROM ledger WHERE revision = 5")
        with pytest.raises(LedgerBroken, match="tile 0 of level 0"):
            await log.tile(Tile(0, 0), 256)
        with pytest.raises(LedgerBroken, match="missing between 1 and 256"):
            await log.bundle(0, 256)


async def test_entries_of_artists_are_commitments(database_url: str) -> None:
    """Leaf hashes of what is served are the tree's; see the journeys for what is in them."""
    await grow(database_url, 4)
    async with signing(database_url), published(database_url) as log:
        bundle, tile = await log.bundle(0, 4), await log.tile(Tile(0, 0), 4)
    assert bundle is not None
    assert b"".join(leaf_hash(entry) for entry in taken_apart(bundle)) == tile
