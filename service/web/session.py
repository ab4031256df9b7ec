"""Who is signed in: one sealed cookie, good on every replica, kept nowhere else.

What a thief of the cookie could do is bounded by time, for nothing here can take one back: 2 hours
without a request end a session, and so do 12 hours with or without.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.auth.scopes import Scope as Permission
from service.auth.scopes import known_scopes
from service.clock import Clock
from service.domain.instant import SECOND, Instant
from service.web.sealed import Seal, seconds_until

COOKIE: Final = "__Host-fermata-session"
LONGEST: Final = 12 * 3_600 * SECOND
IDLE: Final = 2 * 3_600 * SECOND
_RENEW_AFTER: Final = 300 * SECOND
_LONGEST_COOKIE: Final = 3_800  # bytes; browsers drop what is larger than 4,096 with its attributes
_RENEWED: Final = "fermata_renewed_session"

COOKIE_ATTRIBUTES: Final[Mapping[str, Any]] = {
    "path": "/",
    "secure": True,
    "httponly": True,
    "samesite": "lax",
}
"""Of every cookie here. `__Host-` has browsers insist on the first two, and on no domain."""


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in of one person.

    `subject` is the issuer's name for them, as in their access tokens. `csrf_token` goes into every
    form. `id_token` is for signing out at the issuer, where it was short enough to be kept. `may`
    is what the issuer vouched for when they signed in, beyond who they are.
    """

    subject: str
    csrf_token: str
    signed_in_at: Instant
    seen_at: Instant
    id_token: str | None = None
    may: frozenset[Permission] = frozenset()

    @property
    def expires_at(self) -> Instant:
        """From when on this is nobody's session, if it is not used again."""
        return min(self.signed_in_at + LONGEST, self.seen_at + IDLE)


class Sessions:
    """Opens and seals the sessions of one issuer's people."""

    def __init__(
        self,
        key: bytes,
        issuer: str,
        clock: Clock,
        *,
        random: Callable[[int], str] = secrets.token_urlsafe,
    ) -> None:
        """Seal with 32 bytes that all replicas share and nobody else has."""
        self._seal = Seal(key, f"fermata-session+{issuer}")
        self._clock = clock
        self._random = random

    def start(
        self, subject: str, id_token: str | None, may: frozenset[Permission] = frozenset()
    ) -> Session:
        """Return a new session, which has nothing in common with any before it."""
        now = self._clock.now()
        return Session(subject, self._random(32), now, now, id_token, may)

    def of(self, request: Request) -> Session | None:
        """Return whose request it is, or None. Being used prolongs a session, by `KeepSessions`."""
        now = self._clock.now()
        session = _session(self._seal.open(request.cookies.get(COOKIE), now))
        if session is not None and now - session.seen_at >= _RENEW_AFTER:
            session = replace(session, seen_at=now)
            setattr(request.state, _RENEWED, self._cookie(session))
        return session

    def remember(self, response: Response, session: Session) -> None:
        """Have the browser keep the session."""
        response.raw_headers.append((b"set-cookie", self._cookie(session)))

    def forget(self, response: Response) -> None:
        """Have the browser drop whatever session it has."""
        response.delete_cookie(COOKIE, **COOKIE_ATTRIBUTES)

    def _cookie(self, session: Session) -> bytes:
        sealed = self._sealed(session)
        if len(sealed) > _LONGEST_COOKIE:
            sealed = self._sealed(replace(session, id_token=None))
        response = Response()
        age = seconds_until(session.expires_at, self._clock.now())
        response.set_cookie(COOKIE, sealed, max_age=age, **COOKIE_ATTRIBUTES)
        return response.headers["set-cookie"].encode("latin-1")

    def _sealed(self, session: Session) -> str:
        value = {
            "sub": session.subject,
            "csrf": session.csrf_token,
            "since": session.signed_in_at,
            "seen": session.seen_at,
            "hint": session.id_token,
            "may": sorted(session.may),
        }
        return self._seal.close(value, session.expires_at)


class KeepSessions:
    """An ASGI layer that sends the prolonged cookie of a session that has been used."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the pages."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the cookie, unless the page itself has said what becomes of the session."""

        async def sent(message: Message) -> None:
            renewed = scope.get("state", {}).get(_RENEWED)
            if message["type"] == "http.response.start" and renewed is not None:
                headers = MutableHeaders(scope=message)
                if not any(COOKIE in cookie for cookie in headers.getlist("set-cookie")):
                    message["headers"].append((b"set-cookie", renewed))
            await send(message)

        await self._app(scope, receive, sent)


def _session(value: Mapping[str, Any] | None) -> Session | None:
    if value is None:
        return None
    may = known_scopes(value.get("may", ()))  # cookies of the release before this one have none
    return Session(value["sub"], value["csrf"], value["since"], value["seen"], value["hint"], may)
