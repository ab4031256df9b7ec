"""The decisions of an export replayed, with nothing but the export.

    found = replay_bundle(place)

Its entries say what is public, its other datasets what entries have only a digest of or a
commitment to: all of it as `fermata verify` has held it against them before. Of a content a bundle
has the last state only, so an outcome at an earlier revision than that cannot be recomputed.
"""

import os
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from service.decisions.compiled.spelling import Hashing
from service.decisions.log.table import SCHEMA
from service.domain.instant import format_instant
from service.ledger.events import Json, Kind, StoredEvent
from service.replay.recompute import replayed
from service.replay.report import Progress, ReplayReport
from service.replay.sealed import read_logged
from service.replay.steps import Erasure, Erasures, Step, step_of
from service.sealing.duck import open_duckdb
from service.storage.scratch import working_folder
from service.verify.bundle import open_bundle
from service.verify.cells import Row, read_batches, schema_of
from service.verify.manifest import Manifest, read_manifest
from service.verify.packed import Packed

NEEDED: Final = ("events", "artists", "content", "deliveries", "consents")
"""What has to be in a bundle, narrowed by nothing, beside the decisions."""

_WORK: Final = "replaying-bundles"
_MEMORY: Final = "256MB"
_THREADS: Final = 2
_SORTED: Final = """
COPY (SELECT {columns} FROM read_parquet('{rows}', hive_partitioning = false) ORDER BY revision)
TO '{sorted}' (FORMAT parquet, COMPRESSION zstd)
"""
_TOLD: Final = {"one": "coalesce(d.one, '') AS one"}
"""CSV has nothing for what is empty."""
_DECISIONS: Final = f"""
COPY (
    SELECT {", ".join(_TOLD.get(name, f'd."{name}"') for name in SCHEMA.names)}
    FROM read_parquet('{{decisions}}', hive_partitioning = false) d
    LEFT JOIN read_parquet('{{content}}', hive_partitioning = false) c
        ON d.about = 'content' AND c.content_id = d.one
    WHERE coalesce(c.revision <= d.revision, true) ORDER BY d.revision
) TO '{{sorted}}' (FORMAT parquet, COMPRESSION zstd)
"""  # noqa: S608 - names of ours
_ROWS: Final[Mapping[Kind, tuple[str, Callable[[Row], Json]]]] = {
    Kind.ARTISTS_REGISTERED: ("artists", lambda row: {"subject": row["subject"]}),
    Kind.CONTENT_PUT: (
        "content",
        lambda row: {
            "content": row["content_id"],
            "rightsholders": row["rightsholders"],
            "status": row["status"],
        },
    ),
    Kind.NOTICE_DELIVERED: (
        "deliveries",
        lambda row: {"subject": row["subject"], "outcome": "delivered"},
    ),
}
"""Of each bulk event, the dataset of what it did, and a row of it as its batch had it."""
_COLUMNS: Final = {
    "artists": "revision, subject",
    "content": "revision, content_id, rightsholders, status",
    "deliveries": "revision, subject",
}


@dataclass(frozen=True, slots=True)
class BundleReplay:
    """What was found, and how many outcomes are about content that was put anew since."""

    report: ReplayReport
    put_anew: int


def replay_bundle(
    place: Path, *, on_progress: Callable[[Progress], None] = lambda _: None
) -> BundleReplay | None:
    """Recompute the decisions of a bundle; None where it lacks what that takes, or has none.

    The bundle is one in which nothing is wrong (`verify_bundle`). Memory is the index's and a few
    batches'; what has to be sorted lies in the folder for temporary files meanwhile. Raises
    CannotLook where it is no bundle, LedgerBroken where the events contradict each other.
    """
    with open_bundle(place) as (packed, encoded):
        manifest = read_manifest(encoded)
        there = {one.name: one for one in manifest.datasets}
        whole = [name for name in NEEDED if name in there and not there[name].filters]
        if len(whole) < len(NEEDED) or "decisions" not in there:
            return None
        with working_folder(Path(tempfile.gettempdir()), _WORK) as folder:
            return _Replaying(packed, manifest, folder).whole(on_progress)


class _Replaying:
    """One replay, and the folder that it sorts in."""

    def __init__(self, packed: Packed, manifest: Manifest, folder: Path) -> None:
        self._packed = packed
        self._manifest = manifest
        self._folder = folder
        self._datasets = {one.name: one for one in manifest.datasets}

    def whole(self, on_progress: Callable[[Progress], None]) -> BundleReplay:
        """Sort everything by revision, and replay it."""
        for name in _COLUMNS:
            self._lay_aside(name)
        self._lay_aside("decisions")
        outcomes = self._sort()
        report, hashing = ReplayReport(), Hashing(os.urandom(16))
        with closing(self._steps()) as steps, closing(read_logged(outcomes)) as logged:
            for judged in replayed(steps, logged, self._erasures(), hashing):
                report.add(judged)
                on_progress(Progress(report.decisions, report.decisions, judged.revision))
        return BundleReplay(report, self._datasets["decisions"].rows - report.outcomes)

    def _batches(self, name: str) -> Iterator[pa.RecordBatch]:
        dataset = self._datasets[name]
        for file in dataset.files:
            with self._packed.at_hand(file.name) as path:
                yield from read_batches(path, self._manifest.format, dataset.columns)

    def _lay_aside(self, name: str) -> None:
        """Write a dataset's rows as they are into a file that can be sorted."""
        schema = schema_of(self._datasets[name].columns)
        with pq.ParquetWriter(self._path(name), schema, compression="lz4") as writer:
            for batch in self._batches(name):
                writer.write_batch(batch)

    def _sort(self) -> Path:
        outcomes = self._path("outcomes")
        with open_duckdb(self._folder, memory=_MEMORY, threads=_THREADS) as duckdb:
            for name, columns in _COLUMNS.items():
                paths = {"rows": self._path(name), "sorted": self._path(f"{name}-sorted")}
                duckdb.execute(_SORTED.format(columns=columns, **_quoted(paths)))
            paths = {name: self._path(name) for name in ("decisions", "content")}
            duckdb.execute(_DECISIONS.format(**_quoted(paths | {"sorted": outcomes})))
        return outcomes

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.parquet"

    def _erasures(self) -> Erasures:
        """Return every erasure that entries tell of; the first of each artist counts."""
        found: dict[str, Erasure] = {}
        for batch in self._batches("events"):
            erased = batch.filter(pc.equal(batch["kind"], Kind.ARTIST_ERASED.value))
            for row in erased.to_pylist():
                erasure = Erasure(row["revision"], row["recorded_at"])
                found.setdefault(msgspec.json.decode(row["leaf"])["subject"], erasure)
        return found

    def _steps(self) -> Generator[Step]:
        with ExitStack() as stack:

            def ordered(rows: Generator[Row]) -> _Ordered:
                return _Ordered(stack.enter_context(closing(rows)))

            rows = {name: ordered(self._sorted_rows(name)) for name in _COLUMNS}
            said, entries = ordered(self._rows("consents")), self._rows("events")
            for row in stack.enter_context(closing(entries)):
                yield step_of(_event(row, rows, said))

    def _rows(self, name: str) -> Generator[Row]:
        for batch in self._batches(name):
            yield from batch.to_pylist()

    def _sorted_rows(self, name: str) -> Generator[Row]:
        with pq.ParquetFile(self._path(f"{name}-sorted")) as file:
            for batch in file.iter_batches():
                yield from batch.to_pylist()


def _quoted(paths: Mapping[str, Path]) -> dict[str, str]:
    return {name: str(path).replace("'", "''") for name, path in paths.items()}


class _Ordered:
    """Rows in order of revisions, handed out by revision."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self._next: Row | None = next(rows, None)

    def of(self, revision: int) -> list[Row]:
        """Return the rows of a revision; each is asked for once, in order."""
        found = []
        while self._next is not None and self._next["revision"] <= revision:
            found.append(self._next)
            self._next = next(self._rows, None)
        return found


def _event(entry: Row, rows: Mapping[str, _Ordered], said: _Ordered) -> StoredEvent:
    """Return an event as it was, as far as a bundle tells it."""
    kind, revision = Kind(entry["kind"]), entry["revision"]
    batch: Sequence[Json] | None = None
    if kind in _ROWS:
        name, read = _ROWS[kind]
        batch = [read(row) for row in rows[name].of(revision)]
    record = said.of(revision) if kind is Kind.CONSENT_RECORDED else []
    return StoredEvent(
        revision=revision,
        recorded_at=entry["recorded_at"],
        kind=kind,
        leaf_hash=entry["leaf_hash"],
        public=msgspec.json.decode(entry["leaf"]),
        rows=batch,
        details=_details(record[0]) if record else None,
    )


def _details(record: Row) -> dict[str, Any]:
    expires_at = record["expires_at"]
    return {
        "answer": record["answer"],
        "use": record["use"],
        "content": record["content"],
        "recipient": record["recipient"],
        "expires_at": None if expires_at is None else format_instant(expires_at),
    }
