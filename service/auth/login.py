"""Signing in by OpenID Connect: the authorization code flow with PKCE, for one client.

What must hold before somebody is signed in (L1 to L8; the numbers return in the code and in
`tests/auth/test_login.py`; of the ID token itself, see id_token.py):

L1  The browser that comes back is the one that was sent: it brings the sealed `Attempt` along.
L2  The answer is to this very attempt: it repeats its `state`.
L3  The answer is the trusted issuer's: an `iss` in it, which an issuer that announces it must send,
    is the issuer's name (RFC 9207).
L4  The code is given for this attempt alone: only we know the verifier whose S256 challenge went
    ahead (RFC 7636). `plain` is never used.
L5  The code is exchanged over the issuer's own endpoint, which is as safe as the issuer: https for
    an https issuer; without following a redirect, in bounded size and time.
L6  The ID token comes from that endpoint, not by way of the browser.
L7  It is proven, and its `nonce` is this attempt's.
L8  Of the access token that comes with it counts which of the scopes this sign-in asked for it
    carries, once it is proven as the API proves one (verifier.py) and is the same person's. Then it
    is dropped: pages act by the session alone.
"""

import asyncio
import hmac
import json
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from urllib.parse import parse_qsl, quote_plus, urlsplit

import httpx2
from authlib.integrations.httpx_client import OAuth2ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from service.auth.id_token import IdTokens
from service.auth.problems import IssuerUnreachable, TokenRefused
from service.auth.provider import ProviderKeys
from service.auth.scopes import Scope
from service.auth.trusted_issuer import TrustedIssuer, is_loopback, require_safe_url
from service.auth.verifier import TokenVerifier
from service.clock import Clock

CALLBACK_PATH: Final = "/settings/callback"
SIGNED_OUT_PATH: Final = "/settings/signed-out"
"""Both are registered with the provider, beneath `public_url`: where it sends browsers back to."""

_OPENID: Final = "openid"
_LARGEST_ANSWER: Final = 1 << 18  # bytes
_TIMEOUT_S: Final = 10
_START_AGAIN: Final = frozenset({"invalid_grant"})
_SHOWN: Final = 200
_logger = logging.getLogger(__name__)


class LoginTrouble(StrEnum):
    """Why somebody is not signed in, as far as it makes a difference to what they can do."""

    DECLINED = "declined"
    """The provider asked them, and they, or it, said no."""
    NOT_BEGUN = "not_begun"
    """This browser began no such sign-in, or too long ago, or has finished it. Start again."""
    UNREACHABLE = "unreachable"
    """The provider does not answer. Try again in a while."""
    MISCONFIGURED = "misconfigured"
    """The provider does not take us for its client, or we do not trust its answer."""


class LoginFailed(Exception):  # noqa: N818 -- an outcome
    """Nobody is signed in. `detail` is for the operator; it holds no code and no token."""

    def __init__(self, trouble: LoginTrouble, detail: str) -> None:
        """Keep both."""
        super().__init__(f"{trouble}: {detail}")
        self.trouble = trouble
        self.detail = detail


@dataclass(frozen=True, slots=True)
class LoginClient:
    """This service as the provider knows it. A public client has no secret.

    `public_url` is where browsers reach the pages. Raises ValueError where that is not https (http
    only on loopback): cookies and codes would be anybody's on the way.
    """

    client_id: str
    public_url: str
    secret: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Refuse what could never be safe."""
        require_safe_url(self.public_url, "the public URL")

    def address(self, path: str) -> str:
        """Return where a browser finds one of our paths."""
        return self.public_url.rstrip("/") + path


@dataclass(frozen=True, slots=True)
class Attempt:
    """One login that was begun. The browser keeps it, sealed, until it comes back.

    `scopes` are those that it asks for, beyond knowing who somebody is.
    """

    state: str
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)
    scopes: frozenset[Scope] = frozenset()


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """Who logged in, the ID token that says so, and which scopes asked for they were given."""

    subject: str
    id_token: str = field(repr=False)
    scopes: frozenset[Scope] = frozenset()


class Login:
    """Sends browsers to the trusted issuer and hears who comes back."""

    def __init__(
        self,
        trusted: TrustedIssuer,
        client: LoginClient,
        provider: ProviderKeys,
        http: httpx2.AsyncClient,
        clock: Clock,
        *,
        tokens: TokenVerifier | None = None,
        random: Callable[[int], str] = secrets.token_urlsafe,
    ) -> None:
        """Ask through `http`, which stays the caller's to close.

        `tokens` proves access tokens of the same issuer; without it nobody is given any scope.
        """
        self.client = client
        self.issuer = trusted.issuer
        self._id_tokens = IdTokens(trusted, client.client_id, provider, clock)
        self._provider = provider
        self._http = http
        self._tokens = tokens
        self._random = random

    async def begin(self, scopes: Iterable[Scope] = ()) -> tuple[str, Attempt]:
        """Return where to send the browser, and what it must bring back. Raises LoginFailed.

        `scopes` are asked for besides who somebody is; whether they are given, `finish` tells.
        """
        asked = frozenset(scopes)
        attempt = Attempt(self._random(32), self._random(32), self._random(48), asked)
        url = prepare_grant_uri(
            await self._endpoint("authorization_endpoint"),
            client_id=self.client.client_id,
            response_type="code",
            redirect_uri=self.client.address(CALLBACK_PATH),
            scope=" ".join([_OPENID, *sorted(asked)]),
            state=attempt.state,
            nonce=attempt.nonce,
            code_challenge=create_s256_code_challenge(attempt.code_verifier),  # L4
            code_challenge_method="S256",
        )
        return str(url), attempt

    async def finish(self, attempt: Attempt, query: str) -> LoggedIn:
        """Return who logged in, by the query that the provider sent the browser back with.

        Raises LoginFailed. A code counts once: the provider sees to that.
        """
        answer = dict(parse_qsl(query))
        if not hmac.compare_digest(answer.get("state", "").encode(), attempt.state.encode()):  # L2
            raise LoginFailed(LoginTrouble.NOT_BEGUN, "the state is that of another sign-in")
        await self._check_sender(answer)
        if "error" in answer:
            raise _refused(answer)
        tokens = await self._exchanged(answer.get("code", ""), attempt)
        id_token = tokens["id_token"]
        try:
            subject = await self._id_tokens.subject(id_token, attempt.nonce)  # L7
            scopes = await self._given(attempt.scopes, subject, tokens.get("access_token"))  # L8
            return LoggedIn(subject, id_token, scopes)
        except TokenRefused as refused:
            detail = f"the ID token is refused: {refused.reason}: {refused.detail}"
            raise LoginFailed(LoginTrouble.MISCONFIGURED, detail) from refused
        except IssuerUnreachable as unreachable:
            raise LoginFailed(LoginTrouble.UNREACHABLE, unreachable.detail) from unreachable

    async def sign_out_address(self, id_token: str | None) -> str | None:
        """Return where the browser can end its session with the provider too, if it offers that.

        None as well where the provider cannot be asked: signing out here must not wait for it.
        (OpenID Connect RP-Initiated Logout 1.0, section 2.)
        """
        try:
            if "end_session_endpoint" not in await self._metadata():
                return None
            endpoint = await self._endpoint("end_session_endpoint")
        except LoginFailed as failed:
            _logger.warning("signing out at the provider is not offered: %s", failed.detail)
            return None
        asked = {
            "client_id": self.client.client_id,
            "post_logout_redirect_uri": self.client.address(SIGNED_OUT_PATH),
        }
        if id_token is not None:
            asked["id_token_hint"] = id_token
        return str(httpx2.URL(endpoint).copy_merge_params(asked))

    async def _check_sender(self, answer: Mapping[str, str]) -> None:
        announced = (await self._metadata()).get("authorization_response_iss_parameter_supported")
        sender = answer.get("iss")
        if sender != self.issuer and (sender is not None or announced is True):  # L3
            raise LoginFailed(
                LoginTrouble.MISCONFIGURED, f"the answer is of {sender!r:.{_SHOWN}}, not the issuer"
            )

    async def _given(
        self, asked: frozenset[Scope], subject: str, access_token: object
    ) -> frozenset[Scope]:
        """Return which of the scopes asked for somebody was given. Raises IssuerUnreachable.

        What cannot be proven gives none, and the operator is told why: signing in goes on.
        """
        if not asked or self._tokens is None:
            return frozenset()
        try:
            principal = await self._tokens.verify(str(access_token))
        except TokenRefused as refused:
            _logger.warning(
                "whoever signed in is not given %s: their access token is refused: %s: %s",
                " ".join(sorted(asked)),
                refused.reason,
                refused.detail,
            )
            return frozenset()
        return asked & principal.scopes if principal.subject == subject else frozenset()

    async def _exchanged(self, code: str, attempt: Attempt) -> Mapping[str, Any]:
        """Return the tokens for a code, an ID token among them (RFC 6749 section 4.1.3)."""
        if not code:
            raise LoginFailed(LoginTrouble.MISCONFIGURED, "the answer has neither code nor error")
        form = prepare_token_request(
            "authorization_code",
            redirect_uri=self.client.address(CALLBACK_PATH),
            code=code,
            code_verifier=attempt.code_verifier,
        )
        answer = await self._posted(await self._endpoint("token_endpoint"), form)
        if "error" in answer:
            raise _refused(answer)
        if not isinstance(answer.get("id_token"), str):  # L6
            raise LoginFailed(LoginTrouble.MISCONFIGURED, "the provider sent no ID token")
        return answer

    async def _posted(self, url: str, form: str) -> Mapping[str, Any]:
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # so that the bound is one on what we hold in memory
            "Content-Type": "application/x-www-form-urlencoded",
        }
        body = bytearray()
        try:
            async with (
                asyncio.timeout(_TIMEOUT_S),  # L5
                self._http.stream(
                    "POST",
                    url,
                    content=form,
                    headers=headers,
                    auth=await self._authentication(),
                    follow_redirects=False,
                ) as answer,
            ):
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > _LARGEST_ANSWER:
                        break
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
            detail = f"{url} cannot be asked: {type(error).__name__} {error}"
            raise LoginFailed(LoginTrouble.UNREACHABLE, detail) from error
        return _token_answer(url, answer.status_code, bytes(body))

    async def _authentication(self) -> OAuth2ClientAuth:
        """Return how this client proves itself (RFC 6749 section 2.3.1)."""
        client = self.client
        if client.secret is None:
            return OAuth2ClientAuth(client.client_id, None, "none")
        offered = (await self._metadata()).get("token_endpoint_auth_methods_supported")
        if isinstance(offered, list) and "client_secret_basic" not in offered:
            return OAuth2ClientAuth(client.client_id, client.secret, "client_secret_post")
        # The two are encoded once more before they are joined; the library leaves that to us.
        encoded = (quote_plus(client.client_id), quote_plus(client.secret))
        return OAuth2ClientAuth(*encoded, "client_secret_basic")

    async def _endpoint(self, name: str) -> str:
        """Return one of the issuer's addresses, which must be as safe as the issuer (L5)."""
        url = (await self._metadata()).get(name)
        parts = urlsplit(url if isinstance(url, str) else "")
        plain_at_home = self.issuer.startswith("http:") and is_loopback(parts.hostname)
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and plain_at_home)
        if not isinstance(url, str) or not parts.hostname or not is_safe or parts.fragment:
            detail = f"the issuer's {name} is no https URL but {url!r:.{_SHOWN}}"
            raise LoginFailed(LoginTrouble.MISCONFIGURED, detail)
        return url

    async def _metadata(self) -> Mapping[str, object]:
        try:
            return await self._provider.metadata()
        except IssuerUnreachable as unreachable:
            raise LoginFailed(LoginTrouble.UNREACHABLE, unreachable.detail) from unreachable


def _token_answer(url: str, status: int, body: bytes) -> Mapping[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict) or not (status == httpx2.codes.OK or "error" in answer):
        detail = f"{url} answered {status} without what it should say"
        trouble = LoginTrouble.MISCONFIGURED
        if status >= httpx2.codes.INTERNAL_SERVER_ERROR:
            trouble = LoginTrouble.UNREACHABLE
        raise LoginFailed(trouble, detail)
    return answer


def _refused(answer: Mapping[str, Any]) -> LoginFailed:
    """Return the failure for an error of RFC 6749 sections 4.1.2.1 and 5.2, or OpenID's."""
    error = str(answer["error"])
    detail = f"the provider answered {error!r:.{_SHOWN}}: {answer.get('error_description')!r:.200}"
    if error in {"access_denied", "login_required", "interaction_required", "consent_required"}:
        return LoginFailed(LoginTrouble.DECLINED, detail)
    if error in _START_AGAIN:
        return LoginFailed(LoginTrouble.NOT_BEGUN, detail)
    if error in {"server_error", "temporarily_unavailable"}:
        return LoginFailed(LoginTrouble.UNREACHABLE, detail)
    return LoginFailed(LoginTrouble.MISCONFIGURED, detail)
