"""The bundle as a whole: signed, tied to a checkpoint, and held against the ledger offline."""

import hmac
import json
from hashlib import sha256
from pathlib import Path
from typing import Final

import pytest

from service.domain.merkle import CompactRange, leaf_hash
from service.domain.proofs import includes, is_consistent
from service.exports.datasets import DATASETS
from service.exports.wanted import Format
from service.transparency.checkpoint import open_checkpoint
from service.transparency.note import BadNote, decode64
from service.transparency.statement import read_statement
from service.verify.bundle import verify_bundle
from service.verify.notes import read_key
from tests.api.story import ONLY_ASKS
from tests.exports.bundles import Bundle, Office

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "exports.md"
MANIFEST: Final = "manifest.json"


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return sha256(path.read_bytes()).hexdigest()


@ONLY_ASKS
async def test_the_manifest_is_signed_by_the_log(told: Office, everything: Bundle) -> None:
    """With nothing but the public key; another manifest does not pass."""
    note = (everything.folder / "manifest.note").read_text()
    lines = read_statement(note, [told.desk.key.verifier()], "export-manifest/v1")
    assert lines == [
        f"sha256 {digest(everything.folder / MANIFEST)}",
        f"export {everything.manifest['export_id']}",
        f"revision {everything.manifest['revision']}",
    ]
    with pytest.raises(BadNote):
        open_checkpoint(note, [told.desk.key.verifier()])


@ONLY_ASKS
async def test_every_file_is_in_the_manifest_once(everything: Bundle) -> None:
    """With its size, its digest and, of datasets, the true number of its rows."""
    entries = [file for one in everything.manifest["datasets"] for file in one["files"]]
    entries.append(everything.manifest["readme"])
    names = [entry["name"] for entry in entries]
    assert sorted([*names, MANIFEST, "manifest.note"]) == sorted(
        path.name for path in everything.folder.iterdir()
    )
    for entry in entries:
        path = everything.folder / entry["name"]
        assert (entry["bytes"], entry["sha256"]) == (path.stat().st_size, digest(path))
    for one in everything.manifest["datasets"]:
        assert one["rows"] == sum(file["rows"] for file in one["files"])
        assert one["rows"] == len(everything.rows(one["name"]))


@ONLY_ASKS
async def test_the_revision_is_tied_to_a_checkpoint(told: Office, everything: Bundle) -> None:
    """Its last event is in the checkpoint's tree, which begins with the tree that is shown."""
    ledger = everything.manifest["ledger"]
    checkpoint, _ = open_checkpoint(ledger["checkpoint"], [told.desk.key.verifier()])
    inclusion, consistency = ledger["inclusion"], ledger["consistency"]
    assert checkpoint.size >= ledger["revision"] == inclusion["index"] + 1 == consistency["older"]
    assert includes(
        decode64(inclusion["leaf_hash"]),
        inclusion["index"],
        checkpoint.size,
        [decode64(one) for one in inclusion["hashes"]],
        checkpoint.root,
    )
    assert is_consistent(
        consistency["older"],
        checkpoint.size,
        [decode64(one) for one in consistency["hashes"]],
        decode64(ledger["root"]),
        checkpoint.root,
    )


@ONLY_ASKS
async def test_an_older_state_is_tied_to_the_newest_checkpoint(told: Office) -> None:
    """The proof goes from the revision that is shown to what is signed by now."""
    ledger = (await told.bundle("policies", as_of=10)).manifest["ledger"]
    checkpoint, _ = open_checkpoint(ledger["checkpoint"], [told.desk.key.verifier()])
    assert (ledger["consistency"]["older"], checkpoint.size) == (10, 18)
    assert is_consistent(
        10,
        18,
        [decode64(one) for one in ledger["consistency"]["hashes"]],
        decode64(ledger["root"]),
        checkpoint.root,
    )


@ONLY_ASKS
async def test_the_root_follows_from_the_entries(everything: Bundle) -> None:
    """Leaf by leaf, with nothing but RFC 6962."""
    tree = CompactRange()
    for row in everything.rows("events"):
        assert (tree.size + 1, leaf_hash(row["leaf"])) == (row["revision"], row["leaf_hash"])
        tree = tree.append(row["leaf_hash"])
    assert tree.root() == decode64(everything.manifest["ledger"]["root"])


@ONLY_ASKS
async def test_consents_are_held_against_their_commitments(everything: Bundle) -> None:
    """Each with the key of its own event: what the row says is what the ledger committed to."""
    leaves = {row["revision"]: json.loads(row["leaf"]) for row in everything.rows("events")}
    for row in everything.rows("consents"):
        leaf, details = leaves[row["revision"]], json.loads(row["opening_details"])
        made = hmac.digest(row["opening_key"], row["opening_details"].encode(), "sha256").hex()
        assert (made, row["subject"]) == (leaf["commitment"], leaf["subject"])
        evidence, shown = details.pop("evidence"), json.loads(row["shown"])
        assert details == {
            name: row[name] for name in ("answer", "use", "content", "recipient", "expires_at")
        }
        assert evidence == {
            "names": shown["names"],
            "shown": shown["shown"],
            **{name: row[name] for name in ("actor", "acting_as", "channel", "locale")},
        }


@ONLY_ASKS
@pytest.mark.parametrize("format_", Format)
async def test_the_independent_reader_agrees(told: Office, format_: Format) -> None:
    """Who wrote `fermata verify` has seen docs/exports.md and none of this code."""
    bundle = await told.bundle(*DATASETS, format=format_, openings=True)
    key = read_key(str(told.desk.key.verifier()))
    report = verify_bundle(bundle.folder, [key])
    assert report.holds, report
    path = bundle.path("consents")
    path.write_bytes(path.read_bytes()[:-1])
    assert not verify_bundle(bundle.folder, [key]).holds


@ONLY_ASKS
async def test_without_openings_there_are_no_keys(told: Office) -> None:
    """Nor columns for them; the manifest says what cannot be done then."""
    bundle = await told.bundle("consents")
    assert not [name for name in bundle.rows("consents")[0] if name.startswith("opening")]
    assert any("openings" in one for one in bundle.manifest["lacks"])


@ONLY_ASKS
async def test_the_readme_says_what_is_in_it_and_what_is_not(told: Office) -> None:
    """In words, for whoever finds the folder years later."""
    bundle = await told.bundle("consents", "policies", filters={"use": "training"}, format="csv")
    text = (bundle.folder / "README.txt").read_text()
    for said in ("of Example Sounds", "after 18 events", "consents.csv", "use = training"):
        assert said in text
    for missing in [*bundle.manifest["lacks"], *bundle.dataset("consents")["lacks"]]:
        assert missing in text


@ONLY_ASKS
async def test_an_artist_is_filtered_by_reference_in_the_manifest(told: Office) -> None:
    """The platform's own id would outlive their erasure there; the status still names them."""
    bundle = await told.bundle("consents", filters={"artist": "ana"})
    [row] = bundle.rows("consents")
    assert bundle.manifest["filters"] == {"artist": row["subject"]}
    status = await told.status(bundle.manifest["export_id"])
    assert status["filters"]["artist"] == "ana"


@ONLY_ASKS
async def test_columns_are_described(everything: Bundle) -> None:
    """In the manifest, in the order of the files, each with a type that the document knows."""
    types = {line.split("`")[1] for line in table("### Types")}
    for one in everything.manifest["datasets"]:
        assert [column["name"] for column in one["columns"]] == list(
            everything.rows(one["name"])[0]
        )
        assert all(column["description"] for column in one["columns"])
        assert {column["type"] for column in one["columns"]} <= types


def test_the_document_lists_every_filter() -> None:
    """What docs/exports.md says can be narrowed is what can."""
    columns = ("use", "recipient", "artist", "content", "time", "run")
    for line in table("## Filters"):
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        taken = {column for column, cell in zip(columns, cells, strict=True) if cell}
        filters = {"time" if one in {"since", "until"} else one for one in DATASETS[name].filters}
        assert taken == filters, name


@ONLY_ASKS
async def test_the_document_lists_every_field(everything: Bundle) -> None:
    """What a manifest says at the top is documented, and nothing else is."""
    first = (line.split("|")[1] for line in table("### manifest.json"))
    assert {word for cell in first for word in cell.split("`")[1::2]} == set(everything.manifest)


def table(heading: str) -> list[str]:
    """Return the rows of the table below a heading of the document, without its head."""
    lines = DOCUMENT.read_text().split(f"\n{heading}\n")[1].splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(line)
    return rows
