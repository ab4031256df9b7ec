"""Problems on the wire (RFC 9457), and the only place that knows status codes for them.

`type` is stable: clients may switch on it, and on each error's `code`.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeVar

import msgspec
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from service.auth.problems import IssuerUnreachable, Reason, TokenRefused
from service.auth.scopes import Scope
from service.decisions.capacity import Overloaded
from service.decisions.changes.reading import TooFarBehind
from service.decisions.follower import NotThereYet
from service.decisions.log import LogUnavailable
from service.domain.refusal import Refusal, RefusalKind, Refused
from service.ledger.append import AppenderDown, OutcomeUnknown
from service.ledger.events import LedgerBroken
from service.ledger.head import HeadUnknown
from service.ledger.ledger_clock import ClocksDisagree
from service.sealing.period import SealedUnreadable
from service.transparency.signer import NotSignedYet

_log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = "1"
_SUMMED_UP: Final = 3
_MOST_ERRORS: Final = 100


class MediaTypeNotTaken(Exception):  # noqa: N818 - an outcome
    """The request declares its body to be of a kind that is not read here."""

    def __init__(self, declared: str, taken: Sequence[str]) -> None:
        """Take the Content-Type that was sent, and what would do."""
        found = f"not {declared!r:.80}" if declared else "which is missing"
        super().__init__(f"send the header 'Content-Type: {taken[0]}', {found}")
        self.taken = taken


class NotAcceptable(Exception):  # noqa: N818 - an outcome
    """There is no answer of any kind that the request accepts."""


class BodyTooSlow(Exception):  # noqa: N818 - an outcome
    """The request's body did not arrive in the time there is for it."""

    def __init__(self, seconds: float) -> None:
        """Name the time."""
        super().__init__(f"a request has {seconds:g} seconds to arrive: send it in parts")


class ScopeMissing(Exception):  # noqa: N818 - an outcome
    """The token is good but carries none of the scopes that this takes."""

    def __init__(self, needed: Sequence[Scope]) -> None:
        """Name the scopes any of which would do."""
        super().__init__(" or ".join(needed))
        self.needed = needed


class BodyTooLarge(HTTPException):
    """The request's body is larger than this service takes.

    It is an HTTPException because FastAPI takes any other that reading a body raises for bad JSON.
    """

    def __init__(self, limit: int) -> None:
        """Name the limit in bytes."""
        detail = f"a request body may have at most {limit} bytes: send it in parts"
        super().__init__(HTTPStatus.REQUEST_ENTITY_TOO_LARGE.value, detail)


class BodyMalformed(Exception):  # noqa: N818 - an outcome
    """The request's body is not the JSON it has to be."""


class BodyNotJson(Exception):  # noqa: N818 - an outcome
    """The request declares its body to be something else than JSON."""

    def __init__(self, declared: str) -> None:
        """Take the Content-Type that was sent."""
        found = f"not {declared!r:.80}" if declared else "which is missing"
        super().__init__(f"send the header 'Content-Type: application/json', {found}")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: the last part of its `type`, its status and its title."""

    name: str
    status: HTTPStatus
    title: str

    @property
    def type(self) -> str:
        """The stable URI of this kind."""
        return f"urn:fermata:problem:{self.name}"


MALFORMED = Kind("malformed-request", HTTPStatus.BAD_REQUEST, "The request cannot be read")
INVALID = Kind("invalid-request", HTTPStatus.UNPROCESSABLE_ENTITY, "The request is refused")
UNAUTHENTICATED = Kind("unauthenticated", HTTPStatus.UNAUTHORIZED, "Who you are is not proven")
SCOPE_MISSING = Kind("scope-missing", HTTPStatus.FORBIDDEN, "Your token does not allow this")
NOT_ALLOWED = Kind("not-allowed", HTTPStatus.FORBIDDEN, "You may not do this")
NOT_FOUND = Kind("not-found", HTTPStatus.NOT_FOUND, "There is no such thing")
METHOD = Kind("method-not-allowed", HTTPStatus.METHOD_NOT_ALLOWED, "This cannot be done here")
CONFLICT = Kind("conflict", HTTPStatus.CONFLICT, "The state of things is in the way")
OUTDATED = Kind(
    "precondition-failed", HTTPStatus.PRECONDITION_FAILED, "What you saw is not what holds any more"
)
PRECONDITION_REQUIRED = Kind(
    "precondition-required", HTTPStatus.PRECONDITION_REQUIRED, "It has to be said what you saw"
)
TOO_FAR_BEHIND = Kind("too-far-behind", HTTPStatus.GONE, "This is too long ago to be told again")
TOO_LARGE = Kind("body-too-large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large")
NOT_TAKEN = Kind(
    "unsupported-media-type",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "The body is of a kind that is not read here",
)
NOT_ACCEPTABLE = Kind(
    "not-acceptable", HTTPStatus.NOT_ACCEPTABLE, "There is no answer of the kind you accept"
)
TOO_SLOW = Kind("body-too-slow", HTTPStatus.REQUEST_TIMEOUT, "The body did not arrive in time")
OVERLOADED = Kind(
    "overloaded", HTTPStatus.TOO_MANY_REQUESTS, "As much is asked as can be answered: try again"
)
CANNOT_KNOW = Kind(
    "cannot-know", HTTPStatus.SERVICE_UNAVAILABLE, "The answer cannot be known now: treat it as no"
)
CLOCKS = Kind(
    "clocks-disagree", HTTPStatus.SERVICE_UNAVAILABLE, "No window is trusted: treat it as no"
)
UNKNOWN_OUTCOME = Kind(
    "outcome-unknown", HTTPStatus.SERVICE_UNAVAILABLE, "It may have happened: ask again"
)
UNAVAILABLE = Kind("unavailable", HTTPStatus.SERVICE_UNAVAILABLE, "Not now: try again")
INTERNAL = Kind("internal", HTTPStatus.INTERNAL_SERVER_ERROR, "Something broke here")

_REFUSED: Final[Mapping[RefusalKind, Kind]] = {
    RefusalKind.INVALID: INVALID,
    RefusalKind.UNKNOWN: NOT_FOUND,
    RefusalKind.CONFLICT: CONFLICT,
    RefusalKind.NOT_ALLOWED: NOT_ALLOWED,
    RefusalKind.PRECONDITION_REQUIRED: PRECONDITION_REQUIRED,
    RefusalKind.OUTDATED: OUTDATED,
}

_CANNOT: Final[Mapping[type[Exception], Kind]] = {
    HeadUnknown: CANNOT_KNOW,
    NotThereYet: CANNOT_KNOW,
    LedgerBroken: CANNOT_KNOW,
    LogUnavailable: CANNOT_KNOW,
    IssuerUnreachable: CANNOT_KNOW,
    ClocksDisagree: CLOCKS,
    OutcomeUnknown: UNKNOWN_OUTCOME,
    AppenderDown: UNAVAILABLE,
    NotSignedYet: UNAVAILABLE,
    SealedUnreadable: UNAVAILABLE,
}


def problem(
    kind: Kind,
    detail: str,
    errors: Sequence[Refusal] = (),
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    """Return the response for a problem; `errors` name fields and what to do about each.

    `more` are members of this kind's own (RFC 9457 section 3.2).
    """
    body: dict[str, Any] = {
        "type": kind.type,
        "title": kind.title,
        "status": kind.status.value,
        "detail": detail,
        **more,
    }
    if errors:
        body["errors"] = [{"field": e.field, "code": e.code, "message": e.message} for e in errors]
    return Response(
        msgspec.json.encode(body), kind.status.value, dict(headers or {}), media_type=MEDIA_TYPE
    )


def _refused(_: Request, refused: Refused) -> Response:
    return problem(_REFUSED[refused.kind], _summary(refused.refusals), refused.refusals)


def _summary(refusals: Sequence[Refusal]) -> str:
    """Return the first few in one line; the rest are among the problem's errors."""
    shown = "; ".join(f"{r.field}: {r.message}" for r in refusals[:_SUMMED_UP])
    more = len(refusals) - _SUMMED_UP
    return f"{shown}; and {more} more" if more > 0 else shown


def _invalid(_: Request, error: RequestValidationError) -> Response:
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        return problem(MALFORMED, "the body is not valid JSON")
    refusals = [Refusal(_path(one["loc"]), one["type"], _message(one)) for one in found]
    return problem(INVALID, _summary(refusals), refusals[:_MOST_ERRORS])


def _message(error: Mapping[str, Any]) -> str:
    return str(error["msg"]).removeprefix("Value error, ")


def _path(location: Sequence[Any]) -> str:
    """Return `content[3].title` for ("body", "content", 3, "title")."""
    path = ""
    for part in location[1:] if len(location) > 1 else location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.removeprefix(".")


def _malformed(_: Request, error: BodyMalformed) -> Response:
    return problem(MALFORMED, str(error))


def _not_json(_: Request, error: BodyNotJson) -> Response:
    return problem(NOT_TAKEN, str(error), headers={"Accept": "application/json"})


def _not_taken(_: Request, error: MediaTypeNotTaken) -> Response:
    return problem(NOT_TAKEN, str(error), headers={"Accept": ", ".join(error.taken)})


def _not_acceptable(_: Request, error: NotAcceptable) -> Response:
    return problem(NOT_ACCEPTABLE, str(error), headers={"Vary": "Accept"})


def _too_slow(_: Request, error: BodyTooSlow) -> Response:
    return problem(TOO_SLOW, str(error), headers={"Connection": "close"})


def _too_far_behind(_: Request, error: TooFarBehind) -> Response:
    return problem(TOO_FAR_BEHIND, str(error), earliest=error.earliest)


def _overloaded(_: Request, error: Overloaded) -> Response:
    headers = {"Retry-After": str(error.retry_after)}
    return problem(OVERLOADED, str(error), headers=headers)


def _unauthenticated(_: Request, refused: TokenRefused) -> Response:
    """Say why, but not to somebody who did not try (RFC 6750 section 3.1)."""
    challenge = 'Bearer realm="fermata"'
    if refused.reason is not Reason.MISSING:
        challenge += f', error="invalid_token", error_description="{refused.reason.value}"'
    return problem(
        UNAUTHENTICATED,
        refused.detail,
        [Refusal("Authorization", refused.reason.value, refused.detail)],
        {"WWW-Authenticate": challenge},
    )


def _scope_missing(_: Request, missing: ScopeMissing) -> Response:
    challenge = f'Bearer error="insufficient_scope", scope="{" ".join(missing.needed)}"'
    detail = f"ask your OpenID provider for a token with the scope {missing}"
    return problem(SCOPE_MISSING, detail, headers={"WWW-Authenticate": challenge})


def _too_large(_: Request, error: BodyTooLarge) -> Response:
    return problem(TOO_LARGE, error.detail, headers={"Connection": "close"})


def _cannot(_: Request, error: Exception) -> Response:
    kind = next(kind for cause, kind in _CANNOT.items() if isinstance(error, cause))
    _log.error("%s: %s", kind.name, error, exc_info=error.__cause__)
    return problem(kind, str(error), headers={"Retry-After": RETRY_AFTER_SECONDS})


def _database(_: Request, error: Exception) -> Response:
    _log.error("the database cannot be reached", exc_info=error)
    detail = "the database cannot be reached"
    return problem(UNAVAILABLE, detail, headers={"Retry-After": RETRY_AFTER_SECONDS})


def _http(request: Request, error: HTTPException) -> Response:
    """Answer what the framework refuses by itself."""
    detail = str(error.detail)
    if error.status_code == HTTPStatus.NOT_FOUND:
        return problem(NOT_FOUND, "nothing is served at this path")
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(_methods_at(request))
        return problem(METHOD, f"this path takes {allowed}", headers={"Allow": allowed})
    if error.status_code == HTTPStatus.BAD_REQUEST:
        return problem(MALFORMED, "the body cannot be read as JSON in UTF-8")
    status = HTTPStatus(error.status_code)
    return problem(Kind("http", status, "The request is refused"), detail, headers=error.headers)


def _methods_at(request: Request) -> list[str]:
    """Return every method the path takes (RFC 9110 section 15.5.6)."""
    routes = iter_route_contexts(request.app.routes)
    at_path = (route for route in routes if route.path_regex.match(request.scope["path"]))
    return sorted({method for route in at_path for method in route.methods or ()})


def _internal(_: Request, error: Exception) -> Response:
    _log.error("a request broke", exc_info=error)
    return problem(INTERNAL, "the log of the service says more; nothing was permitted")


_E = TypeVar("_E", bound=Exception)


def answer_problems(app: FastAPI) -> None:
    """Make every refusal and failure of the app a problem."""

    def on(cause: type[_E], handler: Callable[[Request, _E], Response]) -> None:
        async def handle(request: Request, error: Exception) -> Response:
            return handler(request, error)  # type: ignore[arg-type] # Starlette asks by class

        handler_type: Callable[[Request, Exception], Awaitable[Response]] = handle
        app.add_exception_handler(cause, handler_type)

    on(Refused, _refused)
    on(RequestValidationError, _invalid)
    on(BodyMalformed, _malformed)
    on(BodyNotJson, _not_json)
    on(MediaTypeNotTaken, _not_taken)
    on(NotAcceptable, _not_acceptable)
    on(BodyTooSlow, _too_slow)
    on(Overloaded, _overloaded)
    on(TooFarBehind, _too_far_behind)
    on(TokenRefused, _unauthenticated)
    on(ScopeMissing, _scope_missing)
    on(BodyTooLarge, _too_large)
    for cause in _CANNOT:
        on(cause, _cannot)
    for cause in (DBAPIError, ConnectionError, TimeoutError):
        on(cause, _database)
    on(HTTPException, _http)
    on(Exception, _internal)
