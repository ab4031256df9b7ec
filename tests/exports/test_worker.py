"""Who builds exports, what they do when something breaks, and when bundles end."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pytest
from typing_extensions import override

from service.db.engine import WriteSession
from service.decisions.log.packing import Damaged
from service.domain.instant import DAY
from service.domain.refusal import refuse
from service.exports.build import build
from service.exports.child import Child
from service.exports.expiry import clear, forget
from service.exports.jobs import (
    LeaseLost,
    Taken,
    extend,
    finish,
    give_up,
    put_back,
    record,
    try_later,
)
from service.exports.worker import MOST_TRIES
from service.settings import Settings
from service.storage.objects import Objects, StoreUnavailable
from tests.api.door import KEY
from tests.api.people import AUDITOR
from tests.api.story import MUSIC, Story
from tests.exports.breaking import Breaking
from tests.exports.bundles import Office, taken_by_nobody

PERSONAL: Final = ("artists", "content", "events")

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def stored(office: Office, export_id: str) -> list[str]:
    """Return the names of all files there are of an export, with the fence they were made under."""
    found = await office.shop.objects.below(export_id)
    return [one.name.removeprefix(f"{export_id}/") for one in found]


async def test_what_broke_off_goes_on_where_it_was(office: Office) -> None:
    """After its lease; with the same revision, and files that were finished are not made again."""
    revision = await Story(office.door).revision()
    export_id = await office.ask("policies", "events")
    shop = replace(office.shop, objects=Breaking(office.shop.objects, 1))
    with pytest.raises(StoreUnavailable):
        await build(shop, await taken_by_nobody(office))
    assert not await office.worker().work()  # it may still be at work
    await Story(office.door).register("zoe")
    await office.door.advance(timedelta(seconds=61))
    assert (await office.status(export_id))["progress"]["tries"] == 1
    assert await office.worker().work()
    bundle = await office.fetch(export_id)
    assert bundle.manifest["revision"] == revision == len(bundle.rows("events"))
    assert {"1/policies.parquet", "2/events.parquet"} <= set(await stored(office, export_id))


async def test_what_breaks_off_in_the_middle_of_rows_ends_at_once(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database has sent some, and has more: it is not waited for."""

    def damaged(*_: object) -> pa.RecordBatch:
        raise Damaged("these are no outcomes")

    story = Story(office.door)
    for _ in range(3):
        await story.check(MUSIC, "tune")
    await office.ask("decisions")
    taken = await taken_by_nobody(office)
    monkeypatch.setattr("service.exports.reading.AT_ONCE", 1)
    monkeypatch.setattr("service.exports.datasets.decisions.narrowed", damaged)
    async with asyncio.timeout(20):
        with pytest.raises(Damaged):
            await build(office.shop, taken)


async def test_who_was_away_for_too_long_changes_nothing_any_more(office: Office) -> None:
    """Somebody else has the export since, however far the first has come with it."""
    export_id = await office.ask("policies")
    first = await taken_by_nobody(office)
    await office.door.advance(timedelta(seconds=61))
    second = await taken_by_nobody(office)
    before = await office.status(export_id)
    settling: tuple[Callable[[WriteSession, Taken], Awaitable[None]], ...] = (
        extend,
        record,
        partial(finish, manifest={}, keep=DAY),
        partial(give_up, error="it was given up"),
        partial(try_later, error="it is tried again", wait=DAY),
        put_back,
    )
    for settle in settling:
        with pytest.raises(LeaseLost):
            async with office.desk.database.keep() as session:
                await settle(session, first)
    assert await office.status(export_id) == before
    async with office.desk.database.keep() as session:
        await put_back(session, second)
    assert await office.worker().work()
    assert (await office.status(export_id))["state"] == "ready"


async def test_one_export_is_built_by_one_worker(office: Office) -> None:
    """However many look at the same moment."""
    made: list[str] = []

    async def making(taken: Taken) -> None:
        made.append(taken.export_id)
        await build(office.shop, taken)

    asked = [await office.ask("policies") for _ in range(3)]
    await asyncio.gather(*(office.worker(making).work() for _ in range(5)))
    assert sorted(made) == sorted(asked)


async def test_what_fails_is_tried_again_and_then_no_more(office: Office) -> None:
    """Its row says so; what the error was is in the service's log."""
    export_id = await office.ask("policies")

    async def breaking(_: Taken) -> None:
        raise OSError("the disk is full")

    for tries in range(1, MOST_TRIES + 1):
        assert await office.worker(breaking).work()
        status = await office.status(export_id)
        assert status["progress"]["tries"] == tries
        assert status["state"] == ("failed" if tries == MOST_TRIES else "queued")
        await office.door.advance(timedelta(seconds=31))
    assert "Ask for it again" in status["error"]
    assert not await office.worker().work()


async def test_what_kills_every_worker_fails_in_the_end(office: Office) -> None:
    """Nobody is left to say what it was; so who takes it last does not begin."""
    export_id = await office.ask("policies")
    for _ in range(MOST_TRIES):
        await taken_by_nobody(office)
        await office.door.advance(timedelta(seconds=61))
    assert await office.worker().work()
    assert (await office.status(export_id))["state"] == "failed"


async def test_what_cannot_be_had_fails_at_once(office: Office) -> None:
    """And says why: nothing would be different the next time."""
    export_id = await office.ask("policies")

    async def refusing(_: Taken) -> None:
        raise refuse("filters.run", "unknown_run", "no decision names this run")

    assert await office.worker(refusing).work()
    status = await office.status(export_id)
    assert (status["state"], status["error"]) == (
        "failed",
        "filters.run: no decision names this run",
    )


async def test_a_bundle_expires(office: Office) -> None:
    """Its files are deleted when its time is over, and the row stays."""
    bundle = await office.bundle("policies")
    export_id = bundle.manifest["export_id"]
    await office.door.advance(timedelta(days=29))
    await office.worker().tidy()
    assert (await office.status(export_id))["state"] == "ready"
    await office.door.advance(timedelta(days=2))
    await office.worker().tidy()
    status = await office.status(export_id)
    assert (status["state"], status["manifest"], status["files"]) == ("expired", None, [])
    assert await stored(office, export_id) == []
    path = f"/v1/exports/{export_id}/files/manifest.json"
    assert (await office.door.ask("GET", path, by=AUDITOR)).status_code == 404


async def test_an_erasure_takes_bundles_with_people_away(office: Office) -> None:
    """Whoever they are narrowed to: nobody looks inside. Those without people stay."""
    await Story(office.door).register("eve")
    personal = await office.bundle(*PERSONAL, filters={"until": "2020-01-01T00:00:00Z"})
    policies = await office.bundle("policies")
    await office.door.done("POST", "/v1/artists/eve/erasure", {"dry_run": False}, by=AUDITOR)
    await office.worker().tidy()
    states = [
        (await office.status(one.manifest["export_id"]))["state"] for one in (personal, policies)
    ]
    assert states == ["expired", "ready"]
    assert await stored(office, personal.manifest["export_id"]) == []
    later = await office.bundle("artists", as_of=8)
    await office.worker().tidy()
    assert (await office.status(later.manifest["export_id"]))["state"] == "ready"


async def test_forgetting_deletes_at_once(office: Office) -> None:
    """For who has to know that nothing is left; an export that waits is made without them."""
    await Story(office.door).register("fay")
    personal = await office.bundle("artists")
    waiting = await office.ask("artists")
    answer = await office.door.done(
        "POST", "/v1/artists/fay/erasure", {"dry_run": False}, by=AUDITOR
    )
    await forget(office.desk.database, office.shop.objects, answer["revision"])
    assert await forget(office.desk.database, office.shop.objects, answer["revision"]) == 0
    assert await stored(office, personal.manifest["export_id"]) == []
    assert await office.worker().work()
    bundle = await office.fetch(waiting)
    assert "fay" not in {row["artist_id"] for row in bundle.rows("artists")}


class _Unreachable(Objects):
    """A place that cannot be reached."""

    @override
    async def clear(self, folder: str, keep: Collection[str] = ()) -> None:
        """Fail."""
        raise StoreUnavailable("nobody answers")


async def test_forgetting_goes_on_until_the_files_are_gone(office: Office, tmp_path: Path) -> None:
    """Where the place could not be reached, whoever asks again has them deleted."""
    await Story(office.door).register("ida")
    personal = await office.bundle("artists")
    begun = await office.ask("artists")
    await build(office.shop, await taken_by_nobody(office))
    answer = await office.door.done(
        "POST", "/v1/artists/ida/erasure", {"dry_run": False}, by=AUDITOR
    )
    ids = (personal.manifest["export_id"], begun)
    with pytest.raises(StoreUnavailable):
        await forget(office.desk.database, _Unreachable(tmp_path), answer["revision"])
    assert all([await stored(office, one) for one in ids])
    await forget(office.desk.database, office.shop.objects, answer["revision"])
    assert [await stored(office, one) for one in ids] == [[], []]


async def test_clearing_leaves_what_is_made_since(office: Office) -> None:
    """Whoever has taken an export since writes beside what is deleted."""
    objects = office.shop.objects
    for fence in (1, 2, 10):
        await objects.put(f"exp_cleared/{fence}/file", Path(__file__))
    await clear(objects, "exp_cleared", 2)
    assert await stored(office, "exp_cleared") == ["10/file"]


async def test_no_bundle_ends_while_anybody_is_held(office: Office) -> None:
    """It may be what is left of decisions that were discarded before; then its time is over."""
    await Story(office.door).register("jon")
    bundle = await office.bundle("policies")
    export_id = bundle.manifest["export_id"]
    holds = "/v1/artists/jon/holds"
    placed = await office.door.done("POST", holds, {"reason": "a case"}, by=AUDITOR)
    await office.door.advance(timedelta(days=31))
    await office.worker().tidy()
    assert (await office.status(export_id))["state"] == "ready"
    await office.door.done("DELETE", f"{holds}/{placed['revision']}", by=AUDITOR)
    await office.worker().tidy()
    assert (await office.status(export_id))["state"] == "expired"


@pytest.mark.parametrize("breaks", [False, True])
async def test_who_is_erased_while_a_bundle_is_built_is_not_in_it(
    office: Office, *, breaks: bool
) -> None:
    """The worker loses it and leaves nothing behind, however it finds out; it is begun anew."""
    artist = f"gil-{breaks}"
    await Story(office.door).register(artist)
    export_id = await office.ask("artists", "events")
    made: list[int] = []

    async def making(taken: Taken) -> None:
        made.append(taken.fence)
        await build(office.shop, taken)
        if len(made) == 1:
            await office.door.done(
                "POST", f"/v1/artists/{artist}/erasure", {"dry_run": False}, by=AUDITOR
            )
            await forget(office.desk.database, office.shop.objects)
            name = f"{export_id}/{taken.fence}/late"
            await office.shop.objects.put(name, Path(__file__))
            if breaks:
                raise OSError("the disk is full")
            async with office.desk.database.keep() as session:
                await record(session, taken)

    worker = office.worker(making)
    assert await worker.work()
    assert await stored(office, export_id) == []
    assert await worker.work()
    bundle = await office.fetch(export_id)
    assert made == [1, 3]
    assert artist not in {row["artist_id"] for row in bundle.rows("artists")}


async def test_who_deletes_an_export_stops_it(office: Office) -> None:
    """Whatever a worker still makes of it is deleted as well."""
    export_id = await office.ask("policies")

    async def making(taken: Taken) -> None:
        answer = await office.door.ask("DELETE", f"/v1/exports/{taken.export_id}", by=AUDITOR)
        assert answer.status_code == 204
        with pytest.raises(LeaseLost):
            await build(office.shop, taken)
        raise LeaseLost(taken.export_id)

    assert await office.worker(making).work()
    await office.worker().tidy()
    assert (await office.status(export_id))["state"] == "expired"
    assert await stored(office, export_id) == []


async def test_a_worker_that_stops_hands_its_export_back(office: Office) -> None:
    """At once, and it does not count as a try; what a process has made for it stays."""
    export_id = await office.ask("policies")
    begun = asyncio.Event()

    async def for_ever(taken: Taken) -> None:
        async with office.desk.database.keep() as session:
            await record(session, replace(taken, progress=taken.progress | {"rows": 7}))
        begun.set()
        await asyncio.Event().wait()

    async with office.worker(for_ever):
        await begun.wait()
        assert (await office.status(export_id))["state"] == "running"
    status = await office.status(export_id)
    assert (status["state"], status["progress"]["tries"]) == ("queued", 0)
    assert status["progress"]["rows"] == 7
    async with office.worker() as worker, asyncio.timeout(20):
        worker.look()
        while (await office.status(export_id))["state"] != "ready":  # noqa: ASYNC110 - it is another process's, as a rule
            await asyncio.sleep(0.01)


def running(child: Child, command: Sequence[str]) -> Child:
    """Return the same process with another command in it."""
    return replace(child, process=replace(child.process, command=command))


async def test_a_process_of_its_own_builds_the_same(office: Office, tmp_path: Path) -> None:
    """With the service's settings, and no more than it needs of them."""
    here = await office.bundle("policies", "content", "consents", openings=True, as_of=8)
    objects = Objects(tmp_path / "kept")
    settings = Settings(
        database_url=office.door.database_url,
        key_encryption_key=KEY,
        exports=str(tmp_path / "kept"),
    )
    child = Child.of(office.desk.database, settings)
    other = replace(office, desk=replace(office.desk, objects=objects))
    export_id = await office.ask("policies", "content", "consents", openings=True, as_of=8)
    assert await other.worker(child.build).work()
    status = await office.status(export_id)
    assert status["state"] == "ready", status["error"]
    for made, again in zip(here.manifest["datasets"], status["manifest"]["datasets"], strict=True):
        assert made["files"] == again["files"]
    names = {Path(one.name).name for one in await objects.below(export_id)}
    assert names == set(status["files"])


async def test_a_process_says_what_cannot_be_had(office: Office, tmp_path: Path) -> None:
    """What it prints is why the export fails; what ends otherwise is tried again."""
    settings = Settings(
        database_url=office.door.database_url, key_encryption_key=KEY, exports=str(tmp_path)
    )
    child = Child.of(office.desk.database, settings)
    said = {3: "failed", 4: "running", 1: "queued"}
    for status, state in said.items():
        export_id = await office.ask("policies")
        command = ("/bin/sh", "-c", f"echo there is none; exit {status}")
        assert await office.worker(running(child, command).build).work()
        found = await office.status(export_id)
        assert found["state"] == state
        if status == next(iter(said)):
            assert "there is none" in found["error"]


async def test_a_process_that_is_stopped_leaves_no_file_behind(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had begun to write may be about somebody who was erased meanwhile."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    begun = tmp_path / "begun"
    writing = f'd=$(mktemp -d); echo words > "$d/consents.csv"; echo "$d" > {begun}; exec sleep 60'
    settings = Settings(
        database_url=office.door.database_url, key_encryption_key=KEY, exports=str(tmp_path)
    )
    child = running(Child.of(office.desk.database, settings), ("/bin/sh", "-c", writing))
    await office.ask("policies")
    async with office.worker(child.build), asyncio.timeout(20):
        while not named(begun):  # noqa: ASYNC110 - it is another process's
            await asyncio.sleep(0.01)
        assert named(begun)
    assert not named(begun)


def named(file: Path) -> bool:
    """Tell whether there is the folder that a file names, with words in it."""
    folder = file.read_text().strip() if file.exists() else ""
    return folder != "" and (Path(folder) / "consents.csv").exists()


@pytest.mark.parametrize("pack", ["licensing-certification"])
async def test_a_pack_is_part_of_a_bundle(office: Office, pack: str) -> None:
    """Its files are in the manifest, with their digests; what it is about has to be said."""
    story = Story(office.door)
    await story.say("ana", "opt_in", MUSIC)
    await story.check(MUSIC, "song")
    wanted: dict[str, Any] = {"packs": [pack], "filters": {"use": MUSIC, "recipient": "internal"}}
    bundle = await office.bundle(**wanted)
    [described] = bundle.manifest["packs"]
    assert described["name"] == pack
    assert described["files"]
    for file in described["files"]:
        assert (bundle.folder / file["name"]).stat().st_size == file["bytes"]
    await story.register("hal")
    await office.door.done("POST", "/v1/artists/hal/erasure", {"dry_run": False}, by=AUDITOR)
    await office.worker().tidy()
    assert (await office.status(bundle.manifest["export_id"]))["state"] == "expired"
