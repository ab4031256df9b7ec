"""`/audit/artists/…` and `/audit/content/…`: everything about one artist, or one content.

Whoever of the staff opens one of these is named in the service's log.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.audit.bounded import TooMuch, bounded
from service.audit.decisions import newest_about_artist, newest_decisions
from service.audit.one_artist import Dossier, dossier_of, dossier_of_erased
from service.audit.one_content import Portrait, portrait_of
from service.decisions.log.entry import Entry
from service.decisions.log.find import Wanted
from service.decisions.question import About
from service.domain.instant import Instant
from service.web.audit_frame import answer, id_in_path, note_look, whole_number
from service.web.context import AUDIT, WebServices, auditor, web_of

_LISTED: Final = 20
_FORMER: Final = 50


@dataclass(frozen=True, slots=True)
class ArtistPage:
    """Shows everything about one artist, and the newest decisions about them and what they held.

    `decisions` is None where finding them took too long; `more` says that there may be others.
    `former` is some content that they hold no more.
    """

    template: ClassVar[str] = "audit/artist.html.j2"

    artist: Dossier
    former: Sequence[str]
    decisions: Sequence[Entry] | None
    more: bool
    now: Instant


@dataclass(frozen=True, slots=True)
class ContentPage:
    """Shows everything about one content, and the newest decisions about it.

    `decisions` is None where finding them took too long; `more` says that there may be others.
    """

    template: ClassVar[str] = "audit/content.html.j2"

    content: Portrait
    decisions: Sequence[Entry] | None
    more: bool


async def artist(request: Request) -> Response:
    """Answer one artist by the platform's id. Raises HTTPException 404 where nobody has it."""
    session, web = auditor(request), web_of(request)
    name = id_in_path(request, "artist")
    async with web.database.read() as reading, bounded(reading):
        found = await dossier_of(reading, name, before=whole_number(request, "before"))
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND.value)
    note_look(session, "artist", None, [found.subject])
    return await answer(request, session, await _artist_page(web, found))


async def erased(request: Request) -> Response:
    """Answer what is left of an erased artist, by their reference. Raises HTTPException 404."""
    session, web = auditor(request), web_of(request)
    async with web.database.read() as reading, bounded(reading):
        found = await dossier_of_erased(reading, id_in_path(request, "reference"))
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND.value)
    note_look(session, "artist", None, [found.subject])
    return await answer(request, session, await _artist_page(web, found))


async def content(request: Request) -> Response:
    """Answer one content by the platform's id. Raises HTTPException 404 where there is none."""
    session, web = auditor(request), web_of(request)
    async with web.database.read() as reading, bounded(reading):
        found = await portrait_of(reading, id_in_path(request, "content"))
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND.value)
    note_look(session, "content", found.content, found.artists)
    decisions, more = await _decisions_about(web, found.content)
    return await answer(request, session, ContentPage(found, decisions, more))


async def _artist_page(web: WebServices, found: Dossier) -> ArtistPage:
    now = web.clock.now()
    try:
        async with web.database.read() as reading, bounded(reading):
            page, theirs = await newest_about_artist(
                reading, web.sealed, found.subject, limit=_LISTED
            )
    except TooMuch:
        return ArtistPage(found, (), None, more=True, now=now)
    more = page.below is not None or not theirs.whole
    return ArtistPage(found, theirs.former()[:_FORMER], page.entries, more, now)


async def _decisions_about(
    web: WebServices, content_id: str
) -> tuple[Sequence[Entry] | None, bool]:
    wanted = Wanted(about=About.CONTENT, one=content_id)
    try:
        async with web.database.read() as reading, bounded(reading):
            found = await newest_decisions(reading, web.sealed, wanted, limit=_LISTED)
    except TooMuch:
        return None, True
    return found.entries, found.below is not None


ROUTES: Final = (
    Route(f"{AUDIT}/artists/{{artist}}", artist, name="audit_artist"),
    Route(f"{AUDIT}/erased/{{reference}}", erased, name="audit_erased"),
    Route(f"{AUDIT}/content/{{content}}", content, name="audit_content"),
)
