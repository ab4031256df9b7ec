"""Signing in and out: to the provider and back, with nothing kept here but two sealed cookies."""

import logging
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar, Final
from urllib.parse import unquote, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from service.auth.login import (
    CALLBACK_PATH,
    SIGNED_OUT_PATH,
    Attempt,
    Login,
    LoginFailed,
    LoginTrouble,
)
from service.auth.scopes import Scope as Permission
from service.auth.trusted_issuer import is_loopback
from service.domain.instant import SECOND
from service.web.context import AUDIT, SETTINGS, SIGN_IN, NotSignedIn, posted, web_of
from service.web.framing import framed
from service.web.sealed import seconds_until
from service.web.session import COOKIE_ATTRIBUTES
from service.web.templates import PageContext, language_for

SIGN_OUT: Final = "/settings/sign-out"
COOKIE: Final = "__Host-fermata-signing-in"

_ATTEMPT_LIFETIME: Final = 900 * SECOND  # a provider may ask for more than a password
_LONGEST_WAY_BACK: Final = 2_000
_WAY_BACK: Final = re.compile(
    r"/(?:settings|audit)(?:/[\w.~!$&'()*+,;=:@%-]*)*(?:\?[\w.~!$&'()*+,;=:@%/?-]*)?", re.ASCII
)
_NO_WAY_BACK: Final = frozenset({SIGN_IN, SIGN_OUT, CALLBACK_PATH, SIGNED_OUT_PATH})
_STATUS: Final = {
    LoginTrouble.DECLINED: HTTPStatus.FORBIDDEN,
    LoginTrouble.NOT_BEGUN: HTTPStatus.BAD_REQUEST,
    LoginTrouble.UNREACHABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    LoginTrouble.MISCONFIGURED: HTTPStatus.BAD_GATEWAY,
}
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SignInTrouble:
    """Says why nobody is signed in and what to do; `trouble` is a `LoginTrouble`."""

    template: ClassVar[str] = "sign_in_trouble.html.j2"
    trouble: str
    again: str


@dataclass(frozen=True, slots=True)
class SignInNotSetUp:
    """Says that nobody can sign in here; `platform_settings` is the platform's own page, if any."""

    template: ClassVar[str] = "sign_in_not_set_up.html.j2"
    platform_settings: str | None


@dataclass(frozen=True, slots=True)
class SignedOut:
    """Says that the session here has ended; `elsewhere` ends the provider's, if it offers that."""

    template: ClassVar[str] = "signed_out.html.j2"
    elsewhere: str | None
    again: str = SIGN_IN


def way_back(to: str | None) -> str:
    """Return where to lead after sign-in: a path under /settings or /audit, else /settings."""
    if to is None or len(to) > _LONGEST_WAY_BACK or not _WAY_BACK.fullmatch(to):
        return SETTINGS
    path = urlsplit(to).path
    climbs = any(unquote(unquote(part)) in {".", ".."} for part in path.split("/"))
    return SETTINGS if climbs or path in _NO_WAY_BACK else to


def asked_for(to: str) -> frozenset[Permission]:
    """Return the scopes that somebody who is led there needs: none but for the console.

    Asked of nobody else: a provider may refuse whom it would not give them to.
    """
    is_console = to.startswith(AUDIT) and to[len(AUDIT) :][:1] in {"", "/", "?"}
    return frozenset({Permission.AUDIT}) if is_console else frozenset()


async def sign_in(request: Request) -> Response:
    """Send the browser to the provider."""
    login = web_of(request).login
    if login is None:
        return await _not_set_up(request)
    if _elsewhere_on_this_machine(request, login):
        # The provider leads back to the public URL; cookies set under another name would be lost.
        here = f"{request.url.path}?{request.url.query}"
        return RedirectResponse(login.client.address(here), HTTPStatus.SEE_OTHER)
    try:
        to = way_back(request.query_params.get("to"))
        address, attempt = await login.begin(asked_for(to))
    except LoginFailed as failed:
        return await _failed(request, failed)
    response = RedirectResponse(address, HTTPStatus.SEE_OTHER)
    _keep_attempt(request, response, attempt, to)
    return response


async def callback(request: Request) -> Response:
    """Take the browser back from the provider, and sign in whom it vouches for."""
    web = web_of(request)
    if web.login is None:
        return await _not_set_up(request)
    try:
        attempt, to = _kept_attempt(request)
        logged_in = await web.login.finish(attempt, request.url.query)
    except LoginFailed as failed:
        response = await _failed(request, failed)
    else:
        response = RedirectResponse(to, HTTPStatus.SEE_OTHER)
        session = web.sessions.start(logged_in.subject, logged_in.id_token, logged_in.scopes)
        web.sessions.remember(response, session)
    response.delete_cookie(COOKIE, **COOKIE_ATTRIBUTES)
    response.headers["Referrer-Policy"] = "no-referrer"  # the address has a code in it
    return response


async def sign_out(request: Request) -> Response:
    """End the session here, and lead on to where the provider's is ended."""
    web = web_of(request)
    try:
        session, _ = await posted(request)
    except NotSignedIn:
        return RedirectResponse(SIGNED_OUT_PATH, HTTPStatus.SEE_OTHER)
    elsewhere = await web.login.sign_out_address(session.id_token) if web.login else None
    response = await _page(request, SignedOut(elsewhere))
    web.sessions.forget(response)
    if elsewhere is not None:
        # A redirect would be a form's, and `form-action 'self'` forbids it to lead elsewhere.
        response.headers["Refresh"] = f"0; url={elsewhere}"
    return response


async def signed_out(request: Request) -> Response:
    """Say that nobody is signed in any more; where the provider leads back to."""
    return await _page(request, SignedOut(None))


async def _failed(request: Request, failed: LoginFailed) -> Response:
    if failed.trouble is not LoginTrouble.DECLINED:
        _logger.warning("a sign-in failed: %s", failed)
    page = SignInTrouble(failed.trouble.value, SIGN_IN)
    return await _page(request, page, _STATUS[failed.trouble])


async def _not_set_up(request: Request) -> Response:
    page = SignInNotSetUp(web_of(request).settings.platform_settings_url)
    return await _page(request, page, HTTPStatus.SERVICE_UNAVAILABLE)


async def _page(
    request: Request, page: PageContext, status: HTTPStatus = HTTPStatus.OK
) -> Response:
    frame = await framed(request)
    return web_of(request).templates.response(page, language_for(request), frame, status)


def _elsewhere_on_this_machine(request: Request, login: Login) -> bool:
    """Whether somebody at home came by another name of this machine than the public URL's."""
    public, here = urlsplit(login.client.public_url), request.url
    at_home = is_loopback(public.hostname) and is_loopback(here.hostname)
    return at_home and public.scheme == "http" and public.netloc != here.netloc


def _keep_attempt(request: Request, response: Response, attempt: Attempt, to: str) -> None:
    now = web_of(request).clock.now()
    expires_at = now + _ATTEMPT_LIFETIME
    value = {
        "state": attempt.state,
        "nonce": attempt.nonce,
        "verifier": attempt.code_verifier,
        "to": to,
    }
    response.set_cookie(
        COOKIE,
        web_of(request).attempts.close(value, expires_at),
        max_age=seconds_until(expires_at, now),
        **COOKIE_ATTRIBUTES,
    )


def _kept_attempt(request: Request) -> tuple[Attempt, str]:
    web = web_of(request)
    value = web.attempts.open(request.cookies.get(COOKIE), web.clock.now())
    if value is None:  # L1
        raise LoginFailed(LoginTrouble.NOT_BEGUN, "the browser brings no sealed attempt along")
    state, nonce, verifier, to = (str(value[name]) for name in ("state", "nonce", "verifier", "to"))
    return Attempt(state, nonce, verifier, asked_for(to)), to


ROUTES: Final = (
    Route(SIGN_IN, sign_in),
    Route(CALLBACK_PATH, callback),
    Route(SIGN_OUT, sign_out, methods=["POST"]),
    Route(SIGNED_OUT_PATH, signed_out),
)
