"""The calls of a settings page: what it shows, what a yes needs, trying out, undoing."""

import asyncio
from datetime import timedelta
from typing import Any, Final

import httpx2
import pytest
from sqlalchemy import event

from service.db.engine import Database
from service.domain.instant import DAY, format_instant
from tests.api.door import Door, lock_awaited
from tests.api.people import AUDITOR, PIPELINE, PLATFORM, POLICY_DESK, Caller, machine, person
from tests.api.refusals import refused
from tests.api.story import MUSIC, RECOMMENDATION, TEXTS, VOICE, Story
from tests.api.test_refused_writes import head_held, queued
from tests.api.whole_database import changed, everything

ANA: Final = person("ana")
LABEL: Final = person("label")
ARTIST: Final = "/v1/artists/ana"
CONSENTS: Final = f"{ARTIST}/consents"
RADIO: Final = "discovery.radio"
WORDS: Final = {"en": "Other words."}


async def settings(door: Door, by: Caller = ANA, artist: str = "ana", **query: Any) -> Any:
    """Read an artist's settings."""
    path = f"/v1/artists/{artist}/settings"
    response = await door.http.get(path, params=query, headers=door.headers(by))
    assert response.status_code == 200, response.text
    return response.json()


async def etag(door: Door, by: Caller = ANA) -> str:
    """Return the tag of ana's settings."""
    tag = await door.tag_of(ARTIST, by)
    assert tag is not None
    return tag


def saying(answer: str, use: str = MUSIC, **more: Any) -> Any:
    """Return the body of a statement."""
    return {"answer": answer, "use": use, "channel": "settings_page", **more}


async def say(
    door: Door, answer: str, use: str = MUSIC, *, by: Caller = ANA, seen: str | None, **more: Any
) -> httpx2.Response:
    """Say something about ana on settings of some tag, or on none."""
    return await door.ask("POST", CONSENTS, saying(answer, use, **more), by=by, seen=seen)


def use_of(sheet: Any, use: str) -> Any:
    """Return one use of a sheet."""
    return next(one for group in sheet["groups"] for one in group["uses"] if one["use"] == use)


# What is shown


async def test_everything_one_page_needs_is_in_one_answer(begun: Story) -> None:
    """Groups, words, names, today's answers and why, what was said, partners, tracks."""
    door = begun.door
    await door.done("PUT", "/v1/uses/training", {"names": {"en": "Training"}}, by=POLICY_DESK)
    await begun.publish(RECOMMENDATION, "opt_out", "internal", "partner:musiio")
    said = await begun.say("ana", "opt_out", VOICE)
    yes = await begun.say("ana", "opt_in", MUSIC, content="song")
    sheet = await settings(door)
    assert (sheet["artist"], sheet["acting_as"], sheet["can_say_yes"]) == ("ana", "artist", True)
    assert [group["node"] for group in sheet["groups"]] == ["discovery", "training"]
    assert sheet["groups"][1]["names"] == {"en": "Training"}
    voice = use_of(sheet, VOICE)
    assert (voice["mode"], voice["version"], voice["recipients"]) == ("opt_in", 1, ["internal"])
    assert {locale: one["text"] for locale, one in voice["texts"].items()} == TEXTS
    assert voice["said"]["revision"] == said["revision"]
    assert [(t["permitted"], t["reason"]) for t in voice["today"]] == [(False, "opted_out")]
    today = {t["recipient"]: t for t in use_of(sheet, RECOMMENDATION)["today"]}
    assert today["internal"]["reason"] == "window_closed"
    assert today["internal"]["permitted_from"] is not None
    assert today["partner:musiio"]["reason"] == "recipient_not_listed"
    assert [one["notice"] for one in sheet["pending"]] == [f"{RECOMMENDATION}:2"]
    assert sheet["pending"][0]["recipients"] == ["partner:musiio"]
    assert sheet["partners"] == [
        {"recipient": "partner:musiio", "uses": [RECOMMENDATION], "said": None}
    ]
    (track,) = sheet["tracks"]
    assert (track["said"]["content"], track["said"]["answer"]) == ("song", "opt_in")
    assert (track["title"], track["lifted"]) == (None, False)
    assert sheet["history_before"] == yes["revision"] + 1
    listed = await door.done("GET", f"{CONSENTS}?before={sheet['history_before']}", by=ANA)
    assert listed["consents"][0] == yes


async def test_the_life_of_a_notice_on_the_sheet(begun: Story) -> None:
    """Announced without a date, then with the closing instant, answered by a no, gone when over."""
    door = begun.door
    await begun.publish(RADIO, "opt_out", "internal")
    (before,) = (await settings(door))["pending"]
    assert (before["delivered_at"], before["closes_at"]) == (None, None)
    await begun.deliver(f"{RADIO}:1", "ana")
    (during,) = (await settings(door))["pending"]
    assert during["closes_at"] == use_of(await settings(door), RADIO)["today"][0]["permitted_from"]
    assert during["texts"]["en"]["text"] == TEXTS["en"]
    assert not during["answered"]
    no = await begun.say("ana", "opt_out", "discovery")
    assert (await settings(door))["pending"][0]["answered"]
    await begun.say("ana", "inherit", no["use"])
    await door.advance(timedelta(days=30))
    after = await settings(door)
    assert after["pending"] == []
    assert use_of(after, RADIO)["today"][0]["reason"] == "window_closed"


async def test_what_no_switch_reaches_is_said(story: Story) -> None:
    """Uses that nobody is asked about stay permitted under "No AI", and are named."""
    await story.open_charter()
    await story.publish("protection.fraud", "open", "internal")
    await story.publish(RECOMMENDATION, "opt_out", "internal")
    await story.register("ana")
    no = await story.say("ana", "opt_out")
    sheet = await settings(story.door)
    assert sheet["no_ai"]["revision"] == no["revision"]
    assert sheet["not_reached"] == ["protection.fraud"]
    assert use_of(sheet, RECOMMENDATION)["today"][0]["reason"] == "opted_out"


async def test_records_without_a_place_of_their_own_are_shown_all_the_same(begun: Story) -> None:
    """A yes at the root, a node between group and use, an unknown use: nothing said is hidden."""
    said = [
        await begun.say("ana", "opt_out", "training.generative"),
        await begun.say("ana", "opt_out", "no.such.use"),
        await begun.say("ana", "opt_out", "training", recipient="partner:x"),
        await begun.say("ana", "opt_in"),
    ]
    sheet = await settings(begun.door)
    assert sheet["no_ai"] is None
    assert {one["revision"] for one in sheet["elsewhere"]} == {one["revision"] for one in said}


async def test_it_is_seen_by_whoever_may_act_and_by_auditors(begun: Story) -> None:
    """In their own role; a delegate who may only say no is told so."""
    await begun.delegate("ana", "label")
    for by, role, can in (
        (ANA, "artist", True),
        (LABEL, "delegate", False),
        (PLATFORM, "platform", True),
        (AUDITOR, None, False),
    ):
        sheet = await settings(begun.door, by)
        assert (sheet["acting_as"], sheet["can_say_yes"]) == (role, can)
    await begun.delegate("ana", "label", may_opt_in=True)
    assert (await settings(begun.door, LABEL))["can_say_yes"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "settings", None),
        ("POST", "consents/preview", saying("opt_out")),
        ("POST", "consents/9/undo", {"channel": "settings_page"}),
    ],
)
async def test_strangers_get_the_words_for_nobody(
    begun: Story, method: str, path: str, body: Any
) -> None:
    """Another artist, somebody unknown, a client of the artist's name: nothing is there."""
    await begun.say("ana", "opt_out")
    for by in (person("ben"), person("eve"), machine("ana", *ANA.scopes)):
        answers = [
            await begun.door.ask(method, f"/v1/artists/{artist}/{path}", body, by=by)
            for artist in ("ana", "nobody")
        ]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].content == answers[1].content
        refused(answers[0], 404, "unknown_artist")
    assert (await begun.door.ask(method, f"{ARTIST}/{path}", body, by=PIPELINE)).status_code == 403


async def test_it_shows_what_was_acknowledged_before(begun: Story) -> None:
    """No page that is opened after a no has returned shows the state before it."""
    for _ in range(5):
        said = await begun.say("ana", "opt_out", VOICE)
        assert use_of(await settings(begun.door), VOICE)["said"]["revision"] == said["revision"]


# Many tracks, few queries


class Counted:
    """Counts the statements that a database's pool sends."""

    def __init__(self, database: Database) -> None:
        """Start at none."""
        self.statements: list[str] = []
        event.listen(database._engine.sync_engine, "before_cursor_execute", self._count)

    def _count(self, _c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        self.statements.append(statement)


async def with_many_tracks(story: Story, number: int) -> None:
    """Let ana say something of each of many tracks, as the service itself would have recorded."""
    door = story.door
    rows = [
        {"content": f"t{n}", "rightsholders": ["ana"], "title": f"Title {n}"} for n in range(number)
    ]
    await door.done("POST", "/v1/content", {"content": rows}, by=PLATFORM)
    for start in range(0, number, 500):
        some = range(start, min(start + 500, number))
        bodies = [saying("opt_out", content=f"t{n}") for n in some]
        answers = await asyncio.gather(
            *(door.ask("POST", CONSENTS, body, by=ANA) for body in bodies)
        )
        assert {answer.status_code for answer in answers} == {201}


async def test_one_page_is_few_queries_whatever_there_is_to_show(begun: Story) -> None:
    """Who asks, the state, names, words, titles, roles: as many for one record as for hundreds."""
    await begun.say("ana", "opt_out", VOICE)
    counted = Counted(begun.door.services.database)
    await settings(begun.door)
    few = len(counted.statements)
    await with_many_tracks(begun, 300)
    await begun.publish(RADIO, "opt_out", "internal", "partner:x")
    counted.statements.clear()
    await settings(begun.door)
    assert len(counted.statements) == few == 8  # two of them begin a snapshot


async def test_a_long_list_of_tracks_comes_in_pages(begun: Story) -> None:
    """Two hundred on the first, newest first, with their titles; all of them once."""
    await with_many_tracks(begun, 450)
    sheet = await settings(begun.door)
    seen: list[str] = []
    while True:
        assert sheet["track_total"] == 450
        assert all(one["title"] == f"Title {one['said']['content'][1:]}" for one in sheet["tracks"])
        seen += [one["said"]["content"] for one in sheet["tracks"]]
        if sheet["tracks_before"] is None:
            break
        sheet = await settings(begun.door, tracks_before=sheet["tracks_before"])
    assert len(seen) == len(set(seen)) == 450


# The tag


async def test_the_tag_stands_for_all_that_is_shown(begun: Story) -> None:
    """The same as long as nothing changes; another with each thing that does, and by role."""
    door = begun.door
    await begun.delegate("ana", "label")
    tags = [await etag(door), await etag(door, LABEL)]
    assert len(set(tags)) == 2
    await begun.say("ben", "opt_out")
    assert await etag(door) == tags[0]
    naming = {"names": {"en": "Voices"}}
    renamed = [{"content": "song", "rightsholders": ["ana"], "title": "Renamed"}]
    steps = (
        begun.say("ana", "opt_out", VOICE, content="song"),
        begun.delegate("ana", "manager"),
        begun.publish(RADIO, "opt_out", "internal"),
        begun.deliver(f"{RADIO}:1", "ana"),
        door.done("PUT", f"/v1/uses/{VOICE}", naming, by=POLICY_DESK),
        door.done("POST", "/v1/content", {"content": renamed}, by=PLATFORM),
        door.advance(timedelta(days=30)),
    )
    for step in steps:
        await step
        tags.append(await etag(door))
        assert tags[-1] not in tags[:-1]
    assert all(tag.startswith('"') and tag.endswith('"') for tag in tags)


async def test_whoever_has_it_is_not_sent_it_again(begun: Story) -> None:
    """304 with the tag and the revision, by any matching form of it; private, asked each time."""
    door = begun.door
    first = await door.ask("GET", f"{ARTIST}/settings", by=ANA)
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    assert first.headers["fermata-revision"] == str(await begun.revision())
    assert "revision" not in first.json()
    for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        headers = door.headers(ANA) | {"If-None-Match": known}
        again = await door.http.get(f"{ARTIST}/settings", headers=headers)
        assert (again.status_code, again.content) == (304, b""), known
        assert again.headers["etag"] == tag
        assert again.headers["cache-control"] == "private, no-cache"
        assert again.headers["fermata-revision"] == first.headers["fermata-revision"]
    for unknown in ('"other"', tag.strip('"'), ""):
        headers = door.headers(ANA) | {"If-None-Match": unknown}
        assert (await door.http.get(f"{ARTIST}/settings", headers=headers)).status_code == 200


# A yes needs what it was shown


async def test_a_yes_without_a_page_is_refused(begun: Story) -> None:
    """No tag, any tag, or something that is none: it says nothing of what was shown."""
    door = begun.door
    before = await everything(door.database_url)
    for seen in (None, "*", "abc", "", "W/", '"unclosed'):
        refused(await say(door, "opt_in", seen=seen), 428, "precondition_required", "If-Match")
    assert changed(before, await everything(door.database_url)) == []
    problem = (await say(door, "opt_in", seen=None)).json()
    assert problem["type"] == "urn:fermata:problem:precondition-required"


async def test_a_yes_on_an_old_page_is_refused(begun: Story) -> None:
    """Whatever has happened since; on a fresh page it is taken, once."""
    door = begun.door
    await begun.publish(RADIO, "opt_out", "internal")
    naming = {"names": {"en": "Music"}}
    for step in (
        begun.publish(MUSIC, "opt_in", texts=WORDS),
        begun.deliver(f"{RADIO}:1", "ana"),
        begun.say("ana", "opt_out", VOICE),
        begun.delegate("ana", "label"),
        door.done("PUT", f"/v1/uses/{MUSIC}", naming, by=POLICY_DESK),
    ):
        seen = await etag(door)
        await step
        before = await everything(door.database_url)
        response = await say(door, "opt_in", seen=seen)
        refused(response, 412, "outdated_settings", "If-Match")
        assert response.json()["type"] == "urn:fermata:problem:precondition-failed"
        assert changed(before, await everything(door.database_url)) == []
    seen = await etag(door)
    assert (await say(door, "opt_in", seen=seen)).status_code == 201
    refused(await say(door, "opt_in", seen=seen), 412, "outdated_settings")


async def test_a_weak_tag_or_another_artists_is_no_proof(begun: Story) -> None:
    """If-Match compares strongly; among several tags one that stands is enough."""
    door = begun.door
    seen = await etag(door)
    bens = await door.tag_of("/v1/artists/ben", person("ben"))
    for other in (f"W/{seen}", bens, '"made-up"'):
        refused(await say(door, "opt_in", seen=other), 412, "outdated_settings")
    assert (await say(door, "opt_in", seen=f'"made-up", {seen}')).status_code == 201


async def test_time_alone_outdates_no_page(begun: Story) -> None:
    """A window that closes while somebody reads changes the answer, not the words they read."""
    door = begun.door
    await begun.publish(RADIO, "opt_out", "internal")
    await begun.deliver(f"{RADIO}:1", "ana")
    seen = await etag(door)
    await door.advance(timedelta(days=30))
    assert await etag(door) != seen
    assert (await say(door, "opt_in", RADIO, seen=seen)).status_code == 201


async def test_what_somebody_else_said_and_title_changes_outdate_nothing(begun: Story) -> None:
    """A yes rests on words and on this artist's own record."""
    door = begun.door
    seen = await etag(door)
    await begun.say("ben", "opt_out")
    row = {"content": "song", "rightsholders": ["ana"], "title": "Renamed"}
    await door.done("POST", "/v1/content", {"content": [row]}, by=PLATFORM)
    assert (await say(door, "opt_in", seen=seen)).status_code == 201


async def test_a_no_is_taken_however_old_the_page_is(begun: Story) -> None:
    """And so is taking back; with a tag that is old, weak, made-up, or none at all."""
    door = begun.door
    old = await etag(door)
    await begun.publish(MUSIC, "opt_in", texts=WORDS)
    for seen in (None, old, f"W/{old}", "*", '"made-up"', "nonsense"):
        for answer in ("opt_out", "inherit"):
            assert (await say(door, answer, seen=seen)).status_code == 201


async def test_a_version_published_beside_a_yes_comes_first(begun: Story) -> None:
    """The page is held against what is there when the yes is recorded, in the same transaction."""
    door = begun.door
    seen = await etag(door)
    async with head_held(door.database_url):
        ahead = asyncio.create_task(begun.publish(MUSIC, "opt_in", texts=WORDS))
        await lock_awaited(door.database_url)
        yes = asyncio.create_task(say(door, "opt_in", seen=seen))
        no = asyncio.create_task(say(door, "opt_out", VOICE, seen=seen))
        await queued(door, 2)
    await ahead
    refused(await yes, 412, "outdated_settings")
    assert (await no).status_code == 201
    listed = await door.done("GET", CONSENTS, by=ANA)
    assert [one["answer"] for one in listed["consents"]] == ["opt_out"]


async def test_of_two_yeses_on_one_page_one_is_taken(begun: Story) -> None:
    """Sent at once, from two windows: the second was given on a page that is old by then."""
    door = begun.door
    seen = await etag(door)
    both = await asyncio.gather(*(say(door, "opt_in", use, seen=seen) for use in (MUSIC, VOICE)))
    assert sorted(response.status_code for response in both) == [201, 412]


async def test_a_yes_that_was_taken_is_answered_again(begun: Story) -> None:
    """Repeated with its key it is the first answer, though its page is old by then.

    One that was refused is not remembered.
    """
    door = begun.door
    seen = await etag(door)
    body = saying("opt_in")
    first = await door.ask("POST", CONSENTS, body, by=ANA, key="k", seen=seen)
    for tag in (seen, None, '"made-up"'):
        again = await door.ask("POST", CONSENTS, body, by=ANA, key="k", seen=tag)
        assert (again.status_code, again.json()) == (201, first.json())
        assert again.headers["idempotency-replayed"] == "true"
    refused(
        await door.ask("POST", CONSENTS, body, by=ANA, key="other", seen=seen),
        412,
        "outdated_settings",
    )
    fresh = await etag(door)
    later = await door.ask("POST", CONSENTS, body, by=ANA, key="other", seen=fresh)
    assert later.status_code == 201


async def test_the_platform_says_itself_what_was_shown(begun: Story) -> None:
    """Of every use the yes covers that asks; or it sends the tag like anybody else."""
    door = begun.door
    partly = [{"use": MUSIC, "version": 1}]
    response = await say(door, "opt_in", "training", by=PLATFORM, seen=None, shown=partly)
    refused(response, 428, "precondition_required", "shown")
    assert VOICE in response.json()["errors"][0]["message"]
    wholly = [*partly, {"use": VOICE, "version": 1}]
    taken = await say(door, "opt_in", "training", by=PLATFORM, seen=None, shown=wholly)
    assert taken.status_code == 201
    await begun.publish(MUSIC, "opt_in", texts=WORDS)
    old = await say(door, "opt_in", "training", by=PLATFORM, seen=None, shown=wholly)
    refused(old, 422, "outdated_version_shown")
    seen = await etag(door, PLATFORM)
    assert (await say(door, "opt_in", by=PLATFORM, seen=seen)).status_code == 201
    outdated = await say(door, "opt_in", by=PLATFORM, seen=seen, shown=wholly)
    refused(outdated, 412, "outdated_settings")


async def test_a_persons_word_for_what_was_shown_is_not_enough(begun: Story) -> None:
    """Only the platform shows pages of its own."""
    await begun.delegate("ana", "label", may_opt_in=True)
    shown = [{"use": MUSIC, "version": 1}]
    for by in (ANA, LABEL):
        response = await say(begun.door, "opt_in", by=by, seen=None, shown=shown)
        refused(response, 428, "precondition_required")


async def test_who_may_not_is_told_that_first(begun: Story) -> None:
    """A stranger or a delegate without leave learns nothing about pages."""
    await begun.delegate("ana", "label")
    for by, status, code in (
        (LABEL, 403, "delegate_may_not_opt_in"),
        (person("eve"), 404, "unknown_artist"),
    ):
        refused(await say(begun.door, "opt_in", by=by, seen=None), status, code)


async def test_it_needs_a_page_for_something_to_say_yes_to(begun: Story) -> None:
    """With the page in order, what is wrong with the statement is said."""
    seen = await etag(begun.door)
    refused(await say(begun.door, "opt_in", "no.such", seen=seen), 422, "nothing_to_say_yes_to")


# Trying out


async def test_trying_out_says_what_would_change_and_records_nothing(begun: Story) -> None:
    """What stops, also of the tracks that were allowed; what cannot be stopped; what is planned."""
    door = begun.door
    await begun.say("ana", "opt_in", MUSIC, content="song")
    await begun.publish(RADIO, "opt_out", "internal")
    row = {"content": "song", "rightsholders": ["ana"], "title": "Song"}
    await door.done("POST", "/v1/content", {"content": [row]}, by=PLATFORM)
    before = await everything(door.database_url)
    effect = await door.done("POST", f"{CONSENTS}/preview", saying("opt_out", "*"), by=ANA)
    assert changed(before, await everything(door.database_url)) == []
    assert effect == {
        "flips": [
            {
                "use": RECOMMENDATION,
                "recipient": "internal",
                "permitted_before": True,
                "permitted_after": False,
                "reason_before": "window_closed",
                "reason_after": "opted_out",
            }
        ],
        "tracks": [
            {
                "content": "song",
                "title": "Song",
                "use": MUSIC,
                "recipient": "internal",
                "permitted_before": True,
                "permitted_after": False,
            }
        ],
        "tracks_stopped": 1,
        "tracks_restored": 0,
        "not_reached": [],
        "pending_stopped": [f"{RADIO}:1"],
    }
    await begun.say("ana", "opt_out")
    assert await begun.reasons(RECOMMENDATION, "song") == ["opted_out"]
    assert await begun.reasons(MUSIC, "song") == ["opted_out"]
    assert (await settings(door))["tracks"][0]["lifted"]


async def test_trying_out_a_yes_needs_no_page_but_all_else(begun: Story) -> None:
    """What would be refused is refused, and leave to say yes is asked for."""
    door = begun.door
    path = f"{CONSENTS}/preview"
    effect = await door.done("POST", path, saying("opt_in"), by=ANA)
    assert [(f["use"], f["reason_after"]) for f in effect["flips"]] == [(MUSIC, "opted_in")]
    refused(
        await door.ask("POST", path, saying("opt_in", "no.such"), by=ANA),
        422,
        "nothing_to_say_yes_to",
    )
    await begun.delegate("ana", "label")
    response = await door.ask("POST", path, saying("opt_in"), by=LABEL)
    refused(response, 403, "delegate_may_not_opt_in")


# Undoing


async def undo(
    door: Door, revision: int, *, by: Caller = ANA, seen: str | None = None
) -> httpx2.Response:
    """Undo what ana said."""
    path = f"{CONSENTS}/{revision}/undo"
    return await door.ask("POST", path, {"channel": "settings_page"}, by=by, seen=seen)


async def test_undoing_says_again_what_stood_before(begun: Story) -> None:
    """Nothing, a no, a yes; at exactly that scope, and undoing an undoing does it again."""
    first = await begun.say("ana", "opt_out", MUSIC)
    await begun.say("ana", "opt_out", MUSIC, content="song")
    back = (await undo(begun.door, first["revision"])).json()
    assert (back["answer"], back["use"], back["content"]) == ("inherit", MUSIC, None)
    again = (await undo(begun.door, back["revision"])).json()
    assert again["answer"] == "opt_out"
    yes = await begun.say("ana", "opt_in", MUSIC)
    assert (await undo(begun.door, yes["revision"])).json()["answer"] == "opt_out"


async def test_undoing_a_no_over_a_yes_is_a_yes_to_the_same_terms(begun: Story) -> None:
    """So it needs a fresh page, binds to the latest version, and keeps the yes's end."""
    door = begun.door
    until = format_instant((await door.services.heads.read()).now + 40 * DAY)
    await begun.say("ana", "opt_in", MUSIC, expires_at=until)
    no = await begun.say("ana", "opt_out", MUSIC)
    refused(await undo(door, no["revision"]), 428, "precondition_required")
    seen = await etag(door)
    await begun.publish(MUSIC, "opt_in", texts=WORDS, editorial=True)
    refused(await undo(door, no["revision"], seen=seen), 412, "outdated_settings")
    said = (await undo(door, no["revision"], seen=await etag(door))).json()
    assert (said["answer"], said["expires_at"]) == ("opt_in", until)
    assert said["evidence"]["names"] == {MUSIC: 2}
    assert await begun.reasons(MUSIC, "song") == ["opted_in"]


async def test_no_undoing_is_a_yes_to_what_nobody_said_yes_to(begun: Story) -> None:
    """Not to other words, not for another recipient, not to a use that has come since (R4)."""
    door = begun.door
    for use in (MUSIC, VOICE, "training"):
        await begun.say("ana", "opt_in", use)
    await begun.publish(MUSIC, "opt_in", texts=WORDS)
    await begun.publish(VOICE, "opt_in", "internal", "partner:tuney", texts=TEXTS)
    for use in (MUSIC, VOICE, "training"):
        no = await begun.say("ana", "opt_out", use)
        answer = await undo(door, no["revision"], seen=await etag(door))
        refused(answer, 409, "yes_to_other_terms", "revision")
    await begun.say("ben", "opt_in", RECOMMENDATION.partition(".")[0])
    await begun.publish(RADIO, "opt_in", "internal")
    no = await begun.say("ben", "opt_out", RECOMMENDATION.partition(".")[0])
    by = person("ben")
    path = f"/v1/artists/ben/consents/{no['revision']}/undo"
    seen = await door.tag_of("/v1/artists/ben", by)
    answer = await door.ask("POST", path, {"channel": "settings_page"}, by=by, seen=seen)
    refused(answer, 409, "yes_to_other_terms")
    assert await begun.reasons(MUSIC, "song") == ["opted_out"]


async def test_what_cannot_be_undone_says_why(begun: Story) -> None:
    """Something newer was said there; the yes before has expired; it is not this artist's."""
    door = begun.door
    first = await begun.say("ana", "opt_out", MUSIC)
    second = await begun.say("ana", "inherit", MUSIC)
    refused(await undo(door, first["revision"]), 409, "already_replaced", "revision")
    until = format_instant((await door.services.heads.read()).now + DAY)
    await begun.say("ana", "opt_in", VOICE, expires_at=until)
    no = await begun.say("ana", "opt_out", VOICE)
    await door.advance(timedelta(days=2))
    refused(await undo(door, no["revision"], seen=await etag(door)), 409, "yes_has_expired")
    bens = await begun.say("ben", "opt_out")
    for revision in (1, bens["revision"], 10**9):
        refused(await undo(door, revision), 404, "unknown_record")
    assert (await undo(door, second["revision"])).status_code == 201


async def test_a_delegate_undoes_what_they_might_have_said(begun: Story) -> None:
    """Undoing a no permits more, so it takes leave; undoing a yes does not."""
    await begun.delegate("ana", "label")
    yes = await begun.say("ana", "opt_in", VOICE)
    assert (await undo(begun.door, yes["revision"], by=LABEL)).status_code == 201
    no = await begun.say("ana", "opt_out", MUSIC)
    refused(await undo(begun.door, no["revision"], by=LABEL), 403, "delegate_may_not_opt_in")
    await begun.delegate("ana", "label", may_opt_in=True)
    assert (await undo(begun.door, no["revision"], by=LABEL)).status_code == 201
