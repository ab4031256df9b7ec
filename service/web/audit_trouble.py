"""What is answered under `/audit` instead of a page: that somebody may not, or what went wrong."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar, Final

from starlette.requests import Request
from starlette.responses import Response

from service.auth.scopes import Scope
from service.web.audit_frame import english
from service.web.context import AUDIT, SIGN_IN, web_of
from service.web.framing import bare_frame

_ROOT: Final = AUDIT.lstrip("/")


@dataclass(frozen=True, slots=True)
class NotAllowed:
    """Says that the person signed in is none of the compliance staff, and what to do.

    `again` signs in anew and asks for the scope.
    """

    template: ClassVar[str] = "audit/not_allowed.html.j2"

    person: str
    scope: str
    again: str


@dataclass(frozen=True, slots=True)
class AuditTrouble:
    """Says what went wrong and what to do; `kind` is one of those of `site.Trouble`."""

    template: ClassVar[str] = "audit/trouble.html.j2"

    kind: str


def is_of_console(request: Request) -> bool:
    """Tell whether a request is for the console."""
    return request.url.path.split("/")[1:2] == [_ROOT]


def not_allowed(request: Request, person: str) -> Response:
    """Answer somebody who is signed in and may not see the console."""
    page = NotAllowed(person, Scope.AUDIT.value, f"{SIGN_IN}?to={AUDIT}")
    return web_of(request).templates.response(
        page, english(), bare_frame(request), HTTPStatus.FORBIDDEN
    )


def trouble(request: Request, status: HTTPStatus, kind: str) -> Response:
    """Answer a request for the console that has come to nothing."""
    return web_of(request).templates.response(
        AuditTrouble(kind), english(), bare_frame(request), status
    )
