"""Keys that sign webhooks, as Standard Webhooks 1.0.0 writes them, and their rotation."""

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, Self, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from service.domain.instant import DAY, Duration, Instant
from service.domain.refusal import RefusalKind, refuse

OVERLAP: Final[Duration] = DAY
"""How long the old key goes on signing beside the new one."""

_SHORTEST_SECRET: Final = 24  # bytes
_LONGEST_SECRET: Final = 64
_SEED: Final = 32


class VerifyingKey(Protocol):
    """What a receiver checks signatures with. `version` is the signature scheme it speaks."""

    @property
    def version(self) -> str:
        """`v1` or `v1a`."""

    def verifies(self, content: bytes, signature: bytes) -> bool:
        """Whether the signature was made over exactly this content; constant-time."""


class SigningKey(Protocol):
    """What a sender signs with."""

    @property
    def version(self) -> str:
        """`v1` or `v1a`."""

    def sign(self, content: bytes) -> bytes:
        """Return the signature, undressed."""


@dataclass(frozen=True, slots=True)
class SharedSecret:
    """A secret of both sides (`whsec_`, scheme v1: HMAC-SHA256); 24 to 64 random bytes.

    One per endpoint: whoever has it can forge.
    """

    raw: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not _SHORTEST_SECRET <= len(self.raw) <= _LONGEST_SECRET:
            message = "a webhook secret is whsec_ and 24 to 64 random bytes in base64"
            raise ValueError(message)

    @classmethod
    def read(cls, text: str) -> Self:
        """Read `whsec_…`. Raises ValueError saying what one looks like."""
        return cls(_read(text, "whsec_"))

    @property
    def version(self) -> str:
        """The scheme."""
        return "v1"

    def reveal(self) -> str:
        """Return `whsec_…`, for the receiver and for whoever keeps it."""
        return _write("whsec_", self.raw)

    def sign(self, content: bytes) -> bytes:
        """Return the HMAC-SHA256."""
        return hmac.digest(self.raw, content, hashlib.sha256)

    def verifies(self, content: bytes, signature: bytes) -> bool:
        """Whether this is its HMAC; constant-time."""
        return hmac.compare_digest(self.sign(content), signature)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The half that verifies (`whpk_`, scheme v1a: Ed25519); 32 bytes. It can be shown to all."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != _SEED:
            message = "a webhook's public key is whpk_ and 32 bytes in base64"
            raise ValueError(message)

    @classmethod
    def read(cls, text: str) -> Self:
        """Read `whpk_…`. Raises ValueError saying what one looks like."""
        return cls(_read(text, "whpk_"))

    @property
    def version(self) -> str:
        """The scheme."""
        return "v1a"

    def write(self) -> str:
        """Return `whpk_…`."""
        return _write("whpk_", self.raw)

    def verifies(self, content: bytes, signature: bytes) -> bool:
        """Whether the private half signed this."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, content)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class KeyPair:
    """The half that signs (`whsk_`, scheme v1a: Ed25519), from its 32-byte seed."""

    seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.seed) != _SEED:
            message = "a webhook's signing key is made from 32 random bytes"
            raise ValueError(message)

    @classmethod
    def read(cls, text: str) -> Self:
        """Read `whsk_…`: 64 bytes, the seed and then the public key.

        Raises ValueError for anything else, and where the two halves do not belong together.
        """
        raw = _read(text, "whsk_")
        pair = cls(raw[:_SEED])
        if raw[_SEED:] != pair.public.raw:
            message = "a webhook's signing key is whsk_ and 64 bytes: the seed, then its public key"
            raise ValueError(message)
        return pair

    @property
    def version(self) -> str:
        """The scheme."""
        return "v1a"

    @property
    def public(self) -> PublicKey:
        """The half that receivers get."""
        key = Ed25519PrivateKey.from_private_bytes(self.seed).public_key()
        return PublicKey(key.public_bytes(Encoding.Raw, PublicFormat.Raw))

    def reveal(self) -> str:
        """Return `whsk_…`, for whoever keeps it."""
        return _write("whsk_", self.seed + self.public.raw)

    def sign(self, content: bytes) -> bytes:
        """Return the Ed25519 signature."""
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(content)


Key = TypeVar("Key", SharedSecret, KeyPair)


@dataclass(frozen=True, slots=True)
class KeyRing(Generic[Key]):
    """The key that signs and, for a day after a rotation, the one that signed before."""

    current: Key
    previous: Key | None = None
    rotated_at: Instant | None = None

    def signing(self, now: Instant) -> tuple[Key, ...]:
        """Return what signs at this moment, the current key first."""
        if self.previous is not None and self.overlaps(now):
            return (self.current, self.previous)
        return (self.current,)

    def overlaps(self, now: Instant) -> bool:
        """Whether the key before still signs; it stops exactly a day after the rotation."""
        return self.rotated_at is not None and now < self.rotated_at + OVERLAP


def rotate(ring: KeyRing[Key], new: Key, now: Instant, *, force: bool = False) -> KeyRing[Key]:
    """Return the ring in which the new key signs, beside the one it replaces for 24 hours.

    Raises Refused for a second rotation within these 24 hours, since receivers who have not yet
    taken up the first would be cut off; `force` rotates all the same. A key that leaked should
    not sign on: after a forced rotation make the ring anew from `current` alone.
    """
    if new in (ring.current, ring.previous):
        raise refuse("secret", "secret_reused", "this key has signed before: make a new one")
    if ring.overlaps(now) and not force:
        raise refuse(
            "secret",
            "rotation_in_progress",
            "the last rotation is less than 24 hours old and receivers may still use the key "
            "before it: wait, or force it",
            RefusalKind.CONFLICT,
        )
    return KeyRing(new, ring.current, now)


def _read(text: str, prefix: str) -> bytes:
    message = f"this is no webhook key: it starts with {prefix} and goes on in base64"
    if not text.startswith(prefix):
        raise ValueError(message)
    try:
        return base64.b64decode(text.removeprefix(prefix), validate=True)
    except ValueError:  # binascii's errors among them
        raise ValueError(message) from None


def _write(prefix: str, raw: bytes) -> str:
    return prefix + base64.b64encode(raw).decode("ascii")
