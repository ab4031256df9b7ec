"""What the proven claims of any token of the trusted issuer must say, whatever it is for.

The numbers are those of verifier.py. Everything here raises TokenRefused.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias, TypeGuard

from service.auth.problems import Reason, TokenRefused
from service.auth.trusted_issuer import TrustedIssuer
from service.domain.instant import SECOND, Instant, format_instant

Claims: TypeAlias = Mapping[str, object]

SHOWN: Final = 80
"""How many characters of a claim a message repeats."""

_LAST_SECOND: Final = 253_402_300_799  # 9999-12-31T23:59:59Z, the last that RFC 3339 can write
_LONGEST_NAME: Final = 255  # OpenID Connect Core 1.0, section 2, of `sub`


def check_issuer(claims: Claims, trusted: TrustedIssuer) -> None:
    """Refuse a token that is not the trusted issuer's by its own words."""
    if claims.get("iss") != trusted.issuer:  # 7
        raise TokenRefused(
            Reason.WRONG_ISSUER,
            f"the token is of {claims.get('iss')!r:.{SHOWN}}; only {trusted.issuer} is trusted",
        )


def check_audience(claims: Claims, name: str) -> None:
    """Refuse a token that is not meant for whom the issuer calls `name`."""
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if name not in named:  # 8
        raise TokenRefused(
            Reason.WRONG_AUDIENCE,
            f"the token is for {audience!r:.{SHOWN}}; ask the issuer for one whose audience is "
            f"{name}",
        )


def expiry(claims: Claims, now: Instant) -> Instant:
    """Return when the token ends, which it must, and not yet."""
    expires_at = _instant(claims, "exp")
    if expires_at is None:  # 9: a token without an end would be a password
        raise malformed("it has no exp")
    if expires_at <= now:  # 9: no leeway
        raise TokenRefused(
            Reason.EXPIRED, f"the token expired at {format_instant(expires_at)}; get a new one"
        )
    return expires_at


def check_begun(claims: Claims, trusted: TrustedIssuer, now: Instant) -> None:
    """Refuse a token that is not good yet."""
    for claim in ("nbf", "iat"):  # 10
        begins_at = _instant(claims, claim)
        if begins_at is not None and begins_at > now + trusted.leeway_s * SECOND:
            raise TokenRefused(
                Reason.NOT_YET_VALID,
                f"the token's {claim} is {format_instant(begins_at)}, which is not yet; "
                "do the issuer's clock and ours agree?",
            )


def subject_of(claims: Claims) -> str:
    """Return whose token it is."""
    subject = claims.get("sub")
    if not is_name(subject):  # 13
        raise TokenRefused(Reason.NO_SUBJECT, "the token does not say whose it is (sub)")
    return subject


def is_name(value: object) -> TypeGuard[str]:
    """Whether a claim could be somebody's name at the issuer."""
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME and value.isprintable()


def _instant(claims: Claims, name: str) -> Instant | None:
    """Read a NumericDate (RFC 7519 section 2), which may have a fraction, exactly where whole."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise malformed(f"its {name} is not a number")
    if not 0 <= value <= _LAST_SECOND:  # nor NaN, which compares with nothing
        raise malformed(f"its {name} is no time in seconds since 1970")
    return int(value * SECOND)


def malformed(why: str) -> TokenRefused:
    """Return the refusal of a token that cannot be what it says it is."""
    return TokenRefused(Reason.MALFORMED, f"the token is not usable: {why}")
