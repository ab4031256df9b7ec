"""Verifying an export with nothing but the public key of the log that signed it.

    report = verify_bundle(path, keys, kept)

The signature covers the manifest, the manifest every file. Beyond that, whatever entries say is
held against them, where all of them are in the bundle (`held`); the rest is named as not looked at.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final, TypeAlias

import pyarrow as pa

from service.domain.merkle import HASH_SIZE, leaf_hash
from service.verify.cells import Row, Unread, read_batches
from service.verify.claims import Placed
from service.verify.entries import Entries
from service.verify.finding import CannotLook, Findings, Report, What
from service.verify.held import Holding
from service.verify.history import History
from service.verify.known import Known
from service.verify.leaf import Leaf, instant, read_leaf
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
from service.verify.packed import Packed, opened
from service.verify.tree import includes, is_prefix

NO_ENTRIES: Final = "the ledger's tree: not all of its entries are in the bundle"
OLDER: Final = "older checkpoints: without the ledger's entries nothing can be held against them"
LATER: Final = "later checkpoints: they cover events from after what the bundle shows"

_LARGEST: Final = 64 << 20
"""Bytes that a manifest may have: nobody has vouched for it before it is read."""

_LEAVES: Final = 1 << 16
"""Bytes of hashes that a tree grows by at once."""

_SENSELESS: Final = (
    ValueError,
    pa.ArrowException,
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

    Whether its entries lead to its decisions is for others to recompute (`fermata verify`).

    Raises CannotLook where there is no bundle, no key of the log that it names, or where `kept` is
    of another log.
    """
    with open_bundle(place) as (packed, encoded), TemporaryFile() as scratch:
        manifest = read_manifest(encoded)
        for one in kept:
            if one.claim.origin != manifest.origin:
                of = f"{one.where} is of {one.claim.origin}"
                raise CannotLook(f"{of}, and this bundle of {manifest.origin}")
        wrong = held_against_note(encoded, manifest, packed.whole(NOTE, _LARGEST), keys)
        verifying = _Verifying(packed, scratch, manifest, keys, advance)
        if wrong is not None:
            verifying.altered(NOTE, wrong)
        return verifying.whole(kept)


@contextmanager
def open_bundle(place: Path) -> Iterator[tuple[Packed, bytes]]:
    """Open a bundle; yield its files and its manifest. Raises CannotLook where there is none."""
    with opened(place) as packed:
        for name in (NAME, NOTE):
            if name not in packed.files:
                raise CannotLook(f"{place} is no bundle: it has no {name}")
        yield packed, packed.whole(NAME, _LARGEST)


class _Verifying:
    """One run over one bundle."""

    def __init__(
        self,
        packed: Packed,
        scratch: IO[bytes],
        manifest: Manifest,
        keys: Sequence[Key],
        advance: Advance,
    ) -> None:
        self._packed = packed
        self._scratch = scratch
        self._manifest = manifest
        self._keys = keys
        self._advance = advance
        self._findings = Findings()
        self._known: Known | None = None
        """What all entries say, where all of them are in the bundle."""

    def altered(self, where: str, says: str) -> None:
        """Note that something is not as it was signed."""
        self._findings.add(What.EXPORT_ALTERED, None, where, says)

    def whole(self, kept: Sequence[Placed]) -> Report:
        """Look at everything."""
        sound = self._files()
        root = self._ledger()
        datasets = {one.name: one for one in self._manifest.datasets if self._is(one, sound)}
        for name, dataset in datasets.items():
            if dataset.rows != sum(file.rows or 0 for file in dataset.files):
                self.altered(f"{NAME} {name}", "its rows are not those of its files")
        self._sensible("events", partial(self._entries, datasets, kept, root))
        holding = Holding(self._manifest, self._known, self._findings)
        for name in sorted(datasets.keys() - {"events"}, key=holding.order):
            entries = self._rows(datasets.get("events"), counting=False)
            self._sensible(name, partial(self._hold, datasets[name], holding, entries))
        for pack in self._manifest.packs:
            self._findings.could_not_see(f"the pack {pack.name}: only the digests of its files")
        return self._findings.report(self._manifest.revision, root)

    def _sensible(self, name: str, look: Callable[[], None]) -> None:
        """Look at a dataset, whatever somebody has put into its rows."""
        try:
            look()
        except _SENSELESS as error:
            self.altered(name, f"its rows make no sense: {error!r}")

    def _hold(self, dataset: Dataset, holding: Holding, entries: Iterator[Row]) -> None:
        rows = holding.rows(dataset, entries)
        for batch in self._batches(dataset):
            rows.take(batch)
        rows.end()

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

    def _batches(self, dataset: Dataset, *, counting: bool = True) -> Iterator[pa.RecordBatch]:
        """Yield a dataset's rows, some at a time, and find files that cannot be read whole."""
        for file in dataset.files:
            number = 0
            try:
                with self._packed.at_hand(file.name) as path:
                    for batch in read_batches(path, self._manifest.format, dataset.columns):
                        number += batch.num_rows
                        yield batch
            except Unread as error:
                if counting:
                    self.altered(file.name, str(error))
                continue
            if counting:
                self._findings.saw(f"rows of {dataset.name}", number)
                if number != file.rows:
                    says = f"it has {number} rows, and the manifest says {file.rows}"
                    self.altered(file.name, says)

    def _rows(self, dataset: Dataset | None, *, counting: bool = True) -> Iterator[Row]:
        """Yield a dataset's rows one by one; of none there are none."""
        if dataset is not None:
            for batch in self._batches(dataset, counting=counting):
                yield from batch.to_pylist()

    def _entries(self, datasets: dict[str, Dataset], kept: Sequence[Placed], root: bytes) -> None:
        """Recompute the tree where all entries are there, and hold older checkpoints against it."""
        events, revision = datasets.get("events"), self._manifest.revision
        if events is None or events.filters or events.rows != revision:
            self._some_entries(events)
            covered = list[Placed]()
        else:
            covered = [one for one in kept if one.claim.size <= revision]
            self._all_entries(events, covered, root)
        for one in kept:
            if one not in covered:
                self._hold_without_entries(one, root)

    def _some_entries(self, events: Dataset | None) -> None:
        """Hold those entries that are there against what stands beside them."""
        self._findings.could_not_see(NO_ENTRIES)
        if events is not None and not events.filters:
            self.altered("events", "they are not all of them, and nothing narrows them")
        for row in self._rows(events):
            self._entry(row, self._leaf(row))

    def _all_entries(self, events: Dataset, covered: Sequence[Placed], root: bytes) -> None:
        history = History(self._findings, covered)
        leaves, entries = bytearray(), Entries(self._findings)
        known = Known(entries.few, self._scratch)
        for expected, row in enumerate(self._rows(events), start=1):
            leaf = entries.take(expected, row["leaf"] or b"", _named(row))
            known.take(leaf)
            self._in_place(row, expected)
            leaves += self._entry(row, leaf)
            if len(leaves) >= _LEAVES:
                history.take(leaves, ())
                leaves.clear()
        history.take(leaves, ())
        if history.tree.root() != root:
            self.altered("events", "the root over the entries is not the one that was signed")
        history.end(())
        if known.size == self._manifest.revision:
            self._known = known

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

    def _leaf(self, row: Row) -> Leaf | None:
        """Return what one entry of few says; nothing can be held against those before it."""
        try:
            return read_leaf(row["leaf"] or b"")
        except ValueError as error:
            self._findings.add(What.EVENT_UNREADABLE, row["revision"], _named(row), str(error))
            return None

    def _in_place(self, row: Row, expected: int) -> None:
        if row["revision"] != expected:
            says = f"it stands where {expected} should"
            self._findings.add(What.EVENT_MISSING, expected, _named(row), says)

    def _entry(self, row: Row, leaf: Leaf | None) -> bytes:
        """Hold what stands beside an entry's bytes against them; return their hash."""
        hashed, revision = leaf_hash(row["leaf"] or b""), row["revision"]
        if row["leaf_hash"] != hashed:
            says = "its bytes have not the hash beside them"
            self._findings.add(What.EVENT_ALTERED, revision, _named(row), says)
        known = row["kind"], row["recorded_at"]
        if leaf is not None and known != (leaf["type"], instant(leaf["at"])):
            says = "its kind or its time is not what its bytes say"
            self._findings.add(What.ROW_DIFFERS, revision, _named(row), says)
        return hashed


def _named(row: Row) -> str:
    return f"events revision={row['revision']}"
