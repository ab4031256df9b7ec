"""Rows of a bundle that follow from bulk events, of which entries have the number and a digest.

Which row it was the digest alone would tell, and the batch is not in a bundle. So each row is held
against what its entry says: the kind, the time, the notice, the window, and how many there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from service.verify.finding import Findings, What
from service.verify.known import NO_NOTICE, Known, Numbers
from service.verify.many import where

Which = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Bulk:
    """A dataset: the kind of event that made its rows, and the column that has the event's time.

    `keys` tell its rows apart; `all_of_them` says that each row of a batch is there for ever.
    """

    kind: str
    at: str
    keys: Sequence[str]
    all_of_them: bool = False


BULKS: Final[Mapping[str, Bulk]] = {
    "artists": Bulk("artists.registered", "registered_at", ("subject",), all_of_them=True),
    "content": Bulk("content.put", "put_at", ("content_id",)),
    "deliveries": Bulk("notice.delivered", "delivered_at", ("notice_id", "subject")),
    "bounces": Bulk("notice.delivered", "bounced_at", ("notice_id", "subject")),
}


class BulkRows:
    """Takes the rows of one dataset, some at a time."""

    def __init__(self, name: str, known: Known, findings: Findings, *, narrowed: bool) -> None:
        """Take the entries; `narrowed` says that not all rows are in the bundle."""
        self._name = name
        self._bulk = BULKS[name]
        self._known = known
        self._findings = findings
        self._narrowed = narrowed
        self._rows = np.zeros(known.size + 1, np.int32)
        self._notices = _Notices(known)
        self.erased_since: set[str] = set()
        """Artists who were erased after the last entry that is in the bundle."""

    def take(self, batch: pa.RecordBatch) -> None:
        """Hold some rows, each against the entry of its revision."""
        revisions = numbers(batch["revision"])
        said = self._known.said_at(revisions)
        there = self._known.are(said, self._bulk.kind)
        says = f"its revision is no entry of the kind {self._bulk.kind}"
        self._add(batch, ~there, What.ROW_EXTRA, says)
        pairs = {self._bulk.at: numbers(batch[self._bulk.at]) != said["at"]}
        if "notice_id" in self._bulk.keys:
            pairs |= self._notices.apart(batch, said)
        for name, apart in pairs.items():
            says = f"{name}: not as the entry of its revision has it"
            self._add(batch, there & apart, What.ROW_DIFFERS, says)
        if self._name == "artists":
            self._hold_erasures(batch)
        np.add.at(self._rows, revisions[there], 1)

    def end(self) -> None:
        """Find entries of which there are more rows than they made, or fewer where all stay."""
        entries = self._known.entries
        made = np.where(self._known.are(entries, self._bulk.kind), entries["count"], 0)
        apart = self._rows > made
        if self._bulk.all_of_them and not self._narrowed:
            apart |= self._rows < made
        for revision in np.flatnonzero(apart).tolist():
            number, should = self._rows.item(revision), made.item(revision)
            what = What.ROW_EXTRA if number > should else What.ROW_MISSING
            says = f"there are {number} rows of this entry, which made {should}"
            self._findings.add(what, revision, f"{self._name} revision={revision}", says)

    def _hold_erasures(self, batch: pa.RecordBatch) -> None:
        """Of an erased artist the row is there still, and all that names them is gone."""
        erased = self._known.few.erased
        are = pc.is_in(batch["subject"], value_set=pa.array(erased, pa.string()))
        are = truths(pc.or_(are, pc.is_valid(batch["erased_at"])))
        nameless = ~are & truths(pc.is_null(batch["artist_id"]))
        says = "artist_id: it is gone, though nobody was erased"
        self._add(batch, nameless, What.ROW_DIFFERS, says)
        for row in batch.filter(pa.array(are)).to_pylist():
            self._hold_erased(row["subject"], row["revision"], row["erased_at"])
            if row["artist_id"] is not None or row["name"] is not None:
                says = "its artist was erased, and it names them still"
                named = where(self._name, self._bulk.keys, (row["subject"],))
                self._findings.add(What.NOT_ERASED, row["revision"], named, says)

    def _hold_erased(self, subject: str, revision: int, erased_at: int | None) -> None:
        _, at = self._known.few.erased.get(subject, (None, None))
        if at is None and erased_at is not None and erased_at > self._known.last_at:
            self.erased_since.add(subject)
        elif erased_at != at:
            named = where(self._name, self._bulk.keys, (subject,))
            says = "erased_at: not as entries have it"
            self._findings.add(What.ROW_DIFFERS, revision, named, says)

    def _add(self, batch: pa.RecordBatch, wrong: Which, what: What, says: str) -> None:
        if not wrong.any():
            return
        for row in batch.filter(pa.array(wrong)).to_pylist():
            named = where(self._name, self._bulk.keys, tuple(row[one] for one in self._bulk.keys))
            self._findings.add(what, row["revision"], named, says)


class _Notices:
    """What entries say of notices: which one it was, and how long its window is."""

    def __init__(self, known: Known) -> None:
        versions = [known.few.version(use, one, known.size + 1) for use, one in known.notices]
        periods = [0 if one is None else one.notice_period for one in versions]
        self._uses = pa.array([*(use for use, _ in known.notices), None], pa.string())
        self._versions = np.array([*(one for _, one in known.notices), NO_NOTICE], np.int64)
        self._names = pa.array([*(f"{use}:{one}" for use, one in known.notices), None], pa.string())
        self._periods = np.array([*periods, 0], np.int64)

    def apart(self, batch: pa.RecordBatch, said: npt.NDArray[np.void]) -> dict[str, Which]:
        """Return for each column which rows say otherwise than their entry."""
        which = said["notice"]  # none is the last
        found = {
            "notice_id": _unlike(batch["notice_id"], self._names.take(_places(which, self._names))),
            "use": _unlike(batch["use"], self._uses.take(_places(which, self._uses))),
            "version": numbers(batch["version"]) != self._versions[which],
        }
        if "closes_at" in batch.schema.names:
            closes_at = said["at"] + self._periods[which]
            found["closes_at"] = numbers(batch["closes_at"]) != closes_at
        return found


def _places(which: npt.NDArray[np.int32], among: pa.Array) -> pa.Array:
    return pa.array(np.where(which == NO_NOTICE, len(among) - 1, which))


def _unlike(column: pa.Array, should: pa.Array) -> Which:
    return truths(pc.fill_null(pc.not_equal(column, should), fill_value=True))


def numbers(column: pa.Array) -> Numbers:
    """Return whole numbers, -1 for none."""
    found: Numbers = pc.fill_null(column, -1).to_numpy(zero_copy_only=False)
    return found


def truths(column: pa.Array) -> Which:
    """Return what is true of each."""
    found: Which = column.to_numpy(zero_copy_only=False)
    return found
