"""What artists said, in a bundle: each record held against the entry that commits to it."""

from collections.abc import Collection, Iterator

import pyarrow as pa

from service.verify.cells import Row
from service.verify.few import Few
from service.verify.finding import Findings, What
from service.verify.known import CONSENT
from service.verify.leaf import Leaf, instant, read_leaf
from service.verify.opening import opening_wrong

NO_OPENINGS = "what artists said: the bundle has no openings, only the log's word"
WHOSE_IDS = "consents: whose artist_id and actor_id they are, but where artists spoke in person"
GONE_SINCE = (
    "consents: entries of statements without a record, of artists of whom the bundle does not tell "
    "whether they were erased since"
)
_REFERENCE = "dlg_"


class ConsentRows:
    """Takes the rows of `consents`, some at a time, and reads the entries beside them."""

    def __init__(
        self,
        entries: Iterator[Row],
        few: Few | None,
        findings: Findings,
        *,
        opened: bool,
        narrowed: bool,
        erased_since: Collection[str] | None,
    ) -> None:
        """Take the entries that are there, in order, and what they add up to if that is all.

        `opened` says that records carry what opens their commitment, `narrowed` that not all are
        there. `erased_since` are artists who were erased after the last entry; None where nobody
        can tell.
        """
        self._entries = entries
        self._entry: Row | None = next(entries, None)
        self._few = few
        self._findings = findings
        self._opened = opened
        self._narrowed = narrowed
        self._erased_since = erased_since
        self._last = 0
        findings.could_not_see(WHOSE_IDS)
        if not opened:
            findings.could_not_see(NO_OPENINGS)

    def take(self, batch: pa.RecordBatch) -> None:
        """Hold some records; they follow those that were taken before."""
        for row in batch.to_pylist():
            self._hold(row)

    def end(self) -> None:
        """Find the entries behind the last record that have none."""
        self._skip_to(None)

    def _hold(self, row: Row) -> None:
        revision = row["revision"]
        if revision <= self._last:
            self._wrong(row, What.ROW_EXTRA, "it is there more than once, or not in its place")
            return
        self._last = revision
        self._skip_to(revision)
        self._hold_ids(row)
        if self._entry is not None and self._entry["revision"] == revision:
            self._consent(row, self._entry)
            self._entry = next(self._entries, None)
        elif self._few is not None:
            self._wrong(row, What.ROW_EXTRA, "there is no entry of this revision")

    def _skip_to(self, revision: int | None) -> None:
        """Pass the entries before a revision: none of them has a record."""
        while self._entry is not None and (revision is None or self._entry["revision"] < revision):
            if self._entry["kind"] == CONSENT and self._few is not None and not self._narrowed:
                self._without_record(self._entry, self._few)
            self._entry = next(self._entries, None)

    def _without_record(self, entry: Row, few: Few) -> None:
        leaf = _leaf_of(entry)
        subject = None if leaf is None else leaf["subject"]
        if subject is None or few.erased_after(subject, entry["revision"]):
            return
        if self._erased_since is None:
            self._findings.could_not_see(GONE_SINCE)
        elif subject not in self._erased_since:
            self._wrong(entry, What.ROW_MISSING, "its record is gone, though nobody was erased")

    def _hold_ids(self, row: Row) -> None:
        """Whoever spoke in person is who they say, and nobody's reference but a delegate's."""
        in_person = row["acting_as"] == "artist" and row["artist_id"] != row["actor"]
        if in_person:
            says = "artist_id: the artist spoke by another id"
            self._wrong(row, What.ROW_DIFFERS, says)
        if not row["actor"].startswith(_REFERENCE) and row["actor_id"] != row["actor"]:
            self._wrong(row, What.ROW_DIFFERS, "actor_id: it is not who spoke")

    def _consent(self, row: Row, entry: Row) -> None:
        leaf = _leaf_of(entry)
        if leaf is None:
            return  # it was found with the entries
        known = leaf["type"], leaf.get("subject"), instant(leaf["at"])
        if known != (CONSENT, row["subject"], row["recorded_at"]):
            says = "its entry is about somebody or something else"
            self._wrong(row, What.ROW_DIFFERS, says)
        if self._few is not None and self._few.erased_after(row["subject"], row["revision"]):
            self._wrong(row, What.NOT_ERASED, "its artist was erased, and it is still there")
        if not self._opened:
            return
        wrong = opening_wrong(row, leaf)
        if wrong is not None:
            self._wrong(row, What.PRIVATE_ALTERED, wrong)
        self._findings.saw("openings")

    def _wrong(self, row: Row, what: What, says: str) -> None:
        revision = row["revision"]
        self._findings.add(what, revision, f"consents revision={revision}", says)


def _leaf_of(entry: Row) -> Leaf | None:
    try:
        return read_leaf(entry["leaf"] or b"")
    except ValueError:
        return None
