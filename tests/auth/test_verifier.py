"""What is proven of a token, by the numbers at the top of service/auth/verifier.py."""

import base64
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from service.auth.principal import Principal
from service.auth.problems import Reason, TokenRefused
from service.auth.scopes import Scope
from service.auth.signature import signed_claims
from service.auth.trusted_issuer import ALGORITHMS, TrustedIssuer
from service.auth.verifier import TokenVerifier
from service.domain.instant import SECOND
from tests.auth.issuers import (
    AUDIENCE,
    ISSUER,
    NOW_S,
    MemoryIssuer,
    StoppedClock,
    key_for,
    signed,
    signing_key,
    verifier_of,
)


def b64(part: object) -> str:
    """One part of a token: bytes as they are, anything else as JSON."""
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


async def refusal(verifier: TokenVerifier, token: str) -> Reason:
    """Why the token is refused; it must be."""
    with pytest.raises(TokenRefused) as caught:
        await verifier.verify(token)
    assert caught.value.detail
    return caught.value.reason


async def test_a_good_token_says_who_calls(verifier: TokenVerifier, issuer: MemoryIssuer) -> None:
    """Everything proven comes out as one principal; scopes of others grant nothing here."""
    assert await verifier.verify(issuer.token()) == Principal(
        issuer=ISSUER,
        subject="ana",
        client_id="settings-page",
        scopes=frozenset({Scope.CONSENTS}),
        expires_at=(NOW_S + 600) * SECOND,
    )


# 1


async def test_1_nothing_is_no_token(verifier: TokenVerifier) -> None:
    """1: an empty token is missing."""
    assert await refusal(verifier, "") is Reason.MISSING


@pytest.mark.parametrize("token", ["a" * 16_385, "ä.b.c", "\ud800.b.c", "a.b.\x00é"])
async def test_1_a_token_is_ascii_of_bounded_length(verifier: TokenVerifier, token: str) -> None:
    """1: what is too long or not ASCII is not looked into."""
    assert await refusal(verifier, token) is Reason.MALFORMED


async def test_1_a_good_token_may_be_too_long(
    verifier: TokenVerifier, issuer: MemoryIssuer
) -> None:
    """1: the bound is on the whole, whoever signed it."""
    assert (await verifier.verify(issuer.token({"groups": "a" * 11_000}))).subject == "ana"
    assert await refusal(verifier, issuer.token({"groups": "a" * 12_500})) is Reason.MALFORMED


# 2


@pytest.mark.parametrize(
    "header",
    [
        "no json",
        b"\xff\xfe",
        b"[" * 3000,
        ["alg"],
        "alg",
        5,
        None,
        {"alg": "ES256", "kid": 5},
        {"alg": "ES256", "kid": ["first"]},
        {"alg": "ES256", "crit": 5},
        {"alg": "ES256", "crit": ["exp"], "exp": 1},
        {"alg": "ES256", "b64": False, "crit": ["b64"]},
        {"alg": "ES256", "b64": False},
        {"alg": "ES256", "jku": 5, "kid": "first"},
        {"alg": "ES256", "x5c": {"a": 1}, "kid": "first"},
    ],
)
async def test_2_an_unreadable_header_is_malformed(verifier: TokenVerifier, header: Any) -> None:
    """2: whatever stands in the header, the answer is a refusal."""
    raw = header.encode() if header == "no json" else header
    assert await refusal(verifier, f"{b64(raw)}.{b64({})}.{b64(b'x' * 64)}") is Reason.MALFORMED


@pytest.mark.parametrize("token", ["opaque", "a.b", "a.b.c.d", "....", "a.b.c.d.e.f", "=.=.="])
async def test_2_a_token_has_three_parts(verifier: TokenVerifier, token: str) -> None:
    """2: opaque tokens and encrypted ones are refused."""
    assert await refusal(verifier, token) is Reason.MALFORMED


async def test_2_headers_that_mean_nothing_here_are_ignored(
    verifier: TokenVerifier, issuer: MemoryIssuer
) -> None:
    """2: RFC 7515 section 4 wants unknown header parameters ignored."""
    token = issuer.token(tenant="t1", x5t="abc", x5c=["A" * 2000])
    assert (await verifier.verify(token)).subject == "ana"


# 3


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "JWT", "jwt", ...])
async def test_3_an_access_token_may_call_itself_so(
    verifier: TokenVerifier, issuer: MemoryIssuer, typ: object
) -> None:
    """3: RFC 9068's type, the general one, or none."""
    assert (await verifier.verify(issuer.token(typ=typ))).subject == "ana"


@pytest.mark.parametrize("typ", ["logout+jwt", "dpop+jwt", "secevent+jwt", "id+jwt", 5, None, []])
async def test_3_another_kind_of_token_is_refused(
    verifier: TokenVerifier, issuer: MemoryIssuer, typ: object
) -> None:
    """3: the issuer signs other things too, for other purposes."""
    parts = issuer.token().split(".")
    token = f"{b64(issuer.header(typ=typ))}.{parts[1]}.{parts[2]}"
    assert await refusal(verifier, token) is Reason.WRONG_TYPE


# 4


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
async def test_4_every_algorithm_of_a_key_pair_can_be_allowed(
    clock: StoppedClock, algorithm: str
) -> None:
    """4: and proves, when it is."""
    issuer = MemoryIssuer([key_for(algorithm)])
    verifier = verifier_of(issuer, clock, algorithms=(algorithm,))
    assert (await verifier.verify(issuer.token(alg=algorithm))).subject == "ana"


async def test_4_an_algorithm_that_the_operator_did_not_allow_is_refused(
    clock: StoppedClock,
) -> None:
    """4: even where the key is published and the signature would do."""
    issuer = MemoryIssuer([signing_key("RSA")])
    verifier = verifier_of(issuer, clock, algorithms=("ES256", "PS256"))
    assert await refusal(verifier, issuer.token(alg="RS256")) is Reason.ALGORITHM_NOT_ALLOWED


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", None, 5, ["ES256"], ...])
async def test_4_an_unsigned_token_proves_nothing(
    verifier: TokenVerifier, issuer: MemoryIssuer, algorithm: object
) -> None:
    """4: however `none` is spelled, with a signature or without."""
    header = b64(issuer.header(alg=algorithm))
    for signature in ("", "AAAA"):
        token = f"{header}.{b64(issuer.claims())}.{signature}"
        assert await refusal(verifier, token) is Reason.ALGORITHM_NOT_ALLOWED


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("kind", ["RSA", "P-256"])
async def test_4_a_published_key_is_no_shared_secret(
    clock: StoppedClock, kind: str, algorithm: str
) -> None:
    """4: an HMAC made with the public key's own bytes is refused, whatever their encoding."""
    key = signing_key(kind)
    assert isinstance(key, RSAKey | ECKey)
    issuer = MemoryIssuer([key])
    verifier = verifier_of(issuer, clock)
    secrets = [key.as_pem(), key.as_der(), json.dumps(key.as_dict(private=False)).encode()]
    for secret in secrets:
        # By hand, since joserfc does not lend itself to it.
        signed_part = f"{b64(issuer.header(alg=algorithm))}.{b64(issuer.claims())}"
        mac = hmac.digest(secret, signed_part.encode(), f"sha{algorithm[2:]}")
        assert await refusal(verifier, f"{signed_part}.{b64(mac)}") is Reason.ALGORITHM_NOT_ALLOWED


@pytest.mark.parametrize("algorithms", [(), ("none",), ("HS256",), ("ES256", "HS512"), ("RSA1_5",)])
def test_4_unsafe_algorithms_cannot_be_configured(algorithms: tuple[str, ...]) -> None:
    """4: nor can an empty list, which libraries take for "the usual ones"."""
    with pytest.raises(ValueError, match="algorithms must be some of"):
        TrustedIssuer(issuer=ISSUER, audience=AUDIENCE, algorithms=algorithms)


# 5


async def test_5_a_key_that_is_not_published_proves_nothing(
    verifier: TokenVerifier, issuer: MemoryIssuer
) -> None:
    """5: the key must be the issuer's, by its name."""
    stranger = signing_key("P-256", "stranger")
    assert await refusal(verifier, issuer.token(key=stranger, kid="stranger")) is Reason.UNKNOWN_KEY


async def test_5_a_key_in_the_token_proves_nothing(
    verifier: TokenVerifier, issuer: MemoryIssuer
) -> None:
    """5: nor does the address of one; nobody goes there."""
    stranger = signing_key("P-256", "stranger")
    brought: dict[str, Any] = {
        "jwk": stranger.as_dict(private=False),
        "jku": "https://attacker.example/keys",
    }
    as_stranger = issuer.token(key=stranger, kid="stranger", **brought)
    assert await refusal(verifier, as_stranger) is Reason.UNKNOWN_KEY
    assert await refusal(verifier, issuer.token(key=stranger, **brought)) is Reason.BAD_SIGNATURE
    assert not [url for url in issuer.requests if "attacker" in url]


@pytest.mark.parametrize(
    ("published", "signs"),
    [("P-256", "RS256"), ("RSA", "ES256"), ("P-384", "ES256"), ("P-256", "EdDSA")],
)
async def test_5_a_key_of_another_type_or_curve_does_not_count(
    clock: StoppedClock, published: str, signs: str
) -> None:
    """5: the token's algorithm must be one that the published key can have."""
    issuer = MemoryIssuer([signing_key(published)])
    token = issuer.token(key=key_for(signs), alg=signs)
    assert await refusal(verifier_of(issuer, clock), token) is Reason.UNKNOWN_KEY


async def test_5_a_key_that_is_for_another_algorithm_does_not_count(clock: StoppedClock) -> None:
    """5: an RSA key that is published for PS256 signs nothing by RS256."""
    issuer = MemoryIssuer([signing_key("RSA")])
    verifier = verifier_of(issuer, clock)
    token = issuer.token(alg="RS256")
    issuer.keys = [type(issuer.keys[0]).import_key(issuer.keys[0].as_dict() | {"alg": "PS256"})]
    assert await refusal(verifier, token) is Reason.UNKNOWN_KEY


async def test_5_a_token_without_a_key_name_is_tried_with_every_key_that_fits(
    clock: StoppedClock,
) -> None:
    """5: OpenID Connect Core section 10.1 lets an issuer with one key leave the name out."""
    issuer = MemoryIssuer([signing_key("RSA"), signing_key("P-256", "second")])
    verifier = verifier_of(issuer, clock)
    token = issuer.token(key=issuer.keys[1], kid=...)
    assert (await verifier.verify(token)).subject == "ana"


# 6


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "Ed25519"])
async def test_6_a_changed_token_is_refused(clock: StoppedClock, algorithm: str) -> None:
    """6: claims of another's choosing, a signature of another token, none, one that is cut."""
    issuer = MemoryIssuer([key_for(algorithm)])
    verifier = verifier_of(issuer, clock)
    header, payload, signature = issuer.token(alg=algorithm).split(".")
    _, _, other = issuer.token({"sub": "bob"}, alg=algorithm).split(".")
    forged = b64(issuer.claims(sub="bob"))
    for token in (
        f"{header}.{forged}.{signature}",
        f"{header}.{payload}.{other}",
        f"{header}.{payload}.",
        f"{header}.{payload}.{signature[:-4]}",
        f"{header}.{payload}.{signature}AAAA",
        f"{header}.{payload}.{b64(bytes(64))}",
    ):
        assert await refusal(verifier, token) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("claims", ["text", 5, ["iss"], None])
async def test_6_signed_claims_are_an_object(
    verifier: TokenVerifier, issuer: MemoryIssuer, claims: object
) -> None:
    """6: an issuer's key may have signed other things than claims."""
    token = jws.serialize_compact(issuer.header(), json.dumps(claims), issuer.keys[0])
    assert await refusal(verifier, token) is Reason.MALFORMED


# 7


@pytest.mark.parametrize(
    "iss",
    ["https://issuer.example/tenant", "https://ISSUER.example/tenant/", "", None, ..., [ISSUER]],
)
async def test_7_the_issuer_is_compared_exactly(
    verifier: TokenVerifier, issuer: MemoryIssuer, iss: object
) -> None:
    """7: one slash makes another issuer."""
    assert await refusal(verifier, issuer.token({"iss": iss})) is Reason.WRONG_ISSUER


# 8


@pytest.mark.parametrize("aud", [AUDIENCE, [AUDIENCE], ["https://other.example", AUDIENCE]])
async def test_8_a_token_for_us_is_taken(
    verifier: TokenVerifier, issuer: MemoryIssuer, aud: object
) -> None:
    """8: as the one audience or as one of several."""
    assert (await verifier.verify(issuer.token({"aud": aud}))).subject == "ana"


@pytest.mark.parametrize(
    "aud",
    [
        "https://other.example",
        AUDIENCE + "/",
        AUDIENCE.upper(),
        f"{AUDIENCE} https://other.example",
        [],
        [[AUDIENCE]],
        {AUDIENCE: 1},
        "",
        5,
        None,
        ...,
    ],
)
async def test_8_a_token_for_others_is_refused(
    verifier: TokenVerifier, issuer: MemoryIssuer, aud: object
) -> None:
    """8: or whoever gets a token of ours could spend it elsewhere, and the other way round."""
    assert await refusal(verifier, issuer.token({"aud": aud})) is Reason.WRONG_AUDIENCE


# 9


async def test_9_a_token_ends_at_its_exp_and_not_later(
    verifier: TokenVerifier, issuer: MemoryIssuer, clock: StoppedClock
) -> None:
    """9: until the last microsecond before, and then no more; nothing is forgiven."""
    token = issuer.token()
    clock.now_us = (NOW_S + 600) * SECOND - 1
    assert (await verifier.verify(token)).subject == "ana"
    clock.now_us += 1
    assert await refusal(verifier, token) is Reason.EXPIRED


@pytest.mark.parametrize("exp", [NOW_S, NOW_S - 1, 0, NOW_S - 0.5])
async def test_9_an_expired_token_is_refused(
    verifier: TokenVerifier, issuer: MemoryIssuer, exp: object
) -> None:
    """9: from the first time on."""
    assert await refusal(verifier, issuer.token({"exp": exp})) is Reason.EXPIRED


@pytest.mark.parametrize(
    "exp",
    [
        ...,
        None,
        "tomorrow",
        str(NOW_S + 600),
        True,
        [NOW_S],
        -1,
        10**30,
        253_402_300_800,
        float("inf"),
        -float("inf"),
        float("nan"),
    ],
)
async def test_9_a_token_without_an_end_is_refused(
    verifier: TokenVerifier, issuer: MemoryIssuer, exp: object
) -> None:
    """9: nor is one whose end is no time."""
    assert await refusal(verifier, issuer.token({"exp": exp})) is Reason.MALFORMED


async def test_9_a_fraction_of_a_second_counts(
    verifier: TokenVerifier, issuer: MemoryIssuer
) -> None:
    """9: NumericDate may have one."""
    principal = await verifier.verify(issuer.token({"exp": NOW_S + 1.5}))
    assert principal.expires_at == NOW_S * SECOND + 1_500_000


# 10


@pytest.mark.parametrize("claim", ["nbf", "iat"])
async def test_10_a_token_of_the_future_is_refused(
    verifier: TokenVerifier, issuer: MemoryIssuer, clock: StoppedClock, claim: str
) -> None:
    """10: an issuer's clock may run 30 seconds ahead, and no further."""
    assert (await verifier.verify(issuer.token({claim: NOW_S + 30}))).subject == "ana"
    early = issuer.token({claim: NOW_S + 31})
    assert await refusal(verifier, early) is Reason.NOT_YET_VALID
    clock.advance(1)
    assert (await verifier.verify(early)).subject == "ana"


@pytest.mark.parametrize("value", ["now", True, float("nan"), 1e300])
@pytest.mark.parametrize("claim", ["nbf", "iat"])
async def test_10_a_beginning_that_is_no_time_is_refused(
    verifier: TokenVerifier, issuer: MemoryIssuer, claim: str, value: object
) -> None:
    """10: it cannot be told whether the token counts yet."""
    assert await refusal(verifier, issuer.token({claim: value})) is Reason.MALFORMED


async def test_10_neither_need_be_there(verifier: TokenVerifier, issuer: MemoryIssuer) -> None:
    """10: many issuers send no nbf, some no iat."""
    assert (await verifier.verify(issuer.token({"iat": ...}))).subject == "ana"


# 11


async def test_11_an_id_token_is_no_access_token(
    verifier: TokenVerifier, issuer: MemoryIssuer
) -> None:
    """11: even one whose audience is ours: it grants nothing."""
    assert await refusal(verifier, issuer.id_token()) is Reason.NOT_AN_ACCESS_TOKEN


@pytest.mark.parametrize(
    "mark",
    [
        {"nonce": "n"},
        {"at_hash": "h"},
        {"c_hash": "h"},
        {"s_hash": "h"},
        {"typ": "ID"},
        {"typ": "Refresh"},
        {"typ": "Offline"},
        {"typ": "Logout"},
        {"typ": 5},
        {"token_use": "id"},
        {"token_use": None},
    ],
)
async def test_11_an_id_token_with_a_scope_is_known_by_its_marks(
    verifier: TokenVerifier, issuer: MemoryIssuer, mark: dict[str, object]
) -> None:
    """11: some issuers put a scope into ID tokens too; the claims give them away."""
    token = issuer.id_token(scope="fermata:consents", **mark)
    assert await refusal(verifier, token) is Reason.NOT_AN_ACCESS_TOKEN


@pytest.mark.parametrize(
    "mark",
    [{"typ": "Bearer"}, {"typ": "Bearer", "nonce": "n"}, {"token_use": "access"}, {"scp": ["x"]}],
)
async def test_11_an_access_token_that_says_so_is_believed(
    verifier: TokenVerifier, issuer: MemoryIssuer, mark: dict[str, object]
) -> None:
    """11: Keycloak's and Cognito's ways of saying it; old Keycloaks add the nonce."""
    token = issuer.token(mark, typ="JWT")
    assert (await verifier.verify(token)).subject == "ana"


async def test_11_a_declared_access_token_needs_no_scope(
    verifier: TokenVerifier, issuer: MemoryIssuer
) -> None:
    """11: RFC 9068's type is enough; such a token just may do nothing."""
    assert (await verifier.verify(issuer.token({"scope": ...}))).scopes == frozenset()


# 12


async def test_12_a_token_bound_to_a_key_is_no_bearer_token(
    verifier: TokenVerifier, issuer: MemoryIssuer
) -> None:
    """12: whoever stole it could not use it elsewhere, and must not here."""
    for cnf in ({"jkt": "abc"}, {"x5t#S256": "abc"}, {}, None):
        assert await refusal(verifier, issuer.token({"cnf": cnf})) is Reason.PROOF_REQUIRED


# 13


@pytest.mark.parametrize("sub", [..., None, "", 5, ["ana"], "a" * 256, "ana\n", "ana\x00"])
async def test_13_a_token_says_whose_it_is(
    verifier: TokenVerifier, issuer: MemoryIssuer, sub: object
) -> None:
    """13: in at most 255 printable characters."""
    assert await refusal(verifier, issuer.token({"sub": sub})) is Reason.NO_SUBJECT


@pytest.mark.parametrize("claim", ["client_id", "azp", "cid", "appid"])
async def test_13_a_client_is_named_in_one_of_four_ways(
    verifier: TokenVerifier, issuer: MemoryIssuer, claim: str
) -> None:
    """13: RFC 9068's, OpenID's, Okta's and Entra's."""
    token = issuer.token({"client_id": ...} | {claim: "page"})
    assert (await verifier.verify(token)).client_id == "page"


@pytest.mark.parametrize("client", [..., None, "", 5, "a" * 256])
async def test_13_a_token_says_which_client_has_it(
    verifier: TokenVerifier, issuer: MemoryIssuer, client: object
) -> None:
    """13: a broken client_id is not made up for by another claim."""
    other = {} if client is ... else {"azp": "page"}
    token = issuer.token({"client_id": client} | other)
    assert await refusal(verifier, token) is Reason.NO_CLIENT


# 14


@pytest.mark.parametrize(
    "claims",
    [
        {"scope": "fermata:check fermata:audit"},
        {"scope": ["fermata:check", "fermata:audit"]},
        {"scope": ..., "scp": "fermata:audit  fermata:check email"},
        {"scope": ..., "scp": ["fermata:audit", "fermata:check", ""]},
        {"scope": "openid fermata:check", "scp": ["fermata:audit"]},
        {"scope": "fermata:check fermata:audit FERMATA:POLICY fermata:policy/x"},
    ],
)
async def test_14_scopes_come_as_a_string_or_a_list(
    verifier: TokenVerifier, issuer: MemoryIssuer, claims: dict[str, object]
) -> None:
    """14: in `scope`, `scp` or both; unknown ones grant nothing."""
    principal = await verifier.verify(issuer.token(claims))
    assert principal.scopes == {Scope.CHECK, Scope.AUDIT}
    assert principal.may(Scope.CHECK)
    assert not principal.may(Scope.POLICY)


@pytest.mark.parametrize("scope", [5, True, None, {"fermata:check": 1}, ["fermata:check", 5]])
async def test_14_other_shapes_are_refused(
    verifier: TokenVerifier, issuer: MemoryIssuer, scope: object
) -> None:
    """14: what cannot be read grants nothing by accident."""
    assert await refusal(verifier, issuer.token({"scope": scope})) is Reason.MALFORMED


async def test_14_an_operator_may_have_scopes_in_a_claim_of_their_own(
    issuer: MemoryIssuer, clock: StoppedClock
) -> None:
    """14: Entra gives clients without a user `roles` only; nobody else's are read."""
    token = issuer.token({"scope": ..., "roles": ["fermata:check"]}, typ="JWT")
    with_roles = verifier_of(issuer, clock, scope_claims=("scope", "scp", "roles"))
    assert (await with_roles.verify(token)).scopes == {Scope.CHECK}
    assert await refusal(verifier_of(issuer, clock), token) is Reason.NOT_AN_ACCESS_TOKEN


# All of them


@given(
    st.text(max_size=80) | st.from_regex(r"[\w-]{0,40}\.[\w-]{0,40}\.[\w-]{0,40}", fullmatch=True)
)
async def test_whatever_is_sent_is_refused_with_a_reason(token: str) -> None:
    """No text but a signed token is accepted or makes anything else happen than a refusal."""
    assert await refusal(verifier_of(MemoryIssuer(), StoppedClock()), token) in Reason


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
_names = st.sampled_from(
    ["alg", "kid", "typ", "crit", "b64", "jku", "jwk", "x5c", "x5t", "cty", "zip", "enc"]
)


@given(st.dictionaries(_names, _json, max_size=4), st.booleans())
async def test_whatever_the_header_says_is_refused_with_a_reason(
    changes: dict[str, object],
    keep: bool,  # noqa: FBT001 -- drawn
) -> None:
    """Nothing that an outsider can write into a header makes anything else happen."""
    issuer = MemoryIssuer()
    header = issuer.header(**changes) if keep else changes
    token = f"{b64(header)}.{b64(issuer.claims())}.{b64(b'x' * 64)}"
    assert await refusal(verifier_of(issuer, StoppedClock()), token) in Reason


_claims = st.sampled_from(
    ["iss", "aud", "exp", "nbf", "iat", "sub", "client_id", "azp", "scope", "scp", "cnf", "typ"]
)


@given(st.dictionaries(_claims, _json, max_size=3))
async def test_whatever_an_issuer_signs_gives_a_principal_or_a_reason(
    changes: dict[str, object],
) -> None:
    """An issuer with odd claims never gets more than it said, and never an unexpected error."""
    issuer = MemoryIssuer()
    token = issuer.token(changes)
    try:
        principal = await verifier_of(issuer, StoppedClock()).verify(token)
    except TokenRefused:
        return
    assert principal.issuer == ISSUER
    assert principal.expires_at > NOW_S * SECOND


# Tokens proven before


@pytest.fixture
def signatures(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every token whose signature is checked."""
    checked: list[str] = []

    def recorded(token: str, *rest: Any) -> Any:
        checked.append(token)
        return signed_claims(token, *rest)

    monkeypatch.setattr("service.auth.proof.signed_claims", recorded)
    return checked


async def test_a_proven_token_costs_one_signature(
    verifier: TokenVerifier, issuer: MemoryIssuer, signatures: list[str]
) -> None:
    """However often it comes, with the same answer."""
    token = issuer.token()
    answers = [await verifier.verify(token) for _ in range(5)]
    assert answers == [answers[0]] * 5
    assert signatures == [token]


async def test_a_refused_token_is_looked_at_again(
    verifier: TokenVerifier, issuer: MemoryIssuer, clock: StoppedClock
) -> None:
    """What is early now is good later."""
    token = issuer.token({"nbf": NOW_S + 60})
    assert await refusal(verifier, token) is Reason.NOT_YET_VALID
    clock.advance(60)
    assert (await verifier.verify(token)).subject == "ana"


async def test_few_tokens_are_remembered(
    issuer: MemoryIssuer, clock: StoppedClock, signatures: list[str]
) -> None:
    """The one not seen for longest is forgotten first, and proven anew when it comes back."""
    verifier = verifier_of(issuer, clock, remembered=2)
    first, second, third = (issuer.token({"jti": str(number)}) for number in range(3))
    for token in (first, second, first, third, first, second):
        await verifier.verify(token)
    assert signatures == [first, second, third, second]


async def test_a_proven_token_whose_key_is_withdrawn_is_refused(
    verifier: TokenVerifier, issuer: MemoryIssuer, clock: StoppedClock
) -> None:
    """A stolen key may have signed a token for years; withdrawing the key ends it."""
    token = issuer.token({"exp": NOW_S + 10**8})
    await verifier.verify(token)
    issuer.keys = [signing_key("P-256", "second")]
    clock.advance(900)
    assert await refusal(verifier, token) is Reason.UNKNOWN_KEY


def test_a_client_without_a_person_is_known_as_one() -> None:
    """Whoever takes a subject for an artist can tell (RFC 9068 section 5)."""
    alone = Principal(ISSUER, "pipeline", "pipeline", frozenset(), 0)
    assert alone.is_client
    assert not Principal(ISSUER, "ana", "settings-page", frozenset(), 0).is_client


async def test_the_refusal_never_repeats_the_token(
    verifier: TokenVerifier, issuer: MemoryIssuer
) -> None:
    """Details end up in logs; a token there could be used."""
    token = issuer.token({"exp": NOW_S})
    with pytest.raises(TokenRefused) as caught:
        await verifier.verify(token)
    assert token not in str(caught.value)


def test_a_signed_token_of_the_test_issuer_is_what_it_says() -> None:
    """`signed` adds nothing of its own, so that the tests above test what they say."""
    header = signed({"alg": "ES256"}, {}, signing_key("P-256")).split(".")[0]
    assert json.loads(base64.urlsafe_b64decode(header + "==")) == {"alg": "ES256"}
