"""Erasure through the door: nothing is left of who somebody was, and everything else stands."""

import asyncio
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from service.auth.local_issuer import LocalIssuer
from service.decisions.snapshots.folder import SnapshotFolder
from service.decisions.snapshots.write import write_snapshot
from service.ledger.events import Kind
from service.ledger.opening import details_of
from service.ledger.transaction import Transaction
from service.ledger.vault import Vault
from service.rights.forgetting import Erased
from service.settings import read_key
from service.verify.database import Trust, verify_database
from service.verify.notes import read_key as read_verifier_key
from tests.api.door import KEY, Door, connected, open_door
from tests.api.people import AUDITING_PIPELINE, AUDITOR, PLATFORM, person
from tests.api.story import MUSIC, RECOMMENDATION, Story
from tests.api.whole_database import changed, everything, fields_with, noted_fields
from tests.storage.killed import files_with

KEY_BYTES: Final = read_key(KEY.get_secret_value())
MARK: Final = "unmistakable"
ARTIST: Final = "an-unmistakable-artist"
ERASURE: Final = f"/v1/artists/{ARTIST}/erasure"
MEANT: Final = {"dry_run": False}


async def erase(door: Door, artist: str = ARTIST, key: str | None = None) -> Any:
    """Erase an artist."""
    return await door.done("POST", f"/v1/artists/{artist}/erasure", MEANT, by=AUDITOR, key=key)


async def live(story: Story) -> None:
    """Let everything be kept that can be kept of an artist, with these letters in all of it."""
    door = story.door
    await story.begin()
    named = {"artists": [{"artist": ARTIST, "name": "Unmistakable and the unmistakables"}]}
    await door.done("POST", "/v1/artists", named, by=PLATFORM)
    contact = {"artist": ARTIST, "email": "unmistakable@mail.example", "locale": "de"}
    await door.done("POST", "/v1/contacts", {"contacts": [contact]}, by=PLATFORM)
    solo = {"content": "solo", "rightsholders": [ARTIST], "title": "The unmistakable song"}
    await door.done("POST", "/v1/content", {"content": [solo]}, by=PLATFORM)
    await story.put("trio", "ana", ARTIST)
    await story.publish("discovery.radio", "opt_out", "internal")
    await story.deliver("discovery.radio:1", ARTIST)
    words = {"answer": "opt_out", "use": "training", "channel": f"{MARK}_channel"}
    for key in ("once", "twice"):
        path = f"/v1/artists/{ARTIST}/consents"
        await door.done("POST", path, words, by=person(ARTIST), key=key)
    await story.delegate(ARTIST, f"{MARK}-manager")
    await story.say(ARTIST, "opt_out", MUSIC, by=person(f"{MARK}-manager"))
    grant = f"/v1/artists/ana/delegates/{ARTIST}"
    for method, opt_in in (("PUT", True), ("PUT", False)):
        body = {"may_opt_in": opt_in}
        await door.done(method, grant, body, by=person("ana"), key=f"{method} {opt_in}")
    said = {"answer": "opt_out", "use": RECOMMENDATION, "channel": "email"}
    path = "/v1/artists/ana/consents"
    await door.done("POST", path, said, by=person(ARTIST), key="for ana")
    await story.check(RECOMMENDATION, "song", "solo", "trio", explain=True)
    await hold(door, "an unmistakable case", lifted=True)
    async with connected(door.database_url) as database:
        subject = await database.fetchval("SELECT subject FROM artists WHERE artist_id=$1", ARTIST)
        await database.execute(
            "INSERT INTO sends (notice_id, subject, channel, reminder, batch_id, position, state,"
            " message_id, reason) VALUES ('discovery.radio:1', $1, 'email', 0, 1, 1, 'bounced',"
            " '<unmistakable@mail.example>', 'unmistakable@mail.example is unknown')",
            subject,
        )


async def hold(door: Door, reason: str, *, lifted: bool) -> Any:
    """Place a hold, and lift it again if it is to be lifted."""
    path = f"/v1/artists/{ARTIST}/holds"
    placed = await door.done("POST", path, {"reason": reason}, by=AUDITOR, key=reason)
    if lifted:
        await door.done("DELETE", f"{path}/{placed['revision']}", by=AUDITOR, key="lift")
    return placed


async def export(door: Door) -> None:
    """Have everything written into files that can be exported of the artist."""
    asked = {
        "datasets": ["artists", "consents"],
        "format": "csv",
        "filters": {"artist": ARTIST},
    }
    bundle = await door.done("POST", "/v1/exports", asked, by=AUDITOR)
    async with asyncio.timeout(30):
        while bundle["state"] != "ready":
            assert bundle["state"] in {"queued", "running"}, bundle
            await asyncio.sleep(0.05)
            bundle = await door.done("GET", f"/v1/exports/{bundle['export_id']}", by=AUDITOR)


async def everything_opened(door: Door) -> str:
    """Return every private part that any key which is left opens."""
    async with connected(door.database_url) as database:
        subjects = [row[0] for row in await database.fetch("SELECT subject FROM private.subjects")]
    vault = Vault(KEY_BYTES, door.services.random_bytes)
    async with door.services.database.read() as session:
        return str(await details_of(session, vault, subjects, list(Kind)))


async def test_nothing_is_left_of_an_erased_artist(
    movable_url: str, issuer: LocalIssuer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """No row, no key that still opens anything, no file and no line of a log has their words."""
    caplog.set_level(logging.DEBUG)
    snapshots = tmp_path / "snapshots"
    settings: dict[str, Any] = {
        "log_dir": tmp_path / "log",
        "snapshot_dir": snapshots,
        "exports": str(tmp_path / "exports"),
        "build_exports": True,
    }
    async with open_door(movable_url, issuer, **settings) as door:
        await live(Story(door))
        before = await fields_with(movable_url, MARK)
        assert {"artists.name", "private.contacts.email", "consents.channel"} <= before
        assert before.isdisjoint(await noted_fields(movable_url))
        assert MARK in await everything_opened(door)
        await write_snapshot(snapshots, KEY_BYTES, movable_url, door.services.random_bytes)
        await export(door)
        assert files_with(tmp_path, MARK) != []

        answer = await erase(door, key="erase it")
        assert await fields_with(movable_url, MARK) == set()
        assert MARK not in await everything_opened(door)
        assert MARK not in str(answer)
        assert all(answer["destroyed"].values())
        assert await erase(door, key="erase it") == answer  # said again from what is kept
        async with asyncio.timeout(20):
            while SnapshotFolder(snapshots).newest() or files_with(tmp_path, MARK):  # noqa: ASYNC110 - files tell nobody
                await asyncio.sleep(0.05)
    assert files_with(tmp_path, MARK) == []
    ours = [one.getMessage() for one in caplog.records if one.name.startswith("service")]
    assert [line for line in ours if MARK in line] == []


async def test_the_ledger_stays_what_it_was(door: Door) -> None:
    """What was proven of the artist's events, and against which checkpoint, still is."""
    story = Story(door)
    await live(story)
    revision, path = await story.revision(), "/log/proof/{}?size={}"
    await door.services.signer.reach(revision, timeout=10)
    old = [(await door.ask("GET", path.format(n, revision))).json() for n in range(1, revision + 1)]
    await erase(door)
    assert old == [
        (await door.ask("GET", path.format(n, revision))).json() for n in range(1, revision + 1)
    ]
    after = await story.revision()
    assert after == revision + 1
    await door.services.signer.reach(after, timeout=10)
    grown = await door.ask("GET", f"/log/consistency?first={revision}&second={after}")
    assert grown.json()["first_root_hash"] == old[0]["rootHash"]
    key = read_verifier_key(str(door.services.receipts.key.verifier()))
    report = await verify_database(door.database_url, Trust((key,), KEY_BYTES))
    assert report.findings == ()


async def test_every_replica_knows_at_once(movable_url: str, issuer: LocalIssuer) -> None:
    """Once it is acknowledged here, a check that starts there permits nothing on their account."""
    async with open_door(movable_url, issuer) as here, open_door(movable_url, issuer) as there:
        story, elsewhere = Story(here), Story(there)
        await story.begin()
        asked = (RECOMMENDATION, "song", "tune", "duet")
        assert await elsewhere.reasons(*asked) == ["window_closed"] * 3
        await erase(here, "ana")
        gone = ["artist_erased", "window_closed", "artist_erased"]
        assert await elsewhere.reasons(*asked) == gone
        assert await story.reasons(*asked) == gone
        asked_by_id = {"use": RECOMMENDATION, "artists": ["ana"]}
        answer = await there.done("POST", "/v1/checks", asked_by_id, by=AUDITING_PIPELINE)
        assert answer["results"][0]["reason"] == "unknown_artist"  # whose id that was, nobody knows


async def test_whom_they_acted_for_keeps_what_was_said(door: Door) -> None:
    """A no that an erased delegate gave for somebody else stands, by a reference of nobody's."""
    story = Story(door)
    await live(story)
    assert await story.reasons(RECOMMENDATION, "song") == ["opted_out"]
    await erase(door)
    assert await story.reasons(RECOMMENDATION, "song") == ["opted_out"]
    (said,) = (await door.done("GET", "/v1/artists/ana/consents", by=person("ana")))["consents"]
    (granted,) = (await door.done("GET", "/v1/artists/ana/delegates", by=person("ana")))[
        "delegates"
    ]
    assert said["evidence"]["actor"] == granted["delegate"]
    assert said["evidence"]["actor"].startswith("dlg_")
    assert granted["revoked_at"] is not None
    for by in (person(ARTIST), person(granted["delegate"])):
        body = {"answer": "opt_out", "use": "*", "channel": "email"}
        refused = await door.ask("POST", "/v1/artists/ana/consents", body, by=by)
        assert refused.status_code == 404


async def test_a_title_goes_with_the_last_of_its_artists(begun: Story) -> None:
    """While somebody is left whose track it is as well, it keeps its name."""
    rows = [
        {"content": content, "rightsholders": rightsholders, "title": content.title()}
        for content, rightsholders in (("song", ["ana"]), ("duet", ["ana", "ben"]))
    ]
    await begun.door.done("POST", "/v1/content", {"content": rows}, by=PLATFORM)
    for artist, titles in (("ana", [None, "Duet"]), ("ben", [None, None])):
        await erase(begun.door, artist)
        for content, title in zip(("song", "duet"), titles, strict=True):
            found = await begun.door.done("GET", f"/v1/content/{content}", by=AUDITOR)
            assert found["title"] == title


async def test_a_title_goes_though_the_track_was_taken_down_before(begun: Story) -> None:
    """Nobody is left whose it is; what never was theirs keeps its name."""
    for content, first in (("song", "ana"), ("tune", "ben")):
        for rightsholders in ([first], []):
            row = {"content": content, "rightsholders": rightsholders, "title": content.title()}
            await begun.door.done("POST", "/v1/content", {"content": [row]}, by=PLATFORM)
    await erase(begun.door, "ana")
    for content, title in (("song", None), ("tune", "Tune")):
        found = await begun.door.done("GET", f"/v1/content/{content}", by=AUDITOR)
        assert found["title"] == title


async def test_an_id_that_comes_back_is_somebody_new(begun: Story) -> None:
    """They begin as whoever registers now (R7); neither their old words nor tracks are theirs."""
    await begun.say("ana", "opt_out", "discovery")
    before = await begun.door.done("GET", "/v1/artists/ana", by=PLATFORM)
    await erase(begun.door, "ana")
    assert (await begun.door.ask("GET", "/v1/artists/ana", by=PLATFORM)).status_code == 404
    await begun.register("ana")
    after = await begun.door.done("GET", "/v1/artists/ana", by=PLATFORM)
    assert after["registered_at"] > before["registered_at"]
    said = await begun.door.done("GET", "/v1/artists/ana/consents", by=person("ana"))
    assert said["consents"] == []
    assert await begun.reasons(RECOMMENDATION, "song") == ["artist_erased"]
    await begun.put("song", "ana")
    assert await begun.reasons(RECOMMENDATION, "song") == ["window_closed"]


@pytest.mark.parametrize(
    "body", [None, {}, {"dryrun": True}, {"dry_run": None}, {"dry_run": "yes"}]
)
async def test_nobody_is_erased_by_a_slip(door: Door, body: Any) -> None:
    """Whether it is meant has to be said, in the body and with no other word beside it."""
    await live(Story(door))
    before = await everything(door.database_url)
    refused = await door.ask("POST", f"{ERASURE}?dry_run=false", body, by=AUDITOR)
    assert refused.status_code in {400, 415, 422}
    assert changed(before, await everything(door.database_url)) == []


async def test_a_dry_run_says_what_would_go_and_changes_nothing(door: Door) -> None:
    """It counts what erasing then destroys."""
    await live(Story(door))
    before = await everything(door.database_url)
    tried = await door.done("POST", ERASURE, {"dry_run": True}, by=AUDITOR, key="a key")
    assert changed(before, await everything(door.database_url)) == []
    assert (tried["dry_run"], tried["revision"]) == (True, None)
    done = await erase(door, key="a key that was not used up")
    named = done["destroyed"].pop("private_details") - tried["destroyed"].pop("private_details")
    assert named == 2  # the parts of ana's events that name them
    assert tried["destroyed"] == done["destroyed"]


async def test_what_breaks_in_the_middle_changes_nothing(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Either everything is destroyed and the event is there, or nothing and no event."""
    story = Story(door)
    await live(story)
    before = await everything(door.database_url)

    async def broken(_: Transaction) -> None:
        raise ConnectionResetError("the power went off")

    with monkeypatch.context() as patched:
        patched.setattr(Transaction, "flush", broken)
        failed = await door.ask("POST", ERASURE, MEANT, by=AUDITOR, key="try")
    assert failed.status_code == 503
    assert changed(before, await everything(door.database_url)) == []
    assert await story.reasons(RECOMMENDATION, "solo") == ["window_closed"]
    await erase(door, key="try")
    assert await story.reasons(RECOMMENDATION, "solo") == ["artist_erased"]


async def test_a_hold_stands_in_its_way_until_it_is_lifted(door: Door) -> None:
    """It is refused, naming the hold; lifted, the fact that it stood stays in the ledger."""
    await live(Story(door))
    placed = await hold(door, "another case", lifted=False)
    before = await everything(door.database_url)
    for body in (MEANT, {"dry_run": True}):
        refused = await door.ask("POST", ERASURE, body, by=AUDITOR)
        assert refused.status_code == 409
        (error,) = refused.json()["errors"]
        assert error["code"] == "legal_hold"
        assert str(placed["revision"]) in error["message"]
    assert changed(before, await everything(door.database_url)) == []
    path = f"/v1/artists/{ARTIST}/holds"
    lifted = [
        await door.done("DELETE", f"{path}/{placed['revision']}", by=AUDITOR) for _ in range(2)
    ]
    assert lifted[0] == lifted[1]
    holds = (await door.done("GET", path, by=AUDITOR))["holds"]
    assert holds[-1] == lifted[0]
    assert (
        await door.ask("DELETE", f"/v1/artists/ana/holds/{placed['revision']}", by=AUDITOR)
    ).status_code == 404
    await erase(door)
    async with connected(door.database_url) as database:
        kinds = await database.fetch("SELECT kind FROM ledger WHERE kind LIKE 'hold.%'")
    assert len(kinds) == 4


class _Shelf:
    """Keeps copies elsewhere, and cannot be reached the first time."""

    def __init__(self) -> None:
        self.asked: list[Erased] = []

    async def forget(self, erased: Erased) -> None:
        self.asked.append(erased)
        if len(self.asked) == 1:
            raise ConnectionError("an unmistakable shelf")


async def test_copies_elsewhere_are_asked_for_until_they_are_gone(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever keeps copies hears of the erasure again and again, the last time an hour later."""
    await live(Story(door))
    chores, shelf = door.services.chores, _Shelf()
    chores.forgetters = {"shelf": shelf}
    answer = await erase(door)
    async with asyncio.timeout(10):
        while not shelf.asked:  # noqa: ASYNC110 - it is told in its own time
            await asyncio.sleep(0.01)
    assert "shelf: who was erased" in caplog.text
    assert MARK not in "".join(one.getMessage() for one in caplog.records if "shelf" in one.msg)
    await _come_back(door)
    await chores.look()
    assert await fields_with(door.database_url, MARK) == set()
    await door.advance(timedelta(hours=1))
    for _ in range(3):
        await chores.look()
    assert [one.subject for one in shelf.asked] == [answer["subject"]] * 3


async def _come_back(door: Door) -> None:
    """Let a letter come back that was under way, and an address that was just being said."""
    async with connected(door.database_url) as database:
        await database.execute("UPDATE sends SET reason = 'unmistakable@mail.example: no such box'")
        await database.execute(
            "INSERT INTO private.contacts (subject, email, updated_at)"
            " SELECT subject, 'unmistakable@mail.example', now() FROM erasures"
        )
