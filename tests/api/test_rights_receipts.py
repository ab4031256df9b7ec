"""Receipts: what was said proves itself, with the log's public key and nothing else."""

import hmac
import json
from base64 import b64decode
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final

import pytest
import rfc8785

from service.domain.instant import DAY, format_instant
from service.domain.merkle import leaf_hash
from service.domain.proofs import includes
from service.rights.receipts import KIND
from service.transparency.checkpoint import open_checkpoint
from service.transparency.keys import VerifierKey
from service.transparency.note import BadNote
from service.transparency.statement import read_statement
from tests.api.door import Door
from tests.api.people import AUDITOR, PIPELINE, PLATFORM, person
from tests.api.story import MUSIC, TEXTS, VOICE, Story

Receipt = Mapping[str, Any]


async def receipt_of(door: Door, said: Mapping[str, Any], **asking: Any) -> Receipt:
    """Return the receipt that a record links to."""
    response = await door.ask("GET", said["receipt"], by=person(said["artist"]), **asking)
    assert response.headers["content-type"] == "application/ld+json"
    receipt: Receipt = response.json()
    return receipt


def prove(receipt: Receipt, key: VerifierKey) -> Mapping[str, Any]:
    """Return what was said, proven offline; AssertionError or BadNote where it is not."""
    proof = receipt["proof"]
    whole = rfc8785.dumps({name: value for name, value in receipt.items() if name != "proof"})
    digest, _ = read_statement(proof["statement"], [key], KIND)
    assert digest == f"sha256 {sha256(whole).hexdigest()}"

    entry, inclusion = b64decode(proof["entry"]), proof["inclusion"]
    checkpoint, _ = open_checkpoint(inclusion["checkpoint"]["envelope"], [key])
    hashes = [b64decode(one) for one in inclusion["hashes"]]
    index = int(inclusion["logIndex"])
    assert includes(leaf_hash(entry), index, checkpoint.size, hashes, checkpoint.root)

    details = proof["opening"]["details"].encode()
    committed = hmac.digest(b64decode(proof["opening"]["key"]), details, "sha256").hex()
    assert json.loads(entry)["commitment"] == committed
    said: Mapping[str, Any] = json.loads(details)
    return said


async def test_a_receipt_proves_what_was_said(begun: Story) -> None:
    """Its record says what the ledger committed to, with the words that were shown."""
    shown = [{"use": MUSIC, "version": 1, "locale": "de"}]
    said = await begun.say("ana", "opt_in", MUSIC, shown=shown, locale="de")
    receipt = await receipt_of(begun.door, said)
    details = prove(receipt, begun.door.services.receipts.key.verifier())
    assert (details["answer"], details["use"]) == ("opt_in", MUSIC)

    record = receipt["record"]
    assert record["pii_principal_id"] == "ana"
    (event,) = record["event"]
    assert event["event_time"] == said["recorded_at"]
    assert event["event_state"] == "dpv:ConsentGiven"
    processing = record["pii_processing"]
    assert processing["purposes"] == [{"purpose": MUSIC, "policy_version": 1}]
    assert processing["recipient_third_parties"] == ["internal"]
    words = {notice["language"]: notice for notice in processing["privacy_notice"]}
    assert {locale: words[locale]["text"] for locale in words} == TEXTS
    assert [locale for locale in words if words[locale]["shown"]] == ["de"]


@pytest.mark.parametrize(
    "path", [("record", "answer"), ("record", "event"), ("receipt_id",), ("schema_version",)]
)
async def test_an_altered_receipt_proves_nothing(begun: Story, path: tuple[str, ...]) -> None:
    """Whatever is changed in it, the log has not said so."""
    receipt = await receipt_of(begun.door, await begun.say("ana", "opt_out"))
    inner: Any = receipt
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = "something else"
    with pytest.raises((AssertionError, BadNote)):
        prove(receipt, begun.door.services.receipts.key.verifier())


async def test_each_statement_says_in_which_state_it_leaves_consent(begun: Story) -> None:
    """In the words of DPV: a no is a refusal, or takes back a yes, whoever says it."""
    await begun.delegate("ana", "label")
    states = []
    for answer, use, by in (
        ("opt_out", MUSIC, "ana"),
        ("inherit", MUSIC, "ana"),
        ("opt_in", MUSIC, "ana"),
        ("opt_out", "training", "ana"),
        ("opt_out", MUSIC, "label"),
        ("opt_out", "discovery", "ana"),
    ):
        said = await begun.say("ana", answer, use, by=person(by))
        (event,) = (await receipt_of(begun.door, said))["record"]["event"]
        assert event["entity_id"] == by
        states.append(event["event_state"].rpartition(":")[2])
    assert states == [
        "ConsentRefused",
        "NothingSaid",
        "ConsentGiven",
        "ConsentWithdrawn",
        "ConsentRefused",
        "ConsentRefused",
    ]


TAKEN_BACK: Final[Mapping[str, tuple[list[str], str]]] = {
    "a yes": ([f"opt_in {MUSIC}", f"opt_out {MUSIC}"], "Withdrawn"),
    "by a wider no": ([f"opt_in {MUSIC}", "opt_out *"], "Withdrawn"),
    "in part": ([f"opt_in {MUSIC}", f"opt_out {MUSIC} song"], "Withdrawn"),
    "a part twice": (
        [f"opt_in {MUSIC}", f"opt_out {MUSIC} song", f"opt_out {MUSIC} song"],
        "Refused",
    ),
    "another part": (
        [f"opt_in {MUSIC}", f"opt_out {MUSIC} song", f"opt_out {MUSIC} duet"],
        "Withdrawn",
    ),
    "the rest": ([f"opt_in {MUSIC}", f"opt_out {MUSIC} song", f"opt_out {MUSIC}"], "Withdrawn"),
    "twice": ([f"opt_in {MUSIC}", f"opt_out {MUSIC}", f"opt_out {MUSIC}"], "Refused"),
    "again, wider": ([f"opt_in {MUSIC}", "opt_out training", "opt_out *"], "Refused"),
    "leaf by leaf": (
        ["opt_in training.generative", f"opt_out {MUSIC}", f"opt_out {VOICE}", "opt_out training"],
        "Refused",
    ),
    "but for a leaf": (
        ["opt_in training.generative", f"opt_out {MUSIC}", "opt_out training"],
        "Withdrawn",
    ),
    "a yes that came back": (
        [f"opt_in {MUSIC}", "opt_out *", "inherit *", f"opt_out {MUSIC}"],
        "Withdrawn",
    ),
    "a yes after a no": ([f"opt_out {MUSIC}", f"opt_in {MUSIC} song", "opt_out *"], "Withdrawn"),
    "a no after a yes to another track": (
        [f"opt_in {MUSIC} song", f"opt_out {MUSIC} duet"],
        "Refused",
    ),
    "the yes itself": ([f"opt_in {MUSIC}", f"inherit {MUSIC}"], "Withdrawn"),
    "what was said elsewhere": ([f"opt_in {MUSIC}", "inherit training"], "NothingSaid"),
    "a no": ([f"opt_in {MUSIC}", "opt_out *", "inherit *"], "NothingSaid"),
}


@pytest.mark.parametrize(("statements", "state"), TAKEN_BACK.values(), ids=TAKEN_BACK)
async def test_only_a_yes_that_stands_can_be_taken_back(
    begun: Story, statements: list[str], state: str
) -> None:
    """The last of these takes back a yes, or refuses what nobody had allowed any more."""
    for statement in statements:
        answer, use, *content = statement.split()
        said = await begun.say("ana", answer, use, content=content[0] if content else None)
    (event,) = (await receipt_of(begun.door, said))["record"]["event"]
    assert event["event_state"].rpartition(":")[2].removeprefix("Consent") == state
    file = await begun.door.done("GET", "/v1/artists/ana/record", by=AUDITOR)
    assert file["consents"][-1]["event"] == [event], "the access file says the same"


async def test_a_yes_whose_time_is_over_has_expired(begun: Story) -> None:
    """Receipt and access file say since when, and a no after that takes nothing back."""
    door = begun.door
    expires_at = format_instant(door.clock.now() + DAY)
    said = await begun.say("ana", "opt_in", MUSIC, expires_at=expires_at)
    other = await begun.say("ben", "opt_in", MUSIC, expires_at=expires_at)
    await begun.say("ben", "opt_out", MUSIC)
    assert len((await receipt_of(door, said))["record"]["event"]) == 1
    await door.advance(timedelta(days=2))
    assert await begun.reasons(MUSIC, "song") == ["opt_in_expired"]
    receipt = await receipt_of(door, said)
    prove(receipt, door.services.receipts.key.verifier())
    given, expired = receipt["record"]["event"]
    assert given["event_state"] == "dpv:ConsentGiven"
    assert (expired["event_state"], expired["event_time"]) == ("dpv:ConsentExpired", expires_at)
    file = await door.done("GET", "/v1/artists/ana/record", by=AUDITOR)
    assert file["consents"][0]["event"] == [given, expired]
    page = (await door.ask("GET", "/v1/artists/ana/record?format=html", by=AUDITOR)).text
    assert f"Until {expires_at[:10]}" in page
    assert len((await receipt_of(door, other))["record"]["event"]) == 1, "it was taken back before"
    (refused,) = (await receipt_of(door, await begun.say("ana", "opt_out", MUSIC)))["record"][
        "event"
    ]
    assert refused["event_state"] == "dpv:ConsentRefused"


async def test_a_receipt_is_for_those_who_may_read_the_record(begun: Story) -> None:
    """The platform and auditors too; nobody learns of a record that is not this artist's."""
    said = await begun.say("ana", "opt_out")
    for by, status in (
        (PLATFORM, 200),
        (AUDITOR, 200),
        (person("ben"), 404),
        (PIPELINE, 403),
        (None, 401),
    ):
        assert (await begun.door.ask("GET", said["receipt"], by=by)).status_code == status
    others = f"/v1/artists/ben/consents/{said['revision']}/receipt"
    assert (await begun.door.ask("GET", others, by=person("ben"))).status_code == 404
