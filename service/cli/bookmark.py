"""How far an import has come, in a small file that survives whatever kills the importer."""

import json
import os
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Self

_FORMAT = 1


@dataclass(slots=True)
class Place:
    """A place in the stream of rows, and what had happened up to it.

    `run` names the import. `rows` is how many rows were done with, `digest` a digest of them all,
    by which a catalogue that has changed is told; `counts` are the report's, and `rejects_bytes`
    is how long the file of refused rows was.
    """

    run: str = field(default_factory=lambda: uuid.uuid4().hex)
    rows: int = 0
    digest: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    rejects_bytes: int = 0


class Bookmark:
    """Keeps one import's place; the file is replaced whole, so it is never half written."""

    def __init__(self, path: Path, *about: str) -> None:
        """Take the file, and what tells this import from others: its catalogue and service.

        A file that was written about another import, or that cannot be read, counts as none.
        """
        self._path = path
        self._about = sha256("\n".join(about).encode()).hexdigest()
        self.place = self._found() or Place()

    @classmethod
    def default_path(cls, *about: str, environ: Mapping[str, str] = os.environ) -> Path:
        """Where the place of such an import is kept unless told otherwise (XDG's state folder)."""
        home = environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        name = sha256("\n".join(about).encode()).hexdigest()[:16]
        return Path(home) / "fermata" / f"import-{name}.json"

    def start_over(self) -> Self:
        """Forget the place that was found; the import begins at its first row."""
        self.place = Place()
        return self

    def keep(self) -> None:
        """Write the place down; when this returns it survives the end of the process."""
        kept = {"format": _FORMAT, "about": self._about, **asdict(self.place)}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(kept, file)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(self._path)

    def remove(self) -> None:
        """Forget the file: the import is complete."""
        self._path.unlink(missing_ok=True)

    def _found(self) -> Place | None:
        try:
            kept = json.loads(self._path.read_text("utf-8"))
            if (kept.pop("format"), kept.pop("about")) != (_FORMAT, self._about):
                return None
            return Place(**kept)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None
