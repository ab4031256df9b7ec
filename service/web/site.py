"""The site: every page in one small app of its own, so that whatever fails is still a page.

Each module of pages has its `ROUTES`; adding a module is adding it to `_MODULES`.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar, Final

from sqlalchemy.exc import DBAPIError
from starlette.applications import Starlette
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, ExceptionHandler, Receive, Scope, Send

from service.audit.bounded import TooMuch
from service.auth.problems import IssuerUnreachable
from service.decisions.follower import NotThereYet
from service.decisions.log import LogUnavailable
from service.domain.refusal import RefusalKind, Refused
from service.ledger.append import AppenderDown, OutcomeUnknown
from service.ledger.events import LedgerBroken
from service.ledger.head import HeadUnknown
from service.ledger.ledger_clock import ClocksDisagree
from service.sealing.period import SealedUnreadable
from service.storage.objects import StoreUnavailable
from service.transparency.signer import NotSignedYet
from service.web import (
    audit_consents,
    audit_decisions,
    audit_exports,
    audit_notices,
    audit_overview,
    audit_search,
    audit_subjects,
    decision_sheet,
    opt_out,
    public_policies,
    roster_pages,
    settings_files,
    settings_pages,
    sign_in,
    static_files,
)
from service.web.audit_trouble import is_of_console, not_allowed, trouble
from service.web.chosen_language import RememberLanguage
from service.web.context import NotAuditor, NotSignedIn, send_to_sign_in, web_of
from service.web.csrf import BadForm, ForeignForm
from service.web.framing import bare_frame
from service.web.session import KeepSessions
from service.web.templates import language_for

_MODULES: Final = (
    sign_in,
    opt_out,
    public_policies,
    settings_pages,
    settings_files,
    roster_pages,
    audit_overview,
    audit_consents,
    audit_notices,
    audit_decisions,
    audit_exports,
    audit_subjects,
    decision_sheet,
    audit_search,
    static_files,
)
_OPENS: Final = frozenset({"GET", "HEAD"})
_PREFIXES: Final = ("settings", "opt-out", "policies", "audit", "static")
_log = logging.getLogger(__name__)


EXPLAINED: Final = (
    "charter_not_opened",
    "delegate_may_not_opt_in",
    "unknown_artist",
    "unknown_content",
    "unknown_notice",
    "unknown_record",
)
"""Codes of refusals that the page of trouble has a sentence for."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Says what went wrong and what to do.

    `kind` is "signed_out", "foreign_form", "bad_form", "too_large", "not_found", "wrong_method",
    "refused", "not_shown", "unavailable", "unknown_outcome" or "broken"; `reasons` are those of a
    refusal that a page can explain, by their codes; for others it says that it was refused.
    """

    template: ClassVar[str] = "trouble.html.j2"
    kind: str
    reasons: tuple[str, ...] = ()


def site(state: State) -> Starlette:
    """Return the app of all pages; `state.web` is to hold its `WebServices` once it is asked."""
    app = Starlette(
        routes=[route for module in _MODULES for route in module.ROUTES],
        middleware=[Middleware(RememberLanguage), Middleware(KeepSessions)],
        exception_handlers=dict(_HANDLERS),
    )
    app.state = state
    app.router.redirect_slashes = False
    return app


class Pages:
    """An ASGI layer that hands the addresses of pages to the site and leaves the rest."""

    def __init__(self, app: ASGIApp, site: ASGIApp) -> None:
        """Put the site in front of an app."""
        self._app = app
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Choose by the first part of the path."""
        is_page = scope["type"] == "http" and scope["path"].split("/")[1:2] in _FIRST_PARTS
        await (self._site if is_page else self._app)(scope, receive, send)


_FIRST_PARTS: Final = [[prefix] for prefix in _PREFIXES]


def _page(request: Request, status: HTTPStatus, kind: str, *reasons: str) -> Response:
    if is_of_console(request):
        return trouble(request, status, kind)
    return web_of(request).templates.response(
        Trouble(kind, reasons), language_for(request), bare_frame(request), status
    )


async def _not_signed_in(request: Request, _: Exception) -> Response:
    if request.method in _OPENS:
        return send_to_sign_in(request)
    # No redirect: `form-action 'self'` has browsers follow none of a form's to the provider, so
    # that a no given after the session ended would come to nothing, and nobody would say so.
    return _page(request, HTTPStatus.FORBIDDEN, "signed_out")


async def _not_auditor(request: Request, error: Exception) -> Response:
    if not isinstance(error, NotAuditor):
        raise error
    return not_allowed(request, error.session.subject)


async def _too_much(request: Request, _: Exception) -> Response:
    return _page(request, HTTPStatus.SERVICE_UNAVAILABLE, "too_much")


async def _foreign_form(request: Request, _: Exception) -> Response:
    return _page(request, HTTPStatus.FORBIDDEN, "foreign_form")


async def _bad_form(request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, BadForm) else HTTPStatus.BAD_REQUEST
    too_large = status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    response = _page(request, status, "too_large" if too_large else "bad_form")
    response.headers["Connection"] = "close"  # the rest of the body is not read
    return response


_REFUSED: Final[Mapping[RefusalKind, HTTPStatus]] = {
    RefusalKind.UNKNOWN: HTTPStatus.NOT_FOUND,
    RefusalKind.CONFLICT: HTTPStatus.CONFLICT,
    RefusalKind.NOT_ALLOWED: HTTPStatus.FORBIDDEN,
    RefusalKind.PRECONDITION_REQUIRED: HTTPStatus.PRECONDITION_REQUIRED,
    RefusalKind.OUTDATED: HTTPStatus.PRECONDITION_FAILED,
}


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, Refused):
        raise error
    if error.kind is RefusalKind.UNKNOWN and request.method in {"GET", "HEAD"}:
        return _page(request, HTTPStatus.NOT_FOUND, "not_found")
    status = _REFUSED.get(error.kind, HTTPStatus.UNPROCESSABLE_ENTITY)
    codes = dict.fromkeys(one.code for one in error.refusals)  # each once, in order
    return _page(request, status, "refused", *(code for code in codes if code in EXPLAINED))


async def _http(request: Request, error: Exception) -> Response:
    status = HTTPStatus(error.status_code if isinstance(error, HTTPException) else 500)
    kinds = {
        HTTPStatus.NOT_FOUND: "not_found",
        HTTPStatus.METHOD_NOT_ALLOWED: "wrong_method",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too_large",
    }
    response = _page(request, status, kinds.get(status, "bad_form"))
    if isinstance(error, HTTPException) and error.headers:
        response.headers.update(error.headers)
    return response


async def _unavailable(request: Request, error: Exception) -> Response:
    _log.error("a page cannot be served now", exc_info=error)
    # Whoever opens a page may just have been led here by a form that was taken.
    kind = "not_shown" if request.method in _OPENS else "unavailable"
    response = _page(request, HTTPStatus.SERVICE_UNAVAILABLE, kind)
    response.headers["Retry-After"] = "5"
    return response


async def _unknown_outcome(request: Request, error: Exception) -> Response:
    _log.error("what became of a form is not known", exc_info=error)
    return _page(request, HTTPStatus.SERVICE_UNAVAILABLE, "unknown_outcome")


async def _broken(request: Request, _: Exception) -> Response:
    return _page(request, HTTPStatus.INTERNAL_SERVER_ERROR, "broken")


_CANNOT: Final = (
    AppenderDown,
    ClocksDisagree,
    ConnectionError,
    DBAPIError,
    HeadUnknown,
    IssuerUnreachable,
    LedgerBroken,
    LogUnavailable,
    SealedUnreadable,
    StoreUnavailable,
    NotSignedYet,
    NotThereYet,
    TimeoutError,
)
_HANDLERS: Final[Mapping[type[Exception], ExceptionHandler]] = {
    NotSignedIn: _not_signed_in,
    NotAuditor: _not_auditor,
    TooMuch: _too_much,
    ForeignForm: _foreign_form,
    BadForm: _bad_form,
    Refused: _refused,
    HTTPException: _http,
    OutcomeUnknown: _unknown_outcome,
    **dict.fromkeys(_CANNOT, _unavailable),
    Exception: _broken,
}
