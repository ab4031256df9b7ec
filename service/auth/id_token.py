"""The ID token of a login: whose browser came back (OpenID Connect Core 1.0, section 3.1.3.7).

What must be proven of it before it counts. 1 to 10 are those of verifier.py, but that its audience
is this service's client, and that it is an ID token and no access token. The rest are its own; each
has its test in `tests/auth/test_login.py`:

11  Its header does not call it an access token (`at+jwt`), nor do its claims.
12  Of several audiences, or where it says so, it was issued to this client (`azp`).
13  `iat` is there.
14  `nonce` is the one that this very login was begun with.
15  It says whose it is.
"""

import hmac

from service.auth.claims import (
    SHOWN,
    Claims,
    check_audience,
    check_begun,
    check_issuer,
    expiry,
    malformed,
    subject_of,
)
from service.auth.problems import Reason, TokenRefused
from service.auth.proof import proven_claims
from service.auth.provider import ProviderKeys
from service.auth.signature import read_header
from service.auth.trusted_issuer import TrustedIssuer
from service.clock import Clock
from service.domain.instant import Instant

_ID_KINDS = {"typ": "id", "token_use": "id"}  # Keycloak; Cognito


class IdTokens:
    """Proves ID tokens that the trusted issuer gave to one client."""

    def __init__(
        self, trusted: TrustedIssuer, client_id: str, provider: ProviderKeys, clock: Clock
    ) -> None:
        """Prove them by the keys of `provider`, which is the trusted issuer's."""
        self._trusted = trusted
        self._client_id = client_id
        self._provider = provider
        self._clock = clock

    async def subject(self, token: str, nonce: str) -> str:
        """Return who logged in. Raises TokenRefused, IssuerUnreachable."""
        header = read_header(token, self._trusted.algorithms)  # 1 to 4
        if header.is_declared_access_token:  # 11
            raise _no_id_token("its header says that it is an access token")
        published = await self._provider.current()
        signed = await proven_claims(self._provider, token, header, published)  # 5 and 6
        self._check(signed.claims, nonce, self._clock.now())
        return subject_of(signed.claims)  # 15

    def _check(self, claims: Claims, nonce: str, now: Instant) -> None:
        check_issuer(claims, self._trusted)
        check_audience(claims, self._client_id)
        expiry(claims, now)
        check_begun(claims, self._trusted, now)
        _check_kind(claims)
        self._check_party(claims)
        if "iat" not in claims:  # 13
            raise malformed("it has no iat")
        _check_nonce(claims, nonce)

    def _check_party(self, claims: Claims) -> None:
        audience, party = claims.get("aud"), claims.get("azp")
        shared = isinstance(audience, list) and len(audience) > 1
        if party != self._client_id and (shared or party is not None):  # 12
            raise TokenRefused(
                Reason.WRONG_AUDIENCE, f"the token was issued to {party!r:.{SHOWN}}, not to us"
            )


def _check_kind(claims: Claims) -> None:
    for name, kind in _ID_KINDS.items():  # 11
        said = claims.get(name, kind)
        if not isinstance(said, str) or said.lower() != kind:
            raise _no_id_token(f"its {name} is {said!r:.{SHOWN}}")


def _check_nonce(claims: Claims, nonce: str) -> None:
    given = claims.get("nonce")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):  # 14
        raise TokenRefused(Reason.WRONG_NONCE, "the token answers another login than this one")


def _no_id_token(why: str) -> TokenRefused:
    return TokenRefused(Reason.NOT_AN_ID_TOKEN, f"{why}; an ID token is needed")
