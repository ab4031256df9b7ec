"""Where the local issuer keeps who signed in, until their code is redeemed.

One process keeps that in memory. Where several answer at one address, the one that is asked to
redeem a code need not be the one that gave it: they share a folder.
"""

from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

_MOST: Final = 1_000


class Codes(Protocol):
    """What is known of a sign-in, by the code that was given for it."""

    def put(self, code: str, known: str) -> None:
        """Keep it."""

    def take(self, code: str) -> str | None:
        """Return what was kept, to the first who asks and to nobody after."""


class CodesInMemory:
    """Of this process alone, and no more than a thousand."""

    def __init__(self) -> None:
        """Start with none."""
        self._kept: dict[str, str] = {}

    def put(self, code: str, known: str) -> None:
        """Keep it, and forget the oldest where there are too many."""
        self._kept[code] = known
        if len(self._kept) > _MOST:
            del self._kept[next(iter(self._kept))]

    def take(self, code: str) -> str | None:
        """Return what was kept, to the first who asks and to nobody after."""
        return self._kept.pop(code, None)


class CodesInFolder:
    """Of all processes that are given the same folder, which is private and goes when they do."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; it is made where it is missing."""
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(self, code: str, known: str) -> None:
        """Keep it, in a file of its own."""
        self._path(code).write_text(known, "utf-8")

    def take(self, code: str) -> str | None:
        """Return what was kept, to the first who asks and to nobody after."""
        path = self._path(code)
        try:
            known = path.read_text("utf-8")
            path.unlink()  # which only one can do
        except FileNotFoundError:
            return None
        return known

    def _path(self, code: str) -> Path:
        return self._folder / sha256(code.encode()).hexdigest()
