"""The link in a letter: one button, which says no and can say nothing else."""

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import httpx2
import pytest

from service.domain.instant import DAY
from service.notices.channels.opt_out_link import OptOutLink
from tests.api.door import Door, connected
from tests.api.people import PLATFORM, POLICY_DESK
from tests.api.story import MUSIC, RECOMMENDATION, Story
from tests.api.test_rights_receipts import prove
from tests.web.surfing import Page, Surfer

NOTICE: Final = f"{MUSIC}:2"
WORDS: Final = {
    "en": "We want to **train** a music model on your tracks.",
    "de": "Wir wollen ein Musikmodell mit deinen Tracks trainieren.",
}


async def announced(story: Story) -> str:
    """Begin, announce an `opt_out` version to ana, and return the path of her link."""
    await story.begin()
    names = {"names": {"en": "Training music models", "de": "Musikmodelle trainieren"}}
    await story.door.done("PUT", f"/v1/uses/{MUSIC}", names, by=POLICY_DESK)
    await story.publish(MUSIC, "opt_out", texts=WORDS)
    return await link(story.door)


async def link(door: Door, artist: str = "ana", *, days: int = 365, notice: str = NOTICE) -> str:
    """Return the path of an artist's link."""
    async with connected(door.database_url) as connection:
        subject = await connection.fetchval(
            "SELECT subject FROM artists WHERE artist_id = $1", artist
        )
    made = OptOutLink(subject, notice, door.clock.now() + days * DAY)
    return f"/opt-out/{door.app.state.web.opt_out_links.make(made)}"


async def said(door: Door, artist: str = "ana") -> list[dict[str, Any]]:
    """Return everything that is recorded for an artist, oldest first."""
    async with connected(door.database_url) as connection:
        rows = await connection.fetch(
            "SELECT answer, use, content, recipient, actor, acting_as, channel, locale, shown"
            " FROM consents JOIN artists USING (subject) WHERE artist_id = $1"
            " ORDER BY consents.revision",
            artist,
        )
    return [{**row, "shown": json.loads(row["shown"])["shown"]} for row in rows]


async def pressed(surfer: Surfer, path: str, **headers: str) -> httpx2.Response:
    """Press the button of the page, as a browser without cookies, and return what it shows."""
    answer = await surfer.post(path, {}, **headers)
    assert answer.status_code == 303, answer.text
    return await surfer.follow(answer)


async def test_the_page_says_what_it_is_about_and_has_one_button(
    story: Story, surfer: Surfer
) -> None:
    """The use by its name, the words of the version, and until when."""
    path = await announced(story)
    await story.deliver(NOTICE, "ana")
    answer = await surfer.get(path)
    page = Page(answer.text)
    assert answer.status_code == 200
    assert "Training music models" in page.words
    assert "train a music model on your tracks" in page.words
    assert "<strong>train</strong>" in answer.text
    assert "If you say nothing, this is allowed from" in page.words
    (form,) = page.forms
    assert form == {"action": None, "fields": {}, "buttons": 1}


async def test_the_button_says_no(story: Story, surfer: Surfer) -> None:
    """To exactly this use, for all tracks and everybody, with what was shown; at once."""
    path = await announced(story)
    await story.deliver(NOTICE, "ana")
    await story.door.advance(timedelta(days=31))
    assert await story.reasons(MUSIC, "song") == ["window_closed"]
    page = Page((await pressed(surfer, path)).text)
    assert await story.reasons(MUSIC, "song") == ["opted_out"]
    assert "You have said no" in page.words
    assert "all your tracks" in page.words
    assert "/settings/sign-in" in page.links
    (record,) = await said(story.door)
    (shown,) = record.pop("shown")
    assert record == {
        "answer": "opt_out",
        "use": MUSIC,
        "content": None,
        "recipient": None,
        "actor": "ana",
        "acting_as": "artist",
        "channel": "email_link",
        "locale": "en",
    }
    assert (shown["use"], shown["version"], shown["locale"]) == (MUSIC, 2, "en")
    assert len(shown["text_sha256"]) == 64


async def test_the_no_has_a_receipt(story: Story, surfer: Surfer) -> None:
    """Named by its revision, it proves what was said with the log's public key and nothing else."""
    path = await announced(story)
    assert (await surfer.get(f"{path}/receipt")).status_code == 404
    page = Page((await pressed(surfer, path)).text)
    revision = await story.revision()
    assert f"your no is revision {revision}." in page.words
    assert f"{path}/receipt" in page.links
    answer = await surfer.get(f"{path}/receipt", Cookie="")
    assert answer.headers["content-type"] == "application/ld+json"
    assert f"fermata-receipt-{revision}.jsonld" in answer.headers["content-disposition"]
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    details = prove(answer.json(), story.door.services.receipts.key.verifier())
    assert (details["answer"], details["use"]) == ("opt_out", MUSIC)
    assert answer.json()["record"]["revision"] == revision


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("de", "Den Beleg aufbewahren"),
        ("en", "Keep the receipt"),
        ("es", "Conservar el recibo"),
        ("fr", "Conserver le reçu"),
        ("pt", "Guardar o recibo"),
    ],
)
async def test_the_receipt_is_offered_in_every_language(
    story: Story, surfer: Surfer, language: str, words: str
) -> None:
    """Beside the revision."""
    path = await announced(story)
    page = Page((await pressed(surfer, f"{path}?lang={language}")).text)
    assert words in page.words
    assert f" {await story.revision()}." in page.words


async def test_the_link_reads_no_other_receipt_than_that_of_its_own_no(
    story: Story, surfer: Surfer
) -> None:
    """Nothing that was said elsewhere, to other words, or by others; and nothing taken back."""
    path = await announced(story)
    for said_elsewhere in (
        {"channel": "settings_page"},
        {"channel": "email_link", "shown": [{"use": MUSIC, "version": 2}], "by": PLATFORM},
        {"channel": "email_link", "shown": []},
    ):
        await story.say("ana", "opt_out", MUSIC, **said_elsewhere)
        page = Page((await surfer.get(path)).text)
        assert f"your no is revision {await story.revision()}." in page.words
        assert f"{path}/receipt" not in page.links
        assert (await surfer.get(f"{path}/receipt")).status_code == 404
        await story.say("ana", "inherit", MUSIC)
    await pressed(surfer, path)
    assert (await surfer.get(f"{path}/receipt")).status_code == 200
    bens = await link(story.door, "ben")
    assert (await surfer.get(f"{bens}/receipt")).status_code == 404
    for odd in ("receipt?revision=1", "receipt/1", "receipts/1"):
        answer = await surfer.get(f"{path}/{odd}")
        assert answer.status_code == 404 or answer.json()["record"]["answer"] == "opt_out"
    await story.say("ana", "inherit", MUSIC)
    assert (await surfer.get(f"{path}/receipt")).status_code == 404


async def test_opening_the_link_changes_nothing(story: Story, surfer: Surfer) -> None:
    """Mail scanners open links, look at their heads, and browsers fetch them ahead of time."""
    path = await announced(story)
    before = await story.revision()
    await surfer.get(path)
    await surfer.http.head(path)
    await surfer.get(path, **{"Sec-Purpose": "prefetch;prerender", "Purpose": "prefetch"})
    for method in ("OPTIONS", "PUT", "PATCH", "DELETE"):
        assert (await surfer.http.request(method, path)).status_code == 405
    assert await story.revision() == before
    assert await said(story.door) == []


async def test_a_no_is_recorded_once(story: Story, surfer: Surfer) -> None:
    """However often the button is pressed, by however many at once; each sees that it stands."""
    path = await announced(story)
    await asyncio.gather(*(pressed(surfer, path) for _ in range(5)))
    again = Page((await surfer.get(path)).text)
    assert len(await said(story.door)) == 1
    assert again.forms == []
    assert "You have said no" in again.words


async def test_a_no_is_said_again_once_a_yes_has_narrowed_it(story: Story, surfer: Surfer) -> None:
    """Whoever allowed a track afterwards and presses again means that track too."""
    path = await announced(story)
    await pressed(surfer, path)
    await allow(story, "song")
    assert await story.reasons(MUSIC, "song") == ["opted_in"]
    asked = Page((await surfer.get(path)).text)
    assert "It also stops the 1 track that you had allowed" in asked.words
    done = Page((await pressed(surfer, path)).text)
    assert "It also stops the 1 track that you had allowed" in done.words
    assert await story.reasons(MUSIC, "song") == ["opted_out"]
    assert [record["answer"] for record in await said(story.door)] == [
        "opt_out",
        "opt_in",
        "opt_out",
    ]


async def allow(story: Story, content: str) -> None:
    """Have ana's yes to one track recorded, as the platform does with its evidence."""
    shown = [{"use": MUSIC, "version": 2}]
    await story.say("ana", "opt_in", MUSIC, by=PLATFORM, content=content, shown=shown)


async def test_a_no_taken_back_can_be_said_again(story: Story, surfer: Surfer) -> None:
    """The link is good for as long as it is good."""
    path = await announced(story)
    await pressed(surfer, path)
    await story.say("ana", "inherit", MUSIC)
    assert len(Page((await surfer.get(path)).text).forms) == 1
    await pressed(surfer, path)
    assert [one["answer"] for one in await said(story.door)] == ["opt_out", "inherit", "opt_out"]


@pytest.mark.parametrize(
    "form",
    [
        {"answer": "opt_in"},
        {"answer": "inherit", "use": "*"},
        {"use": "training", "artist": "ben", "content": "duet", "recipient": "internal"},
    ],
)
async def test_nothing_that_is_sent_along_makes_it_anything_but_that_no(
    story: Story, surfer: Surfer, form: Mapping[str, str]
) -> None:
    """Neither in the form nor in the address."""
    path = await announced(story)
    query = "&".join(f"{name}={value}" for name, value in form.items())
    answer = await surfer.post(f"{path}?{query}", form)
    assert answer.status_code == 303
    (record,) = await said(story.door)
    assert (record["answer"], record["use"], record["content"]) == ("opt_out", MUSIC, None)
    assert await said(story.door, "ben") == []


async def test_no_sign_in_no_cookie_and_no_script_is_needed(story: Story, surfer: Surfer) -> None:
    """Nor is a cookie set; and a session of somebody else's changes nothing."""
    path = await announced(story)
    await surfer.sign_in("ben")
    answer = await surfer.post(path, {})
    bare = await surfer.get(path, Cookie="")
    assert "set-cookie" not in answer.headers
    assert "set-cookie" not in bare.headers
    assert "<script" not in bare.text.split("</head>")[1]
    (record,) = await said(story.door)
    assert record["actor"] == "ana"
    assert await said(story.door, "ben") == []


async def test_it_is_in_the_artists_own_language(story: Story, surfer: Surfer) -> None:
    """As the platform told it; before what the browser asks for, after what was chosen here."""
    path = await announced(story)
    german = await surfer.get(path, **{"Accept-Language": "de-AT,de;q=0.9"})
    assert german.headers["content-language"] == "de"
    assert "Musikmodelle trainieren" in german.text
    assert WORDS["de"] in german.text
    async with connected(story.door.database_url) as connection:
        await connection.execute(
            "INSERT INTO private.contacts (subject, locale, updated_at)"
            " SELECT subject, 'de', now() FROM artists WHERE artist_id = 'ana'"
        )
    hers = await surfer.get(path, **{"Accept-Language": "fr"})
    chosen = await surfer.get(f"{path}?lang=en", **{"Accept-Language": "fr"})
    assert hers.headers["content-language"] == "de"
    assert chosen.headers["content-language"] == "en"
    surfer.http.cookies.clear()
    await pressed(surfer, path, **{"Accept-Language": "fr"})
    (record,) = await said(story.door)
    assert record["locale"] == "de"


async def test_a_language_that_the_terms_lack_shows_them_in_one_that_they_have(
    story: Story, surfer: Surfer
) -> None:
    """The sentences are in hers; the words are marked with the language they are in."""
    path = await announced(story)
    answer = await surfer.get(path, **{"Accept-Language": "fr"})
    assert answer.headers["content-language"] == "fr"
    assert '<div class="terms" lang="en">' in answer.text


async def test_an_expired_link_says_so(story: Story, surfer: Surfer) -> None:
    """And leads to where a no can still be said."""
    await announced(story)
    path = await link(story.door, days=365)
    await story.door.advance(timedelta(days=365))
    receipt = f"{path}/receipt"
    for answer in (await surfer.get(path), await surfer.post(path, {}), await surfer.get(receipt)):
        assert answer.status_code == 410
        assert "that year is over" in Page(answer.text).words
        assert "/settings/sign-in" in Page(answer.text).links
    assert await said(story.door) == []


@pytest.mark.parametrize("damage", ["cut", "changed", "upper", "other", "empty"])
async def test_a_link_that_is_not_ours_says_so(story: Story, surfer: Surfer, damage: str) -> None:
    """Whatever is wrong with it, and whether or not it was one once."""
    path = await announced(story)
    damaged = {
        "cut": path[:-3],
        "changed": path[:20] + ("a" if path[20] != "a" else "b") + path[21:],
        "upper": "/opt-out/" + path.removeprefix("/opt-out/").upper(),
        "other": "/opt-out/nothing%2Fsuch",
        "empty": "/opt-out/%20",
    }[damage]
    for answer in (await surfer.get(damaged), await surfer.post(damaged, {})):
        assert answer.status_code == 404
        assert "This link does nothing" in Page(answer.text).words
        assert "/settings/sign-in" in Page(answer.text).links
    assert await said(story.door) == []


async def test_a_link_of_somebody_erased_says_so(story: Story, surfer: Surfer) -> None:
    """Nothing is recorded, and nobody is named."""
    path = await announced(story)
    async with connected(story.door.database_url) as connection:
        await connection.execute(
            "UPDATE artists SET erased_at = now(), artist_id = NULL, name = NULL"
            " WHERE artist_id = 'ana'"
        )
    before = await story.revision()
    receipt = f"{path}/receipt"
    for answer in (await surfer.get(path), await surfer.post(path, {}), await surfer.get(receipt)):
        assert answer.status_code == 410
        assert "erased" in Page(answer.text).words
    assert await story.revision() == before


async def test_a_version_that_was_withdrawn_still_takes_the_no(
    story: Story, surfer: Surfer
) -> None:
    """The no is to the use: it holds for whatever takes that version's place."""
    path = await announced(story)
    await story.publish(MUSIC, "opt_in")
    page = Page((await surfer.get(path)).text)
    assert "replaced by newer ones" in page.words
    await pressed(surfer, path)
    assert await story.reasons(MUSIC, "song") == ["opted_out"]


async def test_a_spelling_corrected_since_replaces_nothing(story: Story, surfer: Surfer) -> None:
    """An editorial version is the same terms."""
    path = await announced(story)
    corrected = {**WORDS, "en": "We want to train a music model on your tracks"}
    await story.publish(MUSIC, "opt_out", texts=corrected, editorial=True)
    assert "replaced by newer ones" not in Page((await surfer.get(path)).text).words


async def test_terms_that_asked_nobody_are_said_to_go_on_until_then(
    story: Story, surfer: Surfer
) -> None:
    """A no does not reach an `open` use: it stops it where the new terms begin."""
    await story.open_charter()
    await story.publish(MUSIC, "open", "internal")
    await story.register("ana", "ben")
    await story.put("song", "ana")
    await story.publish(MUSIC, "opt_out", texts=WORDS)
    path = await link(story.door)
    await story.deliver(NOTICE, "ana")
    assert "already happens without asking" in Page((await surfer.get(path)).text).words
    assert "already happens without asking" in Page((await pressed(surfer, path)).text).words
    assert await story.reasons(MUSIC, "song") == ["open"]
    await story.door.advance(timedelta(days=31))
    assert await story.reasons(MUSIC, "song") == ["opted_out"]


async def test_once_silence_permits_the_page_says_since_when(story: Story, surfer: Surfer) -> None:
    """A no then stops it at once."""
    path = await announced(story)
    assert "no time is running" in Page((await surfer.get(path)).text).words
    await story.deliver(NOTICE, "ana")
    await story.door.advance(timedelta(days=31))
    assert "this has been allowed since" in Page((await surfer.get(path)).text).words


async def test_terms_that_hold_already_are_told_from_those_that_are_to_come(
    story: Story, surfer: Surfer
) -> None:
    """Nobody is told that something has been allowed since a day in the future."""
    await story.begin()
    await story.publish(RECOMMENDATION, "opt_out", texts={"en": "And your friends' music."})
    path = await link(story.door, notice=f"{RECOMMENDATION}:2")
    assert "This is allowed at the moment" in Page((await surfer.get(path)).text).words
    await story.deliver(f"{RECOMMENDATION}:2", "ana")
    words = Page((await surfer.get(path)).text).words
    assert "Under the terms so far this is allowed" in words
    assert "allowed since" not in words


async def test_somebody_who_has_answered_is_told_how_that_stands(
    story: Story, surfer: Surfer
) -> None:
    """The page threatens nobody with a silence that would permit nothing."""
    path = await announced(story)
    await story.deliver(NOTICE, "ana")
    await story.say("ana", "opt_out", "*")
    assert "no to more than this already" in Page((await surfer.get(path)).text).words
    shown = [{"use": MUSIC, "version": 2}]
    await story.say("ana", "opt_in", MUSIC, by=PLATFORM, shown=shown)
    assert "You have said yes to this" in Page((await surfer.get(path)).text).words
    await pressed(surfer, path)
    assert await story.reasons(MUSIC, "song") == ["opted_out"]


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}]
)
async def test_a_form_of_another_site_is_refused(
    story: Story, surfer: Surfer, headers: dict[str, str]
) -> None:
    """With a page, and nothing changes, though whoever has the link could have pressed it."""
    path = await announced(story)
    answer = await surfer.http.post(path, headers=headers)
    assert answer.status_code == 403
    assert "Nothing has changed" in Page(answer.text).words
    assert await said(story.door) == []


@pytest.mark.parametrize("said_of_it", [{"Sec-Fetch-Site": "same-origin"}, {}])
async def test_a_browser_that_hides_where_it_was_is_let_through(
    story: Story, surfer: Surfer, said_of_it: dict[str, str]
) -> None:
    """As every browser does on a page that tells no referrer; old ones say nothing else."""
    path = await announced(story)
    headers = {"Origin": "null", **said_of_it}
    assert (await surfer.http.post(path, headers=headers)).status_code == 303


async def test_the_address_is_told_to_nobody(story: Story, surfer: Surfer) -> None:
    """It is what allows to say no: no referrer, no cache and no search engine keeps it."""
    path = await announced(story)
    for answer in (await surfer.get(path), await surfer.post(path, {})):
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "private, no-store"
        assert "noindex" in answer.headers["x-robots-tag"]


async def test_without_sign_in_the_way_back_is_the_platforms_own(
    story: Story, surfer: Surfer
) -> None:
    """Where it has one."""
    path = await announced(story)
    web = story.door.app.state.web
    object.__setattr__(web, "login", None)
    settings = web.settings.model_copy(
        update={"platform_settings_url": "https://sounds.example/me"}
    )
    object.__setattr__(web, "settings", settings)
    assert "https://sounds.example/me" in Page((await pressed(surfer, path)).text).links
