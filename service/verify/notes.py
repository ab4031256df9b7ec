"""Signed notes, keys and checkpoints, read as C2SP says.

signed-note v1.0.0, tlog-checkpoint v1.0.0, tlog-cosignature v1.0.1; Ed25519 only.
"""

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

OF_A_LOG: Final = 1
OF_A_WITNESS: Final = 4
_ID: Final = 4
_TIME: Final = 8
_KEY: Final = 32
_ROOT: Final = 32
_MOST_LINES: Final = 100
_SIGNATURE: Final = re.compile(r"\u2014 (?P<name>[^\s+]+) (?P<value>[A-Za-z0-9+/]+={0,2})")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")


class Unreadable(ValueError):  # noqa: N818 - names what was found
    """These bytes are not what they should be; the message says why."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key as it is handed on: `name+id+base64(type, key)`."""

    name: str
    type: int
    public: bytes

    @property
    def id(self) -> bytes:
        """The four bytes that its signatures begin with."""
        return sha256(f"{self.name}\n".encode() + bytes([self.type]) + self.public).digest()[:_ID]

    def __str__(self) -> str:
        encoded = b64encode(bytes([self.type]) + self.public).decode()
        return f"{self.name}+{self.id.hex()}+{encoded}"


@dataclass(frozen=True, slots=True)
class Line:
    """One signature: whose it claims to be, and its bytes."""

    name: str
    key_id: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A text with its signatures, none of them verified yet."""

    text: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """What a checkpoint says: a log of this name had this root at this size."""

    origin: str
    size: int
    root: bytes


def read_key(text: str) -> Key:
    """Read a verifier key. Raises Unreadable."""
    parts = text.strip().split("+", 2)
    if len(parts) != len(("name", "id", "key")) or not parts[0] or re.search(r"\s", parts[0]):
        raise Unreadable("a verifier key is written name+id+base64, as `fermata log-key` prints it")
    value = _bytes_of(parts[2])
    if len(value) != 1 + _KEY or value[0] not in {OF_A_LOG, OF_A_WITNESS}:
        raise Unreadable("only Ed25519 keys are known here: of logs (1) and of witnesses (4)")
    key = Key(parts[0], value[0], value[1:])
    if key.id.hex() != parts[1]:
        raise Unreadable("the id in the middle of the key is not that of its name and its bytes")
    return key


def read_note(encoded: bytes | str) -> SignedNote:
    """Take a note apart at its last empty line. Raises Unreadable."""
    try:
        whole = encoded if isinstance(encoded, str) else encoded.decode("utf-8")
    except UnicodeDecodeError:
        raise Unreadable("a note is UTF-8") from None
    if _CONTROL.search(whole):
        raise Unreadable("a note has no control characters beside line ends")
    at = whole.rfind("\n\n")
    if at < 0 or not whole.endswith("\n"):
        raise Unreadable("a note is text, an empty line, and lines of signatures")
    lines = whole[at + 2 : -1].split("\n")
    if len(lines) > _MOST_LINES:
        raise Unreadable(f"a note has 1 to {_MOST_LINES} signatures")
    return SignedNote(whole[: at + 1], tuple(read_line(one) for one in lines))


def read_line(line: str) -> Line:
    """Read one signature line without its end. Raises Unreadable."""
    found = _SIGNATURE.fullmatch(line)
    value = b"" if found is None else _bytes_of(found["value"])
    if found is None or len(value) <= _ID:
        raise Unreadable("a signature is written: dash, name, base64 of key id and signature")
    return Line(found["name"], value[:_ID], value[_ID:])


def read_claim(text: str) -> Claim:
    """Read a checkpoint's text. Raises Unreadable."""
    lines = text.split("\n")
    if len(lines) != len(("origin", "size", "root", "")) or lines[3] or not lines[0]:
        raise Unreadable("a checkpoint is three lines: origin, size, root")
    root = _bytes_of(lines[2])
    if not _SIZE.fullmatch(lines[1]) or len(root) != _ROOT:
        raise Unreadable("a checkpoint's size is a plain number, and its root 32 bytes")
    return Claim(lines[0], int(lines[1]), root)


def signers(note: SignedNote, keys: Sequence[Key]) -> tuple[Key, ...]:
    """Return which of the keys have signed a note.

    Raises Unreadable where a signature claims to be by one of them and is not.
    """
    signed = []
    for line in note.lines:
        for key in keys:
            if (line.name, line.key_id) == (key.name, key.id):
                if not is_by(key, note.text, line):
                    raise Unreadable(f"the signature by {key.name} is not of this text")
                signed.append(key)
    return tuple(signed)


def is_by(key: Key, text: str, line: Line) -> bool:
    """Tell whether a line is this key's signature of a text, or cosignature of a checkpoint."""
    value, message = line.value, text.encode()
    if key.type == OF_A_WITNESS:
        seconds, value = int.from_bytes(value[:_TIME], "big"), value[_TIME:]
        message = f"cosignature/v1\ntime {seconds}\n".encode() + message
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(value, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _bytes_of(text: str) -> bytes:
    try:
        value = b64decode(text, validate=True)
    except binascii.Error:
        raise Unreadable("this is no base64") from None
    if b64encode(value).decode() != text:
        raise Unreadable("this base64 is not in its one spelling")
    return value
