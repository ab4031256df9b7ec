"""Keys of artists, and the commitments and ciphertexts made with them.

What an artist said stands in the ledger as HMAC-SHA256 under a key of that event alone, so one
event can be opened to an auditor without opening another, and destroying the artist's key makes
all of theirs unreadable while the tree stays whole.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap,
    aes_key_wrap,
)

RandomBytes = Callable[[int], bytes]

_KEY_SIZE = 32
_SUBJECT_SIZE = 16
_GCM_NONCE_SIZE = 12
_COMMIT = b"commit"
_KNOWN = b"fermata key check".ljust(_KEY_SIZE, b"\0")


class CommitmentBroken(Exception):  # noqa: N818 - names what was found
    """A private part does not match what the ledger committed to, or its key is wrong."""


@dataclass(frozen=True, slots=True)
class NewSubject:
    """A fresh reference for an artist with its wrapped key."""

    subject: str
    wrapped_key: bytes


@dataclass(frozen=True, slots=True)
class Sealed:
    """What the ledger keeps of details: the commitment in the leaf, the ciphertext beside it."""

    commitment: str
    ciphertext: bytes


class Vault:
    """Wraps artists' keys under the key encryption key and seals details under artists' keys."""

    def __init__(self, key_encryption_key: bytes, random_bytes: RandomBytes) -> None:
        """Take the 32-byte key encryption key and a source of random bytes."""
        self._kek = key_encryption_key
        self._random = random_bytes

    def fingerprint(self) -> bytes:
        """Return what tells this key encryption key from any other, without telling it."""
        return aes_key_wrap(self._kek, _KNOWN)

    def new_subject(self) -> NewSubject:
        """Make a reference that says nothing about the artist, and a key of their own."""
        key = self._random(_KEY_SIZE)
        return NewSubject(self._random(_SUBJECT_SIZE).hex(), aes_key_wrap(self._kek, key))

    def seal(self, wrapped_key: bytes, nonce: bytes, revision: int, details: bytes) -> Sealed:
        """Commit to details and encrypt them for the event with this nonce and revision."""
        key = self._unwrap(wrapped_key)
        commitment = _commit(key, nonce, details)
        ciphertext = AESGCM(_derive(key, b"encrypt", nonce)).encrypt(
            nonce[:_GCM_NONCE_SIZE], details, _bound_to(revision, commitment)
        )
        return Sealed(commitment, ciphertext)

    def open(self, wrapped_key: bytes, nonce: bytes, revision: int, sealed: Sealed) -> bytes:
        """Return the details. Raises CommitmentBroken unless they are what was committed to."""
        key = self._unwrap(wrapped_key)
        try:
            details = AESGCM(_derive(key, b"encrypt", nonce)).decrypt(
                nonce[:_GCM_NONCE_SIZE], sealed.ciphertext, _bound_to(revision, sealed.commitment)
            )
        except InvalidTag:
            message = f"the private part of event {revision} was altered"
            raise CommitmentBroken(message) from None
        if not hmac.compare_digest(_commit(key, nonce, details), sealed.commitment):
            message = f"the private part of event {revision} is not what the ledger committed to"
            raise CommitmentBroken(message)
        return details

    def commitment_key(self, wrapped_key: bytes, nonce: bytes) -> bytes:
        """Return the key of one event's commitment: HMAC-SHA256 under it over the details.

        Whoever has it can hold those details against the leaf, and learns nothing of other events.
        """
        return _derive(self._unwrap(wrapped_key), _COMMIT, nonce)

    def _unwrap(self, wrapped_key: bytes) -> bytes:
        try:
            return aes_key_unwrap(self._kek, wrapped_key)
        except InvalidUnwrap:
            message = "FERMATA_KEY_ENCRYPTION_KEY is not the key this database was written with"
            raise CommitmentBroken(message) from None


def _derive(key: bytes, purpose: bytes, nonce: bytes) -> bytes:
    info = b"fermata/event/" + purpose + b"/" + nonce
    return HKDF(SHA256(), _KEY_SIZE, salt=None, info=info).derive(key)


def _commit(key: bytes, nonce: bytes, details: bytes) -> str:
    return hmac.digest(_derive(key, _COMMIT, nonce), details, "sha256").hex()


def _bound_to(revision: int, commitment: str) -> bytes:
    return f"{revision}|{commitment}".encode()
