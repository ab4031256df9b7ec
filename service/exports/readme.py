"""README.txt: the bundle in plain words, for whoever finds it in some years."""

from textwrap import fill
from typing import Final

from service.exports.manifest import MANIFEST, NOTE
from service.ledger.events import Json

_WIDTH: Final = 90


def readme_of(manifest: Json) -> str:
    """Return the text. `manifest` has everything but the entry of this file itself."""
    paragraphs = [_what(manifest), _files(manifest), _reading(manifest), _checking(manifest)]
    if manifest["openings"]:
        paragraphs.append(_openings())
    return "\n\n".join(paragraphs) + "\n"


def _what(manifest: Json) -> str:
    narrowed = ", ".join(f"{name} = {value}" for name, value in manifest["filters"].items())
    return "\n".join(
        [
            f"Audit export {manifest['export_id']} of {manifest['platform']}",
            "",
            _wrapped(
                "It shows consents and what followed from them as the service knew it after "
                f"{manifest['revision']} events, at {manifest['as_of']} (UTC). It was asked for by "
                f"{manifest['requested_by']} at {manifest['requested_at']}."
            ),
            _wrapped(f"Narrowed to: {narrowed}." if narrowed else "It is narrowed by nothing."),
        ]
    )


def _files(manifest: Json) -> str:
    lines = ["What is in it:", ""]
    for dataset in manifest["datasets"]:
        lines.append(f"  {dataset['name']}: {dataset['title']}, {dataset['rows']} rows")
        lines += [f"    {file['name']}" for file in dataset["files"]]
    for pack in manifest["packs"]:
        lines.append(f"  {pack['name']}: {pack['title']}")
        lines += [f"    {file['name']}" for file in pack["files"]]
    missing = [*manifest["lacks"], *(what for one in manifest["datasets"] for what in one["lacks"])]
    return "\n".join([*lines, "", "What is not in it:", "", *(f"  - {one}" for one in missing)])


def _reading(manifest: Json) -> str:
    said = {
        "parquet": "Open .parquet files with DuckDB, pandas, Polars, Spark or Arrow.",
        "csv": "Open .csv files with any spreadsheet. Where a text begins with an apostrophe, one "
        "was put there so that nothing in it is run as a formula: take it away to have the text "
        "as it was.",
        "ndjson": "Each line of a .ndjson file is one JSON object.",
    }[manifest["format"]]
    return _wrapped(f"{said} What each column means is in {MANIFEST}.")


def _checking(manifest: Json) -> str:
    return "\n".join(
        [
            _wrapped(
                f"{MANIFEST} has the SHA-256 of every file, and {NOTE} is the signature of "
                f"{MANIFEST} by the log {manifest['origin']}. With the log's public key, which its "
                "operator publishes, nobody has to be believed and nobody has to be asked:"
            ),
            "",
            "    fermata verify FOLDER --key KEY",
        ]
    )


def _openings() -> str:
    return _wrapped(
        "The keys in `consents` prove for ever what these artists said, to whoever holds this "
        "bundle: keep it accordingly."
    )


def _wrapped(text: str) -> str:
    return fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
