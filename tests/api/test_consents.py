"""What artists say, who may say it for them, and how it is known afterwards."""

from datetime import timedelta
from typing import Any, Final

import httpx2

from service.domain.instant import format_instant
from tests.api.door import Door, connected
from tests.api.people import AUDITOR, PIPELINE, PLATFORM, Caller, machine, person
from tests.api.refusals import refused
from tests.api.story import MUSIC, RECOMMENDATION, TEXTS, VOICE, Story

ANA: Final = person("ana")
LABEL: Final = person("label")
WORDS: Final = {"en": "Other words."}
CONSENTS: Final = "/v1/artists/ana/consents"


async def ask(
    door: Door, by: Caller, answer: str, use: str = MUSIC, **more: Any
) -> httpx2.Response:
    """Say something about ana, whether or not it is taken."""
    body = {"answer": answer, "use": use, "channel": "settings_page"} | more
    return await door.ask_seeing("POST", CONSENTS, body, by=by)


async def in_a_day(door: Door, days: float = 1) -> str:
    """Return the wire's text for an instant this far ahead."""
    head = await door.services.heads.read()
    return format_instant(head.now + timedelta(days=days) // timedelta(microseconds=1))


# Evidence


async def test_the_evidence_of_a_statement_is_kept(begun: Story) -> None:
    """Who acted, as what, where, in which language, what was shown, and what a yes binds to."""
    version = (await begun.door.ask("GET", f"/v1/uses/{MUSIC}/policies/1")).json()
    shown = {
        "use": MUSIC,
        "version": 1,
        "locale": "de",
        "text_sha256": version["texts"]["de"]["sha256"],
    }
    until = await in_a_day(begun.door)
    said = await begun.say(
        "ana",
        "opt_in",
        "training",
        content="song",
        recipient="internal",
        expires_at=until,
        locale="de",
        shown=[shown],
    )
    assert said == {
        "artist": "ana",
        "revision": await begun.revision(),
        "recorded_at": said["recorded_at"],
        "answer": "opt_in",
        "use": "training",
        "content": "song",
        "recipient": "internal",
        "expires_at": until,
        "evidence": {
            "actor": "ana",
            "acting_as": "artist",
            "channel": "settings_page",
            "locale": "de",
            "names": {MUSIC: 1, VOICE: 1},
            "shown": [shown],
        },
        "receipt": f"{CONSENTS}/{said['revision']}/receipt",
    }
    listed = await begun.door.done("GET", CONSENTS, by=ANA)
    assert listed == {"consents": [said], "next_before": None}


async def test_the_evidence_says_who_acted_and_as_what(begun: Story) -> None:
    """The artist, their delegate, or the platform on their behalf."""
    await begun.delegate("ana", "label")
    for by, role in ((ANA, "artist"), (LABEL, "delegate"), (PLATFORM, "platform")):
        said = await begun.say("ana", "opt_out", by=by)
        evidence = said["evidence"]
        assert (evidence["actor"], evidence["acting_as"]) == (by.subject, role)


async def test_what_was_said_is_private_in_the_ledger(begun: Story) -> None:
    """The public leaf holds a commitment and the artist's reference, not one word of it."""
    said = await begun.say("ana", "opt_out", channel="phone_call", use=VOICE)
    async with connected(begun.door.database_url) as connection:
        leaf = await connection.fetchval(
            "SELECT leaf FROM ledger WHERE revision = $1", said["revision"]
        )
        sealed = await connection.fetchval(
            "SELECT ciphertext FROM private.event_details WHERE revision = $1", said["revision"]
        )
    assert b"commitment" in leaf
    for word in (b"opt_out", b"phone_call", b"voice", b"ana"):
        assert word not in leaf.replace(b"nonce", b"")
        assert word not in sealed


async def test_records_are_listed_newest_first_and_by_page(begun: Story) -> None:
    """Nothing that was said is forgotten, taken back or not."""
    said = [await begun.say("ana", ("opt_out", "inherit")[n % 2]) for n in range(5)]
    await begun.say("ben", "opt_out")
    first = await begun.door.done("GET", f"{CONSENTS}?limit=2", by=ANA)
    assert first["consents"] == [said[4], said[3]]
    rest = await begun.door.done(
        "GET", f"{CONSENTS}?limit=3&before={first['next_before']}", by=AUDITOR
    )
    assert rest == {"consents": [said[2], said[1], said[0]], "next_before": None}
    for query in ("limit=0", "limit=1001", "before=0", f"before={2**63}", "before=x"):
        response = await begun.door.ask("GET", f"{CONSENTS}?{query}", by=ANA)
        assert response.status_code == 422


# A yes


async def test_a_yes_to_an_older_version_is_refused(begun: Story) -> None:
    """The page was open while a version was published: its text has to be shown first (R4)."""
    await begun.publish(MUSIC, "opt_in", texts=WORDS)
    for version, status in ((1, 422), (3, 422), (2, 201)):
        shown = [{"use": MUSIC, "version": version}]
        response = await ask(begun.door, ANA, "opt_in", shown=shown)
        assert response.status_code == status
        if status == 422:
            refused(response, 422, "outdated_version_shown")
    assert response.json()["evidence"]["names"] == {MUSIC: 2}


async def test_a_yes_shown_both_the_old_and_the_new_is_refused(begun: Story) -> None:
    """It cannot be told to which of the two it was given, whatever their order."""
    await begun.publish(MUSIC, "opt_in", texts=WORDS)
    for versions in ((1, 2), (2, 1), (2, 2)):
        shown = [{"use": MUSIC, "version": version} for version in versions]
        response = await ask(begun.door, ANA, "opt_in", shown=shown)
        assert response.status_code == 422
        assert "repeated" in {error["code"] for error in response.json()["errors"]}


async def test_a_yes_to_other_words_is_refused(begun: Story) -> None:
    """The hash has to be of one of the version's own texts."""
    hashes = [
        text["sha256"]
        for text in (await begun.publish(MUSIC, "opt_in", texts=WORDS))["texts"].values()
    ]
    old = (await begun.door.ask("GET", f"/v1/uses/{MUSIC}/policies/1")).json()
    shown = {"use": MUSIC, "version": 2, "text_sha256": old["texts"]["en"]["sha256"]}
    refused(await ask(begun.door, ANA, "opt_in", shown=[shown]), 422, "other_words_shown")
    shown["text_sha256"] = hashes[0]
    assert (await ask(begun.door, ANA, "opt_in", shown=[shown])).status_code == 201


async def test_a_yes_needs_something_to_say_yes_to(begun: Story) -> None:
    """A use that asks and lists the recipient, and content that is there (R4)."""
    refused(await ask(begun.door, ANA, "opt_in", "no.such"), 422, "nothing_to_say_yes_to")
    partner = await ask(begun.door, ANA, "opt_in", recipient="partner:x")
    refused(partner, 422, "nothing_to_say_yes_to")
    refused(await ask(begun.door, ANA, "opt_in", content="nowhere"), 422, "unknown_content")
    await begun.publish(MUSIC, "prohibited", texts=WORDS)
    refused(await ask(begun.door, ANA, "opt_in"), 422, "nothing_to_say_yes_to")


async def test_a_yes_ends_in_the_future_or_never(begun: Story) -> None:
    """And only a yes ends."""
    past = await in_a_day(begun.door, -1)
    refused(await ask(begun.door, ANA, "opt_in", expires_at=past), 422, "already_expired")
    ahead = await in_a_day(begun.door)
    for answer in ("opt_out", "inherit"):
        response = await ask(begun.door, ANA, answer, expires_at=ahead)
        refused(response, 422, "only_a_yes_expires")


# A no


async def test_a_no_needs_no_right_words(begun: Story) -> None:
    """Whatever use, version, text or content the page showed: a no is taken (R4 is for a yes)."""
    shown = [{"use": MUSIC, "version": 7, "locale": None, "text_sha256": "0" * 64}]
    for more in (
        {"use": "no.such.use"},
        {"content": "not uploaded yet"},
        {"recipient": "partner:unheard-of"},
        {"shown": shown},
        {"shown": shown * 2},
    ):
        response = await ask(begun.door, ANA, "opt_out", **more)
        assert response.status_code == 201, response.text
    assert response.json()["evidence"]["shown"] == shown * 2


async def test_a_no_comes_before_the_upload(begun: Story) -> None:
    """Said for a track that is not there yet, it holds once it is."""
    await begun.say("ana", "opt_out", RECOMMENDATION, content="next")
    await begun.put("next", "ana")
    assert await begun.reasons(RECOMMENDATION, "next", "song") == ["opted_out", "window_closed"]


async def test_a_no_stays_with_its_giver(begun: Story) -> None:
    """Whoever holds the track says it for themselves."""
    await begun.say("ben", "opt_out", content="song")
    assert await begun.reasons(RECOMMENDATION, "song") == ["window_closed"]


# Delegates


async def test_a_delegate_may_always_say_no(begun: Story) -> None:
    """From the grant on, for any scope."""
    refused(await ask(begun.door, LABEL, "opt_out"), 404, "unknown_artist")
    await begun.delegate("ana", "label")
    for use in ("*", RECOMMENDATION, "no.such.use"):
        assert (await ask(begun.door, LABEL, "opt_out", use)).status_code == 201
    assert await begun.reasons(RECOMMENDATION, "song") == ["opted_out"]


async def test_a_delegate_says_yes_only_where_the_artist_allowed_it(begun: Story) -> None:
    """The leave can be given and taken without ending the delegation."""
    for allowed, status in ((False, 403), (True, 201), (False, 403)):
        await begun.delegate("ana", "label", may_opt_in=allowed)
        response = await ask(begun.door, LABEL, "opt_in")
        assert response.status_code == status
        if not allowed:
            refused(response, 403, "delegate_may_not_opt_in")


async def test_to_take_back_a_no_is_to_permit_more(begun: Story) -> None:
    """So a delegate who may not say yes may not; to take back a yes they may."""
    await begun.delegate("ana", "label")
    await begun.say("ana", "opt_out", MUSIC)
    refused(await ask(begun.door, LABEL, "inherit"), 403, "delegate_may_not_opt_in")
    assert (await ask(begun.door, LABEL, "inherit", VOICE)).status_code == 201
    await begun.say("ana", "opt_in", MUSIC)
    assert (await ask(begun.door, LABEL, "inherit")).status_code == 201
    assert (await ask(begun.door, LABEL, "inherit")).status_code == 201


async def test_to_take_back_a_yes_that_has_expired_is_to_permit_more(begun: Story) -> None:
    """An expired yes is a no (R4), so that it takes leave to take it back."""
    await begun.delegate("ana", "label")
    expires_at = await in_a_day(begun.door)
    await begun.say("ana", "opt_in", MUSIC, expires_at=expires_at)
    await begun.door.advance(timedelta(days=2))
    refused(await ask(begun.door, LABEL, "inherit"), 403, "delegate_may_not_opt_in")
    await begun.delegate("ana", "label", may_opt_in=True)
    assert (await ask(begun.door, LABEL, "inherit")).status_code == 201


async def test_a_revoked_delegate_is_a_stranger(begun: Story) -> None:
    """What they said stays said; nothing more is heard from them or told to them."""
    await begun.delegate("ana", "label")
    await begun.say("ana", "opt_out", by=LABEL)
    path = "/v1/artists/ana/delegates/label"
    revoked = await begun.door.done("DELETE", path, by=ANA)
    assert revoked["revoked_at"] is not None
    assert await begun.door.done("DELETE", path, by=ANA) == revoked
    refused(await ask(begun.door, LABEL, "opt_out"), 404, "unknown_artist")
    refused(await begun.door.ask("GET", CONSENTS, by=LABEL), 404, "unknown_artist")
    assert await begun.reasons(RECOMMENDATION, "song") == ["opted_out"]
    await begun.delegate("ana", "label")
    assert (await ask(begun.door, LABEL, "opt_out")).status_code == 201


async def test_delegates_are_listed_with_their_past(begun: Story) -> None:
    """Granting the same again is no event; a new leave is one."""
    first = await begun.delegate("ana", "label")
    assert await begun.delegate("ana", "label") == first
    second = await begun.delegate("ana", "label", may_opt_in=True)
    assert second["revision"] == first["revision"] + 1
    await begun.delegate("ana", "manager")
    gone = await begun.door.done("DELETE", "/v1/artists/ana/delegates/label", by=PLATFORM)
    listed = await begun.door.done("GET", "/v1/artists/ana/delegates", by=AUDITOR)
    assert [row["delegate"] for row in listed["delegates"]] == ["manager", "label"]
    assert listed["delegates"][1] == gone


async def test_a_delegate_appoints_nobody(begun: Story) -> None:
    """Not even themselves anew, and they cannot end another's leave."""
    await begun.delegate("ana", "label", may_opt_in=True)
    for method in ("PUT", "DELETE"):
        path = "/v1/artists/ana/delegates/label"
        body = {"may_opt_in": True} if method == "PUT" else None
        refused(await begun.door.ask(method, path, body, by=LABEL), 404, "unknown_artist")


async def test_one_delegate_may_act_for_many_artists(begun: Story) -> None:
    """A label; each artist allows what they allow."""
    await begun.delegate("ana", "label", may_opt_in=True)
    await begun.delegate("ben", "label")
    await begun.say("ana", "opt_in", MUSIC, by=LABEL)
    body = {"answer": "opt_in", "use": MUSIC, "channel": "email"}
    response = await begun.door.ask_seeing("POST", "/v1/artists/ben/consents", body, by=LABEL)
    refused(response, 403, "delegate_may_not_opt_in")


# Strangers


async def test_nobody_else_speaks_for_an_artist(begun: Story) -> None:
    """Not another artist, not somebody unknown, not a client that bears the artist's id."""
    for by in (person("ben"), person("eve"), machine("ana", *ANA.scopes)):
        for answer in ("opt_in", "opt_out", "inherit"):
            refused(await ask(begun.door, by, answer), 404, "unknown_artist")
        refused(await begun.door.ask("GET", CONSENTS, by=by), 404, "unknown_artist")
    assert (await ask(begun.door, PIPELINE, "opt_out")).status_code == 403


async def test_an_artist_who_is_not_registered_says_nothing(begun: Story) -> None:
    """Neither in their own name nor through the platform."""
    body = {"answer": "opt_out", "use": "*", "channel": "email"}
    for by in (person("nobody"), PLATFORM):
        response = await begun.door.ask("POST", "/v1/artists/nobody/consents", body, by=by)
        refused(response, 404, "unknown_artist")


async def test_texts_may_be_shown_in_any_of_their_languages(begun: Story) -> None:
    """Each locale's hash is that version's."""
    version = (await begun.door.ask("GET", f"/v1/uses/{MUSIC}/policies/1")).json()
    for locale in TEXTS:
        digest = version["texts"][locale]["sha256"]
        shown = [{"use": MUSIC, "version": 1, "locale": locale, "text_sha256": digest}]
        assert (await ask(begun.door, ANA, "opt_in", shown=shown)).status_code == 201
