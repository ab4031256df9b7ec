"""Keys of signed notes: Ed25519, for logs (type 1) and for the cosignatures of witnesses (type 4).

A verifier key is `<name>+<key id>+<base64>`, a signing key `PRIVATE+KEY+<name>+<key id>+<base64>`:
C2SP signed-note v1.0.0 and tlog-cosignature v1.0.1, and the forms that Go's note package reads.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from service.transparency.note import (
    BadNote,
    Note,
    Signature,
    decode64,
    encode64,
    require_name,
)

_SEED: Final = 32
_PUBLIC: Final = 32
_TIME: Final = 8
_LATEST: Final = (1 << 63) - 1
_PRIVATE: Final = "PRIVATE+KEY+"


class KeyType(IntEnum):
    """What a key's signatures are of."""

    LOG = 0x01
    """The note's text."""
    WITNESS = 0x04
    """The note's text and the time."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with the name and the type that it is known by."""

    name: str
    type: KeyType
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that its signatures begin with."""
        return sha256(self.name.encode() + b"\n" + bytes([self.type]) + self.public).digest()[:4]

    def __str__(self) -> str:
        encoded = encode64(bytes([self.type]) + self.public)
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    def made(self, signature: Signature) -> bool:
        """Tell whether a signature claims to be this key's."""
        return (signature.name, signature.key_id) == (self.name, self.key_id)

    def verifies(self, text: str, signature: Signature) -> bool:
        """Tell whether a signature is this key's and of this text."""
        value, signed = signature.value, text.encode()
        if not self.made(signature):
            return False
        if self.type is KeyType.WITNESS:
            seconds = int.from_bytes(value[:_TIME], "big")
            if len(value) <= _TIME or seconds > _LATEST:
                return False
            value, signed = value[_TIME:], _cosigned(text, seconds)
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(value, signed)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and the name that it signs by."""

    name: str
    seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Raise BadNote where the name or the seed cannot be one."""
        require_name(self.name)
        if len(self.seed) != _SEED:
            raise BadNote(f"an Ed25519 key has {_SEED} bytes")

    def verifier(self, type_: KeyType = KeyType.LOG) -> VerifierKey:
        """Return the public key, for those who verify."""
        return VerifierKey(self.name, type_, self._private().public_key().public_bytes_raw())

    def sign(self, text: str) -> Signature:
        """Sign a note's text, its last newline included."""
        key_id = self.verifier().key_id
        return Signature(self.name, key_id, self._private().sign(text.encode()))

    def cosign(self, text: str, seconds: int) -> Signature:
        """Sign a checkpoint's text as a witness does, at this POSIX time."""
        key_id = self.verifier(KeyType.WITNESS).key_id
        made = self._private().sign(_cosigned(text, seconds))
        return Signature(self.name, key_id, seconds.to_bytes(_TIME, "big") + made)

    def private_text(self) -> str:
        """Return the key as text that `parse_signing_key` reads. It is a secret."""
        encoded = encode64(bytes([KeyType.LOG]) + self.seed)
        return f"{_PRIVATE}{self.name}+{self.verifier().key_id.hex()}+{encoded}"

    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


def parse_verifier_key(text: str) -> VerifierKey:
    """Read a verifier key. Raises BadNote saying what is wrong with it."""
    name, type_, public = _taken_apart(text)
    if len(public) != _PUBLIC:
        raise BadNote(f"a public Ed25519 key has {_PUBLIC} bytes")
    key = VerifierKey(name, type_, public)
    if str(key) != text:
        raise BadNote("the key id is not that of the name and the key: was either changed?")
    return key


def parse_signing_key(text: str) -> SigningKey:
    """Read a signing key in the form that begins with PRIVATE+KEY. Raises BadNote."""
    if not text.startswith(_PRIVATE):
        raise BadNote(f"a signing key begins with {_PRIVATE}")
    name, _, seed = _taken_apart(text.removeprefix(_PRIVATE))
    key = SigningKey(name, seed)
    if key.private_text() != text:
        raise BadNote("the key id is not that of the name and the key: was either changed?")
    return key


def read_signing_key(text: str, name: str) -> SigningKey:
    """Read a signing key, in that form or as a private Ed25519 key in PEM, for this name.

    Raises BadNote saying how to make one.
    """
    text = text.strip()
    if text.startswith(_PRIVATE):
        key = parse_signing_key(text)
        if key.name != name:
            raise BadNote(f"this key signs as {key.name}, and the log is called {name}")
        return key
    advice = "a signing key is a private Ed25519 key as PEM: openssl genpkey -algorithm ed25519"
    try:
        private = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadNote(advice) from None
    if not isinstance(private, Ed25519PrivateKey):
        raise BadNote(advice)
    return SigningKey(name, private.private_bytes_raw())


def name_in(text: str) -> str | None:
    """Return the name that a signing key brings along, or None where its form has none."""
    stripped = text.strip()
    return parse_signing_key(stripped).name if stripped.startswith(_PRIVATE) else None


def verified(note: Note, trusted: Sequence[VerifierKey]) -> tuple[Signature, ...]:
    """Return the signatures of keys that are trusted; those of unknown keys are ignored.

    Raises BadNote where there is none, and where any of them is wrong.
    """
    known = [(key, one) for one in note.signatures for key in trusted if key.made(one)]
    for key, signature in known:
        if not key.verifies(note.text, signature):
            raise BadNote(f"the signature of {key.name} is not of this text")
    if not known:
        raise BadNote("nobody who is trusted has signed this")
    return tuple(signature for _, signature in known)


def _taken_apart(text: str) -> tuple[str, KeyType, bytes]:
    parts = text.split("+", 2)
    if len(parts) != len(("name", "id", "key")):
        raise BadNote("a key is its name, its id and itself in base64, joined by plus signs")
    value = decode64(parts[2])
    if not value or value[0] not in set(KeyType):
        raise BadNote("only Ed25519 keys are known here, of type 1 or 4")
    return require_name(parts[0]), KeyType(value[0]), value[1:]


def _cosigned(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()
