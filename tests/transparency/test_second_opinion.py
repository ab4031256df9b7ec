"""Another implementation reads our log, makes its own proofs from our tiles, and accepts ours.

`tlog-scales` is Apache-2.0 and shares nothing with us but the specifications.
"""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest

from service.domain.tiles import Tile, parse_level, parse_number
from service.transparency.keys import KeyType, SigningKey
from service.transparency.publication import Publication
from tests.transparency.logs import KEY, entries_of, grow, published, signing

tlog = pytest.importorskip("tlog_scales.tlog", reason="the second opinion is not installed")
reader = pytest.importorskip("tlog_scales.reader")
notes = pytest.importorskip("tlog_scales.signing")


class Backend:
    """What its reader asks for, answered by our publication."""

    def __init__(self, log: Publication, loop: asyncio.AbstractEventLoop) -> None:
        """Take the log, and the loop that it runs in."""
        self._log = log
        self._loop = loop

    def get(self, *path: str) -> bytes | None:
        """Return a file of the log; called from a thread."""
        return asyncio.run_coroutine_threadsafe(self._get(*path), self._loop).result(20)

    async def _get(self, first: str, *rest: str) -> bytes | None:
        if first == "checkpoint":
            note = await self._log.note()
            return None if note is None else note.encode()
        number = parse_number("/".join(rest[1:]))
        assert number is not None
        if rest[0] == "entries":
            return await self._log.bundle(*number)
        level = parse_level(rest[0])
        assert level is not None
        return await self._log.tile(Tile(level, number[0]), number[1])


@pytest.mark.parametrize("size", [1, 255, 256, 257, 600])
async def test_it_reads_the_log_and_agrees(database_url: str, size: int) -> None:
    """Checkpoint, root, entries, and both kinds of proof, in both directions."""
    await grow(database_url, size)
    entries = await entries_of(database_url)
    async with signing(database_url), published(database_url) as log:
        backend = Backend(log, asyncio.get_running_loop())
        await asyncio.to_thread(_read_all, backend, entries)
        for _ in range(10):
            older, newer = sorted(random.choices(range(1, size + 1), k=2))
            ours = await log.consistency(older, newer)
            assert ours is not None
            theirs = tlog.ConsistencyProof(older, newer, list(ours.hashes))
            theirs.check(ours.older_root, ours.newer_root)
            proof = await log.inclusion(older)
            assert proof is not None
            checked = tlog.InclusionProof(proof.index, size, list(proof.hashes))
            checked.check(_hash(proof.leaf), proof.checkpoint.root)


def _read_all(backend: Backend, entries: Sequence[bytes]) -> None:
    theirs: Any = reader.TilesReader(backend)
    checkpoint = theirs.get_checkpoint()
    checkpoint.verify(notes.Vkey.from_string(str(KEY.verifier())))
    assert checkpoint.size == len(entries)
    assert theirs.calculate_root_hash() == checkpoint.root_hash
    for index in {0, len(entries) - 1, len(entries) // 2}:
        assert theirs.get_entry(index) == entries[index]
        proof = theirs.get_inclusion_proof(index, len(entries))
        proof.check(_hash(entries[index]), checkpoint.root_hash)


def _hash(entry: bytes) -> bytes:
    hashed: bytes = pytest.importorskip("tlog_scales.tiles").leaf_hash(entry)
    return hashed


def test_it_accepts_a_cosignature() -> None:
    """Made by a witness of ours, verified by it with the key as it is written."""
    witness = SigningKey("witness.example/w1", bytes(32))
    text = "log.example/log\n7\n" + "A" * 43 + "=\n"
    line = witness.cosign(text, 1_700_000_000).line().removesuffix("\n")
    checkpoint = tlog.Checkpoint.from_text(f"{text}\n{line}\n")
    checkpoint.verify(notes.Vkey.from_string(str(witness.verifier(KeyType.WITNESS))))
