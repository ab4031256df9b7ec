"""`/v1/artists/{artist}/settings`: everything one settings page shows, and what it can do."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from service.api.access import Listens, Speaks, TokenFirst, actor_of, listener_of
from service.api.consents import shown_in, statement_of
from service.api.context import TheServices
from service.api.media import NeedsJson
from service.api.paths import IdInPath
from service.api.preconditions import (
    REVISION_HEADER,
    TAG_HEADERS,
    IfNoneMatch,
    TheSeen,
    tagged,
    unchanged,
)
from service.api.schemas.consents import ConsentIn, ConsentOut
from service.api.schemas.settings import EffectOut, SettingsOut, UndoIn
from service.api.schemas.types import LARGEST_REVISION
from service.api.writing import TheWriting
from service.consents.undo import undo_consent
from service.ledger.events import Json
from service.settings_page.desk import Desk, open_sheet, try_out
from service.settings_page.wire import effect_json, sheet_json

router = APIRouter(prefix="/v1/artists", tags=["settings"], route_class=TokenFirst)

_HEADERS: Final = TAG_HEADERS | REVISION_HEADER
RevisionInPath = Annotated[int, Path(ge=1, le=LARGEST_REVISION, description="A record's revision.")]


def desk_of(services: TheServices) -> Desk:
    """Return what the settings page works with."""
    return Desk(services.database, services.checker, services.appender)


@router.get(
    "/{artist}/settings",
    response_model=SettingsOut,
    responses={
        HTTPStatus.OK.value: {"headers": _HEADERS},
        HTTPStatus.NOT_MODIFIED.value: {"description": "You have it.", "headers": _HEADERS},
    },
)
async def read_settings(
    artist: IdInPath,
    caller: Listens,
    services: TheServices,
    response: Response,
    if_none_match: IfNoneMatch = None,
    tracks_before: Annotated[int | None, Query(ge=1, le=LARGEST_REVISION)] = None,
) -> Json | Response:
    """Read everything that an artist's settings page shows, in one request.

    Its ETag changes with anything on it. A yes needs it as `If-Match`.
    """
    sheet = await open_sheet(
        desk_of(services), artist, listener_of(caller), tracks_before=tracks_before
    )
    revision = str(sheet.revision)
    same = unchanged(if_none_match, sheet.etag, Fermata_Revision=revision)
    if same is not None:
        return same
    tagged(response, sheet.etag, Fermata_Revision=revision)
    return sheet_json(sheet)


@router.post("/{artist}/consents/preview", name="preview_consent", response_model=EffectOut)
async def preview(
    artist: IdInPath, body: ConsentIn, caller: Speaks, services: TheServices, _: NeedsJson
) -> Json:
    """Say what a statement would change, and record nothing. It needs no `If-Match`."""
    effect = await try_out(desk_of(services), artist, statement_of(body), actor_of(caller))
    return effect_json(effect)


@router.post(
    "/{artist}/consents/{revision}/undo",
    name="undo_consent",
    response_model=ConsentOut,
    status_code=HTTPStatus.CREATED,
)
async def undo(
    artist: IdInPath,
    revision: RevisionInPath,
    body: UndoIn,
    caller: Speaks,
    writing: TheWriting,
    seen: TheSeen,
) -> Json:
    """Say again what stood at a record's scope before it: the last record there, and no other.

    Where that was a yes, it is one to the words of today, and needs `If-Match`.
    """
    write = undo_consent(
        artist,
        revision,
        actor_of(caller),
        seen,
        channel=body.channel,
        locale=body.locale,
        shown=shown_in(body.shown),
    )
    return await writing.submit(caller, write)
