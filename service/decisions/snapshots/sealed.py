"""A file of sealed chunks: nothing in it can be read, changed, cut, swapped or taken from another.

    preamble | header, sealed | chunk 1, sealed | chunk 2, sealed | …

The preamble is in clear. It says the format, how far the content goes, how much follows, and a salt
of this file's own. Header and chunks are AES-256-GCM under a key derived from ours and that salt.
Chunk `n` has the nonce `n` (the header is chunk 0), so no nonce ever comes twice under one key; it
is bound to the preamble, which says how many there are, to its number and to the header. A chunk is
opened right into the memory that it is meant for, so reading takes one chunk beside what is read.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO, Final, Self, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from service.domain.instant import Instant
from service.ledger.vault import RandomBytes

FORMAT: Final = 1
"""The number of the format and of the layout of an index in it. Whoever changes either raises it:
the framing here, the header's fields, names and types of parts, and what numbers in them mean."""

CHUNK: Final = 1 << 22
"""Bytes sealed together."""

_MAGIC: Final = b"FERMATAX"
_PREAMBLE: Final = struct.Struct(">8sIQqQIIQ32s")
PREAMBLE_SIZE: Final = _PREAMBLE.size
_TAG: Final = 16
_SALT: Final = 32
_KEY: Final = 32
_NONCE: Final = 12

Buffer: TypeAlias = memoryview


class SnapshotUnusable(Exception):  # noqa: N818 - names what was found
    """A snapshot cannot be used. The index is built from the ledger instead."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How far an index has come: its last event, and how many ids it knows."""

    revision: int
    recorded_at: Instant
    ids: int


@dataclass(frozen=True, slots=True)
class Preamble:
    """What a file says of itself in clear, and nobody should believe before it is opened."""

    format: int
    reach: Reach
    chunks: int
    header_size: int
    body_size: int
    salt: bytes

    def to_bytes(self) -> bytes:
        """Return it as it lies in the file."""
        return _PREAMBLE.pack(
            _MAGIC,
            self.format,
            self.reach.revision,
            self.reach.recorded_at,
            self.reach.ids,
            self.chunks,
            self.header_size,
            self.body_size,
            self.salt,
        )

    @classmethod
    def from_bytes(cls, text: bytes) -> Self:
        """Read it. Raises SnapshotUnusable where that is no snapshot, or one of another format."""
        if len(text) != _PREAMBLE.size:
            raise SnapshotUnusable("it is too short to be a snapshot")
        magic, number, revision, recorded_at, ids, *fields = _PREAMBLE.unpack(text)
        if magic != _MAGIC:
            raise SnapshotUnusable("it is no snapshot")
        if number != FORMAT:
            raise SnapshotUnusable(f"it is of format {number}, and this release reads {FORMAT}")
        return cls(number, Reach(revision, recorded_at, ids), *fields)

    @property
    def file_size(self) -> int:
        """The bytes of the whole file."""
        sealed = self.header_size + self.body_size + _TAG * (self.chunks + 1)
        return _PREAMBLE.size + sealed


class _Seal:
    """Nonces, and what each chunk is bound to, under the key of one file."""

    def __init__(self, key: bytes, preamble: Preamble) -> None:
        derived = HKDF(SHA256(), _KEY, salt=preamble.salt, info=b"fermata/index snapshot file")
        self._cipher = AESGCM(derived.derive(key))
        self._preamble = preamble.to_bytes()
        self._header = b""

    def close_header(self, header: bytes) -> bytes:
        sealed = self._cipher.encrypt(_nonce(0), header, self._bound(0))
        self._header = sha256(header).digest()
        return sealed

    def open_header(self, sealed: bytes) -> bytes:
        header = self._cipher.decrypt(_nonce(0), sealed, self._bound(0))
        self._header = sha256(header).digest()
        return header

    def close(self, number: int, plain: Buffer, sealed: Buffer) -> None:
        self._cipher.encrypt_into(_nonce(number), plain, self._bound(number), sealed)

    def open(self, number: int, sealed: Buffer, plain: Buffer) -> None:
        self._cipher.decrypt_into(_nonce(number), sealed, self._bound(number), plain)

    def _bound(self, number: int) -> bytes:
        return self._preamble + number.to_bytes(8) + self._header


def write_sealed(
    file: BinaryIO,
    key: bytes,
    header: bytes,
    body: Sequence[Buffer],
    *,
    reach: Reach,
    random_bytes: RandomBytes,
) -> None:
    """Write a file that says in clear how far it reaches."""
    preamble = Preamble(
        format=FORMAT,
        reach=reach,
        chunks=sum(1 for part in body for _ in _chunks(part)),
        header_size=len(header),
        body_size=sum(len(part) for part in body),
        salt=random_bytes(_SALT),
    )
    seal, room = _Seal(key, preamble), memoryview(bytearray(CHUNK + _TAG))
    file.write(preamble.to_bytes() + seal.close_header(header))
    file.flush()  # what it stands at can be seen from now on
    chunks = (chunk for part in body for chunk in _chunks(part))
    for number, chunk in enumerate(chunks, start=1):
        sealed = room[: len(chunk) + _TAG]
        seal.close(number, chunk, sealed)
        file.write(sealed)


def read_preamble(file: BinaryIO) -> Preamble:
    """Read what a file says in clear. Raises SnapshotUnusable."""
    return Preamble.from_bytes(file.read(PREAMBLE_SIZE))


def read_sealed(
    file: BinaryIO, size: int, key: bytes, allocate: Callable[[bytes], Sequence[Buffer]]
) -> Preamble:
    """Read a file of `size` bytes into the memory that `allocate` returns for its header.

    Only when it returns is everything in there true. Raises SnapshotUnusable.
    """
    preamble = read_preamble(file)
    if preamble.file_size != size:
        raise SnapshotUnusable(f"it should have {preamble.file_size} bytes and has {size}")
    seal = _Seal(key, preamble)
    try:
        body = allocate(seal.open_header(file.read(preamble.header_size + _TAG)))
        chunks = [chunk for part in body for chunk in _chunks(part)]
        if len(chunks) != preamble.chunks or sum(map(len, chunks)) != preamble.body_size:
            raise SnapshotUnusable("its header does not speak of what follows")
        room = memoryview(bytearray(CHUNK + _TAG))
        for number, chunk in enumerate(chunks, start=1):
            sealed = room[: len(chunk) + _TAG]
            _fill(file, sealed)
            seal.open(number, sealed, chunk)
    except InvalidTag:
        raise SnapshotUnusable(
            "it was altered, or written under another FERMATA_KEY_ENCRYPTION_KEY"
        ) from None
    return preamble


def _chunks(part: Buffer) -> Iterator[Buffer]:
    """Take a part into chunks; each part begins a new one, and an empty part has none."""
    return (part[start : start + CHUNK] for start in range(0, len(part), CHUNK))


def _fill(file: BinaryIO, room: Buffer) -> None:
    filled = 0
    while filled < len(room):
        read = file.readinto(room[filled:])  # type: ignore[attr-defined]  # every binary file has it
        if not read:
            raise SnapshotUnusable("it ends too early")
        filled += read


def _nonce(number: int) -> bytes:
    return number.to_bytes(_NONCE)
