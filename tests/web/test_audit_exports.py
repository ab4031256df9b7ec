"""What changes something: asking for an export and ending it, and an artist who is erased."""

import pytest
from sqlalchemy import select
from sqlmodel import col

from service.db.tables import Export
from service.decisions.log.entry import subject_of
from tests.api.door import Door
from tests.api.people import AUDITOR
from tests.api.story import RECOMMENDATION, Story
from tests.web.surfing import Page, Surfer


@pytest.fixture
async def auditor(begun: Story, surfer: Surfer) -> Surfer:
    """Somebody of the compliance staff, signed in to a platform that has begun."""
    assert await begun.revision()
    await surfer.sign_in("carla", "/audit")
    return surfer


async def exports(door: Door) -> list[Export]:
    """Return everything that was asked for."""
    async with door.services.database.read() as reading:
        return list(
            (await reading.execute(select(Export).order_by(col(Export.export_id)))).scalars()
        )


async def test_a_form_asks_for_one_export_however_often_it_is_sent(
    door: Door, auditor: Surfer
) -> None:
    """A second click is the same; a page that is opened anew asks anew."""
    page = Page((await auditor.get("/audit/exports")).text)
    form = page.form("/audit/exports") | {
        "dataset": "consents",
        "format": "csv",
        "use": RECOMMENDATION,
        "artist": "ana",
        "since": "2026-01-01",
        "until": "2026-12-31",
    }
    form.pop("pack", None)
    first = await auditor.post("/audit/exports", form)
    again = await auditor.post("/audit/exports", form)
    assert first.status_code == 303
    assert first.headers["location"] == again.headers["location"]
    (asked,) = await exports(door)
    assert (asked.client, asked.caller) == ("audit-console", "carla")
    assert asked.request["datasets"] == ["consents"]
    filters = asked.request["filters"]
    assert filters["use"] == RECOMMENDATION
    assert filters["artist"] != "ana"
    assert filters["since"] == "2026-01-01T00:00:00.000000Z"
    assert filters["until"] == "2027-01-01T00:00:00.000000Z"
    shown = Page((await auditor.follow(first)).text)
    assert "Waiting its turn" in shown.words
    assert "/audit/artists/ana" in shown.links
    anew = Page((await auditor.get("/audit/exports")).text).form("/audit/exports")
    assert anew["key"] != form["key"]


async def test_an_export_can_be_ended(door: Door, auditor: Surfer) -> None:
    """Its row stays; ending what is not there is said."""
    form = Page((await auditor.get("/audit/exports")).text).form("/audit/exports")
    asked = await auditor.post("/audit/exports", form | {"dataset": "policies", "format": "csv"})
    place = asked.headers["location"]
    ended = await auditor.post(f"{place}/delete", {"csrf_token": form["csrf_token"]})
    assert ended.headers["location"] == place
    assert "its files are gone" in Page((await auditor.get(place)).text).words
    (left,) = await exports(door)
    assert left.state == "expired"
    missing = await auditor.post("/audit/exports/exp_0/delete", {"csrf_token": form["csrf_token"]})
    assert missing.status_code == 404


async def test_an_erased_artist_is_found_by_reference_alone(
    begun: Story, door: Door, auditor: Surfer
) -> None:
    """With what the ledger has to keep: when they came and went. Nothing says who it was."""
    await begun.say("ana", "opt_out", "training")
    async with door.services.database.read() as reading:
        subject = await subject_of(reading, "ana")
    await door.done("POST", "/v1/artists/ana/erasure", {"dry_run": False}, by=AUDITOR)
    assert (await auditor.get("/audit/artists/ana")).status_code == 404
    led = await auditor.get(f"/audit/search?q={subject}")
    assert led.headers["location"] == f"/audit/erased/{subject}"
    page = Page((await auditor.follow(led)).text)
    assert "An erased artist" in page.words
    assert "Nothing is left" in page.words
    assert "ana" not in page.words.split()
    content = Page((await auditor.get("/audit/content/duet")).text)
    assert "an erased artist, ben" in content.words
