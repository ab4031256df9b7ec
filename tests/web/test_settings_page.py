"""`/settings`: what an artist sees and decides, by plain forms and without any script."""

import re
from collections.abc import Mapping
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from starlette.responses import Response

from service.domain.assessment import Reason
from service.domain.instant import DAY, format_instant
from service.web.session import COOKIE, Sessions
from tests.api.door import Door
from tests.api.people import PLATFORM, POLICY_DESK, person
from tests.api.story import MUSIC, RECOMMENDATION, VOICE, Story
from tests.web.surfing import Page, Surfer

CHOICE = re.compile(r'<form class="choice" id="([^"]+)".*?</form>', re.DOTALL)
FIELD = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')
BUTTON = re.compile(r'<button ([^>]*name="answer"[^>]*)>')


class Choices:
    """The choices of a page: each form's fields and its buttons, by what they act on."""

    def __init__(self, html: str) -> None:
        """Read the page."""
        self.page = Page(html)
        self.fields: dict[str, dict[str, str]] = {}
        self.buttons: dict[str, str] = {}
        for form in CHOICE.finditer(html):
            fields = {name: unescape(value) for name, value in FIELD.findall(form[0])}
            for button in BUTTON.findall(form[0]):
                attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', button))
                label = unescape(attributes["aria-label"])
                self.fields[label] = {**fields, "answer": attributes["value"]}
                self.buttons[label] = button


async def opened(surfer: Surfer, path: str = "/settings") -> Choices:
    """Open a page of the settings that has to be there."""
    answer = await surfer.get(path)
    assert answer.status_code == 200, answer.text
    return Choices(answer.text)


async def press(
    surfer: Surfer, choices: Choices, label: str, artist: str = "ana"
) -> httpx2.Response:
    """Press a button, and return the page that it leads back to."""
    path = f"/settings/artists/{artist}/say"
    answer = await surfer.post(path, choices.fields[label])
    assert answer.status_code == 303, answer.text
    return await surfer.follow(answer)


async def said(door: Door, artist: str = "ana") -> list[dict[str, Any]]:
    """Return everything that is recorded for an artist, newest first."""
    path = f"/v1/artists/{artist}/consents"
    found = await door.done("GET", path, by=person(artist))
    consents: list[dict[str, Any]] = found["consents"]
    return consents


def come_back(surfer: Surfer, door: Door, subject: str = "ana") -> None:
    """Sign in at a time that the issuer, whose clock nobody moves, knows nothing of."""
    response = Response()
    sessions: Sessions = door.app.state.web.sessions
    sessions.remember(response, sessions.start(subject, None))
    value = response.headers["set-cookie"].partition(";")[0].partition("=")[2]
    surfer.http.cookies.clear()
    surfer.http.cookies.set(COOKIE, value)


def summary(record: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what a record says."""
    return record["answer"], record["use"], record["content"], record["recipient"]


@pytest.fixture
async def named(begun: Story) -> Story:
    """Return a platform whose uses have names."""
    for use, name in ((RECOMMENDATION, "Recommendations"), (VOICE, "Voice"), (MUSIC, "Music")):
        await begun.door.done("PUT", f"/v1/uses/{use}", {"names": {"en": name}}, by=POLICY_DESK)
    return begun


@pytest.fixture
async def ana(named: Story, surfer: Surfer) -> Surfer:
    """Return a browser in which ana is signed in."""
    await surfer.sign_in("ana")
    return surfer


async def test_a_no_takes_one_click_and_counts_at_once(named: Story, ana: Surfer) -> None:
    """It leads back to the page, which says so; the next check is denied."""
    page = await press(ana, await opened(ana), "No to Recommendations")
    assert "Recorded: no to Recommendations." in Page(page.text).words
    assert await named.reasons(RECOMMENDATION, "song") == ["opted_out"]
    record = (await said(named.door))[0]
    assert summary(record) == ("opt_out", RECOMMENDATION, None, None)
    assert record["evidence"]["channel"] == "settings_page"
    assert record["evidence"]["actor"] == "ana"


async def test_a_yes_records_the_words_it_was_given_to(named: Story, ana: Surfer) -> None:
    """Version, language and hash of what the page showed."""
    await press(ana, await opened(ana), "Yes to Voice")
    policies = await named.door.done("GET", f"/v1/uses/{VOICE}/policies", by=person("ana"))
    text = policies["policies"][0]["texts"]["en"]
    assert (await said(named.door))[0]["evidence"]["shown"] == [
        {"use": VOICE, "version": 1, "locale": "en", "text_sha256": text["sha256"]}
    ]


async def test_a_yes_on_an_old_page_is_answered_by_the_new_one(named: Story, ana: Surfer) -> None:
    """Nothing is recorded, and the page says why; on the fresh page it counts."""
    old = await opened(ana)
    await named.publish(VOICE, "opt_in", texts={"en": "Other words."})
    page = await press(ana, old, "Yes to Voice")
    assert "This yes was not recorded" in Page(page.text).words
    assert await said(named.door) == []
    page = await press(ana, Choices(page.text), "Yes to Voice")
    assert "Recorded: yes to Voice." in Page(page.text).words
    assert await named.reasons(VOICE, "song") == ["opted_in"]


async def test_a_no_is_taken_however_old_the_page_is(named: Story, ana: Surfer) -> None:
    """And so is taking back."""
    old = await opened(ana)
    await named.publish(VOICE, "opt_in", texts={"en": "Other words."})
    await press(ana, old, "No to Voice")
    assert summary((await said(named.door))[0]) == ("opt_out", VOICE, None, None)


async def test_yes_and_no_are_alike_and_neither_is_chosen_beforehand(ana: Surfer) -> None:
    """Wherever there is a yes there is a no beside it, of the same kind and no other."""
    choices = await opened(ana)
    yeses = [label for label in choices.buttons if label.startswith("Yes to ")]
    assert yeses
    for label in yeses:
        no = choices.buttons[label.replace("Yes to ", "No to ", 1)]
        same = choices.buttons[label].replace("Yes to ", "No to ", 1)
        same = same.replace('-yes"', '-no"').replace("opt_in", "opt_out")
        assert same == no
        assert "class=" not in no
    assert not any("aria-pressed" in button for button in choices.buttons.values())
    assert "checked" not in (await ana.get("/settings")).text


async def test_the_answer_that_stands_is_marked(named: Story, ana: Surfer) -> None:
    """The one somebody gave, and only that."""
    await named.say("ana", "opt_out", VOICE)
    buttons = (await opened(ana)).buttons
    pressed = [label for label, button in buttons.items() if 'aria-pressed="true"' in button]
    assert pressed == ["No to Voice"]
    assert "Take back what was said about Voice" in buttons


async def test_what_a_no_also_stops_is_said_before_and_after(named: Story, ana: Surfer) -> None:
    """In words, with the number of tracks; undoing it says what is back."""
    await named.put("other song", "ana")
    for content in ("song", "other song"):
        await named.say("ana", "opt_in", VOICE, content=content)
    before = await opened(ana)
    assert "A no here also stops 2 tracks that a yes allows." in before.page.words
    page = await press(ana, before, "No to Voice")
    assert "It also stopped 2 tracks that were allowed." in Page(page.text).words
    assert await named.reasons(VOICE, "song") == ["opted_out"]
    undo = Page(page.text).form("/settings/artists/ana/undo")
    back = await ana.follow(await ana.post("/settings/artists/ana/undo", undo))
    assert "2 tracks are allowed again." in Page(back.text).words
    assert await named.reasons(VOICE, "song") == ["opted_in"]


async def test_undo_is_refused_once_something_newer_was_said(named: Story, ana: Surfer) -> None:
    """It would undo that instead."""
    page = await press(ana, await opened(ana), "No to Voice")
    undo = Page(page.text).form("/settings/artists/ana/undo")
    await named.say("ana", "opt_in", VOICE)
    back = await ana.follow(await ana.post("/settings/artists/ana/undo", undo))
    assert "This can no longer be undone" in Page(back.text).words
    assert summary((await said(named.door))[0])[0] == "opt_in"


async def test_no_ai_says_what_it_does_not_reach(named: Story, ana: Surfer) -> None:
    """Uses under the launch licence stay as they are; everything else stops, and can come back."""
    page = await press(ana, await opened(ana), "No to all use by AI")
    assert "Recorded: no to all use by AI." in Page(page.text).words
    assert "There is a no to all use by AI." in Page(page.text).words
    await press(ana, Choices(page.text), "Take back what was said about all use by AI")
    assert summary((await said(named.door))[0]) == ("inherit", "*", None, None)


async def test_no_ai_names_open_uses(story: Story, surfer: Surfer) -> None:
    """With the reason, beside the switch."""
    await story.open_charter()
    await story.publish("protection.fraud", "open")
    await story.register("ana")
    await surfer.sign_in("ana")
    choices = await opened(surfer)
    assert "Not reached: protection.fraud. That is part of the licence" in choices.page.words
    assert "No to protection.fraud" not in choices.buttons


class TestPlanned:
    """What waits for the artist's window."""

    @pytest.fixture
    async def planned(self, named: Story) -> Story:
        """Return a platform that has planned to train music models."""
        await named.publish(MUSIC, "opt_out", texts={"en": "We want to **train**."})
        return named

    async def test_it_comes_first_and_runs_only_once_the_artist_was_told(
        self, planned: Story, ana: Surfer
    ) -> None:
        """Looking at the page starts nothing; having read it does."""
        choices = await opened(ana)
        words = choices.page.words
        assert words.index("Planned None of this has begun") < words.index("No AI One answer")
        assert "Your time to say no has not begun: it is 30 days" in words
        assert "seeing this page does not" in words
        assert "We want to train" in words.replace("  ", " ")
        read = choices.page.form("/settings/artists/ana/read")
        page = await ana.follow(await ana.post("/settings/artists/ana/read", read))
        words = Page(page.text).words
        assert "Recorded that this has been read. The time to say no runs until" in words
        assert "30 days left to say no" in words
        await planned.door.advance(timedelta(days=31))
        assert await planned.reasons(MUSIC, "song") == ["window_closed"]

    async def test_the_days_are_counted_down_to_hours(self, planned: Story, ana: Surfer) -> None:
        """Days of the calendar, which is what a date means to people."""
        await planned.deliver(f"{MUSIC}:2", "ana")
        await planned.door.advance(timedelta(days=27))
        come_back(ana, planned.door)
        assert "3 days left to say no" in (await opened(ana)).page.words
        await planned.door.advance(timedelta(days=3))
        come_back(ana, planned.door)
        words = (await opened(ana)).page.words
        assert "left to say no" not in words
        assert await planned.reasons(MUSIC, "song") == ["window_closed"]

    async def test_a_no_answers_it(self, planned: Story, ana: Surfer) -> None:
        """Before anything has begun to run, too."""
        page = await press(ana, await opened(ana), "No to Music")
        assert "There is a no already, so this will not begin by silence." in Page(page.text).words

    async def test_nobody_who_has_said_no_is_hurried(self, planned: Story, ana: Surfer) -> None:
        """Where the window runs, too: the page says that the no stands, and counts no days."""
        await planned.deliver(f"{MUSIC}:2", "ana")
        assert "30 days left to say no" in (await opened(ana)).page.words
        await planned.say("ana", "opt_out", "*")
        words = (await opened(ana)).page.words
        assert "left to say no" not in words
        assert "Say nothing until" not in words
        assert "There is a no already, so this will not begin by silence on" in words

    async def test_a_yes_to_the_planned_words_waits_for_nothing(
        self, planned: Story, ana: Surfer
    ) -> None:
        """It counts at once, so there are no days to count and nothing to say by silence."""
        await planned.deliver(f"{MUSIC}:2", "ana")
        page = await press(ana, await opened(ana), "Yes to Music")
        words = Page(page.text).words
        assert "There is a yes to these terms already. It counts now" in words
        assert "left to say no" not in words
        assert "Say nothing until" not in words
        assert "None of this has begun" not in words
        assert await planned.reasons(MUSIC, "song") == ["opted_in"]

    async def test_a_yes_to_earlier_words_is_told_from_silence_about_these(
        self, named: Story, ana: Surfer
    ) -> None:
        """What silence comes to is said for the new words; the yes counts for its own."""
        await named.say("ana", "opt_in", VOICE)
        await named.publish(VOICE, "opt_out", texts={"en": "Silence will do."})
        words = (await opened(ana)).page.words
        assert "There is a yes already: it counts for the words it was given to. Once" in words
        await named.deliver(f"{VOICE}:2", "ana")
        words = (await opened(ana)).page.words
        assert "30 days left to say no" in words
        assert "Say nothing until" not in words
        assert "If nothing more is said until" in words
        await named.door.advance(timedelta(days=31))
        assert await named.reasons(VOICE, "song") == ["window_closed"]

    async def test_a_yes_that_ends_before_the_window_is_no_silence(
        self, planned: Story, ana: Surfer
    ) -> None:
        """It is said to be what it is: a yes for now, and a no by then."""
        await planned.deliver(f"{MUSIC}:2", "ana")
        soon = format_instant(planned.door.clock.now() + 10 * DAY)
        await planned.say("ana", "opt_in", MUSIC, expires_at=soon)
        words = (await opened(ana)).page.words
        assert "There is a yes that ends before the time given has passed" in words
        assert "There is a no already" not in words

    async def test_a_yes_is_offered_only_beside_the_words_it_is_given_to(
        self, planned: Story, ana: Surfer
    ) -> None:
        """A window may run for a version that a later one has followed: a yes is to that one."""
        await planned.deliver(f"{MUSIC}:2", "ana")
        html = (await ana.get("/settings")).text
        assert html.count('aria-label="Yes to Music"') == 2
        await planned.publish(MUSIC, "opt_out", texts={"en": "We want to train more."})
        html = (await ana.get("/settings")).text
        first, second = html.split('<article class="card planned"')[1:]
        assert "We want to <strong>train</strong>." in first
        assert 'aria-label="No to Music"' in first
        assert 'aria-label="Yes to Music"' not in first
        assert 'aria-label="Yes to Music"' in second.partition("</article>")[0]

    async def test_the_last_hours_are_never_called_a_day(self, planned: Story, ana: Surfer) -> None:
        """Also where midnight lies between."""
        await planned.deliver(f"{MUSIC}:2", "ana")
        await planned.door.advance(timedelta(days=29, minutes=30))
        come_back(ana, planned.door)
        assert "23 hours left to say no" in (await opened(ana)).page.words

    async def test_a_company_that_is_added_can_be_answered_alone(
        self, named: Story, ana: Surfer
    ) -> None:
        """Where the use goes on for the platform itself, a no need not stop that."""
        texts = {"en": "What we do with your music.", "de": "Was wir mit deiner Musik tun."}
        recipients = ("internal", "partner:tuney")
        await named.publish(RECOMMENDATION, "opt_out", *recipients, texts=texts)
        choices = await opened(ana)
        await press(ana, choices, "No to Recommendations by Tuney")
        said_ = summary((await said(named.door))[0])
        assert said_ == ("opt_out", RECOMMENDATION, None, "partner:tuney")
        assert await named.reasons(RECOMMENDATION, "song") == ["window_closed"]


class TestTracks:
    """Another answer for a single track."""

    async def test_a_track_is_found_by_its_title_and_answered_alone(
        self, named: Story, ana: Surfer
    ) -> None:
        """The page of a track says what holds for it, and comes back after an answer."""
        found = await opened(ana, "/settings?q=SON")
        path = "/settings/artists/ana/tracks/song"
        assert path in found.page.links
        page = await press(ana, await opened(ana, path), "No to Recommendations, for “song”")
        assert str(page.url.path) == path
        assert "Recorded: no to Recommendations, for “song”." in Page(page.text).words
        assert await named.reasons(RECOMMENDATION, "song", "duet") == ["opted_out", "window_closed"]
        undo = Page(page.text).form("/settings/artists/ana/undo")
        back = await ana.follow(await ana.post("/settings/artists/ana/undo", undo))
        assert str(back.url.path) == path
        assert await named.reasons(RECOMMENDATION, "song") == ["window_closed"]

    async def test_exceptions_are_listed_and_taken_back(self, named: Story, ana: Surfer) -> None:
        """From the main page."""
        await named.say("ana", "opt_in", VOICE, content="song")
        label = "Take back what was said about Voice, for “song”"
        page = await press(ana, await opened(ana), label)
        assert "Taken back: what was said about Voice, for “song”." in Page(page.text).words
        assert await named.reasons(VOICE, "song") == ["no_opt_in"]

    async def test_a_track_of_somebody_else_is_not_there(self, ana: Surfer) -> None:
        """Nor is one that nobody has, or whose id no id can be."""
        for content in ("tune", "nothing", "%00"):
            answer = await ana.get(f"/settings/artists/ana/tracks/{content}")
            assert answer.status_code == 404

    async def test_a_no_for_a_track_of_somebody_else_tells_nothing_of_it(
        self, named: Story, ana: Surfer
    ) -> None:
        """It is taken, for the track may become theirs; what it is called they do not learn."""
        row = {"content": "tune", "rightsholders": ["ben"], "title": "Not Out Yet"}
        await named.door.done("POST", "/v1/content", {"content": [row]}, by=PLATFORM)
        await named.say("ana", "opt_out", VOICE, content="tune")
        for path in ("/settings", "/settings/artists/ana/history"):
            answer = await ana.get(path)
            assert "tune" in answer.text
            assert "Not Out Yet" not in answer.text
        body = {"answer": "opt_in", "use": VOICE, "content": "tune", "channel": "settings_page"}
        path = "/v1/artists/ana/consents/preview"
        effect = await named.door.done("POST", path, body, by=person("ana"))
        assert [one["title"] for one in effect["tracks"]] == [None]

    async def test_ids_may_hold_anything(self, named: Story, surfer: Surfer) -> None:
        """A slash, a percent sign, and what has a meaning in HTML."""
        artist, track = "a/b%2Fc", '<i>"x"/y</i>'
        await named.register(artist)
        await named.put(track, artist)
        await surfer.sign_in(artist)
        found = await opened(surfer, f"/settings?q={quote(track)}")
        path = f"/settings/artists/{quote(artist, safe='')}/tracks/{quote(track, safe='')}"
        assert path in found.page.links
        choices = await opened(surfer, path)
        label = f"No to Voice, for “{track}”"
        await press(surfer, choices, label, quote(artist, safe=""))
        records = await named.door.done(
            "GET", f"/v1/artists/{quote(artist, safe='')}/consents", by=person(artist)
        )
        assert summary(records["consents"][0]) == ("opt_out", VOICE, track, None)


class TestDelegates:
    """Somebody who acts for artists."""

    @pytest.fixture
    async def manager(self, named: Story, surfer: Surfer) -> Surfer:
        """Return a browser in which somebody is signed in who acts for ana, and for ben's noes."""
        await named.delegate("ana", "manager", may_opt_in=True)
        await named.delegate("ben", "manager")
        await surfer.sign_in("manager")
        return surfer

    async def test_they_see_a_roster_and_each_artist_s_settings(
        self, named: Story, manager: Surfer
    ) -> None:
        """And answer for one as for themselves."""
        roster = await opened(manager)
        assert "Artists you act for" in roster.page.words
        assert "/settings/artists/ana" in roster.page.links
        page = await press(manager, await opened(manager, "/settings/artists/ana"), "Yes to Voice")
        assert "Said by a delegate." in Page(page.text).words
        assert await named.reasons(VOICE, "song") == ["opted_in"]

    async def test_one_who_may_only_say_no_sees_no_yes_and_why(
        self, named: Story, manager: Surfer
    ) -> None:
        """A form made up to say it is refused."""
        choices = await opened(manager, "/settings/artists/ben")
        assert not [label for label in choices.buttons if label.startswith("Yes")]
        assert "ben has let you say no for them, not yes." in choices.page.words
        forged = {
            **(await opened(manager, "/settings/artists/ana")).fields["Yes to Voice"],
            "etag": choices.fields["No to Voice"]["etag"],
        }
        answer = await manager.post("/settings/artists/ben/say", forged)
        page = Page((await manager.follow(answer)).text)
        assert "This was not recorded" in page.words
        assert await said(named.door, "ben") == []

    async def test_one_answer_for_many_is_previewed_and_then_recorded(
        self, named: Story, manager: Surfer
    ) -> None:
        """The preview records nothing; what it says is recorded for all."""
        fields = Page((await manager.get("/settings")).text).form("/settings/roster/preview")
        chosen = [("csrf_token", fields["csrf_token"]), ("artist", "ana"), ("artist", "ben")]
        chosen += [("use", RECOMMENDATION), ("answer", "opt_out")]
        preview = await self.send(manager, "/settings/roster/preview", chosen)
        assert preview.status_code == 200
        assert "It changes something for 2 artists." in Page(preview.text).words
        assert await said(named.door) == []
        confirm = [
            (name, unescape(value))
            for name, value in re.findall(r'name="([^"]+)" value="([^"]*)"', preview.text)
        ]
        recorded = await self.send(manager, "/settings/roster/say", list(dict.fromkeys(confirm)))
        page = Page((await manager.follow(recorded)).text)
        assert "Recorded for 2 artists." in page.words
        assert await named.reasons(RECOMMENDATION, "song", "tune") == ["opted_out", "opted_out"]

    async def test_a_yes_for_many_records_the_words_that_were_shown(
        self, named: Story, manager: Surfer
    ) -> None:
        """Those of the preview, whatever language somebody has chosen since."""
        fields = Page((await manager.get("/settings")).text).form("/settings/roster/preview")
        chosen = [("csrf_token", fields["csrf_token"]), ("artist", "ana")]
        chosen += [("use", VOICE), ("answer", "opt_in")]
        preview = await self.send(manager, "/settings/roster/preview", chosen)
        confirm = Page(preview.text).form("/settings/roster/say")
        await manager.get("/settings?lang=de")
        without = {name: value for name, value in confirm.items() if name != "shown"}
        for form, records in ((without, 0), (confirm, 1)):
            await manager.post("/settings/roster/say", form)
            assert len(await said(named.door)) == records
        (shown,) = (await said(named.door))[0]["evidence"]["shown"]
        assert (shown["use"], shown["version"], shown["locale"]) == (VOICE, 1, "en")

    async def test_a_yes_for_many_needs_that_all_have_allowed_it(
        self, named: Story, manager: Surfer
    ) -> None:
        """Else nothing is recorded for anybody, and the page says why."""
        fields = Page((await manager.get("/settings")).text).form("/settings/roster/preview")
        chosen = [("csrf_token", fields["csrf_token"]), ("artist", "ana"), ("artist", "ben")]
        chosen += [("use", VOICE), ("answer", "opt_in")]
        answer = await self.send(manager, "/settings/roster/preview", chosen)
        page = Page((await manager.follow(answer)).text)
        assert "some who have let you say no for them, not yes" in page.words

    @staticmethod
    async def send(surfer: Surfer, path: str, fields: list[tuple[str, str]]) -> httpx2.Response:
        """Send a form in which a field may come more than once."""
        body = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in fields)
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Sec-Fetch-Site": "same-origin",
        }
        return await surfer.http.post(path, content=body, headers=headers)


async def test_strangers_see_nothing_and_nobody_tells_them_who_is_there(
    named: Story, surfer: Surfer
) -> None:
    """An artist of somebody else's looks like one who does not exist."""
    await surfer.sign_in("ben")
    answers = [await surfer.get(f"/settings/artists/{one}") for one in ("ana", "nobody")]
    assert [one.status_code for one in answers] == [404, 404]
    pages = [Page(one.text).words for one in answers]
    assert pages[0] == pages[1]
    own = (await opened(surfer)).fields["No to Voice"]
    assert (await surfer.post("/settings/artists/ana/say", own)).status_code == 404
    assert await said(named.door) == []


async def test_somebody_who_is_no_artist_is_told_so(named: Story, surfer: Surfer) -> None:
    """With what to do."""
    await surfer.sign_in("somebody")
    answer = await surfer.get("/settings")
    assert answer.status_code == 404
    assert "You are signed in as somebody." in Page(answer.text).words


async def test_a_form_without_its_token_says_nothing(named: Story, ana: Surfer) -> None:
    """Another site cannot make one up."""
    choices = await opened(ana)
    for label, browser in (("Yes to Voice", {}), ("No to Voice", {"Sec-Fetch-Site": "none"})):
        fields = choices.fields[label]
        del fields["csrf_token"]
        answer = await ana.post("/settings/artists/ana/say", fields, **browser)
        assert answer.status_code == 403
    assert await said(named.door) == []


async def test_a_no_is_taken_on_a_page_of_an_earlier_sign_in(named: Story, ana: Surfer) -> None:
    """Where the browser itself says that the page is ours; a yes is not."""
    old = await opened(ana)
    await ana.sign_in("ana")
    path = "/settings/artists/ana/say"
    assert (await ana.post(path, old.fields["Yes to Voice"])).status_code == 403
    for browser in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "none"}):
        answer = await ana.post(path, old.fields["No to Voice"], **browser)
        assert answer.status_code == 403
    assert await said(named.door) == []
    await press(ana, old, "No to Voice")
    assert summary((await said(named.door))[0]) == ("opt_out", VOICE, None, None)


async def test_whoever_is_signed_out_meanwhile_is_told_that_it_was_not_recorded(
    named: Story, ana: Surfer
) -> None:
    """By a page: browsers follow no redirect of a form's to a provider elsewhere (our own CSP)."""
    fields = (await opened(ana)).fields["No to Voice"]
    ana.http.cookies.clear()
    answer = await ana.post("/settings/artists/ana/say", fields)
    assert answer.status_code == 403
    assert "this was not recorded" in Page(answer.text).words
    assert "/settings" in Page(answer.text).links
    assert await said(named.door) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"answer": "maybe"},
        {"use": "no use at all"},
        {"recipient": "internal partner"},
        {"answer": "opt_in", "shown": "1"},
        {"answer": "opt_in", "shown": f"1 en {'0' * 64}"},
        {"answer": "opt_in", "use": "*"},
    ],
)
async def test_a_form_that_no_page_of_ours_has_is_refused(
    named: Story, ana: Surfer, changes: dict[str, str]
) -> None:
    """On the page, without a trace in the record."""
    fields = {**(await opened(ana)).fields["No to Voice"], **changes}
    answer = await ana.post("/settings/artists/ana/say", fields)
    assert "was not recorded" in Page((await ana.follow(answer)).text).words
    assert await said(named.door) == []


async def test_everything_said_is_listed_and_can_be_taken_along(named: Story, ana: Surfer) -> None:
    """The newest first; the download has the words and the evidence."""
    await named.say("ana", "opt_out", VOICE)
    await named.say("ana", "opt_in", VOICE, content="song")
    words = (await opened(ana, "/settings/artists/ana/history")).page.words
    assert words.index("Voice · “song”") < words.index("No Voice")
    record = await ana.get("/settings/artists/ana/record.json")
    assert record.headers["Content-Disposition"].startswith("attachment")
    assert [one["answer"] for one in record.json()["said"]] == ["opt_out", "opt_in"]


async def test_each_record_has_a_receipt_and_all_of_it_a_page_to_print(
    named: Story, ana: Surfer
) -> None:
    """Both are downloads; the page is in the reader's language, and for nobody but the artist."""
    said = await named.say("ana", "opt_out", VOICE)
    await named.delegate("ana", "label")
    links = (await opened(ana, "/settings/artists/ana/history")).page.links
    receipt = await ana.get(f"/settings/artists/ana/receipts/{said['revision']}")
    assert receipt.request.url.path in links
    assert receipt.headers["Content-Disposition"].startswith("attachment")
    assert receipt.json()["record"]["revision"] == said["revision"]
    page = await ana.get("/settings/artists/ana/record.html?lang=es")
    assert "/settings/artists/ana/record.html" in links
    assert "Todo lo que hay sobre usted" in page.text
    for path in ("ana/receipts/x", "ana/receipts/1", "ben/record.html", "ben/receipts/1"):
        assert (await ana.get(f"/settings/artists/{path}")).status_code == 404


async def test_each_part_of_what_was_said_has_its_name_where_there_are_no_columns(
    named: Story, ana: Surfer
) -> None:
    """On a phone, in the reader's language: the sheet of styles shows it."""
    await named.say("ana", "opt_out", VOICE)
    answer = await ana.get("/settings/artists/ana/history?lang=de")
    labels = re.findall(r'<t[hd][^>]* data-label="([^"]+)"', answer.text)
    assert labels == ["Wann", "Antwort", "Wozu", "Gesagt von"]
    assert "content: attr(data-label)" in (await ana.get("/static/style.css")).text


@pytest.mark.parametrize(
    "crafted", ["note=outdated", "done={done}&stopped=3", "done={done}&stopped=3&proof=00"]
)
async def test_a_link_that_somebody_made_up_tells_of_nothing_that_never_happened(
    named: Story, ana: Surfer, crafted: str
) -> None:
    """What a form came to is believed only with the proof that this sign-in's pages make."""
    await named.say("ana", "opt_out", VOICE)
    done = (await said(named.door))[0]["revision"]
    words = (await opened(ana, f"/settings?{crafted.format(done=done)}")).page.words
    assert "Recorded" not in words
    assert "It also stopped" not in words
    assert "This yes was not recorded" not in words


async def test_what_a_form_came_to_is_told_only_as_it_was(named: Story, ana: Surfer) -> None:
    """Another count in the address is not proven; nor is anything in another sign-in."""
    choices = await opened(ana)
    answer = await ana.post("/settings/artists/ana/say", choices.fields["No to Recommendations"])
    address = answer.headers["location"].partition("#")[0]
    assert "It changed what holds for one use." in (await opened(ana, address)).page.words
    more = address.replace("uses=1", "uses=9")
    assert more != address
    assert "It changed what holds" not in (await opened(ana, more)).page.words
    await ana.sign_in("ana")
    assert "It changed what holds" not in (await opened(ana, address)).page.words


async def test_a_refusal_is_explained_in_the_reader_s_language(named: Story, ana: Surfer) -> None:
    """In no other, whatever the API says of it."""
    fields = (await opened(ana)).fields["No to Voice"]
    form = {"csrf_token": fields["csrf_token"], "notice": "nothing:1"}
    for language, sentence in (
        ("en", "No such terms have been announced."),
        ("de", "Solche Bedingungen wurden nicht angekündigt."),
    ):
        answer = await ana.post(f"/settings/artists/ana/read?lang={language}", form)
        assert answer.status_code == 404
        assert sentence in Page(answer.text).words
        assert "no notice of this id" not in answer.text


async def test_why_something_holds_is_said_in_words(named: Story, ana: Surfer) -> None:
    """In every language; the names that machines use for reasons are on no page."""
    await named.publish(VOICE, "prohibited", texts={"en": "No."})
    await named.say("ana", "opt_out", RECOMMENDATION)
    reasons = [reason.value for reason in Reason if "_" in reason.value]
    for code in ("en", "de", "fr", "es", "pt"):
        words = (await opened(ana, f"/settings?lang={code}")).page.words
        assert not [reason for reason in reasons if reason in words]


async def test_pages_of_the_settings_are_kept_by_no_cache(ana: Surfer) -> None:
    """They are one person's."""
    answer = await ana.get("/settings")
    assert answer.headers["Cache-Control"] == "private, no-store"


async def test_every_button_says_what_it_acts_on_and_nothing_is_named_twice(
    named: Story, ana: Surfer
) -> None:
    """Whoever hears the page hears which no this is, and every id is one element's alone."""
    await named.publish(MUSIC, "opt_out", texts={"en": "We want to train."})
    await named.say("ana", "opt_in", VOICE, content="song")
    answer = await ana.get("/settings")
    ids = re.findall(r'\sid="([^"]*)"', answer.text)
    assert len(ids) == len(set(ids))
    for button in re.findall(r"<button [^>]*name=\"answer\"[^>]*>", answer.text):
        assert re.search(r'aria-label="(No to|Yes to|Take back what was said about) .+"', button)
