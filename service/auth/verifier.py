"""From a bearer token to a principal, or to a refusal with its reason.

What must be proven of a token before it counts (RFC 7519, RFC 8725, RFC 9068 section 4). The
numbers return in the code of `signature.py` (1 to 6), `claims.py` and `access_claims.py` (7 to 14),
and each has its test in `tests/auth/test_verifier.py`:

 1  There is one, of ASCII characters and bounded length.
 2  It is a signed JWT: three parts, a JSON object for a header, and no extension that it calls
    critical. Encrypted and opaque tokens are refused.
 3  Its header's `typ` is `at+jwt`, `JWT` or absent: a logout token or a DPoP proof is none.
 4  Its algorithm is one that the operator allows; `none` and HMAC can never be allowed.
 5  The key it names is one that the trusted issuer publishes now (`provider.py`, K1 to K7), for
    signatures, of that algorithm's type and curve. Keys that come with the token are not looked at.
 6  That key signed it, and what it signed is a JSON object.
 7  `iss` is the trusted issuer, exactly.
 8  `aud`, a string or a list, names this service.
 9  `exp` is there and has not come.
10  `nbf` and `iat`, where given, are not in the future, beyond the leeway.
11  It is an access token and no ID token. `at+jwt` says so. Without it, a claim `typ` or
    `token_use` that says what the token is, is believed; else there is none of the claims that
    only ID tokens have (`nonce`, `at_hash`, `c_hash`, `s_hash`); and in either case there is a
    claim for scopes, which ID tokens do not have. (Their audience is the client besides, so that 8
    refuses them unless an operator gave this service and a client the same name.)
12  It is a bearer token: one that is bound to a key (`cnf`) must not be taken without that proof.
13  It says whose it is and which client it was given to.
14  Its scopes are a string or a list of strings; those that mean nothing here grant nothing.
"""

import httpx2

from service.auth.access_claims import read_principal
from service.auth.principal import Principal
from service.auth.proof import proven_claims
from service.auth.provider import KeyFreshness, ProviderKeys
from service.auth.signature import read_header
from service.auth.trusted_issuer import TrustedIssuer
from service.auth.verified_tokens import VerifiedTokens
from service.clock import Clock


class TokenVerifier:
    """Proves the tokens of one trusted issuer, in one event loop.

    It fetches nothing before the first token. `http` stays the caller's to close. Whoever else has
    tokens of this issuer to prove shares `provider`, and so its keys.
    """

    def __init__(
        self,
        trusted: TrustedIssuer,
        http: httpx2.AsyncClient,
        clock: Clock,
        *,
        freshness: KeyFreshness | None = None,
        remembered: int = 10_000,
    ) -> None:
        """Trust this issuer, and remember so many proven tokens (some 1 kB each)."""
        self._trusted = trusted
        self._clock = clock
        self.provider = ProviderKeys(trusted, http, clock, freshness)
        self._verified = VerifiedTokens(remembered)

    async def verify(self, token: str) -> Principal:
        """Return whom the token speaks for.

        Raises TokenRefused when a proof is missing (the first of the list above), IssuerUnreachable
        when its issuer's keys are needed and cannot be had. A token once proven counts until it
        expires or the issuer withdraws its key, whichever is known first.
        """
        header = read_header(token, self._trusted.algorithms)  # 1 to 4
        published = await self.provider.current()
        now = self._clock.now()
        known = self._verified.recall(token, now, published)
        if known is not None:
            return known
        signed = await proven_claims(self.provider, token, header, published)  # 5 and 6
        principal = read_principal(  # 7 to 14
            signed.claims,
            self._trusted,
            self._clock.now(),
            is_declared_access_token=header.is_declared_access_token,
        )
        self._verified.remember(token, principal, signed.key.thumbprint)
        return principal

    async def ready(self) -> None:
        """Return once the issuer's keys are at hand; for readiness probes.

        Raises IssuerUnreachable with what the operator should look at.
        """
        await self.provider.current()

    async def aclose(self) -> None:
        """Stop what runs in the background."""
        await self.provider.aclose()
