"""Checkpoints: how large a log's tree is, and its root (C2SP tlog-checkpoint v1.0.0)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from service.domain.merkle import HASH_SIZE
from service.transparency.keys import SigningKey, VerifierKey, verified
from service.transparency.note import BadNote, Note, decode64, encode64, parse_note

_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_LINES: Final = 4


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself. Nobody has signed it yet."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{encode64(self.root)}\n"

    def signed(self, key: SigningKey) -> Note:
        """Return it with the log's own signature."""
        return Note(self.text(), (key.sign(self.text()),))


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a note's text. Raises BadNote where it is no checkpoint.

    Extension lines are refused: nobody could audit what they say, and no log of ours has any.
    """
    lines = text.split("\n")
    if len(lines) != _LINES or not lines[0] or lines[-1]:
        raise BadNote("a checkpoint has three lines: origin, size and root")
    root = decode64(lines[2])
    if len(root) != HASH_SIZE:
        raise BadNote(f"a root has {HASH_SIZE} bytes")
    return Checkpoint(lines[0], parse_size(lines[1]), root)


def parse_size(text: str) -> int:
    """Read a tree's size: decimal, no leading zeroes. Raises BadNote."""
    if not _DECIMAL.fullmatch(text):
        raise BadNote("a size is a decimal number without leading zeroes")
    return int(text)


def open_checkpoint(
    encoded: str | bytes, trusted: Sequence[VerifierKey]
) -> tuple[Checkpoint, Note]:
    """Read a checkpoint that somebody trusted has signed. Raises BadNote otherwise."""
    note = parse_note(encoded)
    verified(note, trusted)
    return parse_checkpoint(note.text), note
