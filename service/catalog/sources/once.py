"""The last look at every row: fit for the service, and each content only once."""

import sqlite3
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

from service.catalog.sources.track import BadRow, Track, track_problem


class FirstPlaces:
    """Where each content identifier was seen first, in constant memory however many there are.

    It keeps them in a nameless file of SQLite's that nobody else sees and that is gone when it is
    closed: a catalogue of a hundred million tracks costs disk, not memory. It is no database of
    the service's. It may be used from another thread than the one that made it, by one at a time.
    """

    def __init__(self) -> None:
        self._places = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._places.execute("PRAGMA journal_mode = OFF")
        self._places.execute("PRAGMA synchronous = OFF")
        self._places.execute(
            "CREATE TABLE place (id TEXT PRIMARY KEY, source TEXT, line INTEGER) WITHOUT ROWID"
        )
        self._places.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back. Closing twice is harmless."""
        self._places.close()

    def earlier(self, content_id: str, source: str, line: int) -> tuple[str, int] | None:
        """None for the first time, which is remembered; else the source and line of the first."""
        added = self._places.execute(
            "INSERT OR IGNORE INTO place VALUES (?, ?, ?)", (content_id, source, line)
        )
        if added.rowcount:
            return None
        first: tuple[str, int] = self._places.execute(
            "SELECT source, line FROM place WHERE id = ?", (content_id,)
        ).fetchone()
        return first


def each_once(
    rows: Iterable[Track | BadRow], seen: FirstPlaces | None = None
) -> Iterator[Track | BadRow]:
    """The rows, with every repeated content made a BadRow that names the first of its kind.

    A track that the service would refuse (`track_problem`) becomes a BadRow as well, and does not
    count as the first of its kind.

    Args:
        rows: what a reader yields.
        seen: what other sources held already; None to look at these rows alone.

    """
    if seen is None:
        with FirstPlaces() as own:
            yield from each_once(rows, own)
        return
    for row in rows:
        yield row if isinstance(row, BadRow) else _unless_repeated(row, seen)


def _unless_repeated(track: Track, seen: FirstPlaces) -> Track | BadRow:
    problem = track_problem(track)
    if problem:
        return BadRow(track.source, track.line, problem)
    first = seen.earlier(track.content_id, track.source, track.line)
    if first is None:
        return track
    source, line = first
    where = f"line {line}" if source == track.source else f"line {line} of {source}"
    return BadRow(
        track.source,
        track.line,
        f"{track.content_id} repeats {where}, which stands: leave one of the two out",
    )
