"""What artists said, held against what the ledger commits to (HKDF, HMAC and AES-GCM).

    key of an event, for a purpose: HKDF-SHA256(artist's key, "fermata/event/<purpose>/" nonce)
    commitment in the leaf:         HMAC-SHA256(key to "commit", details)
    ciphertext beside it:           AES-256-GCM(key to "encrypt", details), with the additional
                                    data "<revision>|<commitment>"

RFC 5869, RFC 2104, NIST SP 800-38D; artists' keys are wrapped as RFC 3394 says.
"""

import hmac
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

_ZEROES: Final = bytes(32)
_GCM_NONCE: Final = 12
_KNOWN: Final = b"fermata key check" + bytes(15)


class Broken(ValueError):  # noqa: N818 - names what was found
    """A private part is not what the ledger commits to, or cannot be read with its key."""


def is_the_key(key_encryption_key: bytes, fingerprint: bytes) -> bool:
    """Tell whether this is the key encryption key that a database's fingerprint was made with."""
    return hmac.compare_digest(aes_key_wrap(key_encryption_key, _KNOWN), fingerprint)


class ArtistKeys:
    """Opens private parts with artists' keys, and the key that those are wrapped under."""

    def __init__(self, key_encryption_key: bytes) -> None:
        """Take the 32-byte key encryption key."""
        self._kek = key_encryption_key
        self._last: tuple[bytes, bytes] = (b"", b"")

    def open(
        self, wrapped: bytes, nonce: bytes, revision: int, commitment: str, ciphertext: bytes
    ) -> bytes:
        """Return the details of an event. Raises Broken saying in which way they are not its."""
        extracted = self._extracted(wrapped)
        cipher = AESGCM(_expanded(extracted, b"encrypt", nonce))
        bound_to = f"{revision}|{commitment}".encode()
        try:
            details = cipher.decrypt(nonce[:_GCM_NONCE], ciphertext, bound_to)
        except InvalidTag:
            raise Broken("the ciphertext is not of this event, or was altered") from None
        found = hmac.digest(_expanded(extracted, b"commit", nonce), details, "sha256")
        if found.hex() != commitment:
            raise Broken("what it says is not what the ledger commits to")
        return details

    def _extracted(self, wrapped: bytes) -> bytes:
        """Return what RFC 5869 calls PRK; the same artist often speaks twice in a row."""
        if self._last[0] != wrapped:
            try:
                key = aes_key_unwrap(self._kek, wrapped)
            except (InvalidUnwrap, ValueError):
                raise Broken("the artist's key cannot be unwrapped: it was altered") from None
            self._last = wrapped, hmac.digest(_ZEROES, key, "sha256")
        return self._last[1]


def _expanded(extracted: bytes, purpose: bytes, nonce: bytes) -> bytes:
    return hmac.digest(extracted, b"fermata/event/" + purpose + b"/" + nonce + b"\x01", "sha256")
