"""The inside of a token: what its proven claims must say (proofs 7 to 14 of verifier.py)."""

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias, TypeGuard

from service.auth.principal import Principal
from service.auth.problems import Reason, TokenRefused
from service.auth.scopes import known_scopes
from service.auth.trusted_issuer import TrustedIssuer
from service.domain.instant import SECOND, Instant, format_instant

Claims: TypeAlias = Mapping[str, object]

_LAST_SECOND: Final = 253_402_300_799  # 9999-12-31T23:59:59Z, the last that RFC 3339 can write
_LONGEST_NAME: Final = 255  # OpenID Connect Core 1.0, section 2, of `sub`
_SHOWN: Final = 80
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
    _check_issuer(claims, trusted)
    _check_audience(claims, trusted)
    expires_at = _expiry(claims, now)
    _check_begun(claims, trusted, now)
    if not is_declared_access_token:
        _check_no_id_token(claims, trusted)
    _check_bearer(claims)
    return Principal(
        issuer=trusted.issuer,
        subject=_subject(claims),
        client_id=_client(claims),
        scopes=known_scopes(_scope_names(claims, trusted)),
        expires_at=expires_at,
    )


def _check_issuer(claims: Claims, trusted: TrustedIssuer) -> None:
    if claims.get("iss") != trusted.issuer:  # 7
        raise TokenRefused(
            Reason.WRONG_ISSUER,
            f"the token is of {claims.get('iss')!r:.{_SHOWN}}; only {trusted.issuer} is trusted",
        )


def _check_audience(claims: Claims, trusted: TrustedIssuer) -> None:
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if trusted.audience not in named:  # 8
        raise TokenRefused(
            Reason.WRONG_AUDIENCE,
            f"the token is for {audience!r:.{_SHOWN}}; ask the issuer for one whose audience is "
            f"{trusted.audience}",
        )


def _expiry(claims: Claims, now: Instant) -> Instant:
    expires_at = _instant(claims, "exp")
    if expires_at is None:  # 9: a token without an end would be a password
        raise _malformed("it has no exp")
    if expires_at <= now:  # 9: no leeway
        raise TokenRefused(
            Reason.EXPIRED, f"the token expired at {format_instant(expires_at)}; get a new one"
        )
    return expires_at


def _check_begun(claims: Claims, trusted: TrustedIssuer, now: Instant) -> None:
    for claim in ("nbf", "iat"):  # 10
        begins_at = _instant(claims, claim)
        if begins_at is not None and begins_at > now + trusted.leeway_s * SECOND:
            raise TokenRefused(
                Reason.NOT_YET_VALID,
                f"the token's {claim} is {format_instant(begins_at)}, which is not yet; "
                "do the issuer's clock and ours agree?",
            )


def _check_no_id_token(claims: Claims, trusted: TrustedIssuer) -> None:
    """Refuse what may be an ID token, or anything else that is no access token (11).

    An issuer that says what the token is, is believed. Otherwise an ID token is known by claims
    that only they have, and by having no scope: what grants nothing is no access token.
    """
    kinds = [(name, claims[name]) for name in _ACCESS_KINDS if name in claims]
    for name, kind in kinds:
        if not isinstance(kind, str) or kind.lower() not in _ACCESS_KINDS[name]:
            raise _no_access_token(f"its {name} is {kind!r:.{_SHOWN}}")
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


def _subject(claims: Claims) -> str:
    subject = claims.get("sub")
    if not _is_name(subject):  # 13
        raise TokenRefused(Reason.NO_SUBJECT, "the token does not say whose it is (sub)")
    return subject


def _client(claims: Claims) -> str:
    for name in _CLIENT_CLAIMS:  # 13
        if name in claims:
            client = claims[name]
            if _is_name(client):
                return client
            break
    raise TokenRefused(
        Reason.NO_CLIENT,
        f"the token does not say which client it was given to ({', '.join(_CLIENT_CLAIMS)})",
    )


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME and value.isprintable()


def _scope_names(claims: Claims, trusted: TrustedIssuer) -> Iterator[str]:
    for name in trusted.scope_claims:  # 14
        value = claims.get(name, [])
        words = value.split(" ") if isinstance(value, str) else value
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise _malformed(f"its {name} is neither a string nor a list of strings")
        yield from words


def _instant(claims: Claims, name: str) -> Instant | None:
    """Read a NumericDate (RFC 7519 section 2), which may have a fraction, exactly where whole."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _malformed(f"its {name} is not a number")
    if not 0 <= value <= _LAST_SECOND:  # nor NaN, which compares with nothing
        raise _malformed(f"its {name} is no time in seconds since 1970")
    return int(value * SECOND)


def _no_access_token(why: str) -> TokenRefused:
    return TokenRefused(Reason.NOT_AN_ACCESS_TOKEN, f"{why}; send an access token, not an ID token")


def _malformed(why: str) -> TokenRefused:
    return TokenRefused(Reason.MALFORMED, f"the token is not usable: {why}")
