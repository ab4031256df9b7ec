"""`/audit/decisions/{id}`: the sheet says in words what its JSON says in fields."""

import html
import re
from typing import Any

import pytest

from tests.api.door import Door
from tests.api.people import AUDITOR
from tests.api.story import MUSIC, RECOMMENDATION, Story
from tests.web.surfing import Page, Surfer


@pytest.fixture
async def auditor(surfer: Surfer) -> Surfer:
    """Somebody of the compliance staff, signed in."""
    began = await surfer.get("/settings/sign-in?to=/audit")
    fields = Page((await surfer.follow(began)).text).form("/oauth/authorize")
    fields.pop("without", None)  # which a browser would not send unless it was ticked
    await surfer.follow(await surfer.post("/oauth/authorize", fields | {"subject": "carla"}))
    return surfer


async def sheet_of(door: Door, answer: dict[str, Any], query: str = "") -> dict[str, Any]:
    """Return a sheet as JSON."""
    path = f"/v1/decisions/{answer['decision_id']}/explanation{query}"
    sheet: dict[str, Any] = await door.done("GET", path, by=AUDITOR)
    return sheet


def printed(page: str) -> list[str]:
    """Return what is printed word for word."""
    return [html.unescape(one) for one in re.findall(r"<pre>(.*?)</pre>", page, re.DOTALL)]


async def test_the_sheet_says_everything_in_words(begun: Story, auditor: Surfer) -> None:
    """The question, the answer, each rightsholder's part; the entries, proofs and signatures."""
    await begun.say("ana", "opt_out", "training")
    await begun.say("ana", "opt_in", MUSIC, content="duet")
    answer = await begun.check(MUSIC, "duet", min_policy_version=1)
    opened = await auditor.get(f"/audit/decisions/{answer['decision_id']}")
    assert opened.status_code == 200
    words = Page(opened.text).words
    for said in (
        f"May the content duet be used for {MUSIC} by internal?",
        "No, not permitted.",
        "Worked out again: the same",
        "ana: permitted",
        "ben: did not permit",
        "Lifted by the yes in event",
        "it was published before the first artist was registered",
        "Acting under version 1",
    ):
        assert said in words, said
    sheet = await sheet_of(begun.door, answer)
    word_for_word = printed(opened.text)
    assert sheet["checkpoint"] in word_for_word
    assert sheet["verifier_key"] in html.unescape(opened.text)
    for event in sheet["events"]:
        assert "\n".join([*event["proof"]["hashes"], ""]) in word_for_word
        if event["opening"] is not None:
            assert event["opening"]["details"] in word_for_word
            assert event["opening"]["key"] in html.unescape(opened.text)
    assert any("/statement/decision-sheet/v1" in one for one in word_for_word)


async def test_of_many_answers_one_is_chosen(begun: Story, auditor: Surfer) -> None:
    """They are listed in the order asked, a hundred at a time, each with the way to its sheet."""
    answer = await begun.check(RECOMMENDATION, "song", *(f"track-{n}" for n in range(120)))
    path = f"/audit/decisions/{answer['decision_id']}"
    links = Page((await auditor.get(path)).text).links
    assert f"{path}?position=99" in links
    assert f"{path}?start=100" in links
    rest = Page((await auditor.get(f"{path}?start=100")).text).links
    assert f"{path}?position=120" in rest
    assert f"{path}?start=200" not in rest
    first = Page((await auditor.get(f"{path}?position=0")).text).words
    assert "May the content song be used" in first
    assert "answer 1 of 121" in first
    last = Page((await auditor.get(f"{path}?position=120")).text).words
    assert "No event up to then had put this content on record." in last
    assert (await auditor.get(f"{path}?position=121")).status_code == 404


async def test_an_erased_artist_is_named_nowhere(begun: Story, auditor: Surfer) -> None:
    """The sheet says that what they had said was destroyed, and goes on proving that they did."""
    await begun.say("ana", "opt_in", MUSIC)
    answer = await begun.check(MUSIC, "song")
    erased = await begun.door.ask("POST", "/v1/artists/ana/erasure", {"dry_run": False}, by=AUDITOR)
    assert erased.is_success
    opened = await auditor.get(f"/audit/decisions/{answer['decision_id']}")
    words = Page(opened.text).words
    assert "Cannot be worked out again" in words
    assert "What was said is destroyed." in words
    assert re.search(r"\bana\b", words) is None


@pytest.mark.parametrize("decision", ["dec_" + 32 * "7", "song"])
async def test_what_is_no_decision_is_not_there(
    begun: Story, auditor: Surfer, decision: str
) -> None:
    """Whatever it looks like."""
    assert (await auditor.get(f"/audit/decisions/{decision}")).status_code == 404


async def test_the_sheet_is_for_auditors(begun: Story, surfer: Surfer) -> None:
    """Strangers are led to sign in; others are told that it is not theirs to see."""
    answer = await begun.check(RECOMMENDATION, "song")
    path = f"/audit/decisions/{answer['decision_id']}"
    assert (await surfer.get(path)).status_code == 303
    await surfer.sign_in("ana")
    assert (await surfer.get(path)).status_code in {303, 403}
