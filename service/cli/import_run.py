"""A catalogue on its way into the service, batch by batch, in constant memory."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import islice
from typing import Any, Final, TypeAlias

from client import Connection
from service.api.schemas.types import MOST_ROWS
from service.catalog.sources.once import FirstPlaces
from service.catalog.sources.track import ArtistName, BadRow, Track, track_problem
from service.cli.bookmark import Place
from service.cli.import_batch import RowsTo
from service.cli.rejects import Reject

Json: TypeAlias = dict[str, Any]
_AT_ONCE: Final = 1_000


class CatalogChanged(Exception):  # noqa: N818 - an outcome
    """The catalogue does not begin as it did when the import was interrupted: start over."""


@dataclass(slots=True)
class ImportReport:
    """What an import did.

    Of the content that is in: how much was `put` (new or changed) and how much was there
    `unchanged`, and how much of both is `several` artists'. `artists` are those who have content in
    this catalogue, `registered` those of them who were new. `refused` rows are not in.
    """

    put: int = 0
    unchanged: int = 0
    several: int = 0
    artists: int = 0
    registered: int = 0
    refused: int = 0

    @property
    def tracks(self) -> int:
        """How many rows are in."""
        return self.put + self.unchanged

    def __str__(self) -> str:
        return (
            f"{self.tracks:,} tracks are in ({self.put:,} put, {self.unchanged:,} unchanged), "
            f"{self.several:,} of them with several rightsholders; "
            f"{self.artists:,} artists ({self.registered:,} new); {self.refused:,} rows refused"
        )


def run_import(
    rows: Iterable[Track | BadRow],
    connection: Connection,
    *,
    batch: int = MOST_ROWS,
    progress: Callable[[int], None] | None = None,
    on_reject: Callable[[Reject], None] | None = None,
    place: Place | None = None,
    on_place: Callable[[], None] | None = None,
) -> ImportReport:
    """Register the artists of all tracks and put their content; what is refused is left out.

    When a batch is done with, its rows are durable in the service. Everything can be repeated:
    rows that are in already are counted as unchanged.

    Args:
        rows: the catalogue, the same at each repetition.
        connection: needs the scope `fermata:catalog`.
        batch: rows between two places at which the import can be taken up again, at most 10,000.
        progress: called with the number of rows done with since it was last called.
        on_reject: called with every row that is not in, once, with the reason.
        place: where to begin; it is moved on with every batch.
        on_place: called when `place` has moved, to have it kept.

    Raises:
        CatalogChanged: `rows` do not begin with what came before `place`; nothing was sent.
        Problem: the service cannot answer, or will not for another reason than the rows.
        httpx2.TransportError: it cannot be reached.

    """
    at = place or Place()
    running = _Run(connection, at, on_reject or _ignore)
    with closing(running.credited):
        stream = iter(rows)
        running.skip(stream, progress or _ignore)
        while part := list(islice(stream, batch)):
            running.take(part)
            if on_place:
                on_place()
            if progress:
                progress(len(part))
        return running.report


def _ignore(_: object) -> None:
    """Tell nobody."""


class _Run:
    """One import under way: what it has seen, what it counts, and where it is."""

    def __init__(
        self, connection: Connection, place: Place, on_reject: Callable[[Reject], None]
    ) -> None:
        self.report = ImportReport(**place.counts)
        self.credited = FirstPlaces()
        self._place = place
        self._on_reject = on_reject
        self._artists = RowsTo(connection, "/v1/artists", "artists", place.run)
        self._content = RowsTo(connection, "/v1/content", "content", place.run)
        self._turned_away: dict[str, str] = {}
        self._digest = sha256()

    def skip(self, stream: Iterator[Track | BadRow], progress: Callable[[int], None]) -> None:
        """Pass by what is done with, remembering whose it was. Raises CatalogChanged."""
        left = self._place.rows
        while left and (part := list(islice(stream, min(_AT_ONCE, left)))):
            left -= len(part)
            self._digest_of(part)
            for track in part:
                if isinstance(track, Track) and not track_problem(track):
                    self._fresh([track])
            progress(len(part))
        if self._place.rows and (left or self._digest.hexdigest() != self._place.digest):
            raise CatalogChanged

    def take(self, part: Sequence[Track | BadRow]) -> None:
        """Bring one batch in, and move on."""
        tracks = self._put(list(self._readable(part)))
        self.report.several += sum(len(track.artists) > 1 for track in tracks)
        self._place.rows += len(part)
        self._place.digest = self._digest_of(part)
        self._place.counts = asdict(self.report)

    def _readable(self, part: Iterable[Track | BadRow]) -> Iterator[Track]:
        for row in part:
            if isinstance(row, BadRow):
                self._reject(row, None, row.reason)
            elif problem := track_problem(row):
                self._reject(row, row.content_id, problem)
            else:
                yield row

    def _put(self, tracks: Sequence[Track]) -> Sequence[Track]:
        """Register whom the tracks credit, then put them; return those that are in."""
        self._register(self._fresh(tracks))
        welcome = [track for track in tracks if not self._away(track)]
        sent = self._content.send([_content(track) for track in welcome])
        self.report.put += sent.total("put")
        self.report.unchanged += sent.total("unchanged")
        for n, reason in sorted(sent.refused.items()):
            self._reject(welcome[n], welcome[n].content_id, reason)
        return [track for n, track in enumerate(welcome) if n not in sent.refused]

    def _fresh(self, tracks: Iterable[Track]) -> list[ArtistName]:
        """Return the artists whom no earlier track has credited."""
        return [
            artist
            for track in tracks
            for artist in track.artists
            if self.credited.earlier(artist.artist_id, track.source, track.line) is None
        ]

    def _register(self, artists: Sequence[ArtistName]) -> None:
        for start in range(0, len(artists), MOST_ROWS):
            part = artists[start : start + MOST_ROWS]
            sent = self._artists.send([_artist(artist) for artist in part])
            self.report.registered += sent.total("registered")
            self.report.artists += len(part) - len(sent.refused)
            self._turned_away |= {part[n].artist_id: why for n, why in sent.refused.items()}

    def _away(self, track: Track) -> bool:
        """Whether one of the track's artists could not be registered; it is rejected then."""
        for artist in track.artists:
            if reason := self._turned_away.get(artist.artist_id):
                self._reject(track, track.content_id, f"artist {artist.artist_id!r}: {reason}")
                return True
        return False

    def _reject(self, row: Track | BadRow, content: str | None, reason: str) -> None:
        self.report.refused += 1
        self._on_reject(Reject(row.source, row.line, content, reason))

    def _digest_of(self, part: Iterable[Track | BadRow]) -> str:
        for row in part:
            self._digest.update(f"{row!r}\n".encode())
        return self._digest.hexdigest()


def _artist(artist: ArtistName) -> Json:
    return {"artist": artist.artist_id, "name": artist.name or None}


def _content(track: Track) -> Json:
    return {
        "content": track.content_id,
        "rightsholders": [artist.artist_id for artist in track.artists],
        "status": track.status.value,
        "isrc": track.isrc,
        "title": track.title or None,
    }
