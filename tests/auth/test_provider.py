"""What must hold of the issuer, by the numbers at the top of service/auth/provider.py."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from joserfc.jwk import OctKey
from joserfc.util import int_to_base64

from service.auth.key_set import PublishedKeys, read_key_set
from service.auth.problems import IssuerUnreachable, Reason, TokenRefused
from service.auth.provider import KeyFreshness, ProviderKeys
from service.auth.trusted_issuer import TrustedIssuer
from service.auth.verifier import TokenVerifier
from tests.auth.issuers import (
    AUDIENCE,
    DISCOVERY,
    ISSUER,
    JWKS,
    MemoryIssuer,
    StoppedClock,
    http_client,
    signing_key,
    verifier_of,
)

SECOND_KEY = signing_key("P-256", "second")


def keys_of(
    issuer: MemoryIssuer, clock: StoppedClock, freshness: KeyFreshness | None = None
) -> ProviderKeys:
    """The issuer's keys as a verifier keeps them."""
    trusted = TrustedIssuer(issuer=ISSUER, audience=AUDIENCE)
    return ProviderKeys(trusted, http_client(issuer), clock, freshness)


def down() -> httpx2.Response:
    """No answer."""
    raise httpx2.ConnectError("connection refused")


async def unreachable(verifier: TokenVerifier, token: str) -> str:
    """What the operator is told when it cannot be told whether the token is good."""
    with pytest.raises(IssuerUnreachable) as caught:
        await verifier.verify(token)
    return caught.value.detail


async def unknown_key(verifier: TokenVerifier, token: str) -> bool:
    """Whether the token is refused because its key is not published."""
    with pytest.raises(TokenRefused) as caught:
        await verifier.verify(token)
    return caught.value.reason is Reason.UNKNOWN_KEY


async def background_done() -> None:
    """Wait for whatever else runs in this event loop."""
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))


# K1


async def test_k1_keys_are_found_from_the_issuer_alone(issuer: MemoryIssuer) -> None:
    """K1: the discovery document below the issuer's path, then the keys it names."""
    await keys_of(issuer, StoppedClock()).current()
    assert issuer.requests == [DISCOVERY, JWKS]


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example/",
        "http://192.0.2.1",
        "http://localhost.example",
        "http://127.0.0.1.example",
        "ftp://issuer.example",
        "issuer.example",
        "https://",
        "",
        "https://user:secret@issuer.example",
        "https://issuer.example?a=b",
        "https://issuer.example#b",
    ],
)
def test_k1_an_issuer_comes_by_https(url: str) -> None:
    """K1: or anybody on the way could hand out keys of their own."""
    with pytest.raises(ValueError, match=r"must be an? (https )?URL"):
        TrustedIssuer(issuer=url, audience=AUDIENCE)


@pytest.mark.parametrize(
    "url",
    ["http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080", "https://a.example"],
)
def test_k1_only_loopback_may_do_without(url: str) -> None:
    """K1: nobody is on the way there."""
    discovery = TrustedIssuer(issuer=url, audience=AUDIENCE).discovery_url
    assert discovery == f"{url}/.well-known/openid-configuration"


def test_k1_an_audience_is_needed() -> None:
    """An empty one could be any token's."""
    with pytest.raises(ValueError, match="audience"):
        TrustedIssuer(issuer=ISSUER, audience="")


async def endless() -> AsyncIterator[bytes]:
    """An answer that never ends."""
    while True:
        yield b" " * 65_536


@pytest.mark.parametrize("url", [DISCOVERY, JWKS])
@pytest.mark.parametrize(
    "answer",
    [
        lambda: httpx2.Response(302, headers={"Location": "https://other.example/"}),
        lambda: httpx2.Response(200, text="<html>"),
        lambda: httpx2.Response(200, content=b"\xff\xfe\x00"),
        lambda: httpx2.Response(200, text="[" * 100_000),
        lambda: httpx2.Response(200, text="[]"),
        lambda: httpx2.Response(200, text="null"),
        lambda: httpx2.Response(200, text='{"keys": {}}'),
        lambda: httpx2.Response(200, content=endless()),
        down,
    ],
)
async def test_k1_anything_but_a_plain_answer_is_none(
    issuer: MemoryIssuer, clock: StoppedClock, verifier: TokenVerifier, url: str, answer: Any
) -> None:
    """K1: redirects, errors, other formats, endless answers: whether a token is good is unknown."""
    issuer.answers[url] = answer
    assert await unreachable(verifier, issuer.token())
    assert not [asked for asked in issuer.requests if "other.example" in asked]


@pytest.mark.parametrize("status", [301, 304, 400, 404, 500, 503])
@pytest.mark.parametrize("url", [DISCOVERY, JWKS])
async def test_k1_an_error_is_no_answer_whatever_it_says(
    issuer: MemoryIssuer, verifier: TokenVerifier, url: str, status: int
) -> None:
    """K1: a document that came with an error may be anybody's."""
    issuer.status[url] = status
    assert str(status) in await unreachable(verifier, issuer.token())


@pytest.mark.parametrize("url", [DISCOVERY, JWKS])
async def test_k1_a_document_has_at_most_a_mebibyte(
    issuer: MemoryIssuer, verifier: TokenVerifier, clock: StoppedClock, url: str
) -> None:
    """K1: a longer one is not even read to its end."""
    issuer.padding[url] = 2**20
    assert "more than" in await unreachable(verifier, issuer.token())
    issuer.padding[url] = 2**19
    clock.advance(1)
    assert (await verifier.verify(issuer.token())).subject == "ana"


async def test_k1_an_issuer_that_does_not_answer_is_not_waited_for(
    issuer: MemoryIssuer, clock: StoppedClock
) -> None:
    """K1: the time is bounded over all, however slowly an answer drips."""
    issuer.hang()
    verifier = verifier_of(issuer, clock, KeyFreshness(timeout_s=0))
    assert "in time" in await unreachable(verifier, issuer.token())


# K2


@pytest.mark.parametrize(
    "named", [ISSUER.rstrip("/"), "https://attacker.example/", None, 5, [ISSUER]]
)
async def test_k2_the_document_names_the_configured_issuer(
    issuer: MemoryIssuer, verifier: TokenVerifier, named: object
) -> None:
    """K2: exactly; the operator is told both names."""
    issuer.metadata["issuer"] = named
    detail = await unreachable(verifier, issuer.token())
    assert ISSUER in detail
    assert repr(named) in detail


# K3


@pytest.mark.parametrize(
    "uri",
    [
        "http://keys.example/",
        "http://127.0.0.1/keys",
        "https://user@keys.example/",
        "file:///keys",
        "",
        None,
        5,
    ],
)
async def test_k3_the_keys_come_as_safely_as_the_document(
    issuer: MemoryIssuer, verifier: TokenVerifier, uri: object
) -> None:
    """K3: not by http, not even from loopback, when the issuer is elsewhere."""
    issuer.metadata["jwks_uri"] = uri
    assert "jwks_uri" in await unreachable(verifier, issuer.token())
    assert issuer.requests == [DISCOVERY]


# K4


async def test_k4_young_keys_are_not_asked_for_again(
    issuer: MemoryIssuer, verifier: TokenVerifier, clock: StoppedClock
) -> None:
    """K4: for five minutes one fetch serves all."""
    for _ in range(3):
        await verifier.verify(issuer.token())
        clock.advance(99)
    assert issuer.fetches == 1


async def test_k4_older_keys_are_refreshed_without_making_anybody_wait(
    issuer: MemoryIssuer, verifier: TokenVerifier, clock: StoppedClock
) -> None:
    """K4: whoever comes after five minutes is answered at once; the keys are new for the next."""
    token = issuer.token()
    await verifier.verify(token)
    issuer.keys = [SECOND_KEY]
    clock.advance(300)
    assert (await verifier.verify(token)).subject == "ana"
    await background_done()
    assert await unknown_key(verifier, token)
    assert (await verifier.verify(issuer.token())).subject == "ana"


async def test_k4_withdrawn_keys_are_refused_after_their_greatest_age(
    issuer: MemoryIssuer, verifier: TokenVerifier, clock: StoppedClock
) -> None:
    """K4: nobody is answered from keys of fifteen minutes, so whoever comes first waits."""
    token = issuer.token()
    await verifier.verify(token)
    issuer.keys = [SECOND_KEY]
    clock.advance(900)
    assert await unknown_key(verifier, token)


async def test_k4_keys_are_as_old_as_the_question(
    issuer: MemoryIssuer, verifier: TokenVerifier, clock: StoppedClock
) -> None:
    """K4: an answer that took a minute may have been given at its beginning."""
    issuer.hang()
    token = issuer.token({"exp": clock.now() // 10**6 + 3600})
    call = asyncio.create_task(verifier.verify(token))
    await issuer.asked.wait()
    clock.advance(60)
    issuer.go_on()
    await call
    issuer.keys = []
    clock.advance(840)
    assert await unknown_key(verifier, token)


async def test_k4_an_issuer_that_withdraws_every_key_is_obeyed(
    issuer: MemoryIssuer, verifier: TokenVerifier, clock: StoppedClock
) -> None:
    """K4: an empty set means that nothing is trusted, not that the old keys go on."""
    token = issuer.token()
    await verifier.verify(token)
    issuer.keys = []
    clock.advance(900)
    assert await unknown_key(verifier, token)


async def test_k4_an_unreachable_issuer_is_borne_for_a_while_only(
    issuer: MemoryIssuer, verifier: TokenVerifier, clock: StoppedClock
) -> None:
    """K4: known keys count until fifteen minutes old; then nobody knows any more."""
    token = issuer.token({"exp": clock.now() // 10**6 + 3600})
    await verifier.verify(token)
    issuer.answers[DISCOVERY] = down
    clock.advance(899)
    assert (await verifier.verify(token)).subject == "ana"
    clock.advance(1)
    assert "ConnectError" in await unreachable(verifier, token)


async def test_k4_setting_the_wall_clock_back_makes_no_key_younger(
    issuer: MemoryIssuer, verifier: TokenVerifier, clock: StoppedClock
) -> None:
    """K4: ages are told by the monotonic clock."""
    token = issuer.token()
    await verifier.verify(token)
    issuer.keys = []
    clock.advance(900)
    clock.now_us -= 900 * 10**6
    assert await unknown_key(verifier, token)


# K5


async def test_k5_a_rotated_key_is_known_at_once(
    issuer: MemoryIssuer, verifier: TokenVerifier, clock: StoppedClock
) -> None:
    """K5: the first token that names it has it fetched."""
    await verifier.verify(issuer.token())
    issuer.keys = [SECOND_KEY, *issuer.keys]
    clock.advance(10)
    assert (await verifier.verify(issuer.token())).subject == "ana"


async def test_k5_a_rotated_key_without_a_name_is_known_at_once(
    issuer: MemoryIssuer, verifier: TokenVerifier, clock: StoppedClock
) -> None:
    """K5: a signature that no known key made may be a new key's, where tokens name none."""
    await verifier.verify(issuer.token(kid=...))
    issuer.keys = [SECOND_KEY]
    clock.advance(10)
    assert (await verifier.verify(issuer.token(kid=...))).subject == "ana"


async def test_k5_invented_names_do_not_hammer_the_issuer(
    issuer: MemoryIssuer, verifier: TokenVerifier, clock: StoppedClock
) -> None:
    """K5: a thousand tokens with a thousand unknown keys cost one fetch every ten seconds."""
    await verifier.verify(issuer.token())
    garbage = [issuer.token(kid=f"invented-{number}") for number in range(1000)]
    for number, token in enumerate(garbage):
        assert await unknown_key(verifier, token)
        if number % 100 == 0:
            clock.advance(1)
    assert issuer.fetches == 2


async def test_k5_a_wrong_signature_by_a_known_key_asks_nobody(
    issuer: MemoryIssuer, verifier: TokenVerifier, clock: StoppedClock
) -> None:
    """K5: the key is known; there is nothing to learn."""
    await verifier.verify(issuer.token())
    clock.advance(10)
    with pytest.raises(TokenRefused):
        await verifier.verify(issuer.token(key=SECOND_KEY))
    assert issuer.fetches == 1


async def test_k5_a_known_key_is_served_while_names_are_invented(
    issuer: MemoryIssuer, verifier: TokenVerifier, clock: StoppedClock
) -> None:
    """K5: garbage costs honest callers nothing, even when the issuer hangs on it."""
    await verifier.verify(issuer.token())
    clock.advance(10)
    issuer.hang()
    waiting = asyncio.create_task(verifier.verify(issuer.token(kid="invented")))
    await issuer.asked.wait()
    assert (await verifier.verify(issuer.token({"jti": "two"}))).subject == "ana"
    issuer.go_on()
    with pytest.raises(TokenRefused):
        await waiting


# K6


async def test_k6_all_who_wait_share_one_fetch(
    issuer: MemoryIssuer, verifier: TokenVerifier
) -> None:
    """K6: a hundred callers of a service that just started."""
    issuer.hang()
    calls = [asyncio.create_task(verifier.verify(issuer.token())) for _ in range(100)]
    await issuer.asked.wait()
    issuer.go_on()
    assert {principal.subject for principal in await asyncio.gather(*calls)} == {"ana"}
    assert issuer.fetches == 1


async def test_k6_all_who_miss_a_key_share_one_fetch(
    issuer: MemoryIssuer, verifier: TokenVerifier, clock: StoppedClock
) -> None:
    """K6: and all of them get the new key."""
    await verifier.verify(issuer.token())
    issuer.keys = [SECOND_KEY]
    issuer.hang()
    clock.advance(10)
    tokens = [issuer.token({"jti": str(number)}) for number in range(50)]
    calls = [asyncio.create_task(verifier.verify(token)) for token in tokens]
    await issuer.asked.wait()
    issuer.go_on()
    assert {principal.subject for principal in await asyncio.gather(*calls)} == {"ana"}
    assert issuer.fetches == 2


async def test_k6_one_who_gives_up_ends_the_fetch_for_nobody(
    issuer: MemoryIssuer, verifier: TokenVerifier
) -> None:
    """K6: the caller who began it may hang up."""
    issuer.hang()
    first, second = (asyncio.create_task(verifier.verify(issuer.token())) for _ in range(2))
    await issuer.asked.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    issuer.go_on()
    assert (await second).subject == "ana"
    assert issuer.fetches == 1


async def test_k6_closing_stops_what_runs(issuer: MemoryIssuer, verifier: TokenVerifier) -> None:
    """K6: a service that stops leaves no task behind."""
    issuer.hang()
    call = asyncio.create_task(verifier.verify(issuer.token()))
    await issuer.asked.wait()
    await verifier.aclose()
    await asyncio.gather(call, return_exceptions=True)
    assert asyncio.all_tasks() == {asyncio.current_task()}


# K7


async def test_k7_a_token_is_not_judged_while_the_issuer_is_unreachable(
    issuer: MemoryIssuer, verifier: TokenVerifier, clock: StoppedClock
) -> None:
    """K7: and is as soon as it can be reached; one second's pause spares an issuer that is down."""
    issuer.answers[DISCOVERY] = down
    assert await unreachable(verifier, issuer.token())
    assert await unreachable(verifier, issuer.token())
    assert issuer.fetches == 1
    issuer.answers.clear()
    clock.advance(1)
    assert (await verifier.verify(issuer.token())).subject == "ana"


async def test_k7_an_unknown_key_of_an_unreachable_issuer_may_be_a_new_one(
    issuer: MemoryIssuer, verifier: TokenVerifier, clock: StoppedClock
) -> None:
    """K7: so it is not refused: nobody can tell. Known keys go on."""
    old = issuer.token()
    await verifier.verify(old)
    issuer.answers[DISCOVERY] = down
    clock.advance(10)
    new = issuer.token(key=SECOND_KEY, kid="second")
    assert await unreachable(verifier, new)
    assert await unreachable(verifier, new)
    assert (await verifier.verify(old)).subject == "ana"


async def test_k7_a_malformed_token_is_refused_all_the_same(
    issuer: MemoryIssuer, verifier: TokenVerifier
) -> None:
    """K7: that one is bad whatever the issuer says, and asks nobody."""
    issuer.answers[DISCOVERY] = down
    with pytest.raises(TokenRefused):
        await verifier.verify("opaque")
    assert not issuer.requests


async def test_k7_readiness_says_whether_keys_are_at_hand(
    issuer: MemoryIssuer, verifier: TokenVerifier, clock: StoppedClock
) -> None:
    """K7: a probe sees what is wrong."""
    issuer.answers[JWKS] = down
    with pytest.raises(IssuerUnreachable, match=JWKS):
        await verifier.ready()
    issuer.answers.clear()
    clock.advance(1)
    await verifier.ready()


# The key set itself


def key_set(*keys: object) -> PublishedKeys:
    """These keys, as published."""
    return read_key_set({"keys": list(keys)})


WEAK = {"kty": "RSA", "e": "AQAB", "n": int_to_base64(2**1023 + 1)}
GOOD = signing_key("P-256").as_dict(private=False)


@pytest.mark.parametrize(
    "other",
    [
        5,
        None,
        {},
        {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQ"},
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
        {"kty": ["EC"]},
        {"kty": "EC"},
        {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256", "x": 5, "y": None},
        {"kty": "RSA", "n": "", "e": ""},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "%%"},
        GOOD | {"kid": 5},
        GOOD | {"use": "enc"},
        GOOD | {"use": ["sig"], "key_ops": ["verify"]},
        GOOD | {"use": "sig", "key_ops": ["encrypt"]},
        GOOD | {"key_ops": ["sign"]},
        GOOD | {"x5c": "no list"},
        signing_key("P-256").as_dict(private=True),
        WEAK,
        OctKey.generate_key(256).as_dict(),
    ],
)
def test_a_key_that_can_prove_nothing_is_left_out(other: object) -> None:
    """And never costs the others: RFC 7517 section 5. A published private key proves nothing."""
    good = signing_key("P-384", "good").as_dict(private=False)
    published = key_set(other, good)
    assert [key.kid for key in published.keys] == ["good"]


def test_a_key_for_encryption_over_a_curve_signs_nothing() -> None:
    """X25519 is of the same key type as Ed25519, and no token can be its."""
    published = key_set(signing_key("X25519").as_dict(private=False))
    assert not list(published.candidates("Ed25519", "first"))


async def test_a_token_by_such_a_key_is_refused(clock: StoppedClock) -> None:
    """By the old name EdDSA, which leaves the curve open, too."""
    issuer = MemoryIssuer([signing_key("X25519")])
    token = issuer.token(key=signing_key("Ed25519"), alg="EdDSA")
    with pytest.raises(TokenRefused):
        await verifier_of(issuer, clock).verify(token)


@pytest.mark.parametrize("document", [None, [], "keys", {}, {"keys": None}, {"keys": {"0": GOOD}}])
def test_a_document_of_another_shape_is_no_key_set(document: object) -> None:
    """It is not taken for an empty one, which would mean that nothing is trusted."""
    with pytest.raises(ValueError, match="JWK Set"):
        read_key_set(json.loads(json.dumps(document)))
