"""`/v1/exports`: signed bundles of everything that compliance has to account for."""

import mimetypes
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import PurePath
from typing import Annotated, Final

from fastapi import APIRouter, Query, Response
from fastapi import Path as InPath
from starlette.responses import StreamingResponse

from service.api.access import SEES_EXPORTS, Exporting, TokenFirst
from service.api.context import Services, TheServices
from service.api.place_cursor import cursor_of, read_cursor
from service.api.schemas.exports import (
    ExportFilters,
    ExportId,
    ExportIn,
    ExportList,
    ExportOut,
    ExportWhole,
    FileName,
)
from service.api.writing import IdempotencyKey
from service.db.engine import ReadSession
from service.db.tables import Export
from service.decisions.log.entry import artists_of, subject_of
from service.domain.instant import format_instant, parse_instant
from service.domain.refusal import RefusalKind, Refused, refuse
from service.exports.asking import ask, export_id_of, new_export_id, require_askable
from service.exports.expiry import expire_one
from service.exports.jobs import Asker, Place, State, list_exports, read_export
from service.exports.wanted import FILTERS, Filters, Wanted
from service.ledger.events import Json
from service.storage.objects import NotStored, Objects

_ID_BYTES: Final = 16
_MEDIA_TYPES: Final = {
    ".parquet": "application/vnd.apache.parquet",
    ".csv": "text/csv; charset=utf-8",
    ".ndjson": "application/x-ndjson",
    ".json": "application/json",
    ".note": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
}
_ANY: Final = "application/octet-stream"
_BYTES: Final = {"type": "string", "format": "binary"}
_DESCRIBED: Final = {
    media_type.partition(";")[0]: {"schema": {} if media_type == "application/json" else _BYTES}
    for media_type in (*_MEDIA_TYPES.values(), _ANY)
}
"""What a file can be, as the contract says it; what is in JSON is described by docs/exports.md."""

router = APIRouter(prefix="/v1/exports", tags=["exports"], route_class=TokenFirst)


@router.post("", name="request_export", status_code=202, response_model=ExportOut)
async def request_it(
    body: ExportIn,
    principal: Exporting,
    services: TheServices,
    response: Response,
    key: IdempotencyKey = None,
) -> Json:
    """Ask for an export. It is built in the background: its `Location` tells how far it is."""
    _place_for(services)
    asker = Asker(principal.client_id, principal.subject)
    export_id = (
        new_export_id(services.random_bytes(_ID_BYTES))
        if key is None
        else export_id_of(f"{asker.client}\x1f{asker.caller}", key)
    )
    head = await services.heads.read()
    async with services.database.keep() as session:
        wanted = await _wanted(session, body)
        require_askable(wanted)
        asked = await ask(session, export_id, asker, wanted, body.as_of, head)
        named = await _names(session, [asked.export])
    services.exports.look()
    response.headers["Location"] = f"/v1/exports/{export_id}"
    if asked.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return _export_json(asked.export, named)


@router.get("", name="list_exports", response_model=ExportList, dependencies=[SEES_EXPORTS])
async def list_them(
    services: TheServices,
    cursor: Annotated[str | None, Query(max_length=200, description="A `next_cursor`.")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> Json:
    """List exports, newest first, those that have expired among them."""
    below = None if cursor is None else Place(*read_cursor(cursor))
    async with services.database.read() as session:
        found = await list_exports(session, below=below, limit=limit + 1)
        named = await _names(session, found)
    page = found[:limit]
    return {
        "exports": [_export_json(one, named) for one in page],
        "next_cursor": (
            cursor_of(page[-1].requested_at, page[-1].export_id) if len(found) > limit else None
        ),
    }


@router.get(
    "/{export}", name="read_export", response_model=ExportWhole, dependencies=[SEES_EXPORTS]
)
async def read_it(export: Annotated[ExportId, InPath()], services: TheServices) -> Json:
    """Read how far an export is, and its manifest once it is ready."""
    async with services.database.read() as session:
        found = await _found(session, export)
        named = await _names(session, [found])
    is_ready = found.state == State.READY
    return _export_json(found, named) | {
        "manifest": found.manifest if is_ready else None,
        "files": sorted(found.progress["keys"]) if is_ready else [],
    }


@router.get(
    "/{export}/files/{file}",
    name="read_export_file",
    dependencies=[SEES_EXPORTS],
    response_class=StreamingResponse,
    responses={
        200: {"content": _DESCRIBED},
    },
)
async def read_file(
    export: Annotated[ExportId, InPath()],
    file: Annotated[FileName, InPath()],
    services: TheServices,
) -> StreamingResponse:
    """Read one file of a bundle that is ready."""
    objects = _place_for(services)
    async with services.database.read() as session:
        found = await _found(session, export)
    key = found.progress["keys"].get(file) if found.state == State.READY else None
    if key is None:
        message = f"the export is {found.state}" if found.state != State.READY else "no such file"
        raise refuse("file", "unknown_file", message, RefusalKind.UNKNOWN)
    return StreamingResponse(
        await _opened(objects, key),
        media_type=_media_type(file),
        headers={
            "Content-Disposition": f'attachment; filename="{file}"',
            "Cache-Control": "private, no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


@router.delete("/{export}", name="delete_export", status_code=204, dependencies=[SEES_EXPORTS])
async def delete_it(export: Annotated[ExportId, InPath()], services: TheServices) -> None:
    """Delete an export's files, or stop it. That there was one stays on record."""
    async with services.database.keep() as session:
        if not await expire_one(session, export):
            raise _unknown()
    services.exports.look()


async def _wanted(session: ReadSession, body: ExportIn) -> Wanted:
    return Wanted(
        datasets=tuple(body.datasets),
        packs=tuple(body.packs),
        format=body.format,
        filters=await _filters(session, body.filters),
        openings=body.openings,
    )


async def _filters(session: ReadSession, asked: ExportFilters) -> Filters:
    """Return filters by what the ledger knows. Raises Refused for an artist who is unknown."""
    subject = None if asked.artist is None else await subject_of(session, asked.artist)
    if asked.artist is not None and subject is None:
        message = "no artist has this id"
        raise refuse("filters.artist", "unknown_artist", message, RefusalKind.UNKNOWN)
    return Filters(
        use=asked.use,
        recipient=asked.recipient,
        artist=subject,
        content=asked.content,
        run=asked.run,
        since=None if asked.since is None else parse_instant(asked.since),
        until=None if asked.until is None else parse_instant(asked.until),
    )


def _place_for(services: Services) -> Objects:
    if services.exports.objects is None:
        message = "exports have nowhere to be kept: set FERMATA_EXPORTS to a folder or a bucket"
        raise refuse("export", "not_set_up", message, RefusalKind.CONFLICT)
    return services.exports.objects


async def _found(session: ReadSession, export_id: str) -> Export:
    found = await read_export(session, export_id)
    if found is None:
        raise _unknown()
    return found


def _unknown() -> Refused:
    message = "no export has this id"
    return refuse("export", "unknown_export", message, RefusalKind.UNKNOWN)


async def _opened(objects: Objects, key: str) -> AsyncIterator[bytes]:
    """Return a stored file's bytes. Raises Refused now, not while they are being sent."""
    chunks = objects.stream(key)
    try:
        first = await anext(chunks, b"")
    except NotStored:
        message = "this file is gone: the export expires just now"
        raise refuse("file", "unknown_file", message, RefusalKind.UNKNOWN) from None

    async def all_of_it() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    return all_of_it()


def _media_type(name: str) -> str:
    suffix = PurePath(name).suffix
    return _MEDIA_TYPES.get(suffix) or mimetypes.guess_type(name)[0] or _ANY


async def _names(session: ReadSession, exports: Sequence[Export]) -> Mapping[str, str]:
    """Return the platform's ids of the artists whom exports are narrowed to."""
    subjects = [one.request["filters"].get("artist") for one in exports]
    wanted = [one for one in subjects if one is not None]
    return await artists_of(session, wanted) if wanted else {}


def _export_json(export: Export, named: Mapping[str, str]) -> Json:
    request, progress = export.request, export.progress
    filters = dict.fromkeys(FILTERS) | request["filters"]
    return {
        "export_id": export.export_id,
        "state": export.state,
        "requested_at": format_instant(export.requested_at),
        "requested_by": export.caller,
        "client": export.client,
        "datasets": request["datasets"],
        "packs": request["packs"],
        "format": request["format"],
        "filters": filters | {"artist": named.get(filters["artist"] or "")},
        "openings": request["openings"],
        "revision": export.revision,
        "as_of": format_instant(export.as_of),
        "progress": {name: progress[name] for name in ("rows", "expected", "tries")},
        "error": export.error,
        "finished_at": _optional(export.finished_at),
        "expires_at": _optional(export.expires_at),
    }


def _optional(instant: int | None) -> str | None:
    return None if instant is None else format_instant(instant)
