"""`/settings`: what an artist sees and decides, by plain forms.

Every form is a POST that is answered by 303 back to the page with what came of it; with htmx only
the part that changed is put in its place. A no is taken however old the page is, and never asked
twice. A yes carries the page's etag: given on an old page it is answered by the fresh one.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, unquote

from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from service.consents.admission import Statement
from service.consents.authority import Actor
from service.consents.precondition import seen_in
from service.decisions.follower import NotThereYet
from service.domain import uses
from service.domain.consent import Answer, Scope
from service.domain.refusal import RefusalKind, Refused, refuse
from service.ledger.events import LedgerBroken
from service.ledger.head import HeadUnknown
from service.ledger.ledger_clock import ClocksDisagree
from service.notices.deliveries import acknowledge
from service.settings_page.desk import (
    Desk,
    history_page,
    open_sheet,
    own_record,
    own_titles,
    say,
    search_tracks,
    try_out,
    undo,
    what_undo_says,
)
from service.settings_page.reach import open_track, tracks_stopped_by
from service.settings_page.sheet import Effect, Sheet
from service.web.context import SETTINGS, actor_of, posted, signed_in, web_of
from service.web.csrf import Form
from service.web.framing import framed
from service.web.outcome import address_of, outcome_of
from service.web.roster_pages import (
    acts_for_somebody,
    roster_or_nobody,
    searched_for,
    shown_in,
)
from service.web.session import Session
from service.web.settings_contexts import (
    HistoryPage,
    Message,
    Place,
    SettingsPage,
    TrackPage,
)
from service.web.settings_view import Told, View, scopes_of
from service.web.templates import Frame, PageContext, language_for

CHANNEL: Final = "settings_page"
_OUTDATED: Final = frozenset({"outdated_version_shown", "other_words_shown"})
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,600}")
_DIGITS: Final = 19  # of a revision's largest
_ON_A_PAGE: Final = 50
_NOT_KNOWN_NOW: Final = (
    ClocksDisagree,
    ConnectionError,
    DBAPIError,
    HeadUnknown,
    LedgerBroken,
    NotThereYet,
    TimeoutError,
)
_NOTES: Final = frozenset({"outdated", "not_allowed", "cannot_undo", "not_possible"})
_NOTE_OF: Final = {
    RefusalKind.PRECONDITION_REQUIRED: "outdated",
    RefusalKind.OUTDATED: "outdated",
    RefusalKind.NOT_ALLOWED: "not_allowed",
    RefusalKind.CONFLICT: "cannot_undo",
    RefusalKind.INVALID: "not_possible",
}


def desk_of(request: Request) -> Desk:
    """Return what the settings page works with."""
    web = web_of(request)
    return Desk(web.database, web.checker, web.appender)


async def home(request: Request) -> Response:
    """Answer whoever signs in: their own settings, else the artists they act for."""
    session = signed_in(request)
    try:
        return await _sheet_page(request, session, session.subject)
    except Refused as refused:
        if refused.kind is not RefusalKind.UNKNOWN:
            raise
    return await roster_or_nobody(request, session)


async def sheet(request: Request) -> Response:
    """Answer one artist's settings. Raises Refused for whoever may not act for them."""
    return await _sheet_page(request, signed_in(request), _artist(request))


async def track(request: Request) -> Response:
    """Answer one track's settings."""
    session, artist_id = signed_in(request), _artist(request)
    content = id_in_path(request, "content")
    desk, actor, language = desk_of(request), actor_of(session), language_for(request)
    opened = await open_sheet(desk, artist_id, actor)
    found = await open_track(desk, artist_id, actor, content)
    frame = await framed(request, area="settings", session=session)
    view = View(opened, language, frame.platform, _root(artist_id), {})
    page = TrackPage(
        place=_place(session, opened),
        name=opened.name or opened.artist,
        title=found.title or content,
        message=await _message(outcome_of(session, request), desk, actor, opened, view),
        uses=view.one_track(found),
    )
    return _answer(request, page, frame)


async def history(request: Request) -> Response:
    """Answer everything that was said, newest first, a page at a time."""
    session, artist_id = signed_in(request), _artist(request)
    desk, actor, language = desk_of(request), actor_of(session), language_for(request)
    before = _number(request, "before")
    opened = await open_sheet(desk, artist_id, actor)
    found = await history_page(desk, artist_id, actor, before=before, limit=_ON_A_PAGE)
    titles = await _titles(desk, opened, actor, [one["content"] for one in found["consents"]])
    frame = await framed(request, area="settings", session=session)
    view = View(opened, language, frame.platform, _root(artist_id), {})
    page = HistoryPage(
        place=_place(session, opened),
        name=opened.name or opened.artist,
        rows=tuple(view.history_row(one, titles) for one in found["consents"]),
        next_before=found["next_before"],
    )
    return _answer(request, page, frame)


async def record(request: Request) -> Response:
    """Answer everything there is about the artist, to keep."""
    session = signed_in(request)
    found = await own_record(desk_of(request), _artist(request), actor_of(session))
    headers = {"Content-Disposition": 'attachment; filename="fermata-record.json"'}
    body = json.dumps(found, ensure_ascii=False, indent=2).encode()
    return Response(body, headers=headers, media_type="application/json")


async def speak(request: Request) -> Response:
    """Record what the form says, and lead back to where it was said.

    What it changes is looked up first, to be told afterwards; a no is taken all the same where that
    cannot be known now.
    """
    session, form = await posted(request, takes_old_no=True)
    artist_id, desk, actor = _artist(request), desk_of(request), actor_of(session)
    try:
        statement = _statement(form, language_for(request).code)
        effect = await _effect(desk, artist_id, statement, actor)
        said = await say(desk, artist_id, statement, actor, seen=seen_in(form.get("etag")))
    except Refused as refused:
        return _back(request, session, form, note=_note(refused))
    return _back(request, session, form, done=said.body["revision"], **_told(effect))


async def take_back(request: Request) -> Response:
    """Undo what was said last at some scope, and lead back."""
    session, form = await posted(request)
    artist_id, desk, actor = _artist(request), desk_of(request), actor_of(session)
    revision, locale = _revision(form), language_for(request).code
    try:
        statement = await what_undo_says(desk, artist_id, revision, actor, channel=CHANNEL)
        effect = await _effect(desk, artist_id, statement, actor)
        said = await undo(
            desk,
            artist_id,
            revision,
            actor,
            channel=CHANNEL,
            seen=seen_in(form.get("etag")),
            locale=locale,
        )
    except Refused as refused:
        return _back(request, session, form, note=_note(refused))
    return _back(request, session, form, done=said.body["revision"], undone=1, **_told(effect))


async def read_notice(request: Request) -> Response:
    """Record that the artist has read a notice, which starts its window if nothing has yet."""
    session, form = await posted(request)
    notice = form.get("notice") or ""
    answered = await web_of(request).appender.submit(
        acknowledge(_artist(request), notice, actor_of(session))
    )
    return _back(request, session, form, read=answered.body["notice"])


async def _sheet_page(request: Request, session: Session, artist_id: str) -> Response:
    desk, actor, language = desk_of(request), actor_of(session), language_for(request)
    opened = await open_sheet(
        desk, artist_id, actor, tracks_before=_number(request, "tracks_before")
    )
    stops = {}
    if opened.track_total:
        stops = dict(await tracks_stopped_by(desk, artist_id, actor, scopes_of(opened)))
    query = searched_for(request)
    found = await search_tracks(desk, artist_id, actor, query) if query else []
    frame = await framed(request, area="settings", session=session)
    view = View(opened, language, frame.platform, _root(artist_id), stops)
    page = SettingsPage(
        place=_place(session, opened),
        name=opened.name or opened.artist,
        others=await acts_for_somebody(request, session),
        message=await _message(outcome_of(session, request), desk, actor, opened, view),
        planned=view.planned(),
        no_ai=view.no_ai(),
        not_reached=view.not_reached(Scope(uses.ROOT)),
        groups=view.groups(),
        partners=view.partners(),
        elsewhere=view.elsewhere(),
        tracks=view.tracks(),
        track_total=opened.track_total,
        more_tracks=opened.tracks_before,
        query=query or None,
        found=view.found(found),
    )
    return _answer(request, _with_message_shown(page), frame)


def _with_message_shown(page: SettingsPage) -> SettingsPage:
    """Return the page with its message on top, where the choice it belongs to is not there."""
    message = page.message
    if message is None or message.at in {"", "tracks", *_keys(page)}:
        return page
    return replace(page, message=replace(message, at=""))


def _keys(page: SettingsPage) -> Iterator[str]:
    choices = [page.no_ai, *page.elsewhere]
    choices += [partner.choice for partner in page.partners]
    choices += [choice for card in page.planned for choice in card.choices]
    for group in page.groups:
        choices += [] if group.choice is None else [group.choice]
        choices += [choice for card in group.cards for choice in (card.choice, *card.each)]
    return (choice.key for choice in choices)


def _answer(request: Request, page: PageContext, frame: Frame) -> Response:
    return web_of(request).templates.response(page, language_for(request), frame)


def _artist(request: Request) -> str:
    return id_in_path(request, "artist")


def id_in_path(request: Request, name: str) -> str:
    """Return an id in the path, which may hold a slash. Raises HTTPException 404 for none."""
    found = unquote(request.path_params[name])
    if "\0" in found:  # which no column of text can hold
        raise HTTPException(HTTPStatus.NOT_FOUND.value)
    return found


def _root(artist_id: str) -> str:
    return f"{SETTINGS}/artists/{quote(artist_id, safe='')}"


def _home_of(session: Session, artist_id: str) -> str:
    """Return the address of an artist's settings, which for one's own is the shortest."""
    return SETTINGS if artist_id == session.subject else _root(artist_id)


def _place(session: Session, opened: Sheet) -> Place:
    return Place(
        root=_root(opened.artist),
        home=_home_of(session, opened.artist),
        etag=opened.etag,
        may_yes=opened.can_say_yes,
        own=opened.artist == session.subject,
    )


def _statement(form: Form, locale: str) -> Statement:
    """Return what the form says. Raises Refused for what no form of ours says."""
    answer, use = form.get("answer") or "", form.get("use") or ""
    recipient = form.get("recipient") or None
    sayable = answer in set(Answer) and uses.is_node(use)
    if not sayable or not (recipient is None or uses.is_recipient(recipient)):
        raise refuse("answer", "not_possible", "no form of these pages says this")
    scope = Scope(use, form.get("content") or None, recipient)
    shown = shown_in(form, use) if answer == Answer.OPT_IN else ()
    return Statement(Answer(answer), scope, CHANNEL, locale=locale, shown=shown)


async def _effect(desk: Desk, artist_id: str, statement: Statement, actor: Actor) -> Effect | None:
    """Return what it would change; None where that cannot be known now, which stops no no."""
    try:
        return await try_out(desk, artist_id, statement, actor)
    except _NOT_KNOWN_NOW:
        return None


def _told(effect: Effect | None) -> Mapping[str, int]:
    """Return what an effect comes to, as it is told afterwards."""
    if effect is None:
        return {}
    told = {
        "stopped": effect.tracks_stopped,
        "restored": effect.tracks_restored,
        "uses": len({flip.use for flip in effect.flips}),
    }
    return {name: number for name, number in told.items() if number}


def _revision(form: Form) -> int:
    return _whole(form.get("revision"))


def _number(request: Request, name: str) -> int | None:
    """Return a positive number of the query; None where there is none."""
    return _whole(request.query_params.get(name)) or None


def _whole(text: str | None) -> int:
    """Return a number as it is written; 0 for anything else."""
    digits = text or ""
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < _DIGITS else 0


def _note(refused: Refused) -> str:
    """Return what to say on the page about a refusal. Raises it where no page can say more."""
    if _OUTDATED & {one.code for one in refused.refusals}:
        return "outdated"
    note = _NOTE_OF.get(refused.kind)
    if note is None:
        raise refused
    return note


def _back(request: Request, session: Session, form: Form, **said: object) -> Response:
    """Lead back to the page that the form was on, with what came of it."""
    artist_id, content = _artist(request), form.get("content")
    here = _home_of(session, artist_id)
    if form.get("back") == "track" and content:
        here = f"{_root(artist_id)}/tracks/{quote(content, safe='')}"
    at = form.get("at") or ""
    if _KEY.fullmatch(at):
        query = address_of(session, {**said, "at": at})
        return RedirectResponse(f"{here}?{query}#{at}", HTTPStatus.SEE_OTHER)
    return RedirectResponse(f"{here}?{address_of(session, said)}", HTTPStatus.SEE_OTHER)


async def _message(
    outcome: Mapping[str, str], desk: Desk, actor: Actor, opened: Sheet, view: View
) -> Message | None:
    """Return what was just done, as far as the ledger bears it out."""
    note, read, at = outcome.get("note"), outcome.get("read"), outcome.get("at", "")
    if note in _NOTES:
        return Message(note, at)
    if read is not None:
        waiting = (one.closes_at for one in opened.pending if one.notice == read)
        closes_at = next(waiting, None)
        return None if closes_at is None else Message("read", at, until=closes_at)
    done = _whole(outcome.get("done"))
    if not done:
        return None
    newest = await history_page(desk, opened.artist, actor, before=done + 1, limit=1)
    if not newest["consents"] or newest["consents"][0]["revision"] != done:
        return None
    titles = await _titles(desk, opened, actor, [newest["consents"][0]["content"]])
    told = Told(
        at=at,
        stopped=_whole(outcome.get("stopped")),
        restored=_whole(outcome.get("restored")),
        uses=_whole(outcome.get("uses")),
        undone="undone" in outcome,
    )
    return view.message(newest["consents"][0], titles, told)


async def _titles(
    desk: Desk, opened: Sheet, actor: Actor, contents: Sequence[str | None]
) -> Mapping[str, str | None]:
    known = [content for content in contents if content is not None]
    return await own_titles(desk, opened.artist, actor, known) if known else {}


_ARTIST: Final = f"{SETTINGS}/artists/{{artist}}"
ROUTES: Final = (
    Route(SETTINGS, home, name="settings"),
    Route(_ARTIST, sheet, name="settings_of_artist"),
    Route(f"{_ARTIST}/say", speak, methods=["POST"], name="say"),
    Route(f"{_ARTIST}/undo", take_back, methods=["POST"], name="undo"),
    Route(f"{_ARTIST}/read", read_notice, methods=["POST"], name="read_notice"),
    Route(f"{_ARTIST}/history", history, name="history"),
    Route(f"{_ARTIST}/record.json", record, name="own_record"),
    Route(f"{_ARTIST}/tracks/{{content}}", track, name="settings_of_track"),
)
