"""The page that the link in a letter opens: one button, by which an artist says no.

Whoever has the link may say this no: no sign-in, no cookie, no script. It can say nothing else, and
read nothing else than the receipt of it.
Only the button says it; opening the page changes nothing, for mail scanners open links as well.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from service.consents.authority import ActingAs, Actor
from service.consents.delegates import names_of_delegates
from service.consents.records import Shown, Statement, record_consent, record_json
from service.db.tables import Artist, Consent
from service.domain.consent import Answer, Scope
from service.domain.instant import Instant
from service.domain.refusal import RefusalKind, refuse
from service.ledger.append import Write
from service.ledger.events import Json
from service.ledger.transaction import Transaction
from service.notices.channels.opt_out_link import LinkRefusal
from service.web.context import SETTINGS, SIGN_IN, web_of
from service.web.csrf import require_same_origin
from service.web.framing import framed
from service.web.i18n import COOKIE, PARAMETER, Language, language_of
from service.web.opt_out_case import (
    OptOutCase,
    Standing,
    read_case,
    records_about,
    standing_no,
    tracks_allowed,
)
from service.web.settings_files import receipt_file
from service.web.templates import PageContext, language_for
from service.web.typeset import Block, typeset

CHANNEL: Final = "email_link"
_HEADERS: Final = {
    "Referrer-Policy": "no-referrer",  # the address is what allows to say no
    "X-Robots-Tag": "noindex, nofollow",
}


@dataclass(frozen=True, slots=True)
class OptOutQuestion:
    """Asks for the no that the link is for.

    `use` is its name in the reader's language, `words` the version's text in `locale`. `closes_at`
    is when the window closes, or closed, as `closed` says; None where none has begun. `standing` is
    a `Standing`. `replaced` says that a later version has taken this one's place. `tracks_stopped`
    counts the tracks that a yes of the artist's allows.
    """

    template: ClassVar[str] = "opt_out.html.j2"
    use: str
    words: tuple[Block, ...]
    locale: str
    closes_at: Instant | None
    closed: bool
    standing: str
    replaced: bool
    tracks_stopped: int


@dataclass(frozen=True, slots=True)
class OptOutSaid:
    """Says that the no stands since `said_at`, what it reaches and how to take it back.

    `revision` is the ledger's; `receipt` is where its receipt is, None where it was said elsewhere.
    `tracks_stopped` counts the tracks that a yes had allowed before; `still_open` says that the
    terms so far ask nobody and go on until the new ones apply.
    """

    template: ClassVar[str] = "opt_out_said.html.j2"
    use: str
    said_at: Instant
    revision: int
    receipt: str | None
    tracks_stopped: int
    still_open: bool
    sign_in: str


@dataclass(frozen=True, slots=True)
class OptOutDead:
    """Says why this link does nothing: `reason` is "invalid", "expired" or "erased"."""

    template: ClassVar[str] = "opt_out_dead.html.j2"
    reason: str
    sign_in: str


async def show(request: Request) -> Response:
    """Show what the link is about. Changes nothing, whoever opens it."""
    case = await _case(request)
    if isinstance(case, Response):
        return case
    language = _language(request, case)
    use = language.name_of(case.names, case.version.use)
    now = web_of(request).clock.now()
    at = standing_no(case.records, case.version.use)
    if at is None:
        return await _answer(request, _question(case, language, use, now), language)
    said = case.records[at]
    page = OptOutSaid(
        use=use,
        said_at=said.recorded_at,
        revision=said.revision,
        receipt=f"{request.url.path}/receipt" if _said_here(case, said) else None,
        tracks_stopped=tracks_allowed(case.records[at + 1 :]),
        still_open=case.standing(now) is Standing.OPEN,
        sign_in=_sign_in(request),
    )
    return await _answer(request, page, language)


async def receipt(request: Request) -> Response:
    """Answer the receipt of the no that this link has said, while it stands.

    Whoever has the link reads nothing else by it. Raises Refused where it has said none.
    """
    case = await _case(request)
    if isinstance(case, Response):
        return case
    at = standing_no(case.records, case.version.use)
    if at is None or not _said_here(case, case.records[at]):
        message = "this link has said no no that stands"
        raise refuse("revision", "unknown_record", message, RefusalKind.UNKNOWN)
    revision, artist = case.records[at].revision, case.artist.artist_id or ""
    listener = Actor(artist, is_platform=False)
    found = await web_of(request).receipts.receipt_of(artist, revision, listener)
    response = receipt_file(found, revision)
    response.headers.update(_HEADERS)
    return response


def _said_here(case: OptOutCase, said: Consent) -> bool:
    """Tell whether this link has said it, or another to the artist about the same version."""
    shown = [(one["use"], one["version"]) for one in said.shown["shown"]]
    here = (said.channel, said.acting_as) == (CHANNEL, ActingAs.ARTIST)
    return here and shown == [(case.version.use, case.version.version)]


async def say_no(request: Request) -> Response:
    """Record the no, once, and show that it stands."""
    if not _hides_where_it_was(request):
        require_same_origin(request, web_of(request).settings.public_url)
    case = await _case(request)
    if isinstance(case, Response):
        return case
    write = _no_once(case.artist, case.shown(_language(request, case)))
    await web_of(request).appender.submit(write)
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"{request.url.path}{query}", HTTPStatus.SEE_OTHER, _HEADERS)


def _hides_where_it_was(request: Request) -> bool:
    """Tell whether a browser too old for Sec-Fetch-Site says no more than that it will not say.

    So it does of the form on our own page, which tells no referrer. The link allows the no anyway.
    """
    headers = request.headers
    return headers.get("sec-fetch-site") is None and headers.get("origin") == "null"


def _no_once(known: Artist, shown: Shown) -> Write:
    """Record the no, unless it stands already."""
    subject, artist_id = known.subject, known.artist_id or ""
    statement = Statement(
        Answer.OPT_OUT, Scope(shown.use), CHANNEL, locale=shown.locale, shown=(shown,)
    )

    async def write(transaction: Transaction) -> Json:
        artist = await transaction.session.get(Artist, subject)
        if artist is None or artist.artist_id != artist_id:
            raise refuse("artist", "unknown_artist", "this artist is erased", RefusalKind.UNKNOWN)
        records = await records_about(transaction.session, subject, shown.use)
        at = standing_no(records, shown.use)
        if at is not None:
            delegates = await names_of_delegates(transaction.session, subject)
            return record_json(records[at], artist_id, delegates)
        record = record_consent(artist_id, statement, Actor(artist_id, is_platform=False))
        return await record(transaction)

    return write


def _question(case: OptOutCase, language: Language, use: str, now: Instant) -> OptOutQuestion:
    locale = language.locale_of(case.words)
    later = case.versions[case.version.version :]
    return OptOutQuestion(
        use=use,
        words=typeset(case.words[locale]),
        locale=locale,
        closes_at=case.closes_at,
        closed=case.closes_at is not None and case.closes_at <= now,
        standing=case.standing(now).value,
        replaced=any(not version.editorial for version in later),
        tracks_stopped=tracks_allowed(case.records),
    )


async def _case(request: Request) -> OptOutCase | Response:
    """Return what the link is about, or the page that says why it does nothing."""
    web = web_of(request)
    link = web.opt_out_links.read(request.path_params["token"], web.clock.now())
    if isinstance(link, LinkRefusal):
        return await _dead(request, link.value)
    case = await read_case(web.database, link)
    if case is None or case.artist.artist_id is None:
        return await _dead(request, "erased")
    return case


def _language(request: Request, case: OptOutCase) -> Language:
    """Return the language chosen on the page, else the artist's own, else the browser's."""
    return language_of(
        request.query_params.get(PARAMETER),
        request.cookies.get(COOKIE) or case.reads,
        request.headers.get("Accept-Language"),
    )


def _sign_in(request: Request) -> str:
    """Return where the artist can change everything."""
    web = web_of(request)
    return SIGN_IN if web.login else web.settings.platform_settings_url or SETTINGS


async def _dead(request: Request, reason: str) -> Response:
    status = HTTPStatus.NOT_FOUND if reason == LinkRefusal.INVALID else HTTPStatus.GONE
    page = OptOutDead(reason, _sign_in(request))
    return await _answer(request, page, language_for(request), status)


async def _answer(
    request: Request, page: PageContext, language: Language, status: HTTPStatus = HTTPStatus.OK
) -> Response:
    frame = await framed(request)
    response = web_of(request).templates.response(page, language, frame, status)
    response.headers.update(_HEADERS)
    return response


ROUTES: Final = (
    Route("/opt-out/{token}", show),
    Route("/opt-out/{token}", say_no, methods=["POST"]),
    Route("/opt-out/{token}/receipt", receipt),
)
