"""Decisions of months that have moved to files, exported as if they had not."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet
import pytest
import pytest_asyncio

from service.auth.local_issuer import LocalIssuer
from service.exports.build import build
from service.sealing.copies import SealedFiles
from service.sealing.find import SealedLog
from service.sealing.period import sealed_periods
from service.sealing.sealing import Sealer
from service.storage.objects import Objects, StoreUnavailable
from service.verify.bundle import verify_bundle
from service.verify.notes import read_key
from tests.api.door import make_clock_movable, open_door
from tests.api.people import AUDITOR, PIPELINE
from tests.api.story import MUSIC, RECOMMENDATION, Story
from tests.conftest import migrated_database
from tests.exports.breaking import Breaking
from tests.exports.bundles import Bundle, Office, opened_office, taken_by_nobody

pytestmark = pytest.mark.asyncio(loop_scope="session")

NARROWED: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"run": "run-1"},
    {"use": "discovery"},
    {"use": "training", "recipient": "internal"},
)


THEIRS: Final = {"ana": {"song", "duet", "once"}, "ben": {"tune", "duet", "once"}}
"""What each artist held at some time; `once` went from ana to ben after the first month."""


@dataclass(frozen=True, slots=True)
class Months:
    """A log of three months: an office that reads what is sealed, and bundles from before.

    `overtaken` were begun before and finished after, narrowed as the first of the others.
    """

    office: Office
    narrowed: Sequence[Bundle]
    about_one: Bundle
    of_artists: dict[str, Bundle]
    overtaken: Sequence[Bundle]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def months(
    postgres_url: str, export_issuer: LocalIssuer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Months]:
    """Return a log whose months are sealed, but for the last."""
    async with migrated_database(postgres_url) as url:
        await make_clock_movable(url)
        async with (
            open_door(url, export_issuer) as door,
            opened_office(door, tmp_path_factory.mktemp("bundles")) as office,
        ):
            await decide(Story(door))
            narrowed = [await office.bundle("decisions", "runs", filters=one) for one in NARROWED]
            about_one = await office.bundle("decisions", filters={"content": "tune"})
            of_artists = {
                artist: await office.bundle("decisions", filters={"artist": artist})
                for artist in THEIRS
            }
            begun = [await begin(office, one) for one in NARROWED[:3]]
            await door.advance(timedelta(seconds=61))
            log = await seal(office, tmp_path_factory.mktemp("sealed"))
            reading = replace(office, shop=replace(office.shop, sealed=log))
            for _ in begun:
                assert await reading.worker(most_rows=3).work()
            overtaken = [await reading.fetch(one) for one in begun]
            yield Months(reading, narrowed, about_one, of_artists, overtaken)
            log.close()


async def begin(office: Office, filters: dict[str, Any]) -> str:
    """Ask for an export of decisions, and let it break off after its first file."""
    export_id = await office.ask("decisions", filters=filters)
    broken = replace(office.shop, objects=Breaking(office.shop.objects, 1), most_rows=3)
    taken = await taken_by_nobody(office)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("service.exports.datasets.decisions.OUTCOMES_AT_ONCE", 2)
        with pytest.raises(StoreUnavailable):
            await build(broken, taken)
    return export_id


async def decide(story: Story) -> None:
    """Answer checks about one and about many, in three months."""
    await story.begin()
    await story.put("once", "ana")
    for month in range(3):
        if month:
            await story.door.advance(timedelta(days=32))
            await story.put("once", "ben")
        for n in range(4):
            asked = [*["song", "tune"][: n % 2 + 1], "duet"]
            for use, content in ((RECOMMENDATION, [*asked, "once"]), (MUSIC, ["tune"])):
                body = {"use": use, "content": content, "run": f"run-{n}" if n else None}
                await story.door.done("POST", "/v1/checks", body, by=PIPELINE)


async def seal(office: Office, folder: Path) -> SealedLog:
    """Seal every month that is over; return what reads them."""
    services, database = office.door.services, office.desk.database
    head = await services.heads.read()
    sealer = Sealer(database, services.appender, Objects(folder / "kept"), folder)
    assert await sealer.seal(head.now, tell=lambda _: None)
    async with database.read() as session:
        assert any(period.moved for period in await sealed_periods(session))
    files = SealedFiles(str(folder / "kept"), folder / "copies", most_bytes=1 << 30)
    return SealedLog(files, folder, services.clock)


async def break_off(office: Office, takes: int) -> None:
    """Let whoever builds the export that waits keep so many files, and be given up on."""
    broken = replace(office.shop, objects=Breaking(office.shop.objects, takes), most_rows=3)
    with pytest.raises(StoreUnavailable):
        await build(broken, await taken_by_nobody(office))
    await office.door.advance(timedelta(seconds=61))


def in_order(bundle: Bundle) -> list[dict[str, Any]]:
    """Return a bundle's decisions in one order: those of an artist come in none."""
    rows = bundle.rows("decisions")
    return sorted(rows, key=lambda row: (row["answered_at"], row["decision_id"], row["position"]))


async def test_the_rows_are_the_same(months: Months) -> None:
    """In the same order, however they are narrowed; runs are counted over both sides."""
    for filters, earlier in zip(NARROWED, months.narrowed, strict=True):
        later = await months.office.bundle("decisions", "runs", filters=filters)
        assert later.rows("decisions") == earlier.rows("decisions")
        assert later.rows("runs") == earlier.rows("runs")
        assert len(later.rows("runs")) > 0
    later = await months.office.bundle("decisions", filters={"content": "tune"})
    assert later.rows("decisions") == months.about_one.rows("decisions")
    assert {row["one"] for row in later.rows("decisions")} == {"tune"}


async def test_a_month_that_moves_to_files_meanwhile_is_told_whole(months: Months) -> None:
    """An export that broke off before goes on in the files, where its place is now."""
    for bundle, earlier in zip(months.overtaken, months.narrowed, strict=False):
        assert bundle.dataset("decisions")["files"][0]["rows"] <= 4
        assert bundle.rows("decisions") == earlier.rows("decisions")


async def test_an_artist_s_decisions_are_looked_up_in_files(months: Months) -> None:
    """The same rows as from the table, about them and what they held when it was decided."""
    for artist, ones in THEIRS.items():
        later = await months.office.bundle("decisions", filters={"artist": artist})
        assert {row["one"] for row in later.rows("decisions") if row["artist_id"] is None} == ones
        assert in_order(later) == in_order(months.of_artists[artist])


async def test_one_decision_of_an_artist_s_comes_as_it_lies(months: Months) -> None:
    """What was asked about last may come first: whoever verifies it finds nothing amiss."""
    first = in_order(months.of_artists["ana"])[0]["answered_at"]
    until = first + timedelta(microseconds=1)
    filters = {"artist": "ana", "since": first.isoformat(), "until": until.isoformat()}
    bundle = await months.office.bundle("decisions", filters=filters)
    positions = [row["position"] for row in bundle.rows("decisions")]
    assert len(positions) > 1
    assert positions != sorted(positions)
    key = read_key(str(months.office.desk.key.verifier()))
    assert verify_bundle(bundle.folder, [key]).holds


async def test_a_content_and_an_artist_at_once(months: Months) -> None:
    """Neither filter is left out, whichever side is read: what they held of it, while they did."""
    for artist, number in (("ana", 4), ("ben", 8)):
        filters = {"content": "once", "artist": artist}
        bundle = await months.office.bundle("decisions", filters=filters)
        assert len(bundle.rows("decisions")) == number


async def test_an_earlier_instant_ends_within_a_month(months: Months) -> None:
    """Sealed decisions that were answered later are not in it."""
    everything = months.narrowed[0].rows("decisions")
    middle = everything[4]["answered_at"]
    as_of = middle.isoformat().replace("+00:00", "Z")
    bundle = await months.office.bundle("decisions", as_of=as_of)
    assert bundle.rows("decisions") == [row for row in everything if row["answered_at"] <= middle]


async def test_what_broke_off_within_a_month_goes_on_there(
    months: Months, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No decision is lost or told twice, nor cut in two by the end of a file."""
    whole, office = months.narrowed[0].rows("decisions"), months.office
    monkeypatch.setattr("service.sealing.rows.MOST_ROWS", 2)
    monkeypatch.setattr("service.exports.datasets.decisions.OUTCOMES_AT_ONCE", 2)
    export_id = await office.ask("decisions")
    for takes in (2, 5):
        await break_off(office, takes)
    assert await office.worker(most_rows=3).work()
    bundle = await office.fetch(export_id)
    assert bundle.rows("decisions") == whole
    files = bundle.dataset("decisions")["files"]
    assert len(files) >= len(whole) // 4
    assert files[0]["name"] == "decisions-00001.parquet"
    for file in files:
        rows = pa.parquet.read_table(bundle.folder / file["name"]).to_pylist()
        assert (rows[0]["position"], len(rows)) == (0, file["rows"])


async def test_what_broke_off_in_the_files_of_an_artist_goes_on_there(
    months: Months, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No outcome is lost or told twice, wherever it broke off."""
    monkeypatch.setattr("service.sealing.rows.MOST_ROWS", 2)
    office = months.office
    for takes in (1, 2, 4, 6):
        export_id = await office.ask("decisions", filters={"artist": "ana"})
        await break_off(office, takes)
        assert await office.worker(most_rows=3).work()
        bundle = await office.fetch(export_id)
        assert in_order(bundle) == in_order(months.of_artists["ana"])
        assert len(bundle.dataset("decisions")["files"]) > takes


async def test_a_missing_file_fails_the_export_and_says_so(months: Months, tmp_path: Path) -> None:
    """Nothing is left out quietly."""
    files = SealedFiles(str(tmp_path), tmp_path / "copies", most_bytes=1)
    log = SealedLog(files, tmp_path, months.office.door.services.clock)
    export_id = await months.office.ask("decisions")
    assert await months.office.worker(sealed=log).work()
    log.close()
    status = await months.office.status(export_id)
    assert (status["state"], "is missing" in status["error"]) == ("queued", True)
    await months.office.door.ask("DELETE", f"/v1/exports/{export_id}", by=AUDITOR)
