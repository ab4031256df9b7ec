"""The last checkpoint, kept outside of the database: what a restored backup does not take back."""

from hashlib import sha256
from pathlib import Path
from typing import Final

from service.transparency.checkpoint import Checkpoint, parse_checkpoint
from service.transparency.durable_file import alone_in, write_durably
from service.transparency.note import BadNote, parse_note

_SUFFIX: Final = ".checkpoint"


class KeptBroken(Exception):  # noqa: N818 - names what was found
    """The kept file is there and is no checkpoint of this log."""


class KeptCheckpoint:
    """One log's file in a folder that several processes may share, of several machines as well.

    It is replaced as a whole, so whoever reads it reads a checkpoint. That it never goes back rests
    on the folder's file system, which has to lock a file for all who share it.
    """

    def __init__(self, folder: Path, origin: str) -> None:
        """Take the folder; it is made when something is first kept."""
        self._folder = folder
        self._origin = origin
        self.path = folder / f"{sha256(origin.encode()).hexdigest()[:16]}{_SUFFIX}"

    def read(self) -> str | None:
        """Return the note, or None where none was ever kept. Raises KeptBroken, OSError."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        self._read(text)
        return text

    def advance(self, note: str) -> Checkpoint | None:
        """Keep a note unless what is kept is as large or larger; return what is kept then.

        When it returns, what is kept is on disk. Raises KeptBroken, OSError.
        """
        offered = self._read(note)
        with alone_in(self._folder):
            text = self.read()
            known = None if text is None else self._read(text)
            if known is not None and known.size >= offered.size:
                return known
            write_durably(self.path, note)
            return offered

    def _read(self, text: str) -> Checkpoint:
        try:
            checkpoint = parse_checkpoint(parse_note(text).text)
        except BadNote as error:
            raise KeptBroken(f"{self.path} holds no checkpoint: {error}") from error
        if checkpoint.origin != self._origin:
            raise KeptBroken(f"{self.path} is of another log, {checkpoint.origin}")
        return checkpoint


def origins_kept(folder: Path) -> list[str]:
    """Return the origins of the logs whose checkpoints are kept in a folder. Raises KeptBroken."""
    found = []
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        try:
            note = parse_note(path.read_text(encoding="utf-8"))
            found.append(parse_checkpoint(note.text).origin)
        except BadNote as error:
            raise KeptBroken(f"{path} holds no checkpoint: {error}") from error
    return found
