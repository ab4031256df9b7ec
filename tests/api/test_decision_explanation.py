"""`GET /v1/decisions/{id}/explanation`: a sheet that anybody can check with the key alone."""

import base64
import hmac
import json
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final

import pytest

from service.domain.instant import DAY, format_instant, parse_instant
from service.domain.merkle import leaf_hash
from service.domain.proofs import includes
from service.ledger.events import canonical
from service.replay.sheets import KIND
from service.transparency.checkpoint import open_checkpoint
from service.transparency.keys import parse_verifier_key
from service.transparency.statement import read_statement
from tests.api.door import Door, connected
from tests.api.people import AUDITOR, PIPELINE
from tests.api.refusals import refused
from tests.api.story import MUSIC, RECOMMENDATION, Story

tlog = pytest.importorskip("tlog_scales.tlog", reason="the second opinion is not installed")

PARTNER: Final = "partner:tuney"


async def sheet_of(door: Door, answer: dict[str, Any], query: str = "") -> dict[str, Any]:
    """Return the sheet for a decision, after checking it as somebody who trusts nobody."""
    path = f"/v1/decisions/{answer['decision_id']}/explanation{query}"
    sheet: dict[str, Any] = await door.done("GET", path, by=AUDITOR)
    check_alone(sheet)
    return sheet


def check_alone(sheet: dict[str, Any]) -> None:
    """Check every proof, batch and opening with nothing but the sheet and the log's key."""
    key = parse_verifier_key(sheet["verifier_key"])
    checkpoint, _ = open_checkpoint(sheet["checkpoint"], [key])
    for event in sheet["events"]:
        proof, entry = event["proof"], base64.b64decode(event["entry"])
        assert proof["checkpoint"]["envelope"] == sheet["checkpoint"]
        assert base64.b64decode(proof["rootHash"]) == checkpoint.root
        assert (proof["logIndex"], proof["treeSize"]) == (
            str(event["revision"] - 1),
            str(checkpoint.size),
        )
        hashes = [base64.b64decode(one) for one in proof["hashes"]]
        index = event["revision"] - 1
        assert includes(leaf_hash(entry), index, checkpoint.size, hashes, checkpoint.root)
        theirs = tlog.InclusionProof(index, checkpoint.size, hashes)
        theirs.check(leaf_hash(entry), checkpoint.root)
        leaf = json.loads(entry)
        assert (leaf["type"], leaf["at"]) == (event["type"], event["recorded_at"])
        check_batch(event["batch"], leaf)
        check_opening(event["opening"], leaf)
    unsigned = {name: value for name, value in sheet.items() if name != "statement"}
    assert read_statement(sheet["statement"], [key], KIND) == [
        f"sha256 {sha256(canonical(unsigned)).hexdigest()}",
        f"decision {sheet['decision']['decision_id']}",
        f"position {sheet['position']}",
    ]
    proven = {event["revision"] for event in sheet["events"]}
    assert set(events_named(sheet)) <= proven


def check_batch(batch: dict[str, Any] | None, leaf: dict[str, Any]) -> None:
    """Check that a batch is the one that the entry speaks of, and holds its rows."""
    assert (None if batch is None else batch["digest"]) == leaf.get("digest")
    if batch is not None and batch["body"] is not None:
        body = base64.b64decode(batch["body"])
        assert sha256(body).hexdigest() == batch["digest"]
        rows = json.loads(body)
        assert len(rows) == batch["count"] == leaf["count"]
        assert all(rows[one["position"]] == one["row"] for one in batch["rows"])


def check_opening(opening: dict[str, Any] | None, leaf: dict[str, Any]) -> None:
    """Check that what was said is what the entry commits to."""
    if opening is not None:
        details = opening["details"].encode()
        key = base64.b64decode(opening["key"])
        assert hmac.digest(key, details, "sha256").hex() == leaf["commitment"]
        assert canonical(json.loads(details)) == details


def events_named(value: Any) -> list[int]:
    """Return every revision that a sheet names as an event."""
    if isinstance(value, list):
        return [one for each in value for one in events_named(each)]
    if not isinstance(value, dict):
        return []
    names = ("event", "registered", "erased", "first_artists", "lifted_by")
    here = [value[name] for name in names if isinstance(value.get(name), int)]
    return here + [one for each in value.values() for one in events_named(each)]


def said_in(sheet: dict[str, Any], event: int) -> Any:
    """Return what somebody said in an event, from its opening alone."""
    (found,) = (one for one in sheet["events"] if one["revision"] == event)
    return json.loads(found["opening"]["details"])


@pytest.fixture
async def told(begun: Story) -> Story:
    """Return a platform on which music became `opt_out`, and both artists were told of it."""
    await begun.publish(MUSIC, "opt_out", "internal", PARTNER, texts={"en": "We train on it."})
    await begun.deliver(f"{MUSIC}:2", "ana")
    await begun.door.advance(timedelta(days=2))
    await begun.deliver(f"{MUSIC}:2", "ben")
    return begun


async def test_two_rightsholders_one_by_silence_one_by_a_yes(told: Story) -> None:
    """Whose window closed when, who said yes until when: each with its event."""
    await told.door.advance(timedelta(days=29))
    until = format_instant(told.door.clock.now() + 40 * DAY)
    await told.say("ben", "opt_in", MUSIC, expires_at=until)
    answer = await told.check(MUSIC, "song", "duet")
    sheet = await sheet_of(told.door, answer, "?content=duet&batches=true")
    assert (sheet["position"], sheet["verdict"]) == (1, "recomputed_and_equal")
    expected = {name: sheet["outcome"][name] for name in sheet["recomputed"]}
    assert sheet["recomputed"] == expected
    assert sheet["outcome"] == answer["results"][1] | {"artist": None}
    assert sheet["outcome"]["valid_until"] == until
    assert sheet["charter"]["platform"] == "Example Sounds"
    assert sheet["content"]["status"] == "active"
    ana, ben = sheet["rightsholders"]
    assert [ana["artist"], ben["artist"]] == ["ana", "ben"]
    assert sheet["content"]["rightsholders"] == [ana["subject"], ben["subject"]]
    assert (ana["reason"], ben["reason"]) == ("window_closed", "opted_in")
    assert (ana["governing"], ana["judged_by"]) == (2, 2)
    assert (ben["governing"], ben["judged_by"]) == (1, 2)
    (window,) = ana["windows"]
    assert parse_instant(window["closes_at"]) - parse_instant(window["opens_at"]) == 30 * DAY
    assert {one["version"]: one["clause"] for one in ana["bound"]} == {
        1: "launch_terms",
        2: "window_closed",
    }
    (record,) = ben["records"]
    assert (record["standing"], record["shown_version"]) == ("valid_yes", 2)
    assert said_in(sheet, record["event"])["expires_at"] == until
    texts = {one["version"]: one["texts"] for one in sheet["policies"]}
    assert texts[2] == {"en": sha256(b"We train on it.").hexdigest()}


async def test_exceptions_and_what_lifts_what(told: Story) -> None:
    """A no to everything, and a later yes for one track: which record lifts which."""
    await told.say("ana", "opt_out", "training")
    await told.say("ana", "opt_in", MUSIC, content="song")
    permitted = await told.check(MUSIC, "song")
    sheet = await sheet_of(told.door, permitted)
    (ana,) = sheet["rightsholders"]
    no, yes = ana["records"]
    assert (no["answer"], no["use"], no["lifted_by"]) == ("opt_out", "training", yes["event"])
    assert (yes["answer"], yes["content"], yes["lifted_by"]) == ("opt_in", "song", None)
    denied = await sheet_of(told.door, await told.check(MUSIC, "duet"))
    assert denied["outcome"]["reason"] == "opted_out"
    ana, ben = denied["rightsholders"]
    assert [one["event"] for one in ana["records"]] == [no["event"]]
    assert ben["reason"] == "no_opt_in"


async def test_a_yes_that_has_expired_is_a_no(told: Story) -> None:
    """And one that was replaced bears on nothing: it is not on the sheet."""
    await told.say("ana", "opt_out", MUSIC)
    until = format_instant(told.door.clock.now() + DAY)
    await told.say("ana", "opt_in", MUSIC, expires_at=until)
    await told.door.advance(timedelta(days=3))
    sheet = await sheet_of(told.door, await told.check(MUSIC, "song"))
    assert sheet["outcome"]["reason"] == "opt_in_expired"
    (record,) = sheet["rightsholders"][0]["records"]
    assert (record["standing"], record["expires_at"]) == ("expired_yes", until)


async def test_what_denies_before_anybody_is_asked(begun: Story) -> None:
    """An unknown content rests on its absence; a disputed one on the event that put it so."""
    await begun.put("argued", "ana", status="disputed")
    answer = await begun.check(MUSIC, "argued", "nowhere")
    for position, reason in enumerate(("content_disputed", "unknown_content")):
        sheet = await sheet_of(begun.door, answer, f"?position={position}")
        assert (sheet["refused_outright"], sheet["rightsholders"]) == (reason, [])
        assert sheet["verdict"] == "recomputed_and_equal"
        assert (sheet["content"] is None) == (reason == "unknown_content")
    unknown = await begun.check("training.unheard_of", "song")
    sheet = await sheet_of(begun.door, unknown)
    assert (sheet["refused_outright"], sheet["policies"]) == ("unknown_use", [])


async def test_an_artist_themselves_and_a_least_version(told: Story) -> None:
    """Asked about by artist, and acting under a version that does not bind yet."""
    body = {"use": RECOMMENDATION, "artists": ["ana", "nobody"], "min_policy_version": 2}
    answer = await told.door.done("POST", "/v1/checks", body, by=PIPELINE)
    sheet = await sheet_of(told.door, answer, "?artist=ana")
    assert (sheet["outcome"]["artist"], sheet["content"]) == ("ana", None)
    assert sheet["verdict"] == "recomputed_and_equal"
    assert sheet["rightsholders"][0]["reason"] == "not_notified"
    stranger = await sheet_of(told.door, answer, "?position=1")
    assert stranger["outcome"]["reason"] == "unknown_artist"
    assert stranger["verdict"] == "recomputed_and_equal"


async def test_the_prefix_alone_counts(told: Story) -> None:
    """What was said, put or published after the decision is not on its sheet."""
    answer = await told.check(RECOMMENDATION, "song")
    await told.say("ana", "opt_out")
    await told.put("song", "ben")
    await told.publish(RECOMMENDATION, "prohibited", "internal")
    sheet = await sheet_of(told.door, answer)
    assert (sheet["verdict"], sheet["outcome"]["permitted"]) == ("recomputed_and_equal", True)
    assert [one["artist"] for one in sheet["rightsholders"]] == ["ana"]
    assert max(one["revision"] for one in sheet["events"]) <= answer["revision"]


async def test_an_altered_answer_is_told(told: Story) -> None:
    """The sheet says what was logged, and what the events lead to."""
    answer = await told.check(MUSIC, "song")
    other = await told.check(RECOMMENDATION, "song")
    async with connected(told.door.database_url) as connection:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(
            "UPDATE decisions SET outcomes = o.outcomes FROM decisions o"
            " WHERE decisions.decision_id = $1 AND o.decision_id = $2",
            answer["decision_id"],
            other["decision_id"],
        )
    sheet = await sheet_of(told.door, answer)
    assert sheet["verdict"] == "recomputed_and_different"
    assert sheet["outcome"]["permitted"]
    assert sheet["recomputed"]["permitted"] is False


@pytest.mark.parametrize(
    "altered", ["revision = 9999", "evaluated_at = evaluated_at - interval '1 hour'"]
)
async def test_what_cannot_have_been_known_then_is_told(begun: Story, altered: str) -> None:
    """A revision that there is not, or that came later, is different whatever follows from it."""
    answer = await begun.check(RECOMMENDATION, "song")
    async with connected(begun.door.database_url) as connection:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(f"UPDATE decisions SET {altered}")
    sheet = await sheet_of(begun.door, answer)
    assert sheet["verdict"] == "recomputed_and_different"
    assert sheet["recomputed"] is None


async def test_after_an_erasure_the_proofs_remain(told: Story) -> None:
    """What she had said is destroyed, and said to be; that she said something is still proven."""
    await told.say("ana", "opt_in", MUSIC)
    before = await told.check(MUSIC, "song")
    by_ben = await told.check(MUSIC, "tune")
    await erase(told, "ana")
    after = await told.check(MUSIC, "song")
    sheet = await sheet_of(told.door, before)
    assert (sheet["verdict"], sheet["recomputed"]) == ("cannot_be_recomputed", None)
    (ana,) = sheet["rightsholders"]
    assert (ana["artist"], ana["reason"], ana["records"]) == (None, None, [])
    (gone,) = ana["gone"]
    (event,) = (one for one in sheet["events"] if one["revision"] == gone)
    assert (event["type"], event["opening"]) == ("consent.recorded", None)
    assert ana["erased"] in {one["revision"] for one in sheet["events"]}
    assert (await sheet_of(told.door, by_ben))["verdict"] == "recomputed_and_equal"
    later = await sheet_of(told.door, after)
    assert later["rightsholders"][0]["reason"] == "artist_erased"
    assert later["verdict"] == "recomputed_and_equal"


async def erase(story: Story, artist: str) -> None:
    """Erase an artist."""
    response = await story.door.ask(
        "POST", f"/v1/artists/{artist}/erasure", {"dry_run": False}, by=AUDITOR
    )
    assert response.is_success, response.text


@pytest.mark.parametrize(
    ("query", "status", "code", "field"),
    [
        ("", 422, "one_outcome", "position"),
        ("?position=0&content=song", 422, "one_outcome", "position"),
        ("?position=2", 404, "unknown_outcome", "position"),
        ("?content=duet", 404, "unknown_outcome", "content"),
        ("?artist=ana", 404, "unknown_outcome", "artist"),
        ("?track=song", 422, "extra_forbidden", "track"),
    ],
)
async def test_which_outcome_has_to_be_said(
    begun: Story, query: str, status: int, code: str, field: str
) -> None:
    """Unless there is one; and it has to be one of the decision's."""
    answer = await begun.check(RECOMMENDATION, "song", "tune")
    path = f"/v1/decisions/{answer['decision_id']}/explanation{query}"
    refused(await begun.door.ask("GET", path, by=AUDITOR), status, code, field)


async def test_an_unknown_decision_has_no_sheet(begun: Story) -> None:
    """It is said so."""
    path = f"/v1/decisions/dec_{32 * '7'}/explanation"
    refused(await begun.door.ask("GET", path, by=AUDITOR), 404, "unknown_decision", "decision")
