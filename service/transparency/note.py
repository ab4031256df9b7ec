"""Signed notes: a text, an empty line, and signatures of it (C2SP signed-note v1.0.0)."""

import base64
import binascii
from dataclasses import dataclass
from typing import Final

MOST_SIGNATURES: Final = 100
_KEY_ID: Final = 4
_MARK: Final = "— "


class BadNote(ValueError):  # noqa: N818 - names what was found
    """A text is no signed note, or none of those that it has to be."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line. Whose it is, only its verifier can say."""

    name: str
    key_id: bytes
    value: bytes

    def line(self) -> str:
        """Return the line as it stands in a note, its newline included."""
        return f"{_MARK}{self.name} {encode64(self.key_id + self.value)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends in a newline, and its signatures, none of them verified."""

    text: str
    signatures: tuple[Signature, ...]

    def encode(self) -> str:
        """Return the note as it is handed on."""
        return f"{self.text}\n" + "".join(signature.line() for signature in self.signatures)


def parse_note(encoded: str | bytes) -> Note:
    """Read a note. Raises BadNote saying what is wrong with it."""
    if isinstance(encoded, bytes):
        try:
            encoded = encoded.decode()
        except UnicodeDecodeError:
            raise BadNote("a signed note is UTF-8") from None
    if any(one < " " and one != "\n" for one in encoded):
        raise BadNote("a signed note has no control characters but newlines")
    text, found, lines = encoded.rpartition("\n\n")
    if not found or not lines.endswith("\n"):
        raise BadNote("a signed note is a text, an empty line and signature lines")
    return Note(f"{text}\n", parse_signatures(lines))


def parse_signatures(lines: str) -> tuple[Signature, ...]:
    """Read signature lines, one or more. Raises BadNote."""
    split = lines.removesuffix("\n").split("\n")
    if len(split) > MOST_SIGNATURES or not lines.endswith("\n"):
        raise BadNote(f"a note has at most {MOST_SIGNATURES} signatures, each on a line of its own")
    return tuple(_signature(line) for line in split)


def _signature(line: str) -> Signature:
    name, found, encoded = line.removeprefix(_MARK).partition(" ")
    if not line.startswith(_MARK) or not found:
        raise BadNote("a signature line is a dash, a name and the signature in base64")
    value = decode64(encoded)
    if len(value) <= _KEY_ID:
        raise BadNote("a signature follows the four bytes of its key's id")
    return Signature(require_name(name), value[:_KEY_ID], value[_KEY_ID:])


def require_name(name: str) -> str:
    """Return a key's name. Raises BadNote where none may be called that."""
    if not name or "+" in name or any(one.isspace() or one < " " for one in name):
        raise BadNote("a key's name is not empty and has neither spaces nor plus signs")
    return name


def encode64(value: bytes) -> str:
    """Return standard base64 with its padding (RFC 4648 section 4)."""
    return base64.b64encode(value).decode("ascii")


def decode64(text: str) -> bytes:
    """Read standard base64 in its one spelling. Raises BadNote."""
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadNote("this is not standard base64") from None
    if encode64(value) != text:
        raise BadNote("this is not the one spelling of these bytes in base64")
    return value
