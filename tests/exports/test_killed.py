"""What processes leave that are killed while they build, and what it goes with."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from service.auth.local_issuer import LocalIssuer
from service.exports.expiry import forget
from tests.api.door import make_clock_movable, open_door
from tests.api.people import AUDITOR
from tests.api.story import Story
from tests.conftest import migrated_database
from tests.exports.bundles import opened_office, taken_by_nobody
from tests.exports.killed import Machine

ARTIST: Final = "an-unmistakable-artist"

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def machine(
    postgres_url: str, export_issuer: LocalIssuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Machine]:
    """Return a machine of this test's own, where somebody waits for an export with the artist."""
    kept, temporary = tmp_path / "kept", tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setenv("TMPDIR", str(temporary))
    async with migrated_database(postgres_url) as url:
        await make_clock_movable(url)
        async with (
            open_door(url, export_issuer, exports=str(kept)) as door,
            opened_office(door, tmp_path) as office,
        ):
            await Story(door).begin()
            await Story(door).register(ARTIST)
            yield Machine(office, kept, temporary)


async def asked(machine: Machine) -> str:
    """Ask for an export with the artist in it; return its id."""
    return await machine.office.ask("artists", format="csv")


async def killed_in_put(machine: Machine) -> str:
    """Ask for one whose process is killed while its file is stored; return its id."""
    export_id = await asked(machine)
    assert await machine.office.worker(machine.child("in_put").build).work()
    assert (await machine.office.status(export_id))["state"] == "queued"
    assert machine.files_with(ARTIST) == ["artists.csv#1"]
    return export_id


async def erase(machine: Machine) -> None:
    """Erase the artist, and wait for what goes with them."""
    office, path = machine.office, f"/v1/artists/{ARTIST}/erasure"
    erased = await office.door.done("POST", path, {"dry_run": False}, by=AUDITOR)
    await forget(office.desk.database, office.desk.objects, erased["revision"])


async def test_what_was_being_stored_goes_with_an_artist(machine: Machine) -> None:
    """Nothing of it is left when forgetting has returned, and the export is made without them."""
    export_id = await killed_in_put(machine)
    await erase(machine)
    assert machine.files_with(ARTIST) == []
    await machine.office.door.advance(timedelta(seconds=61))
    assert await machine.office.worker().work()
    assert (await machine.office.status(export_id))["state"] == "ready"
    assert machine.files_with(ARTIST) == []


async def test_what_was_being_stored_goes_with_its_export(machine: Machine) -> None:
    """Its folders as well."""
    export_id = await killed_in_put(machine)
    await machine.office.door.ask("DELETE", f"/v1/exports/{export_id}", by=AUDITOR)
    await machine.office.worker().tidy()
    assert list(machine.kept.iterdir()) == []


async def test_what_was_being_stored_goes_when_it_is_made_again(machine: Machine) -> None:
    """The bundle has its own files and no others, and in the end none."""
    export_id = await killed_in_put(machine)
    await machine.office.door.advance(timedelta(seconds=61))
    assert await machine.office.worker().work()
    assert (await machine.office.status(export_id))["state"] == "ready"
    assert machine.files_with(ARTIST) == ["artists.csv"]
    assert [path.name for path in (machine.kept / export_id).iterdir()] == ["2"]
    await machine.office.door.advance(timedelta(days=31))
    await machine.office.worker().tidy()
    assert list(machine.kept.iterdir()) == []


async def test_what_was_being_written_goes_when_a_worker_starts(machine: Machine) -> None:
    """Whoever is killed together with the service: nobody is left to take it away at once."""
    await asked(machine)
    assert await machine.serve(await taken_by_nobody(machine.office)) == -9
    assert machine.files_with(ARTIST) == ["artists"]
    await erase(machine)
    async with machine.office.worker(), asyncio.timeout(20):
        while machine.files_with(ARTIST):  # noqa: ASYNC110 - files tell nobody
            await asyncio.sleep(0.01)


async def test_what_came_too_late_goes_when_forgetting_is_asked_again(machine: Machine) -> None:
    """An hour after an erasure it is: whoever was killed meanwhile has left nothing by then."""
    export_id = await asked(machine)
    await taken_by_nobody(machine.office)
    await erase(machine)
    late(machine.kept / export_id / "1")
    await forget(machine.office.desk.database, machine.office.desk.objects)
    assert machine.files_with(ARTIST) == []


@pytest.mark.parametrize(
    ("end", "left"),
    [
        ("ready", {"2/artists.csv", "2/README.txt", "2/manifest.json", "2/manifest.note"}),
        ("running", {"2/late", "2/late#1"}),
        ("queued", set()),
        ("expired", set()),
    ],
)
async def test_what_came_too_late_goes_when_a_worker_starts(
    machine: Machine, end: str, left: set[str]
) -> None:
    """What no export has; whoever has one now keeps theirs."""
    office = machine.office
    export_id = await asked(machine)
    await taken_by_nobody(office)
    await office.door.advance(timedelta(seconds=61))
    await reach(machine, export_id, end)
    late(machine.kept / export_id / "1")
    late(machine.kept / export_id / "2")
    late(machine.kept / "exp_of_somebody_else" / "1")
    await office.worker().sweep()
    assert files_in(machine.kept / export_id) == left
    assert files_in(machine.kept) - {f"{export_id}/{name}" for name in left} == {
        "exp_of_somebody_else/1/late",
        "exp_of_somebody_else/1/late#1",
    }


async def reach(machine: Machine, export_id: str, end: str) -> None:
    """Take an export for the second time, and bring it as far as that."""
    office = machine.office

    async def breaking(_: Any) -> None:
        raise OSError("the disk is full")

    if end == "running":
        await taken_by_nobody(office)
    else:
        assert await office.worker(breaking if end == "queued" else None).work()
    if end == "expired":
        await office.door.ask("DELETE", f"/v1/exports/{export_id}", by=AUDITOR)
        await office.worker().tidy()
    assert (await office.status(export_id))["state"] == end


def late(folder: Path) -> None:
    """Write what somebody had finished, and what they had begun, in a folder of theirs."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("late", "late#1"):
        (folder / name).write_text(ARTIST)


def files_in(folder: Path) -> set[str]:
    """Return the names of all files below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
