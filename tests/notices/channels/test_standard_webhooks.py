"""Signatures of Standard Webhooks: against published vectors, another library, and forgers."""

import dataclasses
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from service.domain.instant import SECOND
from service.notices.channels.standard_webhooks import (
    MOST_SIGNATURES,
    TOLERANCE,
    Dubious,
    Genuine,
    Meaning,
    meaning_of,
    signed_headers,
    verify,
)
from service.notices.channels.webhook_keys import KeyPair, PublicKey, SharedSecret
from tests.notices.channels.telling import ANY_TEXT, NOW

SECRET = SharedSecret(b"s" * 32)
PAIR = KeyPair(b"p" * 32)
IDS = st.from_regex(r"[A-Za-z0-9_-]{1,60}", fullmatch=True)
SECONDS = st.integers(0, 4_000_000_000)

# The examples of the specification and of its reference libraries' tests.
PUBLISHED_V1 = {
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "timestamp": 1614265330,
    "payload": '{"test": 2432232314}',
    "signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
PUBLISHED_V1A = {
    "signing_key": "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbf"
    "VKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==",
    "public_key": "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
    "id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "timestamp": 1614265330,
    "payload": '{"test": 2432232314}',
    "signature": "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8"
    "EM+m7TBAg==",
}


def shared_vectors(name: str) -> dict[str, Any]:
    """The published vectors that lie beside this repository, where they do."""
    beside = Path(__file__).resolve().parents[4] / "shared"
    file = Path(os.environ.get("FERMATA_SHARED", beside)) / "vectors" / name
    if not file.is_file():
        pytest.skip("the shared vectors are not here")
    vectors: dict[str, Any] = json.loads(file.read_text())
    return vectors


def check_v1(vector: dict[str, Any]) -> None:
    """Signing gives the published signature, and the published signature verifies."""
    key = SharedSecret.read(vector["secret"])
    now, body = vector["timestamp"] * SECOND, vector["payload"].encode()
    headers = signed_headers(vector["id"], now, body, [key])
    assert headers == {
        "webhook-id": vector["id"],
        "webhook-timestamp": str(vector["timestamp"]),
        "webhook-signature": vector["signature"],
    }
    assert verify(headers, body, [key], now) == Genuine(vector["id"], now)


def check_v1a(vector: dict[str, Any]) -> None:
    """The same for Ed25519, and the public key published is that of the signing key."""
    pair = KeyPair.read(vector["signing_key"])
    now, body = vector["timestamp"] * SECOND, vector["payload"].encode()
    assert pair.public.write() == vector["public_key"]
    headers = signed_headers(vector["id"], now, body, [pair])
    assert headers["webhook-signature"] == vector["signature"]
    public = PublicKey.read(vector["public_key"])
    assert verify(headers, body, [public], now) == Genuine(vector["id"], now)


def test_published_v1() -> None:
    """HMAC-SHA256, the example of the reference libraries."""
    check_v1(PUBLISHED_V1)


def test_published_v1a() -> None:
    """Ed25519, the example of the specification."""
    check_v1a(PUBLISHED_V1A)


def test_shared_v1() -> None:
    """The vectors beside the repository agree."""
    check_v1(shared_vectors("standard_webhooks_v1.json"))


def test_shared_v1a() -> None:
    """The vectors beside the repository agree."""
    check_v1a(shared_vectors("standard_webhooks_v1a.json"))


@given(IDS, SECONDS, st.text(st.characters(codec="utf-8")), st.binary(min_size=24, max_size=64))
def test_another_library_signs_the_same(identifier: str, at: int, body: str, raw: bytes) -> None:
    """v1 by the `standardwebhooks` package, for any id, time, body and secret."""
    theirs = Webhook(raw).sign(identifier, datetime.fromtimestamp(at, UTC), body)

    ours = signed_headers(identifier, at * SECOND, body.encode(), [SharedSecret(raw)])

    assert ours["webhook-signature"] == theirs


@given(IDS, SECONDS, st.binary())
def test_what_is_signed_verifies_by_either_key(identifier: str, at: int, body: bytes) -> None:
    """A receiver needs only one of the keys, and reads header names in any case."""
    headers = signed_headers(identifier, at * SECOND, body, [SECRET, PAIR])
    shouted = {name.upper(): value for name, value in headers.items()}

    for key in (SECRET, PAIR.public):
        assert verify(headers, body, [key], at * SECOND) == Genuine(identifier, at * SECOND)
        assert verify(shouted, body, [key], at * SECOND) == Genuine(identifier, at * SECOND)


@given(st.data(), st.binary(min_size=1))
def test_nothing_can_be_changed(data: st.DataObject, body: bytes) -> None:
    """One changed bit of the body, another id or another time: neither key's signature holds."""
    headers = signed_headers("msg_1", NOW, body, [SECRET, PAIR])
    bit = data.draw(st.integers(0, len(body) * 8 - 1))
    flipped = bytearray(body)
    flipped[bit // 8] ^= 1 << bit % 8

    for key in (SECRET, PAIR.public):
        assert verify(headers, bytes(flipped), [key], NOW) is Dubious.FORGED
        assert verify(headers | {"webhook-id": "msg_2"}, body, [key], NOW) is Dubious.FORGED
        later = headers | {"webhook-timestamp": str(NOW // SECOND + 1)}
        assert verify(later, body, [key], NOW) is Dubious.FORGED


def test_a_signature_of_one_scheme_is_none_of_the_other() -> None:
    """A v1a key does not verify what is labelled v1, nor the other way round."""
    headers = signed_headers("msg_1", NOW, b"{}", [PAIR])
    relabelled = headers["webhook-signature"].replace("v1a,", "v1,")

    assert (
        verify(headers | {"webhook-signature": relabelled}, b"{}", [PAIR.public], NOW)
        is Dubious.FORGED
    )


def test_time_and_id_cannot_flow_into_each_other() -> None:
    """Nothing with a dot is signed or verified: `a.1` at 2 would read like `a` at 1."""
    with pytest.raises(ValueError, match="letters, digits"):
        signed_headers("msg_1.2", NOW, b"", [SECRET])
    headers = signed_headers("msg_1", NOW, b"", [SECRET])

    assert verify(headers | {"webhook-id": "msg.1"}, b"", [SECRET], NOW) is Dubious.INCOMPLETE


def test_a_webhook_is_never_sent_unsigned() -> None:
    """Without a key there are no headers to send."""
    with pytest.raises(ValueError, match="key"):
        signed_headers("msg_1", NOW, b"", [])


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_time_of_signing_must_be_near(sign: int) -> None:
    """Five minutes either way are taken, a second more is not."""
    headers = signed_headers("msg_1", NOW, b"{}", [SECRET])

    assert isinstance(verify(headers, b"{}", [SECRET], NOW + sign * TOLERANCE), Genuine)
    beyond = NOW + sign * (TOLERANCE + SECOND)
    assert verify(headers, b"{}", [SECRET], beyond) is Dubious.STALE


def test_any_of_the_signatures_will_do() -> None:
    """During a rotation the receiver knows one of two keys; entries it cannot read are skipped."""
    headers = signed_headers("msg_1", NOW, b"{}", [SharedSecret(b"n" * 32), SECRET])
    odd = "v9,AAAA nonsense v1,!!! v1, , " + headers["webhook-signature"]

    answered = verify(headers | {"webhook-signature": odd}, b"{}", [SECRET], NOW)

    assert isinstance(answered, Genuine)


def test_a_flood_of_signatures_is_cut_off() -> None:
    """A forger cannot make the receiver compute for ever."""
    headers = signed_headers("msg_1", NOW, b"{}", [SECRET])
    flood = " ".join(["v1,AAAA"] * MOST_SIGNATURES + [headers["webhook-signature"]])

    answered = verify(headers | {"webhook-signature": flood}, b"{}", [SECRET], NOW)

    assert answered is Dubious.FORGED


@given(
    st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), ANY_TEXT
    )
)
def test_whatever_a_header_holds_is_a_value(headers: dict[str, str]) -> None:
    """A stranger's headers never raise."""
    assert verify(headers, b"{}", [SECRET, PAIR.public], NOW) in set(Dubious)


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_all_three_headers_are_needed(missing: str) -> None:
    """One missing is not the same as one wrong."""
    headers = signed_headers("msg_1", NOW, b"{}", [SECRET])
    del headers[missing]

    assert verify(headers, b"{}", [SECRET], NOW) is Dubious.INCOMPLETE


@pytest.mark.parametrize(
    ("statuses", "meaning"),
    [
        ((200, 201, 202, 204, 299), Meaning.TAKEN),
        ((301, 302, 303, 304, 307, 308), Meaning.FAILED),
        ((100, 199, 300, 400, 401, 404, 408, 500, 501, 503), Meaning.FAILED),
        ((429, 502, 504), Meaning.THROTTLE),
        ((410,), Meaning.GONE),
    ],
)
def test_what_a_status_means(statuses: tuple[int, ...], meaning: Meaning) -> None:
    """2xx alone is success, redirects are failures, three statuses throttle, 410 ends it."""
    assert {meaning_of(status) for status in statuses} == {meaning}


def test_a_proof_is_a_value_that_cannot_be_edited() -> None:
    """What verification returned stays what it was."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Genuine("msg_1", NOW).identifier = "msg_2"  # type: ignore[misc]
