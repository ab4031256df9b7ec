"""The local issuer's sign-in: a page that believes whatever it is told, for development only.

Everything else about it is as of a real provider: authorization code, PKCE with S256 always, codes
that count once and not for long. Browsers are sent back to the settings page of this machine alone.
"""

import hmac
import json
import secrets
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from service.auth.local_codes import Codes, CodesInMemory
from service.auth.local_grant import SETTINGS_PAGE, GrantRefused
from service.auth.login import CALLBACK_PATH
from service.auth.scopes import Scope, known_scopes
from service.auth.trusted_issuer import is_loopback
from service.clock import Clock
from service.domain.instant import SECOND

GIVEN_TO_PEOPLE: Final = frozenset({Scope.AUDIT})
"""What somebody who signs in may be given besides their own consents, where it is asked for."""

_CODE_LIFETIME_S: Final = 60
_CHALLENGE: Final = 43  # characters of a SHA-256 in base64url
_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
)
_STYLE: Final = (
    ":root{color-scheme:light dark;font:1.125rem/1.5 system-ui,sans-serif}"
    "body{max-width:32rem;margin:10vh auto;padding:0 1rem}"
    "input,button{font:inherit;padding:.5rem .75rem;min-height:2.75rem}"
    "input[name=subject]{display:block;width:100%;box-sizing:border-box;margin:.25rem 0 1rem}"
)
_STYLE_HASH: Final = b64encode(sha256(_STYLE.encode()).digest()).decode()


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """What a client asks for (RFC 6749 section 4.1.1, RFC 7636 section 4.3), found good."""

    client_id: str
    redirect_uri: str
    response_type: str
    scope: str
    code_challenge: str
    code_challenge_method: str
    state: str
    nonce: str

    def answer(self, code: str, issuer: str) -> str:
        """Return where to send the browser back to, with a code."""
        return self._back({"code": code, "iss": issuer})

    def without(self, scope: str) -> "AuthorizationRequest":
        """Return the same request, but for one scope that is not given."""
        left = [word for word in self.scope.split() if word != scope]
        return replace(self, scope=" ".join(left))

    def declined(self, issuer: str) -> str:
        """Return where to send the browser back to, of somebody who would not sign in."""
        return self._back({"error": "access_denied", "iss": issuer})

    def _back(self, answer: Mapping[str, str]) -> str:
        return f"{self.redirect_uri}?{urlencode({**answer, 'state': self.state})}"


@dataclass(frozen=True, slots=True)
class SignIn:
    """Somebody who said who they are, and the scopes they may have that were asked for."""

    subject: str
    client_id: str
    nonce: str | None
    scopes: frozenset[Scope] = frozenset()


def read_request(asked: Mapping[str, str]) -> AuthorizationRequest | GrantRefused:
    """Read a request from a query, or from the page's form. Nobody is sent back where it is bad."""
    names = [one.name for one in fields(AuthorizationRequest)]
    request = AuthorizationRequest(**{name: asked.get(name, "") for name in names})
    back = urlsplit(request.redirect_uri)
    at_home = back.scheme == "http" and is_loopback(back.hostname) and not back.query
    if request.client_id != SETTINGS_PAGE:
        return GrantRefused(
            "unauthorized_client", f"only {SETTINGS_PAGE} may ask people to sign in"
        )
    if not at_home or back.path != CALLBACK_PATH or back.fragment:
        return GrantRefused(
            "invalid_request", f"redirect_uri must be this machine's {CALLBACK_PATH}"
        )
    if request.response_type != "code":
        return GrantRefused("unsupported_response_type", "send response_type=code")
    if "openid" not in request.scope.split():
        return GrantRefused("invalid_scope", "send scope=openid")
    if request.code_challenge_method != "S256" or len(request.code_challenge) != _CHALLENGE:
        return GrantRefused("invalid_request", "send a code_challenge by S256 (RFC 7636)")
    return request


class LocalLogins:
    """Remembers who signed in until their code is redeemed."""

    def __init__(
        self,
        clock: Clock,
        codes: Codes | None = None,
        *,
        random: Callable[[int], str] = secrets.token_urlsafe,
    ) -> None:
        """Start with what is in `codes`; without one, remember in this process alone."""
        self._clock = clock
        self._codes = CodesInMemory() if codes is None else codes
        self._random = random

    def sign_in(self, request: AuthorizationRequest, subject: str) -> str:
        """Return a code for whoever says to be `subject`; it counts once, for a minute."""
        code = self._random(32)
        expires_at = self._clock.now() + _CODE_LIFETIME_S * SECOND
        self._codes.put(code, json.dumps([asdict(request), subject, expires_at]))
        return code

    def redeem(self, form: Mapping[str, str]) -> SignIn | GrantRefused:
        """Return who signed in. A code is spent by the first who tries, however they fare."""
        known = self._codes.take(form.get("code", ""))
        kept, subject, expires_at = json.loads(known or "[null, null, 0]")
        if kept is None or self._clock.now() >= expires_at:
            return GrantRefused("invalid_grant", "no such code, or it has been used, or is too old")
        request = AuthorizationRequest(**kept)
        if form.get("client_id") != request.client_id:
            return GrantRefused("invalid_grant", "the code was given to another client")
        if form.get("redirect_uri") != request.redirect_uri:
            return GrantRefused("invalid_grant", "the code was sent to another redirect_uri")
        challenge = create_s256_code_challenge(form.get("code_verifier", ""))
        if not hmac.compare_digest(challenge.encode(), request.code_challenge.encode()):
            return GrantRefused("invalid_grant", "the code_verifier does not fit the challenge")
        scopes = known_scopes(request.scope.split()) & GIVEN_TO_PEOPLE
        return SignIn(subject, request.client_id, request.nonce or None, scopes)


def login_page(request: AuthorizationRequest, action: str) -> Response:
    """Return the page on which a developer says whom to sign in as."""
    kept = {one.name: getattr(request, one.name) for one in fields(request)}
    page = _TEMPLATES.get_template("local_sign_in.html.j2").render(
        action=action,
        kept=kept,
        style=_STYLE,
        given=sorted(known_scopes(request.scope.split()) & GIVEN_TO_PEOPLE),
    )
    back = urlsplit(request.redirect_uri)
    policy = (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
        f"frame-ancestors 'none'; form-action 'self' {back.scheme}://{back.netloc}"
    )
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return HTMLResponse(page, headers=headers)
