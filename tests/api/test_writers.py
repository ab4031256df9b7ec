"""The story of the writers that set the terms: charter, uses and policies."""

import asyncio
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final

import pytest

from service.domain.instant import parse_instant
from tests.api.people import PIPELINE, POLICY_DESK
from tests.api.refusals import refused
from tests.api.story import MUSIC, RECOMMENDATION, TEXTS, Story, draft
from tests.api.whole_database import changed, everything

WORDS: Final = {"en": "Other words."}
MONTH: Final = timedelta(days=30)
NEW: Final = "creation.remix"


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
