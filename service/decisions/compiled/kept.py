"""What the index keeps: the ledger's meaning at one revision, and the columns compiled from it."""

from collections.abc import Iterator
from typing import Final, TypeAlias

from service.decisions.compiled.as_history import ArtistsKept, CompiledHistory, ContentKept
from service.decisions.compiled.columns import CompiledColumn
from service.decisions.compiled.deliveries import Deliveries
from service.decisions.compiled.ids import Ids
from service.decisions.compiled.names import Names
from service.decisions.compiled.records import Records
from service.decisions.compiled.rightsholders import Rightsholders
from service.decisions.compiled.rules import rule_of
from service.decisions.compiled.shapes import Terms
from service.decisions.compiled.spelling import Hashing
from service.decisions.compiled.voices import Voices
from service.domain.instant import Instant

ColumnKey: TypeAlias = tuple[str, str, int]
"""Use, recipient (empty for all that no version lists), and the least version that counts."""

_NOBODY: Final = ""
"""No recipient's name. Whoever is listed by no version gets the same answers as anybody else."""

_MOST_LEAST: Final = 16
"""Columns kept for pipelines that act under a certain version; the oldest goes first. One that is
not compiled yet stays: whoever waits for it would begin anew, again and again."""


class Kept:
    """The parts of the index, and its columns."""

    def __init__(self, hashing: Hashing) -> None:
        """Start before the first event."""
        self.subjects = Ids(hashing)
        """Artists' references, by the ordinals of their voices."""
        self.contents = Ids(hashing)
        self.names = Names(hashing)
        self.voices = Voices()
        self.rightsholders = Rightsholders()
        self.records = Records()
        self.deliveries: dict[str, Deliveries] = {}
        """First deliveries, by use."""
        self.history = CompiledHistory(
            ArtistsKept(self.subjects, self.contents, self.voices, self.records, self.deliveries),
            ContentKept(self.contents, self.subjects, self.voices, self.rightsholders),
        )
        """What `service.domain` knows as a history, live: it stands where the index stands."""
        self.last_erasure = 0
        """The revision of the latest erasure among the events that were taken in here."""
        self._columns: dict[ColumnKey, CompiledColumn] = {}

    @property
    def revision(self) -> int:
        """The number of events taken in."""
        return self.history.revision

    @property
    def recorded_at(self) -> Instant:
        """When the last event was recorded; no check is judged before."""
        return self.history.recorded_at

    @property
    def nbytes(self) -> dict[str, int]:
        """The bytes that each part takes."""
        ids = (self.subjects, self.contents, self.names.ids)
        return {
            "ids": sum(one.nbytes for one in ids),
            "ids_text": sum(one.arena_nbytes for one in ids),
            "voices": self.voices.nbytes + self.names.nbytes,
            "rightsholders": self.rightsholders.nbytes,
            "records": self.records.nbytes,
            "deliveries": sum(one.nbytes for one in self.deliveries.values()),
            "columns": sum(one.nbytes for one in self._columns.values()),
        }

    def _deliveries_of(self, use: str) -> Deliveries:
        return self.deliveries.setdefault(use, Deliveries())

    # -- columns -----------------------------------------------------------------------------------

    def _listed_columns(self) -> Iterator[CompiledColumn]:
        """Return the columns in which it matters what artists say, or are told."""
        return (column for key, column in self._columns.items() if key[1] != _NOBODY)

    def _column(self, use: str, recipient: str, min_version: int) -> CompiledColumn:
        """Return the column for a use that has versions, made now if nobody asked for it before."""
        column = self._columns.get((use, recipient, min_version))
        if column is not None:
            return column
        key = self._key(use, recipient, min_version)
        column = self._columns.get(key)
        if column is None:
            column = self._columns[key] = self._new_column(key)
            self._drop_columns()
        return column

    def _key(self, use: str, recipient: str, min_version: int) -> ColumnKey:
        versions = self.history.versions[use]
        if any(version.lists(recipient) for version in versions):
            # Every version beyond the latest is as far away as the next.
            return use, recipient, max(1, min(min_version, len(versions) + 1))
        return use, _NOBODY, 1

    def _new_column(self, key: ColumnKey) -> CompiledColumn:
        use, recipient, _ = key
        terms, deliveries = self._terms(key), self._deliveries_of(use)
        column = CompiledColumn(terms, rule_of(terms), self.voices, deliveries)
        if recipient != _NOBODY:
            column.begin()
        return column

    def _terms(self, key: ColumnKey) -> Terms:
        use, recipient, least = key
        return Terms(tuple(self.history.versions[use]), recipient, least)

    def _drop_columns(self) -> None:
        least = [key for key in self._columns if key[2] > 1]
        for key in least[:-_MOST_LEAST]:
            if not self._columns[key].stale:
                del self._columns[key]
