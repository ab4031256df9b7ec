"""The artists somebody acts for, and one answer for many of them.

A single no is never asked twice. For many artists at once the page first says what would change
for each, and records it when that is confirmed: for all of them, or for none.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from sqlalchemy import select
from sqlmodel import col
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from service.consents.admission import Shown, Statement
from service.consents.precondition import seen_in
from service.consents.roster import MOST_ARTISTS, record_for_many
from service.db.engine import ReadSession
from service.db.tables import Delegate, PolicyText, Use
from service.domain import uses
from service.domain.consent import Answer, Scope
from service.domain.instant import Instant
from service.domain.policy import PolicyVersion
from service.domain.refusal import RefusalKind, Refused, refuse
from service.policies.versions import latest_versions
from service.settings_page.desk import Desk
from service.settings_page.roster import RosterEffect, RosterRow, preview_for_many, roster_of
from service.web.context import SETTINGS, actor_of, posted, signed_in, web_of
from service.web.csrf import Form
from service.web.framing import framed
from service.web.i18n import Language
from service.web.outcome import address_of, outcome_of
from service.web.session import Session
from service.web.settings_contexts import (
    NobodyPage,
    Option,
    PreviewLine,
    PreviewPage,
    RosterLine,
    RosterPage,
    Terms,
)
from service.web.settings_contexts import Shown as ShownInForm
from service.web.settings_view import LONGEST_SHOWN, left
from service.web.templates import PageContext, language_for
from service.web.typeset import typeset

PATH: Final = f"{SETTINGS}/roster"
CHANNEL: Final = "settings_page"
_ON_A_PAGE: Final = 100
_LONGEST_SEARCH: Final = 200
_LONGEST_COUNT: Final = 3  # digits: of 200 artists at most
_NOTES: Final = frozenset({"not_allowed", "not_possible", "outdated", "nobody_chosen"})
_NOTE_OF: Final = {
    RefusalKind.PRECONDITION_REQUIRED: "outdated",
    RefusalKind.OUTDATED: "outdated",
    RefusalKind.NOT_ALLOWED: "not_allowed",
    RefusalKind.INVALID: "not_possible",
}


async def acts_for_somebody(request: Request, session: Session) -> bool:
    """Tell whether somebody is anybody's delegate."""
    granted = select(col(Delegate.subject)).where(
        col(Delegate.delegate) == session.subject, col(Delegate.revoked_at).is_(None)
    )
    async with web_of(request).database.read() as reading:
        return (await reading.execute(granted.limit(1))).first() is not None


async def roster_or_nobody(request: Request, session: Session) -> Response:
    """Answer somebody who is no artist: with those they act for, or that there are none."""
    if await acts_for_somebody(request, session):
        return await _roster(request, session)
    page = NobodyPage(session.subject)
    return await _answer(request, session, page, HTTPStatus.NOT_FOUND)


async def roster(request: Request) -> Response:
    """Answer the artists somebody acts for."""
    return await roster_or_nobody(request, signed_in(request))


async def preview(request: Request) -> Response:
    """Answer what the chosen answer would change for the chosen artists. Records nothing."""
    session, form = await posted(request)
    language, artists = language_for(request), tuple(form.all("artist"))
    if not artists or len(artists) > MOST_ARTISTS:
        return _back(session, note="nobody_chosen")
    async with web_of(request).database.read() as reading:
        latest, names = await latest_versions(reading), await _names(reading)
    try:
        statement = _statement(request, form, latest)
        found = await preview_for_many(_desk(request), artists, statement, actor_of(session))
    except Refused as refused:
        return _back(session, note=_note(refused))
    use = statement.scope.use
    not_reached = {one for row in found.artists for one in row.effect.not_reached}
    lines = tuple(map(_preview_line, found.artists))
    page = PreviewPage(
        answer=statement.answer,
        use=use,
        name="" if use == uses.ROOT else language.name_of(names.get(use, {}), use),
        artists=artists,
        lines=lines,
        changed=sum(map(_changes, lines)),
        not_reached=tuple(language.name_of(names.get(one, {}), one) for one in sorted(not_reached)),
        etag=found.etag,
        terms=await _terms(request, statement),
    )
    return await _answer(request, session, page)


async def speak_for_many(request: Request) -> Response:
    """Record one answer for all the artists that the form names, or for none of them."""
    session, form = await posted(request, takes_old_no=True)
    artists = list(form.all("artist"))
    if not artists or len(artists) > MOST_ARTISTS:
        return _back(session, note="nobody_chosen")
    try:
        statement = _statement(request, form)
        seen = seen_in(form.get("etag"))
        await web_of(request).appender.submit(
            record_for_many(artists, statement, actor_of(session), seen)
        )
    except Refused as refused:
        return _back(session, note=_note(refused))
    return _back(session, recorded=len(artists))


async def _roster(request: Request, session: Session) -> Response:
    language, query = language_for(request), request.query_params
    outcome = outcome_of(session, request)
    searched = searched_for(request)
    found = await roster_of(
        _desk(request),
        session.subject,
        after=query.get("after", "").replace("\0", "") or None,
        limit=_ON_A_PAGE,
        q=searched or None,
    )
    async with web_of(request).database.read() as reading:
        latest, names = await latest_versions(reading), await _names(reading)
    now = web_of(request).clock.now()
    recorded = outcome.get("recorded", "")[:_LONGEST_COUNT]
    page = RosterPage(
        rows=tuple(_line(row, now) for row in found.rows),
        options=tuple(_options(latest, names, language)),
        query=searched,
        next_after=found.next_after,
        note=outcome["note"] if outcome.get("note") in _NOTES else None,
        recorded=int(recorded) if recorded.isascii() and recorded.isdecimal() else 0,
    )
    return await _answer(request, session, page)


async def _answer(
    request: Request, session: Session, page: PageContext, status: HTTPStatus = HTTPStatus.OK
) -> Response:
    frame = await framed(request, area="settings", session=session)
    return web_of(request).templates.response(page, language_for(request), frame, status)


def searched_for(request: Request) -> str:
    """Return what was typed into a search, as far as anything can be called so."""
    typed = request.query_params.get("q", "")[:_LONGEST_SEARCH]
    return typed.replace("\0", "").strip()


def _desk(request: Request) -> Desk:
    web = web_of(request)
    return Desk(web.database, web.checker, web.appender)


def _line(row: RosterRow, now: Instant) -> RosterLine:
    return RosterLine(
        artist=row.artist,
        name=row.name or row.artist,
        address=f"{SETTINGS}/artists/{quote(row.artist, safe='')}",
        may_yes=row.may_opt_in,
        planned=row.pending,
        days_left=left(row.nearest, now)[0],
        closes_at=row.nearest,
        no_ai=row.no_ai,
    )


def _options(
    latest: Sequence[PolicyVersion], names: dict[str, dict[str, str]], language: Language
) -> list[Option]:
    """Return the root, then each group before its uses."""
    options = [Option(uses.ROOT, "", leaf=False)]
    for version in sorted(latest, key=lambda version: version.use):
        group = version.use.partition(".")[0]
        if group != version.use and all(one.use != group for one in options):
            options.append(Option(group, language.name_of(names.get(group, {}), group), leaf=False))
        name = language.name_of(names.get(version.use, {}), version.use)
        options.append(Option(version.use, name, leaf=True))
    return options


def _statement(
    request: Request, form: Form, latest: Sequence[PolicyVersion] | None = None
) -> Statement:
    """Return what the form says. A yes is to one use, and to the words that were shown with it.

    Before any were it is to those of the `latest` version, which are shown next. Raises Refused for
    anything else.
    """
    answer, use = form.get("answer") or "", form.get("use") or ""
    if answer not in set(Answer) or not uses.is_node(use):
        raise refuse("answer", "not_possible", "no form of these pages says this")
    language = language_for(request)
    shown: tuple[Shown, ...] = ()
    if answer == Answer.OPT_IN:
        shown = shown_in(form, use) if latest is None else _to_show(latest, use, language)
    return Statement(Answer(answer), Scope(use), CHANNEL, locale=language.code, shown=shown)


def shown_in(form: Form, use: str) -> tuple[Shown, ...]:
    """Return the words that a form was shown with. Raises Refused where it does not say."""
    said = ShownInForm.read(form.get("shown") or "")
    if said is None:
        raise refuse("shown", "not_possible", "a yes is given to the words that were shown")
    return (Shown(use, said.version, said.locale, said.sha256),)


def _to_show(latest: Sequence[PolicyVersion], use: str, language: Language) -> tuple[Shown, ...]:
    version = next((one for one in latest if one.use == use), None)
    if version is None:
        raise refuse("use", "not_possible", "a yes for many artists is to a single use")
    texts = dict(version.texts)
    locale = language.locale_of(texts)
    return (Shown(use, version.version, locale, texts[locale]),)


async def _terms(request: Request, statement: Statement) -> Terms | None:
    """Return the words that a yes is given to; None for anything else."""
    if not statement.shown:
        return None
    shown = statement.shown[0]
    locale, digest = shown.locale or "", shown.text_sha256 or ""
    async with web_of(request).database.read() as reading:
        words = await reading.get(PolicyText, (shown.use, shown.version, locale))
    text = "" if words is None else words.text
    blocks = typeset(text) if len(text) <= LONGEST_SHOWN else ()
    return Terms(f"/policies/{quote(shown.use)}", shown.version, locale, digest, blocks)


def _preview_line(one: RosterEffect) -> PreviewLine:
    effect = one.effect
    return PreviewLine(
        name=one.name or one.artist,
        stopped=len({flip.use for flip in effect.flips if flip.permitted_before}),
        permitted=len({flip.use for flip in effect.flips if flip.permitted_after}),
        tracks_stopped=effect.tracks_stopped,
        tracks_restored=effect.tracks_restored,
        planned_stopped=len(effect.pending_stopped),
    )


def _changes(line: PreviewLine) -> bool:
    return any(
        (
            line.stopped,
            line.permitted,
            line.tracks_stopped,
            line.tracks_restored,
            line.planned_stopped,
        )
    )


def _note(refused: Refused) -> str:
    note = _NOTE_OF.get(refused.kind)
    if note is None:
        raise refused
    return note


def _back(session: Session, **said: object) -> Response:
    return RedirectResponse(f"{PATH}?{address_of(session, said)}", HTTPStatus.SEE_OTHER.value)


async def _names(session: ReadSession) -> dict[str, dict[str, str]]:
    return {row.use: row.names for row in (await session.execute(select(Use))).scalars()}


ROUTES: Final = (
    Route(PATH, roster, name="roster"),
    Route(f"{PATH}/preview", preview, methods=["POST"], name="roster_preview"),
    Route(f"{PATH}/say", speak_for_many, methods=["POST"], name="roster_say"),
)
