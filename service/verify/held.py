"""What each dataset of a bundle is held against, and what of it against nothing.

Without all entries that is little: texts against their digests, decisions and runs against
themselves, what artists said against those entries that are there.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Final, Protocol

import pyarrow as pa

from service.verify.answered import DecisionRows, RunRows, Runs
from service.verify.bulk import BULKS, BulkRows
from service.verify.cells import Row
from service.verify.finding import Findings
from service.verify.known import Known
from service.verify.manifest import Dataset, Manifest
from service.verify.statements import ConsentRows
from service.verify.terms import NoticeRows, PolicyRows

NOT_HELD: Final[Mapping[str, str]] = {
    "artists": "artists: their ids and names, and which of them an entry registered",
    "content": "content: what it is, whose, and whether any is missing",
    "deliveries": "deliveries: whom they reached, how, and whether any is missing",
    "bounces": "bounces: whom they did not reach, how, and whether any is missing",
    "decisions": "decisions: who asked and how, whether any is missing, or the last rows of one",
}
"""What of a dataset no entry says, even where all entries are there."""

UNCOUNTED: Final = "runs: the bundle has not the same decisions, to count them once more"

_ORDER: Final = ("policies", "notices", "artists", "content", "deliveries", "bounces")
_LAST: Final = ("consents", "decisions", "runs")
_OUTCOMES_APART: Final = frozenset({"content", "artist"})
"""Filters that take some of a decision's outcomes and leave others."""


def alone(name: str) -> str:
    """Return what is said of a dataset that nothing in the bundle can be held against."""
    return f"{name}: not all of the ledger's entries are in the bundle, to hold them against"


class Rows(Protocol):
    """Whoever holds the rows of one dataset against what they have to be."""

    def take(self, batch: pa.RecordBatch) -> None:
        """Hold some rows, which follow those before."""

    def end(self) -> None:
        """Find what is not there."""


class _Unheld:
    """Rows that nobody here can hold against anything."""

    def take(self, batch: pa.RecordBatch) -> None:
        """Pass them."""

    def end(self) -> None:
        """Nothing is left."""


class Holding:
    """Knows who holds which dataset, and says of each what is held against nothing."""

    def __init__(self, manifest: Manifest, known: Known | None, findings: Findings) -> None:
        """Take what all entries say, or None where not all are in the bundle."""
        self._manifest = manifest
        self._known = known
        self._findings = findings
        self._artists: BulkRows | None = None
        self._decisions: tuple[Dataset, Runs] | None = None

    def order(self, name: str) -> tuple[int, str]:
        """Return where a dataset comes among the others: some rest on what others say."""
        known = (*_ORDER, *_LAST)
        return known.index(name) if name in known else len(known), name

    def rows(self, dataset: Dataset, entries: Iterator[Row]) -> Rows:
        """Return who holds a dataset's rows; `entries` are those in the bundle, in order."""
        narrowed = bool(dataset.filters)
        self._say(dataset.name)
        match dataset.name:
            case "consents":
                return self._consents(entries, narrowed=narrowed)
            case "policies":
                few = None if self._known is None else self._known.few
                return PolicyRows(few, self._findings, narrowed=narrowed)
            case "decisions":
                return self._decided(dataset)
            case "runs":
                return self._ran(dataset)
        if self._known is None:
            return _Unheld()
        return self._from_entries(dataset.name, self._known, narrowed=narrowed)

    def _say(self, name: str) -> None:
        """Say what of a dataset is held against nothing."""
        if self._known is None:
            self._findings.could_not_see(alone(name))
        if name in NOT_HELD:
            self._findings.could_not_see(NOT_HELD[name])
        if name not in {*_ORDER, *_LAST}:
            self._findings.could_not_see(f"{name}: nobody here knows what it is")

    def _from_entries(self, name: str, known: Known, *, narrowed: bool) -> Rows:
        if name == "notices":
            return NoticeRows(known.few, self._findings, narrowed=narrowed)
        return self._bulk(name, known, narrowed=narrowed) if name in BULKS else _Unheld()

    def _bulk(self, name: str, known: Known, *, narrowed: bool) -> Rows:
        rows = BulkRows(name, known, self._findings, narrowed=narrowed)
        if name == "artists" and not narrowed:
            self._artists = rows
        return rows

    def _consents(self, entries: Iterator[Row], *, narrowed: bool) -> Rows:
        erased_since: Collection[str] | None = None
        if self._artists is not None:
            erased_since = self._artists.erased_since
        return ConsentRows(
            entries,
            None if self._known is None else self._known.few,
            self._findings,
            opened=self._manifest.openings,
            narrowed=narrowed,
            erased_since=erased_since,
        )

    def _decided(self, dataset: Dataset) -> Rows:
        in_part = not _OUTCOMES_APART.isdisjoint(dataset.filters)
        size = self._manifest.revision
        rows = DecisionRows(size, self._known, self._findings, in_part=in_part)
        if not in_part and any(one.name == "runs" for one in self._manifest.datasets):
            rows.runs = Runs()
            self._decisions = dataset, rows.runs
        return rows

    def _ran(self, dataset: Dataset) -> Rows:
        made = None
        if self._decisions is not None and set(self._decisions[0].filters) == set(dataset.filters):
            made = self._decisions[1].rows()
        else:
            self._findings.could_not_see(UNCOUNTED)
        return RunRows(made, self._findings)
