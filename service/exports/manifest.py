"""The manifest: what a bundle is and what it lacks. docs/exports.md says what each field means."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from service.domain.instant import Instant, format_instant
from service.exports.build import dataset_of
from service.exports.jobs import Taken
from service.exports.packs import PACKS
from service.ledger.events import Json
from service.transparency.note import encode64
from service.transparency.publication import Consistency, Inclusion

SCHEMA: Final = "fermata.export/1"
KIND: Final = "export-manifest/v1"
"""What kind of statement the log's key makes of it."""

MANIFEST: Final = "manifest.json"
NOTE: Final = "manifest.note"
README: Final = "README.txt"

_INDENT: Final = 2


def manifest_of(
    taken: Taken,
    *,
    origin: str,
    platform: str,
    generated_at: Instant,
    ledger: Json,
    readme: Json,
) -> Json:
    """Return what is said of a bundle whose files are all there."""
    wanted, moment, progress = taken.wanted, taken.moment, taken.progress
    datasets = [
        _dataset(name, taken, progress["datasets"][name]["files"]) for name in wanted.datasets
    ]
    return {
        "schema": SCHEMA,
        "export_id": taken.export_id,
        "platform": platform,
        "origin": origin,
        "requested_at": format_instant(taken.requested_at),
        "requested_by": taken.asked.caller,
        "generated_at": format_instant(generated_at),
        "revision": moment.revision,
        "as_of": format_instant(moment.as_of),
        "format": wanted.format.value,
        "filters": wanted.filters.to_json(),
        "openings": wanted.openings,
        "datasets": datasets,
        "packs": [
            {"name": name, "title": PACKS[name].title, "files": progress["packs"][name]}
            for name in wanted.packs
        ],
        "readme": readme,
        "ledger": ledger,
        "lacks": list(_lacks(taken)),
    }


def manifest_bytes(manifest: Json) -> bytes:
    """Return the manifest as it is written: for people to read as well."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=_INDENT) + b"\n"


def statement_of(manifest: Mapping[str, Any], sha256: str) -> list[str]:
    """Return the lines that the log's key signs."""
    return [
        f"sha256 {sha256}",
        f"export {manifest['export_id']}",
        f"revision {manifest['revision']}",
    ]


def ledger_of(inclusion: Inclusion, leaf_hash: bytes, consistency: Consistency) -> Json:
    """Return what ties the state that is shown to a checkpoint. Both proofs have been verified."""
    return {
        "revision": consistency.older,
        "root": encode64(consistency.older_root),
        "checkpoint": inclusion.note,
        "inclusion": {
            "index": inclusion.index,
            "leaf_hash": encode64(leaf_hash),
            "hashes": [encode64(one) for one in inclusion.hashes],
        },
        "consistency": {
            "older": consistency.older,
            "newer": consistency.newer,
            "hashes": [encode64(one) for one in consistency.hashes],
        },
    }


def _dataset(name: str, taken: Taken, files: list[Json]) -> Json:
    dataset = dataset_of(name, openings=taken.wanted.openings)
    return {
        "name": name,
        "version": dataset.version,
        "title": dataset.title,
        "personal": dataset.personal,
        "filters": sorted(taken.wanted.filters.given()),
        "order": list(dataset.order),
        "rows": sum(file["rows"] for file in files),
        "columns": [column.to_json() for column in dataset.columns],
        "files": files,
        "lacks": list(dataset.lacks),
    }


def _lacks(taken: Taken) -> Iterator[str]:
    wanted = taken.wanted
    if wanted.filters.given():
        yield f"everything that these leave out: {', '.join(sorted(wanted.filters.given()))}"
    if not wanted.openings:
        yield "openings: consent records cannot be held against the ledger's commitments offline"
    if "events" not in wanted.datasets:
        yield "the ledger's entries: the root cannot be recomputed offline, only proven"
    yield "whatever was recorded after the revision, and decisions answered after the instant"
