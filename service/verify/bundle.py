"""Verifying an export with nothing but the public key of the log that signed it.

    report = verify_bundle(path, keys, kept)

The signature covers the manifest, the manifest every file. Beyond that, what can be recomputed is:
the tree, where all entries are in the bundle, and what artists said, where it was opened.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Final, TypeAlias

from service.domain.merkle import HASH_SIZE, leaf_hash
from service.verify.cells import Row, count_rows, read_rows
from service.verify.claims import Placed
from service.verify.entries import Entries
from service.verify.finding import CannotLook, Findings, Report, What
from service.verify.history import History
from service.verify.leaf import instant, read_leaf
from service.verify.manifest import (
    NAME,
    NOTE,
    Dataset,
    File,
    Manifest,
    hashes_of,
    held_against_note,
    read_manifest,
)
from service.verify.notes import OF_A_LOG, Key, Unreadable, read_claim, read_note, signers
from service.verify.opening import opening_wrong
from service.verify.packed import Packed, opened
from service.verify.tree import includes, is_prefix

NO_ENTRIES: Final = "the ledger's tree: not all of its entries are in the bundle"
NO_OPENINGS: Final = "what artists said: the bundle has no openings, only the log's word"
OLDER: Final = "older checkpoints: without the ledger's entries nothing can be held against them"
LATER: Final = "later checkpoints: they cover events from after what the bundle shows"

_LARGEST: Final = 64 << 20
"""Bytes that a manifest may have: nobody has vouched for it before it is read."""

_LEAVES: Final = 1 << 16
"""Bytes of hashes that a tree grows by at once."""

_SENSELESS: Final = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    OverflowError,
    RecursionError,
)
"""What rows lead to whose values are not what the manifest says they are."""

Advance: TypeAlias = Callable[[int, int], None]


def _silent(_done: int, _all: int) -> None:
    """Tell nobody."""


def verify_bundle(
    place: Path, keys: Sequence[Key], kept: Sequence[Placed] = (), *, advance: Advance = _silent
) -> Report:
    """Look at everything in a bundle. Memory is bounded; an archive's files are copied one by one.

    Raises CannotLook where there is no bundle, or no key of the log that it names.
    """
    with opened(place) as packed:
        for name in (NAME, NOTE):
            if name not in packed.files:
                raise CannotLook(f"{place} is no bundle: it has no {name}")
        encoded = packed.whole(NAME, _LARGEST)
        manifest = read_manifest(encoded)
        wrong = held_against_note(encoded, manifest, packed.whole(NOTE, _LARGEST), keys)
        verifying = _Verifying(packed, manifest, keys, advance)
        if wrong is not None:
            verifying.altered(NOTE, wrong)
        return verifying.whole(kept)


class _Verifying:
    """One run over one bundle."""

    def __init__(
        self, packed: Packed, manifest: Manifest, keys: Sequence[Key], advance: Advance
    ) -> None:
        self._packed = packed
        self._manifest = manifest
        self._keys = keys
        self._advance = advance
        self._findings = Findings()

    def altered(self, where: str, says: str) -> None:
        """Note that something is not as it was signed."""
        self._findings.add(What.EXPORT_ALTERED, None, where, says)

    def whole(self, kept: Sequence[Placed]) -> Report:
        """Look at everything."""
        sound = self._files()
        root = self._ledger()
        datasets = {one.name: one for one in self._manifest.datasets if self._is(one, sound)}
        self._rows(datasets)
        for look, name in (
            (partial(self._entries, datasets, kept, root), "events"),
            (partial(self._openings, datasets), "consents"),
        ):
            try:
                look()
            except _SENSELESS as error:
                self.altered(name, f"its rows make no sense: {error!r}")
        return self._findings.report(self._manifest.revision, root)

    def _files(self) -> set[str]:
        """Hold each file against its digest; return the names of those that are as they were."""
        named, sound = self._manifest.files(), set[str]()
        for name in self._packed.doubled:
            self.altered(name, "it is in the bundle more than once")
        total, done = sum(file.bytes for file in named), 0
        for file in named:
            if file.name in sound:
                self.altered(file.name, "the manifest names it more than once")
            elif self._is_sound(file):
                sound.add(file.name)
            done += file.bytes
            self._advance(done, total)
        for name in sorted(self._packed.files.keys() - {file.name for file in named}):
            if name not in {NAME, NOTE}:
                self.altered(name, "the manifest does not name it: somebody has put it there")
        return sound

    def _is_sound(self, file: File) -> bool:
        if file.name not in self._packed.files:
            self.altered(file.name, "it is missing")
            return False
        self._findings.saw("files")
        try:
            found = self._packed.digest(file.name, file.bytes)
        except ValueError as error:
            self.altered(file.name, str(error))
            return False
        if found != file.sha256:
            self.altered(file.name, "it is not the file that was signed: its SHA-256 is another")
        return found == file.sha256

    def _is(self, dataset: Dataset, sound: set[str]) -> bool:
        return all(file.name in sound for file in dataset.files)

    def _ledger(self) -> bytes:
        """Hold the state that is shown against the checkpoint that comes with it."""
        ledger, revision = self._manifest.ledger, self._manifest.revision
        where = f"{NAME} ledger"
        try:
            [root, leaf] = hashes_of([ledger.root, ledger.inclusion.leaf_hash])
            note = read_note(ledger.checkpoint)
            claim = read_claim(note.text)
            logs = [one for one in self._keys if one.type == OF_A_LOG and one.name == claim.origin]
            if claim.origin != self._manifest.origin or not signers(note, logs):
                self.altered(where, "its checkpoint is not signed by the log")
            inclusion = hashes_of(ledger.inclusion.hashes)
            consistency = hashes_of(ledger.consistency.hashes)
        except (Unreadable, ValueError) as error:
            self.altered(where, str(error))
            return bytes(HASH_SIZE)
        if (ledger.revision, ledger.inclusion.index, ledger.consistency.older) != (
            revision,
            revision - 1,
            revision,
        ):
            self.altered(where, "its proofs are about another revision than the export's")
        if not includes(leaf, revision - 1, claim.size, inclusion, claim.root):
            self.altered(where, "the last event is not proven to be in the checkpoint's tree")
        if not is_prefix(revision, claim.size, consistency, root, claim.root):
            self.altered(where, "the checkpoint's tree is not proven to begin with this one")
        self._findings.saw("proofs", 2)
        return root

    def _rows(self, datasets: dict[str, Dataset]) -> None:
        """Count the rows of every file, and find columns that are not the manifest's."""
        for dataset in list(datasets.values()):
            if dataset.rows != sum(file.rows or 0 for file in dataset.files):
                self.altered(f"{NAME} {dataset.name}", "its rows are not those of its files")
            for file in dataset.files:
                try:
                    with self._packed.at_hand(file.name) as path:
                        number = count_rows(path, self._manifest.format, dataset.columns)
                except ValueError as error:
                    self.altered(file.name, str(error))
                    datasets.pop(dataset.name, None)
                    continue
                self._findings.saw(f"rows of {dataset.name}", number)
                if number != file.rows:
                    says = f"it has {number} rows, and the manifest says {file.rows}"
                    self.altered(file.name, says)

    def _read(self, dataset: Dataset, file: File) -> Iterator[Row]:
        with self._packed.at_hand(file.name) as path:
            yield from read_rows(path, self._manifest.format, dataset.columns)

    def _all(self, dataset: Dataset | None) -> Iterator[Row]:
        files = () if dataset is None else dataset.files
        return chain.from_iterable(self._read(dataset, file) for file in files if dataset)

    def _entries(self, datasets: dict[str, Dataset], kept: Sequence[Placed], root: bytes) -> None:
        """Recompute the tree where all entries are there, and hold older checkpoints against it."""
        events = datasets.get("events")
        if events is None or events.filters or events.rows != self._manifest.revision:
            self._findings.could_not_see(NO_ENTRIES)
            for one in kept:
                self._hold_without_entries(one, root)
            return
        covered = [one for one in kept if one.claim.size <= self._manifest.revision]
        for one in kept:
            if one not in covered:
                self._hold_without_entries(one, root)
        history = History(self._findings, covered)
        leaves, entries = bytearray(), Entries(self._findings)
        for expected, row in enumerate(self._all(events), start=1):
            leaves += self._entry(entries, expected, row)
            if len(leaves) >= _LEAVES:
                history.take(leaves, ())
                leaves.clear()
        history.take(leaves, ())
        if history.tree.root() != root:
            self.altered("events", "the root over the entries is not the one that was signed")
        history.end(())

    def _hold_without_entries(self, one: Placed, root: bytes) -> None:
        claim = one.claim
        known = {self._manifest.revision: root}
        try:
            signed = read_claim(read_note(self._manifest.ledger.checkpoint).text)
            known[signed.size] = signed.root
        except Unreadable:
            pass
        if claim.size not in known:
            later = claim.size > self._manifest.revision
            self._findings.could_not_see(LATER if later else OLDER)
        elif claim.root != known[claim.size]:
            says = f"the first {claim.size} events are not those it was signed over"
            self._findings.add(What.HISTORY_CHANGED, 1, one.where, says)

    def _entry(self, entries: Entries, expected: int, row: Row) -> bytes:
        """Hold an entry's row against its bytes; return its hash."""
        entry: bytes = row["leaf"] or b""
        hashed, named = leaf_hash(entry), f"events revision={row['revision']}"
        if row["revision"] != expected:
            says = f"it stands where {expected} should"
            self._findings.add(What.EVENT_MISSING, expected, named, says)
        if row["leaf_hash"] != hashed:
            says = "its bytes have not the hash beside them"
            self._findings.add(What.EVENT_ALTERED, expected, named, says)
        leaf = entries.take(expected, entry, named)
        known = row["kind"], row["recorded_at"]
        if leaf is not None and known != (leaf["type"], instant(leaf["at"])):
            says = "its kind or its time is not what its bytes say"
            self._findings.add(What.ROW_DIFFERS, expected, named, says)
        return hashed

    def _openings(self, datasets: dict[str, Dataset]) -> None:
        """Hold what artists said against the entries that commit to it."""
        consents, events = datasets.get("consents"), datasets.get("events")
        if consents is None:
            return
        if events is None:
            self._findings.could_not_see(NO_ENTRIES)
            return
        if not self._manifest.openings:
            self._findings.could_not_see(NO_OPENINGS)
        entries = self._all(events)
        entry: Row | None = next(entries, None)
        for row in self._all(consents):
            while entry is not None and entry["revision"] < row["revision"]:
                entry = next(entries, None)
            if entry is not None and entry["revision"] == row["revision"]:
                self._consent(row, entry)
            elif not events.filters:
                self._consent_wrong(row, What.ROW_EXTRA, "there is no entry of this revision")

    def _consent(self, row: Row, entry: Row) -> None:
        try:
            leaf = read_leaf(entry["leaf"] or b"")
        except ValueError:
            return  # it was found with the entries
        known = leaf["type"], leaf.get("subject"), instant(leaf["at"])
        if known != ("consent.recorded", row["subject"], row["recorded_at"]):
            self._consent_wrong(
                row, What.ROW_DIFFERS, "its entry is about somebody or something else"
            )
        if not self._manifest.openings:
            return
        wrong = opening_wrong(row, leaf)
        if wrong is not None:
            self._consent_wrong(row, What.PRIVATE_ALTERED, wrong)
        self._findings.saw("openings")

    def _consent_wrong(self, row: Row, what: What, says: str) -> None:
        revision = row["revision"]
        self._findings.add(what, revision, f"consents revision={revision}", says)
