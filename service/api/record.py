"""`/v1/artists/{artist}/record`: everything there is about one artist, in one file."""

from collections.abc import Iterator
from enum import StrEnum
from typing import IO, Annotated, Final

from fastapi import APIRouter, Header, Query
from starlette.responses import Response, StreamingResponse

from service.api.access import Listens, TokenFirst, listener_of
from service.api.context import TheServices
from service.api.paths import IdInPath
from service.api.schemas.types import Locale
from service.rights.access.prepare import Desk, prepare

router = APIRouter(prefix="/v1/artists", tags=["rights"], route_class=TokenFirst)

_JSON_LD: Final = "application/ld+json"
_HTML: Final = "text/html"
_PIECE: Final = 1 << 16
# The page brings its few styles along and loads nothing; whoever keeps it keeps it to themselves.
_HEADERS: Final = {
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept, Authorization",
    "X-Content-Type-Options": "nosniff",
}


class Form(StrEnum):
    """What the file is."""

    JSON = "json"
    """JSON-LD, to take along."""
    HTML = "html"
    """One page, to read and print."""


@router.get(
    "/{artist}/record",
    name="read_record",
    response_class=Response,
    responses={
        200: {
            "description": "The file.",
            "content": {
                _JSON_LD: {"schema": {"type": "object"}},
                _HTML: {"schema": {"type": "string"}},
            },
        }
    },
)
async def read_record(
    artist: IdInPath,
    caller: Listens,
    services: TheServices,
    form: Annotated[
        Form | None,
        Query(alias="format", description="As the Accept header says, and JSON unless it does."),
    ] = None,
    lang: Annotated[
        Locale | None, Query(description="The page's language; the artist's own unless set.")
    ] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """Read everything there is about one artist, in one file: JSON-LD, or a page to print.

    It is for the artist themselves, the platform and auditors; delegates have no part in it.
    """
    as_page = form is Form.HTML or (form is None and _HTML in accept.lower())
    desk = Desk(
        services.settings,
        services.database,
        services.checker,
        services.clock,
        services.publication.origin,
        services.sealed,
    )
    file = await prepare(desk, artist, listener_of(caller), as_page=as_page, language=lang)
    name = "fermata-record." + ("html" if as_page else "jsonld")
    return StreamingResponse(
        _pieces(file),
        media_type=_HTML if as_page else _JSON_LD,
        headers=_HEADERS | {"Content-Disposition": f'inline; filename="{name}"'},
    )


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece
