"""An issuer in memory for these tests, and a clock that stands still until told."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx2
from joserfc import jwt
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from typing_extensions import override

from service.auth.provider import KeyFreshness
from service.auth.trusted_issuer import ALGORITHMS, TrustedIssuer
from service.auth.verifier import TokenVerifier
from service.domain.instant import SECOND

NOW_S = 1_800_000_000
AUDIENCE = "https://fermata.example/api"
ISSUER = "https://issuer.example/tenant/"
DISCOVERY = "https://issuer.example/tenant/.well-known/openid-configuration"
JWKS = "https://keys.example/tenant"


@dataclass
class StoppedClock:
    """Both clocks of a machine, moved by hand."""

    now_us: int = NOW_S * SECOND
    monotonic_us: int = 5 * SECOND

    def now(self) -> int:
        """The wall clock."""
        return self.now_us

    def monotonic(self) -> int:
        """The clock that never goes back."""
        return self.monotonic_us

    def advance(self, seconds: float) -> None:
        """Let time pass on both."""
        self.now_us += int(seconds * SECOND)
        self.monotonic_us += int(seconds * SECOND)


@cache
def signing_key(kind: str, kid: str = "first") -> Key:
    """A key pair; the same arguments give the same one, since making them takes time."""
    if kind == "RSA":
        return RSAKey.generate_key(2048, {"kid": kid})
    if kind in {"Ed25519", "Ed448", "X25519"}:
        return OKPKey.generate_key(kind, {"kid": kid})  # type: ignore[arg-type]
    return ECKey.generate_key(kind, {"kid": kid})


def key_for(algorithm: str, kid: str = "first") -> Key:
    """A key pair that signs by this algorithm."""
    curves = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519"}
    if algorithm in {"Ed25519", "Ed448"}:
        return signing_key(algorithm, kid)
    return signing_key(curves.get(algorithm, "RSA"), kid)


class _AnyAlgorithm(JWSRegistry):
    """Signs by whatever it is told, without joserfc's warnings."""

    @override
    def get_alg(self, name: str) -> JWSAlgModel:
        return self.algorithms[name]


def signed(header: Mapping[str, object], claims: Mapping[str, object], key: Key | None) -> str:
    """A compact JWS of these, exactly; nothing is added."""
    registry = _AnyAlgorithm(algorithms=sorted(ALGORITHMS), strict_check_header=False)
    return jwt.encode(dict(header), dict(claims), key, registry=registry, default_type=None)  # type: ignore[arg-type]


@dataclass
class MemoryIssuer:
    """Publishes `keys` and signs tokens with the first of them."""

    keys: list[Key] = field(default_factory=lambda: [signing_key("P-256")])
    requests: list[str] = field(default_factory=list)
    metadata: dict[str, object] = field(
        default_factory=lambda: {"issuer": ISSUER, "jwks_uri": JWKS}
    )
    status: dict[str, int] = field(default_factory=dict)
    """With which status an address answers what it else answers with 200."""
    padding: dict[str, int] = field(default_factory=dict)
    """How many blanks an address sends before its document."""
    answers: dict[str, Callable[[], httpx2.Response]] = field(default_factory=dict)
    answering: asyncio.Event | None = None
    """Where there is one, the issuer hangs until it is set."""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by each request; cleared by a test that waits for one."""

    def claims(self, **changes: object) -> dict[str, object]:
        """The claims of a good access token; a change to `...` leaves that claim out."""
        claims: dict[str, object] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "ana",
            "client_id": "settings-page",
            "scope": "openid fermata:consents",
            "iat": NOW_S - 5,
            "exp": NOW_S + 600,
            "jti": "one",
        } | changes
        return {name: value for name, value in claims.items() if value is not ...}

    def header(self, **changes: object) -> dict[str, object]:
        """The header of a good access token; a change to `...` leaves that one out."""
        header = {"alg": "ES256", "typ": "at+jwt", "kid": self.keys[0].kid} | changes
        return {name: value for name, value in header.items() if value is not ...}

    def token(
        self, claims: Mapping[str, object] | None = None, key: Key | None = None, **header: Any
    ) -> str:
        """A good token but for these changes."""
        return signed(self.header(**header), self.claims(**(claims or {})), key or self.keys[0])

    def id_token(self, **changes: object) -> str:
        """What a login leaves at the client, made for us as by a careless operator."""
        claims = {"scope": ..., "client_id": ..., "azp": "settings-page"} | changes
        return self.token(claims, typ="JWT")

    def hang(self) -> None:
        """Answer nothing from now on."""
        self.answering = asyncio.Event()
        self.asked.clear()

    def go_on(self) -> None:
        """Answer again, beginning with those who wait."""
        if self.answering is not None:
            self.answering.set()

    async def handle(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request as the issuer's server would."""
        url = str(request.url)
        self.requests.append(url)
        self.asked.set()
        if self.answering is not None:
            await self.answering.wait()
        if url in self.answers:
            return self.answers[url]()
        documents: dict[str, object] = {
            DISCOVERY: self.metadata,
            JWKS: {"keys": [key.as_dict(private=False) for key in self.keys]},
        }
        body = " " * self.padding.get(url, 0) + json.dumps(documents[url])
        return httpx2.Response(self.status.get(url, 200), content=body)

    @property
    def fetches(self) -> int:
        """How often the keys were asked for."""
        return self.requests.count(DISCOVERY)


def http_client(issuer: MemoryIssuer) -> httpx2.AsyncClient:
    """A client for which the issuer is the whole internet."""
    return httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle))


def verifier_of(
    issuer: MemoryIssuer,
    clock: StoppedClock,
    freshness: KeyFreshness | None = None,
    remembered: int = 100,
    **trust: object,
) -> TokenVerifier:
    """A verifier that trusts the issuer."""
    trusted = TrustedIssuer(**({"issuer": ISSUER, "audience": AUDIENCE} | trust))  # type: ignore[arg-type]
    return TokenVerifier(
        trusted, http_client(issuer), clock, freshness=freshness, remembered=remembered
    )
