"""Receipts: what was said proves itself, with the log's public key and nothing else."""

import hmac
import json
from base64 import b64decode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import pytest
import rfc8785

from service.domain.merkle import leaf_hash
from service.domain.proofs import includes
from service.rights.receipts import KIND
from service.transparency.checkpoint import open_checkpoint
from service.transparency.keys import VerifierKey
from service.transparency.note import BadNote
from service.transparency.statement import read_statement
from tests.api.door import Door
from tests.api.people import AUDITOR, PIPELINE, PLATFORM, person
from tests.api.story import MUSIC, TEXTS, Story

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
    """In the words of DPV: a no is a refusal, or the withdrawal of a yes, whoever says it."""
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
        "ConsentRevoked",
        "ConsentRefused",
    ]


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
