"""The verbs of the page, as a door other than the API's calls them."""

import json
from datetime import timedelta
from typing import Final

import pytest

from service.consents.admission import Statement
from service.consents.authority import ActingAs, Actor
from service.consents.precondition import seen_in
from service.domain.consent import Answer, Scope
from service.domain.refusal import RefusalKind, Refused
from service.settings_page.desk import (
    Desk,
    history_page,
    open_sheet,
    own_record,
    say,
    search_tracks,
    try_out,
    undo,
    what_undo_says,
)
from tests.api.people import PLATFORM
from tests.api.story import MUSIC, RECOMMENDATION, TEXTS, VOICE, Story

ANA: Final = Actor("ana", is_platform=False)
EVE: Final = Actor("eve", is_platform=False)
NO_AI: Final = Statement(Answer.OPT_OUT, Scope("*"), "settings_page")
YES: Final = Statement(Answer.OPT_IN, Scope(MUSIC), "settings_page")


async def title(story: Story, content: str, text: str, *holders: str) -> None:
    """Put a track of some title."""
    row = {"content": content, "rightsholders": list(holders), "title": text}
    await story.door.done("POST", "/v1/content", {"content": [row]}, by=PLATFORM)


async def test_a_click_on_no_and_its_undoing(begun: Story, desk: Desk) -> None:
    """The page shows what a no reaches, records it, and takes it back."""
    effect = await try_out(desk, "ana", NO_AI, ANA)
    assert [flip.use for flip in effect.flips] == [RECOMMENDATION]
    recorded = (await say(desk, "ana", NO_AI, ANA, seen=None)).body
    assert (await open_sheet(desk, "ana", ANA)).no_ai is not None
    back = await what_undo_says(desk, "ana", recorded["revision"], ANA, channel="settings_page")
    assert (back.answer, back.scope) == (Answer.INHERIT, NO_AI.scope)
    restored = await try_out(desk, "ana", back, ANA)
    assert [flip.permitted_after for flip in restored.flips] == [True]
    await undo(desk, "ana", recorded["revision"], ANA, channel="settings_page", seen=None)
    sheet = await open_sheet(desk, "ana", ANA)
    assert sheet.no_ai is None
    assert sheet.acting_as is ActingAs.ARTIST


async def test_a_click_on_yes_goes_with_the_sheet_that_was_shown(begun: Story, desk: Desk) -> None:
    """A form carries the tag; one from an hour ago is told to look again."""
    old = await open_sheet(desk, "ana", ANA)
    await begun.publish(MUSIC, "opt_in", texts={"en": "Other words."})
    with pytest.raises(Refused) as outdated:
        await say(desk, "ana", YES, ANA, seen=seen_in(old.etag))
    assert outdated.value.kind is RefusalKind.OUTDATED
    with pytest.raises(Refused) as unseen:
        await say(desk, "ana", YES, ANA, seen=seen_in(None))
    assert unseen.value.kind is RefusalKind.PRECONDITION_REQUIRED
    fresh = await open_sheet(desk, "ana", ANA)
    said = await say(desk, "ana", YES, ANA, seen=seen_in(fresh.etag))
    assert said.body["evidence"]["names"] == {MUSIC: 2}


async def test_one_finds_ones_own_tracks(begun: Story, desk: Desk) -> None:
    """By part of the title in any case, then by id; patterns are meant literally; nobody else's."""
    await title(begun, "c1", "Night Song", "ana")
    await title(begun, "c2", "SONGBIRD", "ben", "ana")
    await title(begun, "c3", "Song of Ben", "ben")
    await title(begun, "c4", "100% _mine_", "ana")

    async def found(q: str, limit: int = 20) -> list[str]:
        return [one.content for one in await search_tracks(desk, "ana", ANA, q, limit=limit)]

    assert await found("song") == ["c1", "c2", "song"]
    assert await found("song", limit=1) == ["c1"]
    assert await found("%") == ["c4"]
    assert await found("_M") == ["c4"]
    assert await found("of Ben") == []


async def test_the_history_comes_newest_first(begun: Story, desk: Desk) -> None:
    """From where the sheet says that it starts."""
    for answer in ("opt_out", "inherit", "opt_out"):
        await begun.say("ana", answer, VOICE)
    sheet = await open_sheet(desk, "ana", ANA)
    first = await history_page(desk, "ana", ANA, before=sheet.history_before, limit=2)
    assert [one["answer"] for one in first["consents"]] == ["opt_out", "inherit"]
    rest = await history_page(desk, "ana", ANA, before=first["next_before"])
    assert [one["answer"] for one in rest["consents"]] == ["opt_out"]


async def test_ones_own_record_holds_all_there_is(begun: Story, desk: Desk) -> None:
    """What one was told, word for word, has said, and has allowed others; nobody else's."""
    await begun.publish("discovery.radio", "opt_out", "internal")
    await begun.deliver("discovery.radio:1", "ana", "ben")
    await begun.say("ana", "opt_out", VOICE)
    await begun.say("ben", "opt_out", MUSIC)
    await begun.delegate("ana", "label")
    record = await own_record(desk, "ana", ANA)
    assert json.loads(json.dumps(record)) == record
    (told,) = record["told"]
    assert (told["notice"], told["use"], told["version"]) == (
        "discovery.radio:1",
        "discovery.radio",
        1,
    )
    assert {locale: one["text"] for locale, one in told["texts"].items()} == TEXTS
    assert [one["use"] for one in record["said"]] == [VOICE]
    assert [one["delegate"] for one in record["delegates"]] == ["label"]
    assert "ben" not in json.dumps(record)


async def test_strangers_see_and_do_nothing(begun: Story, desk: Desk) -> None:
    """Each verb answers as for an artist who does not exist."""
    said = await begun.say("ana", "opt_out", VOICE)
    for verb in (
        lambda artist: open_sheet(desk, artist, EVE),
        lambda artist: try_out(desk, artist, NO_AI, EVE),
        lambda artist: say(desk, artist, NO_AI, EVE, seen=None),
        lambda artist: undo(desk, artist, said["revision"], EVE, channel="x", seen=None),
        lambda artist: what_undo_says(desk, artist, said["revision"], EVE, channel="x"),
        lambda artist: search_tracks(desk, artist, EVE, "song"),
        lambda artist: history_page(desk, artist, EVE),
        lambda artist: own_record(desk, artist, EVE),
    ):
        refusals = []
        for artist in ("ana", "nobody"):
            with pytest.raises(Refused) as refused:
                await verb(artist)
            refusals.append((refused.value.kind, refused.value.refusals))
        assert refusals[0] == refusals[1]
        assert refusals[0][0] is RefusalKind.UNKNOWN


async def test_an_audit_reads_and_says_nothing(begun: Story, desk: Desk) -> None:
    """It sees the sheet in nobody's role."""
    sheet = await open_sheet(desk, "ana", None)
    assert (sheet.acting_as, sheet.can_say_yes) == (None, False)
    await begun.door.advance(timedelta(days=1))
    assert (await open_sheet(desk, "ana", None)).etag == sheet.etag
