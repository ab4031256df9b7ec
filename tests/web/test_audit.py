"""The console as staff and others meet it: who may see it, what it says, what it writes down."""

import json
import logging
from collections.abc import AsyncIterator
from html import unescape
from urllib.parse import quote

import pytest
import pytest_asyncio

from service.decisions.log.entry import subject_of
from service.web.security_headers import CONTENT_SECURITY_POLICY
from tests.api.door import Door, make_issuer, open_door
from tests.api.story import MUSIC, VOICE
from tests.audit.history import ARTISTS, ISRC, ODD, RANKER, TRACK, TRAINER, History, history_in
from tests.web.surfing import Page, Surfer

pytestmark = pytest.mark.asyncio(loop_scope="module")

ARTIST = f"/audit/artists/{quote(ODD, safe='')}"
CONTENT = f"/audit/content/{quote(TRACK, safe='')}"
PAGES = (
    "/audit",
    "/audit/consents",
    "/audit/notices",
    f"/audit/notices/{VOICE}:2",
    "/audit/decisions",
    "/audit/exports",
    ARTIST,
    CONTENT,
    "/audit/search?q=zzz",
    f"/audit/exports?at={10**18 - 1}&below=x",
)


@pytest.fixture(scope="module")
def history(postgres_url: str) -> History:
    """Two months of a platform's life."""
    return history_in(postgres_url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def console(history: History) -> AsyncIterator[Door]:
    """A service over it; nothing here changes anything."""
    async with open_door(history.url, make_issuer(), exports=history.exports) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def somebody(console: Door) -> AsyncIterator[Surfer]:
    """Somebody at a browser, whom nobody knows yet."""
    surfer = Surfer(console.app)
    async with surfer.http:
        yield surfer


@pytest_asyncio.fixture(loop_scope="module")
async def auditor(somebody: Surfer) -> Surfer:
    """Somebody of the compliance staff, signed in."""
    await somebody.sign_in("carla", "/audit")
    return somebody


async def words(surfer: Surfer, address: str) -> str:
    """Open a page, and return its words."""
    opened = await surfer.get(address)
    assert opened.status_code == 200, opened.text
    return Page(opened.text).words


async def test_whoever_is_not_signed_in_is_led_through_it_and_back(somebody: Surfer) -> None:
    """And the provider is asked for the role."""
    sent = await somebody.get("/audit/notices?before=9")
    assert sent.headers["location"] == "/settings/sign-in?to=%2Faudit%2Fnotices%3Fbefore%3D9"
    asked = await somebody.follow(sent)
    assert "scope=openid+fermata%3Aaudit" in asked.headers["location"]
    back = await somebody.sign_in("carla", "/audit/notices?before=9")
    assert back.headers["location"] == "/audit/notices?before=9"
    assert (await somebody.follow(back)).status_code == 200


async def test_artists_are_not_asked_for_the_role(somebody: Surfer) -> None:
    """A provider could refuse them for it."""
    asked = await somebody.get("/settings/sign-in?to=/settings")
    assert "scope=openid&" in asked.headers["location"]


@pytest.mark.parametrize("address", [*PAGES, "/audit/erased/0", "/audit/exports/exp_0"])
async def test_whoever_has_no_role_is_told_so(somebody: Surfer, address: str) -> None:
    """Whichever page it is: with the way to sign in for it, and nothing else."""
    await somebody.sign_in("ana")
    refused = await somebody.get(address)
    assert refused.status_code == 403
    page = Page(refused.text)
    assert "for auditors" in page.words
    assert "fermata:audit" in page.words
    assert "/settings/sign-in?to=/audit" in page.links
    assert not page.forms


async def test_a_role_that_is_asked_for_and_not_given_is_none(somebody: Surfer) -> None:
    """The person is signed in, as anybody else."""
    asked = await somebody.get("/settings/sign-in?to=/audit")
    fields = Page((await somebody.follow(asked)).text).form("/oauth/authorize")
    form = fields | {"subject": "dan", "without": "fermata:audit"}
    await somebody.follow(await somebody.post("/oauth/authorize", form))
    assert (await somebody.get("/audit")).status_code == 403
    assert (await somebody.get("/settings")).status_code == 404


async def test_forms_ask_for_the_role_as_well(somebody: Surfer, console: Door) -> None:
    """A session's token alone opens nothing."""
    await somebody.sign_in("ana")
    session = somebody.session(console.app)
    assert session is not None
    form = {"csrf_token": session.csrf_token, "dataset": "consents", "format": "csv"}
    for address in ("/audit/exports", "/audit/exports/exp_0/delete"):
        assert (await somebody.post(address, form)).status_code == 403
        foreign = await somebody.post(address, {"csrf_token": "another"})
        assert foreign.status_code == 403


@pytest.mark.parametrize("address", PAGES)
async def test_pages_are_as_strict_as_the_settings(auditor: Surfer, address: str) -> None:
    """The same policy, kept nowhere, in English whatever is asked for."""
    opened = await auditor.get(address, **{"Accept-Language": "de"})
    assert opened.status_code == 200
    assert opened.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert opened.headers["cache-control"] == "private, no-store"
    assert opened.headers["content-language"] == "en"
    assert '<html lang="en">' in opened.text
    assert "<script" not in opened.text
    assert " style=" not in opened.text


async def test_the_overview_says_how_the_ledger_is(auditor: Surfer) -> None:
    """Signed or not, verified or not, and by whom."""
    found = await words(auditor, "/audit")
    assert "Never verified: run fermata verify --record" in found
    assert "Nobody outside is asked to cosign" in found
    assert "events covered: all of them" in found
    assert f"{VOICE}:2" in found
    assert "consents, deliveries" in found


async def test_yes_and_no_can_be_narrowed_to_a_use_and_a_time(auditor: Surfer) -> None:
    """By week where it is long; what is no period is said to be none."""
    weeks = await words(auditor, f"/audit/consents?use={VOICE}&from=2026-01-01&to=2027-01-01")
    assert "Yes and no by week" in weeks
    assert f"About {VOICE} or what is beneath it" in weeks
    for bad in ("from=2026-02-01&to=2026-01-01", "from=yesterday", "from=1990-01-01"):
        assert "That is no period" in await words(auditor, f"/audit/consents?{bad}")
    for odd in ("use=..", "use=%00", "use=", "from=&to="):
        assert "About anything" in await words(auditor, f"/audit/consents?{odd}")


async def test_every_chart_has_its_numbers_beneath(auditor: Surfer) -> None:
    """And says in words what it shows."""
    for address in ("/audit/consents", "/audit/decisions", f"/audit/notices/{VOICE}:2"):
        page = (await auditor.get(address)).text
        charts = page.count("<figure")
        assert charts > 0
        assert page.count('<svg role="img"') == page.count(", as a table</summary>") == charts
        assert page.count("<desc id=") == charts


async def test_decisions_can_be_narrowed_to_a_pipeline_and_a_reason(auditor: Surfer) -> None:
    """For the list; what is counted stays whole, so that shares can be seen."""
    name = TRAINER.client_id
    page = await words(auditor, f"/audit/decisions?client={name}&reason=opted_out")
    assert f"The newest of {name} with opted_out" in page
    listed = page.partition("The newest of")[2]
    assert MUSIC in listed
    assert "discovery.recommendation" not in listed
    assert "There is none in this period" in await words(auditor, "/audit/decisions?client=nobody")


async def test_pipelines_of_one_client_are_told_apart(auditor: Surfer) -> None:
    """Each has a line with both names, and leads to its own decisions."""
    page = await auditor.get("/audit/decisions")
    assert "Client Pipeline Permitted Not Share" in Page(page.text).words
    link = next(one for one in Page(page.text).links if "job=" in one)
    narrowed = await words(auditor, link)
    assert f"The newest of pipeline for the pipeline {RANKER}" in narrowed
    listed = narrowed.partition("The newest of")[2]
    assert listed.count(f"for {RANKER}") == listed.count("1 content:")
    assert f"The newest of pipeline for the pipeline {RANKER}" in await words(
        auditor, f"/audit/decisions?client=pipeline&job={quote(RANKER)}"
    )
    assert "There is none in this period" in await words(auditor, "/audit/decisions?job=nobody")


async def test_an_artist_s_page_names_no_reference(auditor: Surfer, console: Door) -> None:
    """Beside the platform's id it would outlast an erasure."""
    async with console.services.database.read() as reading:
        subject = await subject_of(reading, ODD)
    assert subject is not None
    for address in (ARTIST, CONTENT):
        assert subject not in (await auditor.get(address)).text
    assert (await auditor.get(f"/audit/erased/{subject}")).status_code == 404


async def test_an_artist_s_page_has_what_they_held_and_what_was_decided_about_it(
    auditor: Surfer,
) -> None:
    """Content and decisions for as long as it was theirs: the one who lost it has none of today."""
    holder, former = await words(auditor, ARTIST), await words(auditor, "/audit/artists/artist-01")
    theirs = (
        one.partition("Decisions about the artist and their content")[2] for one in (holder, former)
    )
    assert [f"1 content: {TRACK}" in one for one in theirs] == [True, False]
    assert f"Held before: {TRACK}" in former
    assert "Held before" not in holder


async def test_who_looks_at_whom_is_written_down(
    auditor: Surfer, caplog: pytest.LogCaptureFixture
) -> None:
    """By reference, never by the platform's id; and the page says so."""
    with caplog.at_level(logging.INFO, "service.audit.looks"):
        assert "you have opened this page is in the service" in await words(auditor, ARTIST)
        assert "you have opened this page is in the service" in await words(auditor, CONTENT)
        await auditor.get("/audit")
    looks = [json.loads(one.message) for one in caplog.records if "looks" in one.name]
    assert [(one["who"], one["looked_at"]) for one in looks] == [
        ("carla", "artist"),
        ("carla", "content"),
    ]
    (subject,) = looks[0]["subjects"]
    assert subject in looks[1]["subjects"]
    assert looks[1]["name"] == TRACK
    assert ODD not in caplog.text
    assert ARTISTS[1] not in caplog.text


@pytest.mark.parametrize(
    ("wanted", "address"),
    [(ODD, ARTIST), (TRACK, CONTENT), (ISRC, CONTENT), (f"{VOICE}:2", None), ("7", None)],
)
async def test_any_id_leads_to_its_page(auditor: Surfer, wanted: str, address: str | None) -> None:
    """Whatever it is the id of."""
    led = await auditor.get(f"/audit/search?q=+{quote(wanted)}")
    known = {f"{VOICE}:2": f"/audit/notices/{quote(VOICE)}%3A2", "7": "/log/proof/7"}
    assert led.headers["location"] == (address or known[wanted])
    assert (await auditor.follow(led)).status_code == 200


async def test_a_decision_is_found_by_its_name(auditor: Surfer) -> None:
    """And a made-up one is not."""
    page = Page((await auditor.get("/audit/decisions")).text)
    link = next(one for one in page.links if one.startswith("/audit/decisions/dec_"))
    name = link.rpartition("/")[2]
    assert (await auditor.get(f"/audit/search?q={name}")).headers["location"] == link
    assert "Nothing has this id" in await words(auditor, "/audit/search?q=dec_" + "0" * 32)


@pytest.mark.parametrize("path", ["nowhere", "artists/nobody", "content/%00", "exports/exp_0"])
async def test_what_is_not_there_is_said_in_the_console_s_words(auditor: Surfer, path: str) -> None:
    """With the way back to it."""
    missing = await auditor.get(f"/audit/{path}")
    assert missing.status_code == 404
    page = Page(missing.text)
    assert "There is no such page" in page.words
    assert "/audit" in page.links


async def test_a_file_of_an_export_is_downloaded_through_the_session(
    auditor: Surfer, somebody: Surfer, caplog: pytest.LogCaptureFixture
) -> None:
    """As it is, named; nobody without the role gets it, and it is written down who did."""
    listed = Page((await auditor.get("/audit/exports")).text)
    for link in [one for one in listed.links if one.startswith("/audit/exports/exp_")]:
        page = Page((await auditor.get(link)).text)
        files = [one for one in page.links if one.endswith("/consents.csv")]
        if files:
            break
    with caplog.at_level(logging.INFO, "service.audit.looks"):
        file = await auditor.get(files[0])
    assert file.headers["content-disposition"] == 'attachment; filename="consents.csv"'
    assert file.headers["cache-control"] == "private, no-store"
    assert VOICE in file.text
    assert "export file" in caplog.text
    assert (await auditor.get(files[0].replace("consents", "nothing"))).status_code == 404
    await somebody.sign_in("ana")
    assert (await somebody.get(files[0])).status_code == 403


async def test_a_form_that_cannot_be_met_says_what_is_the_matter(
    auditor: Surfer, console: Door
) -> None:
    """Field by field, with everything as it was filled in; nothing is asked for."""
    session = auditor.session(console.app)
    assert session is not None
    form = {"csrf_token": session.csrf_token, "format": "csv", "key": "k"}
    for wrong, said in (
        ({}, "datasets: name a dataset or a pack"),
        ({"dataset": "consents", "since": "2026-02-30"}, "since: write a day"),
        ({"dataset": "consents", "as_of": "tomorrow"}, "as of: write the number"),
        ({"dataset": "consents", "artist": "nobody"}, "artist: no artist has this id"),
        ({"dataset": "events", "use": VOICE}, "use: events cannot be narrowed by use"),
        ({"dataset": "consents", "format": "xlsx"}, "format: choose one"),
        ({"dataset": "nothing"}, "datasets[0]: choose among"),
    ):
        answered = await auditor.post("/audit/exports", form | wrong)
        assert answered.status_code == 422
        page = unescape(answered.text)
        assert said in page
        for value in {"artist", "since", "as_of"} & set(wrong):
            assert f'name="{value}" value="{wrong[value]}"' in page
