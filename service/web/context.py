"""What every page works with: one process's services, and the person who is signed in."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from service.auth.login import Login
from service.auth.scopes import Scope as Permission
from service.clock import Clock
from service.consents.authority import Actor
from service.db.engine import Database
from service.decisions.check import Checker
from service.decisions.follower import Follower
from service.decisions.index import Index
from service.domain.consent import Answer
from service.exports.opened import Exports
from service.ledger.append import Appender
from service.ledger.head import HeadReader
from service.ledger.vault import RandomBytes
from service.notices.channels.opt_out_link import OptOutLinks
from service.replay.sheets import Sheets
from service.rights.receipts import Receipts
from service.sealing.find import SealedLog
from service.settings import Settings
from service.transparency.publication import Publication
from service.transparency.signer import Signer
from service.web.csrf import Form, is_surely_ours, require_csrf_token, require_same_origin
from service.web.sealed import Seal
from service.web.session import Session, Sessions
from service.web.templates import Pages

AUDIT: Final = "/audit"
SETTINGS: Final = "/settings"
SIGN_IN: Final = "/settings/sign-in"


@dataclass(frozen=True, slots=True)
class WebServices:
    """Everything that pages need.

    `login` is None where sign-in is not set up. `attempts` seals sign-ins that are under way.
    """

    settings: Settings
    clock: Clock
    database: Database
    appender: Appender
    index: Index
    follower: Follower
    heads: HeadReader
    checker: Checker
    login: Login | None
    attempts: Seal
    sessions: Sessions
    opt_out_links: OptOutLinks
    templates: Pages
    publication: Publication
    signer: Signer
    exports: Exports
    random_bytes: RandomBytes
    receipts: Receipts
    sheets: Sheets
    sealed: SealedLog


def web_of(request: Request) -> WebServices:
    """Return the services of the app that serves this request."""
    found: WebServices = request.app.state.web
    return found


class NotSignedIn(Exception):  # noqa: N818 -- says what is the matter
    """Nobody is signed in. Pages let it pass; the app answers by `send_to_sign_in`."""


class NotAuditor(Exception):  # noqa: N818 -- says what is the matter
    """Somebody is signed in who was not given the scope `fermata:audit` then."""

    def __init__(self, session: Session) -> None:
        """Say who it is."""
        super().__init__("not an auditor")
        self.session = session


def session_of(request: Request) -> Session | None:
    """Return who is signed in, or None. A session in use goes on: see `Sessions`."""
    return web_of(request).sessions.of(request)


def signed_in(request: Request) -> Session:
    """Return who is signed in. Raises NotSignedIn, which leads through sign-in and back here."""
    session = session_of(request)
    if session is None:
        raise NotSignedIn
    return session


def auditor(request: Request) -> Session:
    """Return which of the compliance staff is signed in. Raises NotSignedIn, NotAuditor."""
    return require_auditor(signed_in(request))


def require_auditor(session: Session) -> Session:
    """Return the session, if its person may look at everything. Raises NotAuditor."""
    if Permission.AUDIT not in session.may:
        raise NotAuditor(session)
    return session


async def posted(request: Request, *, takes_old_no: bool = False) -> tuple[Session, Form]:
    """Return who sent this form, and the form, once it is proven to come from a page of ours.

    With `takes_old_no` a no may be on a page of an earlier sign-in, whose token was another: there
    the browser's own word that a page of ours sent it is enough.

    Raises NotSignedIn; ForeignForm for a form of another site's, or without this session's
    `csrf_token`; BadForm for what is no small `application/x-www-form-urlencoded` form.
    """
    require_same_origin(request, web_of(request).settings.public_url)
    session = signed_in(request)
    form = await Form.read(request)
    is_no = form.all("answer") == [Answer.OPT_OUT]
    if not (takes_old_no and is_no and is_surely_ours(request)):
        require_csrf_token(form, session)
    return session, form


def actor_of(session: Session) -> Actor:
    """Return in whose name a signed-in person speaks: their own, never the platform's."""
    return Actor(session.subject, is_platform=False)


def send_to_sign_in(request: Request) -> Response:
    """Return the way through sign-in back to this page."""
    to = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"{SIGN_IN}?{urlencode({'to': to})}", HTTPStatus.SEE_OTHER)
