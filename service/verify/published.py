"""Verifying a log from the outside: its checkpoint, every entry and every tile, and nothing else.

    async with PublicLog(url) as log:
        report, note = await verify_published(log, keys, kept, advance=...)

All is fetched in order and forgotten again: memory does not grow with the log, but for 32 bytes
every 256 entries.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from service.domain.merkle import HASH_SIZE, leaf_hash
from service.verify.claims import NO_LOG_KEY, Placed
from service.verify.entries import Entries
from service.verify.fetching import NotPublic
from service.verify.finding import CannotLook, Findings, Report, Span, What
from service.verify.history import History
from service.verify.notes import OF_A_LOG, Claim, Key, Unreadable, read_claim, read_note, signers
from service.verify.paths import bundle_path, split, tile_path
from service.verify.tree import TILE_HEIGHT, TILE_WIDTH

NOT_PUBLIC: Final = "entries: this log shows them to auditors only"
PRIVATE: Final = "what artists said, and all tables: only the database has them"
_AT_ONCE: Final = 4
_GIVE_UP: Final = 8
"""Pieces in a row of which nothing is there: a made-up size would have it ask for ever."""

Advance: TypeAlias = Callable[[int, int], None]


class Log(Protocol):
    """Where a log's files come from."""

    async def get(self, path: str) -> bytes | None:
        """Return a file, or None where there is none. Raises NotPublic, CannotLook."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """Neighbouring entries, and the tile of their hashes."""

    number: int
    width: int
    entries: bytes | None
    tile: bytes | None


def _silent(_done: int, _all: int) -> None:
    """Tell nobody."""


async def verify_published(
    log: Log, keys: Sequence[Key], kept: Sequence[Placed] = (), *, advance: Advance = _silent
) -> tuple[Report, str]:
    """Look at everything that a log publishes; return also its checkpoint, to be kept.

    `kept` are older checkpoints of it. Raises CannotLook where it cannot be reached, or where what
    it calls its checkpoint is none of these keys'.
    """
    findings = Findings()
    note, claim = await _checkpoint(log, keys, findings)
    for one in kept:
        if one.claim.origin != claim.origin:
            raise CannotLook(f"{one.where} is of {one.claim.origin}, and this is {claim.origin}")
    signed = Placed(claim, "checkpoint", signed=True)
    reading = _Reading(findings, History(findings, [signed, *kept]))
    async with aclosing(_pieces(log, claim.size)) as pieces:
        async for piece in pieces:
            reading.take(piece)
            if reading.nothing_there >= _GIVE_UP:
                return reading.given_up(claim), note
            advance(min(piece.number * TILE_WIDTH + piece.width, claim.size), claim.size)
    await reading.end(log, claim.size)
    findings.could_not_see(PRIVATE)
    return findings.report(claim.size, claim.root), note


async def _checkpoint(log: Log, keys: Sequence[Key], findings: Findings) -> tuple[str, Claim]:
    encoded = await log.get("checkpoint")
    if encoded is None:
        raise CannotLook("there is no checkpoint at this address: is it a log's?")
    try:
        note = read_note(encoded)
        claim = read_claim(note.text)
        logs = [key for key in keys if key.type == OF_A_LOG]
        if not logs:
            findings.could_not_see(NO_LOG_KEY)
        elif not signers(note, [key for key in logs if key.name == claim.origin]):
            raise CannotLook(f"the checkpoint of {claim.origin} is signed by none of the keys")
    except Unreadable as error:
        raise CannotLook(f"what is called the checkpoint is none: {error}") from error
    findings.saw("checkpoints")
    return encoded.decode(), claim


class _Reading:
    """Takes pieces in order."""

    def __init__(self, findings: Findings, history: History) -> None:
        self._findings = findings
        self._history = history
        self._entries = Entries(findings)
        self.nothing_there = 0
        """How many pieces there was nothing of, one after the other, up to now."""

    def given_up(self, claim: Claim) -> Report:
        """Return what there is to say of a log that does not have what its checkpoint speaks of."""
        size = self._history.tree.size
        says = f"the checkpoint covers {claim.size} events, and there is nothing after these"
        self._findings.add(What.EVENT_MISSING, size + 1, "tile/entries", says)
        self._findings.could_not_see(PRIVATE)
        return self._findings.report(claim.size, claim.root)

    def take(self, piece: _Piece) -> None:
        """Look at some entries and their tile."""
        first = piece.number * TILE_WIDTH + 1
        self.nothing_there = 0 if piece.tile or piece.entries else self.nothing_there + 1
        named = tile_path(0, piece.number, piece.width)
        if piece.tile is None or len(piece.tile) != piece.width * HASH_SIZE:
            says = "this tile is not there, or not whole"
            span = Span(What.TILE_MISSING, first, first + piece.width - 1, named, says)
            self._findings.add_span(span)
        tile = (piece.tile or b"").ljust(piece.width * HASH_SIZE, b"\0")
        if piece.entries is None:
            self._findings.could_not_see(NOT_PUBLIC, piece.width)
            self._history.take(tile[: piece.width * HASH_SIZE], ())
            return
        self._findings.saw("tiles")
        hashes = self._hashes(piece, first)
        for place, one in enumerate(hashes):
            if piece.tile and tile[place * HASH_SIZE : (place + 1) * HASH_SIZE] != one:
                revision = first + place
                says = f"its hash {place} is not that of event {revision}"
                self._findings.add(What.TILE_ALTERED, revision, named, says)
        self._history.take(b"".join(hashes), ())

    def _hashes(self, piece: _Piece, first: int) -> list[bytes]:
        """Return the hashes of the entries, and zeroes for those that are not there."""
        hashes, bundle = [], piece.entries or b""
        entries = list(split(bundle))[: piece.width]
        for revision, entry in enumerate(entries, start=first):
            self._entries.take(revision, entry, f"entry {revision}")
            hashes.append(leaf_hash(entry))
        if len(entries) < piece.width:
            named = bundle_path(piece.number, piece.width)
            says = f"it has {len(hashes)} whole entries, and there are {piece.width}"
            self._findings.add(What.EVENT_MISSING, first + len(hashes), named, says)
        elif sum(2 + len(entry) for entry in entries) != len(bundle):
            named = bundle_path(piece.number, piece.width)
            says = "something stands behind its last entry"
            self._findings.add(What.EVENT_EXTRA, first + piece.width, named, says)
        return [*hashes, *[bytes(HASH_SIZE)] * piece.width][: piece.width]

    async def end(self, log: Log, size: int) -> None:
        """Look at the tiles above the entries, and hold all against the checkpoints."""
        tree = self._history.tree
        level = 1
        while level <= len(tree.tile_roots):
            roots = tree.tile_roots[level - 1]
            for number in range(-(-len(roots) // TILE_WIDTH)):
                made = roots[number * TILE_WIDTH : (number + 1) * TILE_WIDTH]
                stored = await _tile(log, level, number, len(made))
                self._hold(level, number, made, stored)
            level += 1
        self._history.end(())
        if tree.size < size:  # pragma: no cover - pieces come for every entry
            raise CannotLook("the log was not read to its end")

    def _hold(self, level: int, number: int, made: list[bytes], stored: bytes | None) -> None:
        named = tile_path(level, number, len(made))
        height = TILE_HEIGHT * level
        if stored is None or len(stored) != len(made) * HASH_SIZE:
            index = number * TILE_WIDTH
            first, last = (index << height) + 1, (index + len(made)) << height
            says = "this tile is not there, or not whole"
            self._findings.add_span(Span(What.TILE_MISSING, first, last, named, says))
            return
        self._findings.saw("tiles")
        for place, one in enumerate(made):
            if stored[place * HASH_SIZE : (place + 1) * HASH_SIZE] != one:
                index = number * TILE_WIDTH + place
                first, last = (index << height) + 1, (index + 1) << height
                says = f"its hash {place} is not that of the events {first} to {last}"
                self._findings.add_span(Span(What.TILE_ALTERED, first, last, named, says))


async def _pieces(log: Log, size: int) -> AsyncGenerator[_Piece]:
    """Yield everything in order, while what comes next is being fetched."""
    waiting: deque[asyncio.Task[_Piece]] = deque()
    try:
        for number in range(-(-size // TILE_WIDTH)):
            width = min(TILE_WIDTH, size - number * TILE_WIDTH)
            waiting.append(asyncio.create_task(_piece(log, number, width)))
            if len(waiting) >= _AT_ONCE:
                yield await waiting.popleft()
        while waiting:
            yield await waiting.popleft()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _piece(log: Log, number: int, width: int) -> _Piece:
    try:
        entries = await _entries(log, number, width)
    except NotPublic:
        entries = None
    return _Piece(number, width, entries, await _tile(log, 0, number, width))


async def _entries(log: Log, number: int, width: int) -> bytes:
    """Return the bundle. A log that has grown may have the full one only: its beginning is it."""
    found = await log.get(bundle_path(number, width))
    if found is None and width < TILE_WIDTH:
        full = await log.get(bundle_path(number, TILE_WIDTH))
        entries = list(split(full or b""))[:width]
        found = b"".join(len(one).to_bytes(2, "big") + one for one in entries)
    return found or b""


async def _tile(log: Log, level: int, number: int, width: int) -> bytes | None:
    try:
        found = await log.get(tile_path(level, number, width))
        if found is None and width < TILE_WIDTH:
            full = await log.get(tile_path(level, number, TILE_WIDTH))
            found = None if full is None else full[: width * HASH_SIZE]
    except NotPublic:
        return None
    return found
