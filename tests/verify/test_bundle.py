"""An export, verified with nothing but the log's public key, and everything else in doubt."""

import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from service.transparency.keys import SigningKey
from service.verify.bundle import LATER, NO_ENTRIES, OLDER, verify_bundle
from service.verify.finding import CannotLook, Report, What
from service.verify.held import NOT_HELD
from service.verify.keeping import kept_checkpoint
from service.verify.notes import Key, read_key
from service.verify.statements import WHOSE_IDS
from tests.transparency.logs import KEY as STRANGER
from tests.verify.exporting import DATASETS, FORMATS, Platform, copy_of
from tests.verify.forging import rewrite, sign


@pytest.fixture
def keys(platform: Platform) -> list[Key]:
    """Return the public key of the platform's log."""
    return [read_key(platform.verifier)]


@pytest.fixture
def bundle(platform: Platform, tmp_path: Path) -> Path:
    """Return a bundle to be changed."""
    return copy_of(platform.bundles["parquet"], tmp_path)


@pytest.mark.parametrize("form", FORMATS)
def test_it_holds_in_every_format(platform: Platform, keys: list[Key], form: str) -> None:
    """Files, rows, proofs, entries up to the root, and what artists said, opened."""
    report = verify_bundle(platform.bundles[form], keys)
    assert report.findings == ()
    assert report.unseen.keys() == {*NOT_HELD.values(), WHOSE_IDS}
    assert report.looked["entries"] == report.size == 18
    assert report.looked["openings"] == report.looked["rows of consents"] == 3
    assert report.looked["proofs"] == 2


def zipped(folder: Path, into: Path) -> Path:
    """Pack a folder."""
    return Path(shutil.make_archive(str(into / "zip"), "zip", folder.parent, folder.name))


def tarred(folder: Path, into: Path) -> Path:
    """Pack the files of a folder, as they lie."""
    path = into / "bundle.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for file in folder.iterdir():
            tar.add(file, file.name)
    return path


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_it_may_be_packed(
    bundle: Path, keys: list[Key], tmp_path: Path, pack: Callable[[Path, Path], Path]
) -> None:
    """With its folder or without; and what is changed in an archive is found as well."""
    assert verify_bundle(pack(bundle, tmp_path), keys).holds
    (bundle / "README.txt").write_text("Nothing to see here.\n")
    report = verify_bundle(pack(bundle, tmp_path), keys)
    [finding] = report.findings
    assert (finding.what, finding.where) == (What.EXPORT_ALTERED, "README.txt")


def test_a_narrowed_one_says_what_it_cannot_show(platform: Platform, keys: list[Key]) -> None:
    """The signature and the proofs hold; entries that are not there cannot be recomputed."""
    report = verify_bundle(platform.narrowed, keys)
    assert report.findings == ()
    assert NO_ENTRIES in report.unseen


def test_an_altered_file(bundle: Path, keys: list[Key]) -> None:
    """One bit of any file."""
    path = bundle / "consents.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert found(verify_bundle(bundle, keys)) == {(What.EXPORT_ALTERED, "consents.parquet")}


def test_a_missing_file_and_one_too_many(bundle: Path, keys: list[Key]) -> None:
    """The manifest names every file, and there is no other."""
    (bundle / "content.parquet").rename(bundle / "contents.parquet")
    assert found(verify_bundle(bundle, keys)) == {
        (What.EXPORT_ALTERED, "content.parquet"),
        (What.EXPORT_ALTERED, "contents.parquet"),
    }


def test_an_altered_manifest(bundle: Path, keys: list[Key]) -> None:
    """Though the file that was altered with it is the one that it names."""
    rewrite(bundle, "content", lambda table: table.slice(1))
    assert (What.EXPORT_ALTERED, "manifest.note") in found(verify_bundle(bundle, keys))


def test_a_signature_by_somebody_else(bundle: Path, keys: list[Key], platform: Platform) -> None:
    """Whoever forges both has no key of the log."""
    name = read_key(platform.verifier).name
    sign(bundle, SigningKey(name, bytes(32)))
    [finding] = verify_bundle(bundle, keys).findings
    assert finding.where == "manifest.note"
    with pytest.raises(CannotLook, match="--key"):
        verify_bundle(bundle, [read_key(str(STRANGER.verifier()))])


def test_even_the_log_cannot_lie_about_its_entries(
    bundle: Path, platform: Platform, tmp_path: Path
) -> None:
    """A manifest that is signed, over rows that are not those of the ledger, is found out."""
    forger = SigningKey(read_key(platform.verifier).name, bytes(32))
    keys = [read_key(platform.verifier), read_key(str(forger.verifier()))]

    rewrite(bundle, "events", lambda table: table.slice(0, table.num_rows - 1))
    sign(bundle, forger)
    report = verify_bundle(bundle, keys)
    assert NO_ENTRIES in report.unseen, "not all entries are in it, as its manifest says itself"

    second = copy_of(platform.bundles["parquet"], tmp_path / "second")
    rewrite(second, "consents", flipped)
    sign(second, forger)
    report = verify_bundle(second, keys)
    assert {(one.what, one.revision) for one in report.findings} == {(What.PRIVATE_ALTERED, 15)}

    third = copy_of(platform.bundles["parquet"], tmp_path / "third")
    rewrite(third, "events", shuffled)
    sign(third, forger)
    report = verify_bundle(third, keys)
    assert report.first_wrong == 3, "that policy was published by no entry that is there"
    assert What.EVENT_OUT_OF_TIME in {one.what for one in report.findings}
    assert (What.EXPORT_ALTERED, "events") in found(report)


def flipped(table: pa.Table) -> pa.Table:
    """Make the first no a yes."""
    answers = table.column("answer").to_pylist()
    assert answers[0] == "opt_out"
    at = table.schema.get_field_index("answer")
    return table.set_column(at, "answer", pa.array(["opt_in", *answers[1:]]))


def shuffled(table: pa.Table) -> pa.Table:
    """Put one entry's bytes, with its hash, in the place of another's."""
    rows = table.to_pylist()
    rows[2] |= {name: rows[3][name] for name in ("leaf", "leaf_hash", "kind", "recorded_at")}
    return pa.Table.from_pylist(rows, table.schema)


def test_older_checkpoints(platform: Platform, keys: list[Key]) -> None:
    """With all entries each can be held against them; without, only one of the same size."""
    key = SigningKey(keys[0].name, bytes(32))
    both = [*keys, read_key(str(key.verifier()))]
    text = f"{keys[0].name}\n5\n{'A' * 43}=\n"
    forked = kept_checkpoint(f"{text}\n{key.sign(text).line()}", "kept", both)
    [finding] = verify_bundle(platform.bundles["csv"], both, [forked]).findings
    assert (finding.what, finding.where) == (What.HISTORY_CHANGED, "kept")
    report = verify_bundle(platform.narrowed, both, [forked])
    assert report.holds
    assert OLDER in report.unseen


def test_a_checkpoint_of_another_log(platform: Platform, keys: list[Key]) -> None:
    """It says nothing about this one: that is no finding, and no older state to be held."""
    text = f"{STRANGER.name}\n5\n{'A' * 43}=\n"
    both = [*keys, read_key(str(STRANGER.verifier()))]
    other = kept_checkpoint(f"{text}\n{STRANGER.sign(text).line()}", "theirs", both)
    for bundle in (platform.bundles["csv"], platform.narrowed):
        with pytest.raises(CannotLook, match=f"theirs is of {STRANGER.name}"):
            verify_bundle(bundle, both, [other])


def test_what_is_no_bundle(tmp_path: Path, keys: list[Key], bundle: Path) -> None:
    """It cannot be looked at."""
    with pytest.raises(CannotLook, match="no bundle"):
        verify_bundle(tmp_path / "nothing", keys)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CannotLook, match=r"no manifest\.json"):
        verify_bundle(tmp_path / "empty", keys)
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    (bundle / "manifest.json").write_text(json.dumps(manifest | {"schema": "fermata.export/9"}))
    with pytest.raises(CannotLook, match=r"fermata\.export/9"):
        verify_bundle(bundle, keys)


def test_a_later_checkpoint(platform: Platform, keys: list[Key]) -> None:
    """A ledger goes on after an export of it: that is no going back."""
    key = SigningKey(keys[0].name, bytes(32))
    both = [*keys, read_key(str(key.verifier()))]
    text = f"{keys[0].name}\n5000\n{'A' * 43}=\n"
    later = kept_checkpoint(f"{text}\n{key.sign(text).line()}", "kept", both)
    for bundle in (platform.bundles["csv"], platform.narrowed):
        report = verify_bundle(bundle, both, [later])
        assert report.holds
        assert LATER in report.unseen


def test_a_damaged_archive(bundle: Path, keys: list[Key], tmp_path: Path) -> None:
    """What cannot be unpacked was altered, or it could not look: it never ends otherwise."""
    path = zipped(bundle, tmp_path)
    data = path.read_bytes()
    with zipfile.ZipFile(path) as packed:
        begin = packed.getinfo("bundle/README.txt").header_offset
    path.write_bytes(data[: begin + 80] + bytes([data[begin + 80] ^ 1]) + data[begin + 81 :])
    [finding] = verify_bundle(path, keys).findings
    assert (finding.what, finding.where) == (What.EXPORT_ALTERED, "README.txt")
    path = tarred(bundle, tmp_path)
    path.write_bytes(path.read_bytes()[:-2_000])
    with pytest.raises(CannotLook, match="no bundle that can be read"):
        verify_bundle(path, keys)


def test_what_swells(bundle: Path, keys: list[Key], tmp_path: Path) -> None:
    """Nothing is unpacked beyond the size that was signed."""
    (bundle / "README.txt").write_bytes(bytes(8 << 20))
    assert found(verify_bundle(zipped(bundle, tmp_path), keys)) == {
        (What.EXPORT_ALTERED, "README.txt")
    }
    (bundle / "manifest.json").write_bytes(bytes(65 << 20))
    with pytest.raises(CannotLook, match=r"manifest\.json has more than"):
        verify_bundle(zipped(bundle, tmp_path), keys)


@pytest.mark.parametrize("dataset", DATASETS)
def test_rows_of_other_types(bundle: Path, keys: list[Key], dataset: str) -> None:
    """Whoever forges a manifest may give its columns any values."""
    rewrite(
        bundle,
        dataset,
        lambda table: pa.table({name: ["x"] * table.num_rows for name in table.column_names}),
    )
    report = verify_bundle(bundle, keys)
    assert {(What.EXPORT_ALTERED, "manifest.note"), (What.EXPORT_ALTERED, dataset)} & found(report)
    assert not report.holds


def found(report: Report) -> set[tuple[What, str]]:
    """Return what is wrong, and in which file."""
    return {(one.what, one.where) for one in report.findings}
