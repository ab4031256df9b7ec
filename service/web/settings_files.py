"""Files from the settings pages: the receipt of one record, and all there is to read or print.

They are downloads, for whoever keeps them: what a page of ours may do is no question there.
"""

from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.domain.refusal import RefusalKind, refuse
from service.ledger.events import Json
from service.rights.access.prepare import Desk, prepare
from service.web.context import SETTINGS, actor_of, signed_in, web_of
from service.web.settings_pages import id_in_path
from service.web.templates import language_for

_DIGITS: Final = 18  # of a revision's largest


async def receipt(request: Request) -> Response:
    """Answer the receipt of one record, to keep. Raises Refused for whoever may not read it."""
    actor, revision = actor_of(signed_in(request)), request.path_params["revision"]
    if not (revision.isascii() and revision.isdecimal() and len(revision) <= _DIGITS):
        message = "a record is named by its revision"
        raise refuse("revision", "unknown_record", message, RefusalKind.UNKNOWN)
    artist_id = id_in_path(request, "artist")
    found = await web_of(request).receipts.receipt_of(artist_id, int(revision), actor)
    return receipt_file(found, int(revision))


async def access_file(request: Request) -> Response:
    """Answer everything there is about the artist who is signed in, as one page to keep or print.

    Raises Refused for anybody else.
    """
    web, actor = web_of(request), actor_of(signed_in(request))
    origin = web.publication.origin
    desk = Desk(web.settings, web.database, web.checker, web.clock, origin, web.sealed)
    artist_id, language = id_in_path(request, "artist"), language_for(request).code
    with await prepare(desk, artist_id, actor, as_page=True, language=language) as file:
        return _file(file.read(), "fermata-record.html", "text/html")


def receipt_file(found: Json, revision: int) -> Response:
    """Return the receipt of a record as a download."""
    name = f"fermata-receipt-{revision}.jsonld"
    return _file(msgspec.json.encode(found), name, "application/ld+json")


def _file(content: bytes, name: str, media_type: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, headers=headers, media_type=media_type)


_ARTIST: Final = f"{SETTINGS}/artists/{{artist}}"
ROUTES: Final = (
    Route(f"{_ARTIST}/receipts/{{revision}}", receipt, name="own_receipt"),
    Route(f"{_ARTIST}/record.html", access_file, name="own_access_file"),
)
