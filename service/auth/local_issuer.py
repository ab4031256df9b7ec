"""An OpenID issuer inside the process, for `make demo`, `make serve` and tests, and nothing else.

It proves nothing about anybody: whoever knows the one development secret gets any token, and
whoever sits at this machine signs in as anybody. So it has no place beside a real issuer
(`refuse_if_real_issuer`), its own URL can only be loopback, and it serves only this machine. Its
tokens never verify where a real issuer is trusted: that one has another name and other keys.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl

import httpx2
from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from service.auth.local_codes import Codes
from service.auth.local_grant import (
    SETTINGS_PAGE,
    DevelopmentClient,
    GrantRefused,
    TokenGrant,
    decide_grant,
)
from service.auth.local_key import new_signing_key
from service.auth.local_login import (
    AuthorizationRequest,
    LocalLogins,
    SignIn,
    login_page,
    read_request,
)
from service.auth.scopes import Scope
from service.auth.trusted_issuer import TrustedIssuer, is_loopback, require_safe_url
from service.clock import Clock
from service.domain.instant import SECOND

LIFETIME_S: Final = 3_600
_LARGEST_FORM: Final = 8_192  # bytes
_NO_STORE: Final = {"Cache-Control": "no-store"}  # RFC 6749 section 5.1
_DISCOVERY_PATH: Final = "/.well-known/openid-configuration"
_KEYS_PATH: Final = "/oauth/jwks"
_TOKEN_PATH: Final = "/oauth/token"  # noqa: S105 -- a path
_AUTHORIZE_PATH: Final = "/oauth/authorize"
_NOT_HERE: Final = GrantRefused("access_denied", "the local issuer serves this machine only")


class RealIssuerConfigured(RuntimeError):  # noqa: N818 -- says what it is about
    """The local issuer was asked to start beside a real one."""


def refuse_if_real_issuer(configured_issuer: str | None) -> None:
    """Raise RealIssuerConfigured if a real issuer is configured; call it before a LocalIssuer."""
    if configured_issuer is not None:
        message = (
            f"the local issuer is for development and gives anybody a token, but the issuer "
            f"{configured_issuer} is configured: switch the local issuer off, or unset the real one"
        )
        raise RealIssuerConfigured(message)


class LocalIssuer:
    """Signs access tokens (RFC 9068) with one ES256 key.

    `url` is the loopback address where `local_issuer_routes` are served, at the root. Raises
    ValueError for any other address.
    """

    def __init__(
        self,
        url: str,
        audience: str,
        clock: Clock,
        *,
        key: ECKey | None = None,
        clients: Iterable[DevelopmentClient] = (),
        codes: Codes | None = None,
    ) -> None:
        require_safe_url(url, "the local issuer")
        if not is_loopback(httpx2.URL(url).host) or httpx2.URL(url).path != "/":
            message = f"the local issuer serves this machine only, at its root, not at {url!r}"
            raise ValueError(message)
        self.url = url.rstrip("/")
        self.audience = audience
        self.clients = tuple(clients)
        self.logins = LocalLogins(clock, codes)
        self._clock = clock
        self._key = key or new_signing_key()

    @property
    def trusted(self) -> TrustedIssuer:
        """What a verifier needs to know to trust this issuer and no other."""
        return TrustedIssuer(issuer=self.url, audience=self.audience, algorithms=("ES256",))

    def mint(
        self,
        subject: str,
        client_id: str,
        scopes: Iterable[Scope],
        lifetime_s: int = LIFETIME_S,
        *,
        random: Callable[[int], str] = secrets.token_urlsafe,
    ) -> str:
        """Return an access token that counts from now for `lifetime_s` seconds.

        `random` names the token (`jti`), so that two for the same subject differ.
        """
        issued_at = self._clock.now() // SECOND
        claims: dict[str, object] = {
            "iss": self.url,
            "aud": self.audience,
            "sub": subject,
            "client_id": client_id,
            "scope": " ".join(sorted(scopes)),
            "iat": issued_at,
            "exp": issued_at + lifetime_s,
            "jti": random(16),
        }
        return self._signed("at+jwt", claims)

    def mint_id_token(self, signed_in: SignIn) -> str:
        """Return the ID token of a sign-in (OpenID Connect Core 1.0, section 2)."""
        issued_at = self._clock.now() // SECOND
        claims: dict[str, object] = {
            "iss": self.url,
            "aud": signed_in.client_id,
            "sub": signed_in.subject,
            "iat": issued_at,
            "exp": issued_at + LIFETIME_S,
            "auth_time": issued_at,
        }
        if signed_in.nonce is not None:
            claims["nonce"] = signed_in.nonce
        return self._signed("JWT", claims)

    def _signed(self, kind: str, claims: dict[str, object]) -> str:
        header = {"alg": "ES256", "typ": kind, "kid": self._key.kid}
        return jwt.encode(header, claims, self._key, algorithms=["ES256"])

    def discovery(self) -> dict[str, object]:
        """Return the metadata of OpenID Connect Discovery 1.0 section 3, as far as there are any.

        There are no sessions here, so nothing to sign out of.
        """
        return {
            "issuer": self.url,
            "jwks_uri": self.url + _KEYS_PATH,
            "token_endpoint": self.url + _TOKEN_PATH,
            "authorization_endpoint": self.url + _AUTHORIZE_PATH,
            "authorization_response_iss_parameter_supported": True,
            "grant_types_supported": ["authorization_code", "client_credentials"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": [
                "client_secret_basic",
                "client_secret_post",
                "none",
            ],
            "scopes_supported": ["openid", *sorted(Scope)],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        }

    def key_set(self) -> dict[str, object]:
        """Return the public half of the key as a JWK Set (RFC 7517 section 5)."""
        return {"keys": [self._key.as_dict(private=False)]}


def local_issuer_routes(issuer: LocalIssuer) -> list[Route]:
    """Return the issuer's routes, to be served at the root of its URL.

    This is the one place in this room with status codes: OAuth's own, which RFC 6749 section 5.2
    prescribes.
    """

    async def discovery(_: Request) -> Response:
        return JSONResponse(issuer.discovery())

    async def key_set(_: Request) -> Response:
        return JSONResponse(issuer.key_set(), media_type="application/jwk-set+json")

    async def token(request: Request) -> Response:
        if not _from_this_machine(request):
            return _refusal(_NOT_HERE, HTTPStatus.FORBIDDEN)
        form = await _form(request)
        return _token_answer(issuer, form, request.headers.get("authorization"))

    async def authorize(request: Request) -> Response:
        if not _from_this_machine(request):
            return _refusal(_NOT_HERE, HTTPStatus.FORBIDDEN)
        form = await _form(request) if request.method == "POST" else {}
        asked = read_request(form or request.query_params)
        if isinstance(asked, GrantRefused):
            return _refusal(asked, HTTPStatus.BAD_REQUEST)
        return _asked_to_sign_in(issuer, asked, form)

    return [
        Route(_DISCOVERY_PATH, discovery),
        Route(_KEYS_PATH, key_set),
        Route(_TOKEN_PATH, token, methods=["POST"]),
        Route(_AUTHORIZE_PATH, authorize, methods=["GET", "POST"]),
    ]


def _token_answer(
    issuer: LocalIssuer, form: Mapping[str, str], authorization: str | None
) -> Response:
    id_token: dict[str, str] = {}
    granted: TokenGrant | GrantRefused
    if form.get("grant_type") == "authorization_code":
        signed_in = issuer.logins.redeem(form)
        if isinstance(signed_in, GrantRefused):
            return _refusal(signed_in, HTTPStatus.BAD_REQUEST)
        scopes = frozenset({Scope.CONSENTS}) | signed_in.scopes
        granted = TokenGrant(signed_in.subject, SETTINGS_PAGE, scopes)
        id_token = {"id_token": issuer.mint_id_token(signed_in)}
    else:
        granted = decide_grant(issuer.clients, form, authorization)
    if isinstance(granted, GrantRefused):
        return _refusal(granted, HTTPStatus.BAD_REQUEST)
    answer = {
        "access_token": issuer.mint(granted.subject, granted.client_id, granted.scopes),
        "token_type": "Bearer",
        "expires_in": LIFETIME_S,
        "scope": " ".join(sorted(granted.scopes)),
    }
    return JSONResponse(answer | id_token, headers=_NO_STORE)


def _asked_to_sign_in(
    issuer: LocalIssuer, asked: AuthorizationRequest, form: Mapping[str, str]
) -> Response:
    subject = form.get("subject", "").strip()
    if "decline" in form:
        return _back(asked.declined(issuer.url))
    if not subject:
        return login_page(asked, _AUTHORIZE_PATH)
    code = issuer.logins.sign_in(asked.without(form.get("without", "")), subject)
    return _back(asked.answer(code, issuer.url))


def _back(address: str) -> Response:
    return RedirectResponse(address, HTTPStatus.SEE_OTHER, headers=_NO_STORE)


def local_http_client(issuer: LocalIssuer) -> httpx2.AsyncClient:
    """Return a client for the issuer's own verifier that never leaves the process.

    So a service need not listen yet to prove its first token.
    """
    app = Starlette(routes=local_issuer_routes(issuer))
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app))


def _from_this_machine(request: Request) -> bool:
    """Whether the request came over loopback and meant to.

    The Host header is asked too: a web page whose name was pointed at this machine (DNS rebinding)
    has its own name there.
    """
    peer = request.client.host if request.client else None
    return is_loopback(peer) and is_loopback(request.url.hostname)


async def _form(request: Request) -> dict[str, str]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_FORM:
            return {}
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _refusal(refused: GrantRefused, status: HTTPStatus) -> Response:
    headers = dict(_NO_STORE)
    if refused.error == "invalid_client":
        status = HTTPStatus.UNAUTHORIZED
        headers["WWW-Authenticate"] = 'Basic realm="fermata local issuer"'
    answer = {"error": refused.error, "error_description": refused.description}
    return JSONResponse(answer, status_code=status, headers=headers)
