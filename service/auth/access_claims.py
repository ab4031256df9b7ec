"""The inside of a token: what its proven claims must say (proofs 7 to 14 of verifier.py)."""

from collections.abc import Iterator
from typing import Final

from service.auth.claims import (
    SHOWN,
    Claims,
    check_audience,
    check_begun,
    check_issuer,
    expiry,
    is_name,
    malformed,
    subject_of,
)
from service.auth.principal import Principal
from service.auth.problems import Reason, TokenRefused
from service.auth.scopes import known_scopes
from service.auth.trusted_issuer import TrustedIssuer
from service.domain.instant import Instant

_CLIENT_CLAIMS: Final = ("client_id", "azp", "cid", "appid")  # RFC 9068; OpenID; Okta; Entra
_ONLY_IN_ID_TOKENS: Final = ("nonce", "at_hash", "c_hash", "s_hash")
_ACCESS_KINDS: Final = {
    "typ": frozenset({"bearer", "at+jwt", "jwt", "access"}),  # Keycloak: Bearer, ID, Refresh, …
    "token_use": frozenset({"access"}),  # Cognito: access, id
}


def read_principal(
    claims: Claims, trusted: TrustedIssuer, now: Instant, *, is_declared_access_token: bool
) -> Principal:
    """Return who the claims vouch for, at `now`. Raises TokenRefused for the first proof missing.

    `is_declared_access_token` says that the signed header has the type of RFC 9068; every other
    token must show by its claims that it is no ID token.
    """
    check_issuer(claims, trusted)
    check_audience(claims, trusted.audience)
    expires_at = expiry(claims, now)
    check_begun(claims, trusted, now)
    if not is_declared_access_token:
        _check_no_id_token(claims, trusted)
    _check_bearer(claims)
    return Principal(
        issuer=trusted.issuer,
        subject=subject_of(claims),
        client_id=_client(claims),
        scopes=known_scopes(_scope_names(claims, trusted)),
        expires_at=expires_at,
    )


def _check_no_id_token(claims: Claims, trusted: TrustedIssuer) -> None:
    """Refuse what may be an ID token, or anything else that is no access token (11).

    An issuer that says what the token is, is believed. Otherwise an ID token is known by claims
    that only they have, and by having no scope: what grants nothing is no access token.
    """
    kinds = [(name, claims[name]) for name in _ACCESS_KINDS if name in claims]
    for name, kind in kinds:
        if not isinstance(kind, str) or kind.lower() not in _ACCESS_KINDS[name]:
            raise _no_access_token(f"its {name} is {kind!r:.{SHOWN}}")
    if not kinds:
        for name in _ONLY_IN_ID_TOKENS:
            if name in claims:
                raise _no_access_token(f"it has {name}, as ID tokens do")
    if not any(name in claims for name in trusted.scope_claims):
        raise _no_access_token(f"it has no {' or '.join(trusted.scope_claims)}")


def _check_bearer(claims: Claims) -> None:
    if "cnf" in claims:  # 12
        raise TokenRefused(
            Reason.PROOF_REQUIRED,
            "the token is bound to a key (DPoP or mutual TLS), whose proof this service does not "
            "take; ask the issuer for a plain bearer token",
        )


def _client(claims: Claims) -> str:
    for name in _CLIENT_CLAIMS:  # 13
        if name in claims:
            client = claims[name]
            if is_name(client):
                return client
            break
    raise TokenRefused(
        Reason.NO_CLIENT,
        f"the token does not say which client it was given to ({', '.join(_CLIENT_CLAIMS)})",
    )


def _scope_names(claims: Claims, trusted: TrustedIssuer) -> Iterator[str]:
    for name in trusted.scope_claims:  # 14
        value = claims.get(name, [])
        words = value.split(" ") if isinstance(value, str) else value
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise malformed(f"its {name} is neither a string nor a list of strings")
        yield from words


def _no_access_token(why: str) -> TokenRefused:
    return TokenRefused(Reason.NOT_AN_ACCESS_TOKEN, f"{why}; send an access token, not an ID token")
