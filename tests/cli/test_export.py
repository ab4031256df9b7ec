"""`fermata export`: from a running service into a folder."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.cli.export import datasets_wanted, files_of
from service.cli.remote import CannotRun
from tests.cli.conftest import Fermata, open_charter
from tests.serving import RunningService, running_service


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[RunningService]:
    """A running service that builds exports, with a charter and an artist."""
    with running_service(
        database_url, exports=str(tmp_path / "kept"), checkpoint_interval_ms=20
    ) as running:
        open_charter(running)
        with running.connect() as connection:
            connection.write("POST", "/v1/artists", {"artists": [{"artist": "ana"}]})
        yield running


def test_a_bundle_is_brought_into_a_folder(
    fermata: Fermata, fermata_at_terminal: Fermata, tmp_path: Path
) -> None:
    """Everything but the ledger's entries, unless said; each file as the manifest has it."""
    folder = tmp_path / "audit"
    ended = fermata("export", "--to", folder)
    assert (ended.status, ended.err) == (0, "")
    assert "artists 1" in ended.out
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert "events" not in {one["name"] for one in manifest["datasets"]}
    assert {path.name for path in folder.iterdir()} >= {"README.txt", "artists.parquet"}

    # The same one again, with one file damaged: that alone is fetched anew.
    (folder / "artists.parquet").write_bytes(b"")
    ended = fermata_at_terminal("export", "--id", manifest["export_id"], "--to", folder)
    assert ended.status == 0, ended.out
    assert (folder / "artists.parquet").stat().st_size > 0


@pytest.mark.parametrize("name", ["../out", "/etc/out", "..", "a/b", ".hidden", ""])
def test_nothing_is_written_out_of_the_folder(name: str) -> None:
    """Whatever a manifest says that nobody has verified yet."""
    file = {"name": name, "sha256": "", "bytes": 1}
    manifest = {"datasets": [{"files": [file]}], "packs": [], "readme": {"name": "README.txt"}}
    with pytest.raises(CannotRun, match="no bundle has"):
        list(files_of(manifest))


def test_without_a_name_everything_is_exported_that_can_be_narrowed_so() -> None:
    """Never a dataset that would come whole beside others that are narrowed."""
    assert datasets_wanted(None, None, {"artist": "ana"}) == [
        "consents",
        "artists",
        "content",
        "deliveries",
        "bounces",
        "decisions",
    ]
    assert "events" not in datasets_wanted(None, None, {})
    assert datasets_wanted(["events"], None, {}) == ["events"]
    assert datasets_wanted(None, ["licensing-certification"], {}) == []


def test_what_cannot_be_had_is_told(fermata: Fermata, tmp_path: Path) -> None:
    """What the service refuses, and what it does not know."""
    ended = fermata("export", "--to", tmp_path / "a", "--dataset", "policies", "--artist", "ana")
    assert ended.status == 2
    assert "policies cannot be narrowed by artist" in ended.err
    ended = fermata("export", "--to", tmp_path / "a", "--id", f"exp_{32 * '0'}")
    assert ended.status == 2
    assert "no export has this id" in ended.err


def test_an_export_that_has_expired_is_told(
    fermata: Fermata, service: RunningService, tmp_path: Path
) -> None:
    """It is no failure of the command's; and nothing is written."""
    with service.connect() as connection:
        asked = connection.write("POST", "/v1/exports", {"datasets": ["policies"]})["export_id"]
        connection._http.delete(
            f"/v1/exports/{asked}", headers={"Authorization": f"Bearer {service.token()}"}
        )
    ended = fermata("export", "--id", asked, "--to", tmp_path / "a")
    assert ended.status == 1
    assert "expired" in ended.err
    assert not (tmp_path / "a").exists()
