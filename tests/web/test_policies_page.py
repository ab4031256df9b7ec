"""`/policies`: what everybody can read, without signing in or comparing archived copies."""

import re
from base64 import b64encode
from datetime import timedelta
from hashlib import sha256

import pytest

from tests.api.people import POLICY_DESK
from tests.api.story import MUSIC, RECOMMENDATION, VOICE, Story
from tests.web.surfing import Page, Surfer

FIRST = {"en": "# Recommendations\n\nOnly **we** suggest your music.\n", "de": "Nur wir.\n"}
SECOND = {**FIRST, "en": "# Recommendations\n\nOnly **we** suggest your songs.\n"}
THIRD = {**FIRST, "en": "# Recommendations\n\nWe and Musiio suggest your songs.\n"}


@pytest.fixture
async def told(story: Story) -> Story:
    """Return a platform whose recommendations have launch terms, an edit, and a planned version."""
    await story.open_charter()
    for node, name in (("discovery", "Discovery"), (RECOMMENDATION, "Recommendations")):
        body = {"names": {"en": name, "de": f"{name} auf Deutsch"}}
        await story.door.done("PUT", f"/v1/uses/{node}", body, by=POLICY_DESK)
    await story.publish(RECOMMENDATION, "opt_out", "internal", texts=FIRST)
    await story.publish(VOICE, "prohibited", "internal")
    await story.register("ana")
    await story.publish(RECOMMENDATION, "opt_out", "internal", texts=SECOND, editorial=True)
    await story.publish(RECOMMENDATION, "opt_out", "internal", "partner:musiio", texts=THIRD)
    return story


async def read(surfer: Surfer, path: str, **headers: str) -> Page:
    """Open a page that has to be there."""
    answer = await surfer.get(path, **headers)
    assert answer.status_code == 200, answer.text
    return Page(answer.text)


async def test_every_use_says_who_may_use_music_under_which_mode_since_when(
    told: Story, surfer: Surfer
) -> None:
    """By group, by name; what is planned is said to be, with the earliest date it can hold."""
    page = await read(surfer, "/policies")
    assert f"/policies/{RECOMMENDATION}" in page.links
    assert "Discovery" in page.words
    held = re.search(r"Example Sounds Allowed unless the artist says no \w+ \d+, \d{4}", page.words)
    assert held
    planned = r"Example Sounds and Musiio Allowed unless the artist says no planned: for no artist"
    assert re.search(planned, page.words)
    assert "Not allowed to anybody" in page.words


async def test_planned_terms_begin_for_nobody_before_the_first_window_can_close(
    told: Story, surfer: Surfer
) -> None:
    """Windows are each artist's own; once the first can have closed the page says since when."""
    page = await read(surfer, f"/policies/{RECOMMENDATION}")
    assert "Each artist has their own window" in page.words
    assert "For nobody yet. Each artist has 30 days from the day they are told" in page.words
    await told.door.advance(timedelta(days=31))
    later = await read(surfer, f"/policies/{RECOMMENDATION}")
    assert "For nobody yet" not in later.words
    assert "their own window of 30 days has closed" in later.words


async def test_a_recipient_who_is_left_out_is_no_longer_among_those_who_may(
    told: Story, surfer: Surfer
) -> None:
    """A version that does not list somebody binds there at once (R7)."""
    await told.publish(MUSIC, "opt_out", "internal", "partner:tuney", texts={"en": "All of us."})
    await told.publish(MUSIC, "opt_out", "internal", texts={"en": "Only we."})
    page = await read(surfer, "/policies")
    assert "Tuney" not in page.words


async def test_versions_are_compared_word_by_word(told: Story, surfer: Surfer) -> None:
    """Added and removed words are marked for the eye and, in words, for the ear."""
    answer = await surfer.get(f"/policies/{RECOMMENDATION}")
    shown = re.sub(r"<span class=\"visually-hidden\"[^>]*>(.*?)</span>", r"\1", answer.text)
    shown = shown.replace("&#32;", " ")
    assert "<del>[Removed: music. End of removal]</del>" in shown
    assert "<ins>[Added: songs. End of addition]</ins>" in shown
    page = Page(answer.text)
    assert "Editorial" in page.words
    assert "Added to those who may use it: Musiio." in page.words
    assert "Wherever version 1 holds." in page.words


async def test_a_comparison_shows_where_lines_end(told: Story, surfer: Surfer) -> None:
    """Items of a list stand one below the other, as they were written."""
    for items in (
        "- Nothing is copied.\n- Nothing is kept.",
        "- Nothing is copied.\n- All is kept.",
    ):
        await told.publish(VOICE, "prohibited", texts={"en": items})
    answer = await surfer.get(f"/policies/{VOICE}")
    assert "- Nothing is copied.\n- <del>" in answer.text
    style = await surfer.get("/static/style.css")
    assert ".difference { white-space: pre-line;" in style.text


async def test_each_text_can_be_had_byte_for_byte_with_its_hash(
    told: Story, surfer: Surfer
) -> None:
    """The hash on the page is that of the plain text that it links to."""
    page = await read(surfer, f"/policies/{RECOMMENDATION}")
    path = f"/policies/{RECOMMENDATION}/1/en.txt"
    assert path in page.links
    answer = await surfer.get(path)
    assert answer.content == FIRST["en"].encode()
    digest = sha256(answer.content)
    assert digest.hexdigest() in page.words
    assert answer.headers["Repr-Digest"] == f"sha-256=:{b64encode(digest.digest()).decode()}:"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "immutable" in answer.headers["Cache-Control"]
    again = await surfer.get(path, **{"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/policies/nothing.here",
        f"/policies/{RECOMMENDATION}/9/en.txt",
        f"/policies/{RECOMMENDATION}/1/fr.txt",
        f"/policies/{RECOMMENDATION}/99999999999/en.txt",
        "/policies/%00",
    ],
)
async def test_what_is_not_there_is_a_page_that_says_so(
    told: Story, surfer: Surfer, path: str
) -> None:
    """With the status that says it to machines."""
    answer = await surfer.get(path)
    assert answer.status_code == 404
    assert "There is no such page" in Page(answer.text).words


async def test_caches_may_keep_the_pages_and_ask_whether_they_changed(
    told: Story, surfer: Surfer
) -> None:
    """A new version changes the tag; another language has another."""
    first = await surfer.get("/policies")
    assert first.headers["Cache-Control"] == "public, no-cache"
    assert first.headers["Vary"] == "Accept-Language, Cookie"
    same = await surfer.get("/policies", **{"If-None-Match": first.headers["ETag"]})
    assert same.status_code == 304
    assert same.headers["ETag"] == first.headers["ETag"]
    german = await surfer.get("/policies", **{"Accept-Language": "de"})
    assert german.headers["ETag"] != first.headers["ETag"]
    await told.publish(VOICE, "opt_in")
    changed = await surfer.get("/policies", **{"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200


async def test_pages_are_in_the_reader_s_language(told: Story, surfer: Surfer) -> None:
    """As the browser asks, or as chosen with the switch, which is remembered without a script."""
    german = await surfer.get("/policies", **{"Accept-Language": "de-AT,en;q=0.5"})
    assert '<html lang="de">' in german.text
    assert german.headers["Content-Language"] == "de"
    assert "Discovery auf Deutsch" in german.text
    chosen = await surfer.get("/policies?lang=fr")
    assert '<html lang="fr">' in chosen.text
    assert chosen.headers["Cache-Control"] == "private, no-cache"
    assert surfer.cookie("fermata_language") == "fr"
    assert '<html lang="fr">' in (await surfer.get("/policies")).text


async def test_what_a_platform_writes_is_shown_and_never_run(told: Story, surfer: Surfer) -> None:
    """Words, names and changes are escaped, whatever is in them."""
    hostile = '<script>alert(1)</script> & "quoted" <img src=x onerror=alert(1)>'
    body = {"names": {"en": hostile}}
    await told.door.done("PUT", f"/v1/uses/{VOICE}", body, by=POLICY_DESK)
    await told.publish(VOICE, "opt_in", texts={"en": hostile})
    await told.publish(VOICE, "opt_in", texts={"en": f"More: {hostile}"})
    for path in ("/policies", f"/policies/{VOICE}"):
        answer = await surfer.get(path)
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text
        assert "alert(1)" in Page(answer.text).words


async def test_before_anything_is_published_the_page_says_that_nothing_is_permitted(
    story: Story, surfer: Surfer
) -> None:
    """Even before the charter is opened."""
    assert "nothing is permitted" in (await read(surfer, "/policies")).words
