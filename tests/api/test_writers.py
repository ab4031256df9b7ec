"""The story of each writer that sets the stage: charter, uses, policies, artists, content."""

import asyncio
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote

import httpx2
import pytest

from service.domain.instant import parse_instant
from tests.api.people import AUDITOR, PIPELINE, PLATFORM, POLICY_DESK
from tests.api.story import MUSIC, RECOMMENDATION, TEXTS, VOICE, Story, draft
from tests.api.whole_database import changed, everything

WORDS: Final = {"en": "Other words."}
MONTH: Final = timedelta(days=30)
NEW: Final = "creation.remix"


def refused(response: httpx2.Response, status: int, code: str, field: str | None = None) -> None:
    """The response is a refusal with this code first."""
    assert response.status_code == status, response.text
    first = response.json()["errors"][0]
    assert first["code"] == code
    assert field in {None, first["field"]}


# The charter


async def test_the_charter_is_opened_once(story: Story) -> None:
    """It is public from then on, and revision 1 of the ledger."""
    missing = await story.door.ask("GET", "/v1/charter")
    refused(missing, 404, "charter_not_opened")
    opened = await story.open_charter("P45D")
    assert opened["revision"] == 1
    assert opened["min_notice_period"] == "P45D"
    assert (await story.door.ask("GET", "/v1/charter")).json() == opened
    again = await story.door.ask("POST", "/v1/charter", {"platform": "Other"}, by=POLICY_DESK)
    refused(again, 409, "charter_already_open")


async def test_many_may_try_to_open_the_charter_and_one_does(story: Story) -> None:
    """At once, too."""
    answers = await asyncio.gather(
        *(
            story.door.ask("POST", "/v1/charter", {"platform": f"Platform {n}"}, by=POLICY_DESK)
            for n in range(10)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9


async def test_a_window_is_thirty_days_unless_the_charter_says_otherwise(story: Story) -> None:
    """The default is the promise."""
    body = {"platform": "Example Sounds"}
    opened = await story.door.done("POST", "/v1/charter", body, by=POLICY_DESK)
    assert opened["min_notice_period"] == "P30D"


@pytest.mark.parametrize(
    ("written", "kept"), [("P4W", "P28D"), ("PT720H", "P30D"), ("P1DT90M", "P1DT1H30M")]
)
async def test_a_duration_is_kept_in_one_form(story: Story, written: str, kept: str) -> None:
    """However it is written, it is the same length."""
    assert (await story.open_charter(written))["min_notice_period"] == kept


async def test_a_charter_promises_some_time(story: Story) -> None:
    """A window of no length is none."""
    body = {"platform": "Example Sounds", "min_notice_period": "PT0S"}
    response = await story.door.ask("POST", "/v1/charter", body, by=POLICY_DESK)
    refused(response, 422, "notice_period_too_short", "min_notice_period")


async def test_the_charter_is_only_ever_tightened(begun: Story) -> None:
    """Its shortest window goes up, never down, and binds every version published later."""
    for period, code in (("P30D", "charter_only_tightens"), ("P29D", "charter_only_tightens")):
        body = {"min_notice_period": period}
        response = await begun.door.ask("PATCH", "/v1/charter", body, by=POLICY_DESK)
        refused(response, 422, code, "min_notice_period")
    body = {"min_notice_period": "P30DT1S"}
    tightened = await begun.door.done("PATCH", "/v1/charter", body, by=POLICY_DESK)
    assert (await begun.door.ask("GET", "/v1/charter")).json() == tightened
    assert tightened["platform"] == "Example Sounds"
    path = f"/v1/uses/{NEW}/policies"
    response = await begun.door.ask("POST", path, draft("opt_out"), by=POLICY_DESK)
    refused(response, 422, "notice_period_too_short", "notice_period")
    await begun.publish(NEW, "opt_out", period="P30DT1S")


# Uses


async def test_a_use_has_names_for_people(begun: Story) -> None:
    """Leaves and groups alike; saying the same again is no event."""
    for use in ("*", "training", MUSIC):
        body = {"names": {"en": f"Name of {use}", "de": "Name"}}
        named = await begun.door.done("PUT", f"/v1/uses/{use}", body, by=POLICY_DESK)
        again = await begun.door.done("PUT", f"/v1/uses/{use}", body, by=POLICY_DESK)
        assert again == named == {"use": use, **body, "revision": await begun.revision()}
    uses = {row["use"]: row for row in (await begun.door.ask("GET", "/v1/uses")).json()["uses"]}
    assert list(uses) == sorted(uses)
    assert uses["training"] == {
        "use": "training",
        "names": {"en": "Name of training", "de": "Name"},
        "latest_version": None,
        "mode": None,
        "recipients": [],
    }
    assert uses[MUSIC]["mode"] == "opt_in"
    assert uses[RECOMMENDATION]["names"] == {}


async def test_a_name_can_be_replaced(begun: Story) -> None:
    """The ledger keeps both."""
    for name in ("Old", "New"):
        await begun.door.done("PUT", "/v1/uses/training", {"names": {"en": name}}, by=POLICY_DESK)
    uses = (await begun.door.ask("GET", "/v1/uses")).json()["uses"]
    assert [row["names"] for row in uses if row["use"] == "training"] == [{"en": "New"}]


async def test_only_leaves_carry_policies(begun: Story) -> None:
    """A group of uses gets none, and a leaf gets nothing beneath it."""
    for use in ("training", "training.generative", f"{MUSIC}.style"):
        path = f"/v1/uses/{use}/policies"
        response = await begun.door.ask("POST", path, draft("opt_in"), by=POLICY_DESK)
        refused(response, 409, "not_a_leaf", "use")


async def test_a_use_that_starts_alike_is_another_use(begun: Story) -> None:
    """`training.generative.music2` is not beneath `training.generative.music`."""
    await begun.publish(f"{MUSIC}2", "opt_in")


# Policies


async def test_versions_are_numbered_and_never_edited(begun: Story) -> None:
    """Each is public word for word, with the hash of each text and the notice that announces it."""
    second = await begun.publish(MUSIC, "opt_out", "partner:x", "internal", texts=WORDS)
    assert second == {
        "use": MUSIC,
        "version": 2,
        "mode": "opt_out",
        "recipients": ["internal", "partner:x"],
        "notice_period": "P30D",
        "texts": {"en": {"text": WORDS["en"], "sha256": sha256(WORDS["en"].encode()).hexdigest()}},
        "editorial": False,
        "launch": False,
        "terms": 2,
        "published_at": second["published_at"],
        "revision": await begun.revision(),
        "notice": f"{MUSIC}:2",
    }
    versions = (await begun.door.ask("GET", f"/v1/uses/{MUSIC}/policies")).json()["policies"]
    assert [row["version"] for row in versions] == [1, 2]
    assert versions[0]["launch"]
    assert versions[0]["texts"].keys() == TEXTS.keys()
    assert versions[1] == second
    assert (await begun.door.ask("GET", f"/v1/uses/{MUSIC}/policies/2")).json() == second
    refused(await begun.door.ask("GET", f"/v1/uses/{MUSIC}/policies/3"), 404, "unknown_version")
    refused(await begun.door.ask("GET", f"/v1/uses/{NEW}/policies"), 404, "unknown_use")


async def test_every_byte_of_the_words_is_kept(begun: Story) -> None:
    """Line ends, blanks and letters of any script are the words too."""
    words = {"en": " Two\r\nlines\t\u00a0\U0001f3b5 \ufeff", "ja": "音楽", "ar": "\u200fموسيقى"}
    published = await begun.publish(NEW, "opt_in", texts=words)
    assert {locale: one["text"] for locale, one in published["texts"].items()} == words
    assert all(
        one["sha256"] == sha256(one["text"].encode()).hexdigest()
        for one in published["texts"].values()
    )


async def test_the_same_words_again_resume_their_terms(begun: Story) -> None:
    """And an editorial version keeps those of its predecessor."""
    assert (await begun.publish(MUSIC, "opt_in", texts=WORDS))["terms"] == 2
    assert (await begun.publish(MUSIC, "opt_in"))["terms"] == 1
    edited = {"en": TEXTS["en"] + " ", "de": TEXTS["de"]}
    assert (await begun.publish(MUSIC, "opt_in", texts=edited, editorial=True))["terms"] == 1


BROKEN_RULES: Final[tuple[tuple[dict[str, Any], str, str], ...]] = (
    ({"notice_period": "P29D"}, "notice_period_too_short", "notice_period"),
    ({"mode": "open"}, "open_not_possible", "mode"),
    ({"editorial": True, "mode": "opt_in"}, "editorial_changes_more", "mode"),
    ({"editorial": True, "recipients": []}, "editorial_changes_more", "recipients"),
    ({"editorial": True, "notice_period": "P31D"}, "editorial_changes_more", "notice_period"),
)


async def test_a_version_keeps_to_the_rules(begun: Story, subtests: pytest.Subtests) -> None:
    """R2, R6 and R7, each with its own code; a dry run refuses likewise."""
    for changes, code, field in BROKEN_RULES:
        for query in ("", "?dry_run=true"):
            with subtests.test(changes=changes, query=query):
                path = f"/v1/uses/{RECOMMENDATION}/policies{query}"
                body = draft("opt_out") | changes
                response = await begun.door.ask("POST", path, body, by=POLICY_DESK)
                refused(response, 422, code, field)


async def test_every_reason_is_given_at_once(begun: Story) -> None:
    """Whoever is refused need not try again to learn the next reason."""
    body = draft("open", "partner:x", period="P1D", editorial=True)
    path = f"/v1/uses/{RECOMMENDATION}/policies"
    response = await begun.door.ask("POST", path, body, by=POLICY_DESK)
    fields = [error["field"] for error in response.json()["errors"]]
    assert fields == ["notice_period", "mode", "mode", "recipients", "notice_period"]


async def test_open_is_for_launch_terms_alone(story: Story) -> None:
    """Before the first artist a use may be open, and stay so; once left, never again."""
    await story.open_charter()
    await story.publish("safety.fraud", "open")
    await story.publish("safety.matching", "open")
    await story.publish("safety.matching", "opt_in", texts=WORDS)
    await story.register("ana")
    await story.publish("safety.fraud", "open", texts={**TEXTS, "en": "Edited."}, editorial=True)
    for use in ("safety.matching", "safety.fraud", "safety.new"):
        path = f"/v1/uses/{use}/policies"
        body = draft("open", texts={"en": f"Anew: {use}"})
        response = await story.door.ask("POST", path, body, by=POLICY_DESK)
        refused(response, 422, "open_not_possible", "mode")


async def test_after_names_the_version_one_has_seen(begun: Story) -> None:
    """Of two editors who both saw version 1, the second is told to look again."""
    path, body = f"/v1/uses/{MUSIC}/policies", draft("opt_in", texts=WORDS) | {"after": 1}
    answers = await asyncio.gather(
        *(begun.door.ask("POST", path, body, by=POLICY_DESK) for _ in range(2))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    refused(max(answers, key=lambda one: one.status_code), 409, "other_version_published", "after")
    dry = await begun.door.ask("POST", f"{path}?dry_run=true", body, by=POLICY_DESK)
    refused(dry, 409, "other_version_published", "after")
    first = draft("opt_in") | {"after": 0}
    await begun.door.done("POST", f"/v1/uses/{NEW}/policies", first, by=POLICY_DESK)


# What publishing would do


async def preview(story: Story, use: str, body: Any) -> Any:
    """Ask what publishing would do, and that it does nothing."""
    before = await everything(story.door.database_url)
    response = await story.door.ask(
        "POST", f"/v1/uses/{use}/policies?dry_run=true", body, by=POLICY_DESK
    )
    assert response.status_code == 200, response.text
    assert changed(before, await everything(story.door.database_url)) == []
    return response.json()


async def bound(story: Story, use: str, version: int, recipient: str, artists: list[str]) -> int:
    """Count the artists whom a check under a recipient judges by a version now."""
    body = {"use": use, "artists": artists, "recipient": recipient}
    answer = await story.door.done("POST", "/v1/checks", body, by=PIPELINE)
    return sum(result["policy_version"] == version for result in answer["results"])


@pytest.mark.parametrize(
    ("mode", "recipients", "texts"),
    [
        ("opt_out", ["internal"], WORDS),
        ("opt_out", ["internal"], TEXTS),
        ("opt_out", ["internal", "partner:x"], TEXTS),
        ("opt_out", ["partner:x"], TEXTS),
        ("opt_in", ["internal"], WORDS),
        ("prohibited", ["internal"], TEXTS),
        ("opt_out", [], TEXTS),
    ],
)
async def test_a_preview_comes_true(
    begun: Story, mode: str, recipients: list[str], texts: dict[str, str]
) -> None:
    """Its numbers, per recipient, are those of who is bound at once and once all windows close."""
    artists = ["ana", "ben", "eve", "joy"]
    await begun.register("eve", "joy")
    await begun.say("eve", "opt_out")
    body = draft(mode, texts=texts) | {"recipients": recipients}
    told = await preview(begun, RECOMMENDATION, body)
    path = f"/v1/uses/{RECOMMENDATION}/policies"
    done = await begun.door.done("POST", path, body, by=POLICY_DESK)
    assert (told["dry_run"], told["use"], told["artists"]) == (True, RECOMMENDATION, 4)
    assert (told["version"], told["launch"]) == (done["version"], done["launch"])
    assert (told["resumes_terms_of"] or told["version"]) == done["terms"]
    columns = {column["recipient"]: column for column in told["columns"]}
    assert columns.keys() == {"internal", *recipients}
    for recipient, column in columns.items():
        now = await bound(begun, RECOMMENDATION, 2, recipient, artists)
        assert column["at_publication"] == now
        assert column["as_pending_windows_close"] == 0
    waiting = sum(column["when_their_own_window_closes"] for column in columns.values())
    assert (told["earliest_window_closes_at"] is not None) == (waiting > 0)
    await begun.deliver(f"{RECOMMENDATION}:2", *artists)
    await begun.door.advance(MONTH)
    for recipient, column in columns.items():
        then = await bound(begun, RECOMMENDATION, 2, recipient, artists)
        assert column["at_publication"] + column["when_their_own_window_closes"] == then == 4


async def test_a_preview_of_an_edit_counts_who_is_still_in_a_window(begun: Story) -> None:
    """They are bound as the windows of the version before it close, no earlier."""
    await begun.publish(RECOMMENDATION, "opt_out", texts=WORDS)
    await begun.deliver(f"{RECOMMENDATION}:2", "ana")
    body = draft("opt_out", texts={"en": "Other words"}, editorial=True)
    told = await preview(begun, RECOMMENDATION, body)
    assert told["columns"] == [
        {
            "recipient": "internal",
            "at_publication": 0,
            "as_pending_windows_close": 2,
            "when_their_own_window_closes": 0,
        }
    ]
    assert told["earliest_window_closes_at"] is None
    await begun.door.done("POST", f"/v1/uses/{RECOMMENDATION}/policies", body, by=POLICY_DESK)
    assert await bound(begun, RECOMMENDATION, 3, "internal", ["ana", "ben"]) == 0
    await begun.door.advance(MONTH)
    assert await bound(begun, RECOMMENDATION, 3, "internal", ["ana", "ben"]) == 1


async def test_a_preview_of_a_first_version_names_the_earliest_window(begun: Story) -> None:
    """Nobody is bound before a full notice period from now."""
    told = await preview(begun, NEW, draft("opt_out", period="P60D"))
    head = await begun.door.services.heads.read()
    closes_at = parse_instant(told["earliest_window_closes_at"])
    assert 0 <= head.now + timedelta(days=60) // timedelta(microseconds=1) - closes_at < 60_000_000
    assert told["columns"][0]["when_their_own_window_closes"] == 2


# Artists


async def test_artists_are_registered_in_bulk_and_once(begun: Story) -> None:
    """Those who are there stay as they are; one event holds all new ones."""
    rows = [{"artist": f"artist {n}"} for n in range(10_000)]
    revision = await begun.revision()
    first = await begun.door.done("POST", "/v1/artists", {"artists": rows}, by=PLATFORM)
    assert first == {"registered": 10_000, "already_registered": 0, "revision": revision + 1}
    rows[0] = {"artist": "one more"}
    second = await begun.door.done("POST", "/v1/artists", {"artists": rows}, by=PLATFORM)
    assert second == {"registered": 1, "already_registered": 9_999, "revision": revision + 2}
    third = await begun.door.done("POST", "/v1/artists", {"artists": rows}, by=PLATFORM)
    assert third == {"registered": 0, "already_registered": 10_000, "revision": revision + 2}
    rows.append({"artist": "too many"})
    response = await begun.door.ask("POST", "/v1/artists", {"artists": rows}, by=PLATFORM)
    refused(response, 422, "too_long", "artists")


async def test_registering_again_changes_a_name_and_no_more(begun: Story) -> None:
    """The date of registration decides what binds an artist; a name is only for reading."""
    before = await begun.door.done("GET", "/v1/artists/ana", by=PLATFORM)
    assert before["name"] is None
    for row, name in (({"name": "Ana"}, "Ana"), ({}, "Ana"), ({"name": "Ana María"}, "Ana María")):
        body = {"artists": [{"artist": "ana"} | row]}
        await begun.door.done("POST", "/v1/artists", body, by=PLATFORM)
        now = await begun.door.done("GET", "/v1/artists/ana", by=AUDITOR)
        assert now == before | {"name": name}
    refused(await begun.door.ask("GET", "/v1/artists/nobody", by=PLATFORM), 404, "unknown_artist")


NAMES: Final = (
    *("a", "x" * 200, "ä" * 200, "a b", "a:b@c+d", "'; --", "🎵", "%", "100%25", "\ufffd"),
    *("a/b", "a/consents", "/", "//", "a?b#c", "a%2Fb", "a%252Fb", "https://x.example/y"),
)


async def test_an_id_is_whatever_the_platform_uses(begun: Story, subtests: pytest.Subtests) -> None:
    """Opaque: percent-encoded, any text of up to 200 characters is one segment of a path."""
    await begun.register(*NAMES)
    for name in NAMES:
        with subtests.test(name=name):
            for encode in (every_byte, partial(quote, safe="")):
                path = f"/v1/artists/{encode(name)}"
                found = await begun.door.done("GET", path, by=PLATFORM)
                assert found["artist"] == name
                delegate = f"{path}/delegates/{encode(f'friend of {name}'[:200])}"
                granted = await begun.door.done("PUT", delegate, {}, by=PLATFORM)
                assert (granted["artist"], granted["delegate"]) == (
                    name,
                    f"friend of {name}"[:200],
                )


def every_byte(text: str) -> str:
    """Encode more than has to be; it means the same."""
    return "".join(f"%{byte:02x}" for byte in text.encode())


# Content


async def put(story: Story, *rows: dict[str, Any]) -> Any:
    """Put rows of content."""
    return await story.door.done("POST", "/v1/content", {"content": list(rows)}, by=PLATFORM)


async def test_content_is_put_in_bulk_and_once(begun: Story) -> None:
    """Ten thousand are one event; repeating changes nothing, and one change is one change."""
    rows: list[dict[str, Any]] = [
        {"content": f"track {n}", "rightsholders": ["ana", "ben"][: 1 + n % 2]}
        for n in range(10_000)
    ]
    revision = await begun.revision()
    first = await put(begun, *rows)
    assert first == {"put": 10_000, "unchanged": 0, "revision": revision + 1}
    assert await put(begun, *rows) == {
        "put": 0,
        "unchanged": 10_000,
        "revision": revision + 1,
    }
    rows[7] = {"content": "track 7", "rightsholders": ["ben"]}
    assert await put(begun, *rows) == {
        "put": 1,
        "unchanged": 9_999,
        "revision": revision + 2,
    }
    body = {"content": [*rows, {"content": "too many", "rightsholders": []}]}
    refused(await begun.door.ask("POST", "/v1/content", body, by=PLATFORM), 422, "too_long")


async def test_content_is_read_as_it_was_put_last(begun: Story) -> None:
    """Rightsholders in their own order; title and ISRC where given."""
    row = {
        "content": "hymn",
        "rightsholders": ["ben", "ana"],
        "status": "disputed",
        "isrc": "USRC17607839",
        "title": "Hymn",
    }
    done = await put(begun, row)
    read = await begun.door.done("GET", "/v1/content/hymn", by=AUDITOR)
    assert read == {**row, "put_at": read["put_at"], "revision": done["revision"]}
    await put(begun, {"content": "hymn", "rightsholders": ["ana"]})
    now = await begun.door.done("GET", "/v1/content/hymn", by=PLATFORM)
    assert (now["rightsholders"], now["status"], now["isrc"]) == (["ana"], "active", None)
    refused(await begun.door.ask("GET", "/v1/content/no", by=PLATFORM), 404, "unknown_content")


async def test_a_new_title_is_no_event(begun: Story) -> None:
    """It is for people to read, and changes no answer."""
    revision = await begun.revision()
    row = {"content": "song", "rightsholders": ["ana"], "title": "A new title"}
    assert await put(begun, row) == {"put": 0, "unchanged": 1, "revision": revision}
    assert (await begun.door.done("GET", "/v1/content/song", by=PLATFORM))["title"] == "A new title"


async def test_unknown_rightsholders_are_refused_by_row(begun: Story) -> None:
    """All of it or none: each row in the way is named, and nothing of the others is put."""
    body = {
        "content": [
            {"content": "good", "rightsholders": ["ana"]},
            {"content": "bad", "rightsholders": ["ana", "nobody"]},
            {"content": "twice", "rightsholders": ["ana", "ben", "ana"]},
            {"content": "worse", "rightsholders": ["who"]},
        ]
    }
    response = await begun.door.ask("POST", "/v1/content", body, by=PLATFORM)
    assert [(e["field"], e["code"]) for e in response.json()["errors"]] == [
        ("content[1].rightsholders[1]", "unknown_artist"),
        ("content[2].rightsholders[2]", "repeated"),
        ("content[3].rightsholders[0]", "unknown_artist"),
    ]
    assert await begun.reasons(RECOMMENDATION, "good") == ["unknown_content"]


async def test_a_status_takes_effect_at_once(begun: Story) -> None:
    """Removed and disputed content is out whatever was said, and active again it is back."""
    await begun.say("ana", "opt_in", RECOMMENDATION, content="song")
    for status, reason in (
        ("removed", "content_removed"),
        ("disputed", "content_disputed"),
        ("active", "opted_in"),
    ):
        await begun.put("song", "ana", status=status)
        assert await begun.reasons(RECOMMENDATION, "song") == [reason]


async def test_new_rightsholders_decide_from_now_on(begun: Story) -> None:
    """A track that changes hands is judged by whoever holds it."""
    await begun.say("ana", "opt_out")
    assert await begun.reasons(RECOMMENDATION, "song") == ["opted_out"]
    await begun.put("song", "ben")
    assert await begun.reasons(RECOMMENDATION, "song") == ["window_closed"]
    await begun.put("song")
    assert await begun.reasons(RECOMMENDATION, "song") == ["no_rightsholder"]


async def test_launch_terms_end_with_the_first_artist(story: Story) -> None:
    """What is published later has to wait for windows, even for artists who come after it."""
    await story.open_charter()
    early = await story.publish(RECOMMENDATION, "opt_out")
    await story.register("ana")
    late = await story.publish(VOICE, "opt_out")
    assert (early["launch"], late["launch"]) == (True, False)
    await story.register("ben")
    await story.put("tune", "ben")
    assert await story.reasons(RECOMMENDATION, "tune") == ["window_closed"]
    assert await story.reasons(VOICE, "tune") == ["not_notified"]
