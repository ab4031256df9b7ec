"""Rows that did not get in: told one by one, and kept in a file for whoever mends them."""

import csv
import os
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console

HEADER: Final = ("source", "line", "content", "reason")
SHOWN: Final = 20
"""How many are printed; a file takes them all."""


class Reject(NamedTuple):
    """A row that is not in the service: where it stands, what it was to be, and why not."""

    source: str
    line: int
    content: str | None
    reason: str


class RejectsFile:
    """A CSV file of rejects that can be taken up again where an import left off."""

    def __init__(self, path: Path, keep_bytes: int = 0) -> None:
        """Open the file with its first `keep_bytes`, or anew where that is 0.

        Raises OSError where it cannot be written.
        """
        self._file = path.open("r+" if keep_bytes else "w", encoding="utf-8", newline="")
        self._rows = csv.writer(self._file)
        if keep_bytes:
            os.ftruncate(self._file.fileno(), keep_bytes)
            self._file.seek(0, os.SEEK_END)
        else:
            self._rows.writerow(HEADER)

    @staticmethod
    def holds(path: Path | None, size: int) -> bool:
        """Whether there still is what an interrupted import has written there."""
        if path is None or not size:
            return not size
        return path.is_file() and path.stat().st_size >= size

    def write(self, reject: Reject) -> None:
        """Add one row."""
        self._rows.writerow([*reject])

    def size(self) -> int:
        """How many bytes are written; when this returns they survive the end of the process."""
        self._file.flush()
        return os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Rejects:
    """Prints the first rejects and keeps all of them in a file, if there is one."""

    def __init__(self, console: Console, file: RejectsFile | None) -> None:
        """Take where to print and where to write."""
        self._console = console
        self._file = file
        self._told = 0

    def __call__(self, reject: Reject) -> None:
        """Take one more."""
        if self._file is not None:
            self._file.write(reject)
        self._told += 1
        if self._told <= SHOWN:
            line = f"{reject.source}:{reject.line}: {reject.reason}"
            self._console.print(line, markup=False, soft_wrap=True)
        elif self._told == SHOWN + 1:
            where = "in the file" if self._file else "with --rejects FILE they are all kept"
            self._console.print(f"… and more rows are refused: {where}")

    def size(self) -> int:
        """How long the file is, 0 without one."""
        return 0 if self._file is None else self._file.size()
