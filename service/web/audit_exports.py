"""`/audit/exports`: asking for exports, seeing how far they are, and downloading them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from mimetypes import guess_type
from typing import Any, ClassVar, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from service.audit.said import known_uses
from service.db.engine import ReadSession
from service.db.tables import Export
from service.decisions.log.entry import artists_of
from service.domain.instant import LATEST, Instant
from service.domain.refusal import RefusalKind, Refused, refuse
from service.exports.asking import ask, export_id_of, require_askable
from service.exports.datasets import DATASETS
from service.exports.expiry import expire_one
from service.exports.jobs import Asker, Place, State, list_exports, read_export
from service.exports.packs import PACKS
from service.exports.wanted import Format
from service.storage.objects import NotStored, Objects
from service.web.audit_export_form import Filled, as_said, blank, filled_in, read_question
from service.web.audit_frame import address, answer, id_in_path, note_look, whole_number
from service.web.context import AUDIT, auditor, posted, require_auditor, web_of
from service.web.csrf import Form
from service.web.session import Session

_LISTED: Final = 20
_KEY_BYTES: Final = 16
_CONSOLE: Final = "audit-console"
"""The client in whose name the console asks for exports."""

_ANY: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Choice:
    """A dataset or a pack that can be asked for. `narrowed_by` names the filters that it takes."""

    name: str
    title: str
    narrowed_by: Sequence[str]


@dataclass(frozen=True, slots=True)
class ExportsPage:
    """Lists exports, newest first, and has the form that asks for one.

    `key` makes a form that is sent twice ask once. `problems` says what was the matter with what
    was `filled` in. Without `set_up` there is nowhere to keep any. `older` leads to the next page.
    """

    template: ClassVar[str] = "audit/exports.html.j2"

    exports: Sequence[Export]
    older: str | None
    set_up: bool
    datasets: Sequence[Choice]
    packs: Sequence[Choice]
    formats: Sequence[str]
    uses: Sequence[str]
    filled: Filled
    problems: Sequence[str]
    key: str


@dataclass(frozen=True, slots=True)
class File:
    """One file of a bundle that is ready; `size` is in bytes, None where the manifest is silent."""

    name: str
    address: str
    size: int | None
    sha256: str | None


@dataclass(frozen=True, slots=True)
class ExportPage:
    """Shows one export: what was asked for, how far it is, and its files once it is ready.

    `artist` is the platform's id of the artist it is narrowed to, if there is one and they have not
    been erased.
    """

    template: ClassVar[str] = "audit/export.html.j2"

    export: Export
    address: str
    artist: str | None
    files: Sequence[File]
    unfinished: bool
    now: Instant


async def exports(request: Request) -> Response:
    """Answer the list of exports, with an empty form."""
    return await _listing(request, auditor(request), blank(), ())


async def request_export(request: Request) -> Response:
    """Ask for what the form says, and lead to its page; or say what is the matter with it."""
    session, form = await posted(request)
    require_auditor(session)
    try:
        export_id = await _asked(request, session, form)
    except Refused as refused:
        if refused.kind is RefusalKind.UNKNOWN:
            raise
        return await _listing(request, session, filled_in(form), as_said(refused))
    return RedirectResponse(address("exports", export_id), HTTPStatus.SEE_OTHER.value)


async def export(request: Request) -> Response:
    """Answer one export. Raises HTTPException 404 where there is none of this id."""
    session, web = auditor(request), web_of(request)
    async with web.database.read() as reading:
        found = await _found(reading, request)
        subject = found.request["filters"].get("artist")
        named = await artists_of(reading, [subject]) if subject else {}
    if subject:
        note_look(session, "export", found.export_id, [subject])
    ready = found.state == State.READY
    page = ExportPage(
        export=found,
        address=address("exports", found.export_id),
        artist=named.get(subject or ""),
        files=_files(found) if ready else (),
        unfinished=found.state in {State.QUEUED, State.RUNNING},
        now=web.clock.now(),
    )
    return await answer(request, session, page, "exports")


async def download(request: Request) -> Response:
    """Send one file of a bundle that is ready. Raises HTTPException 404 where there is none."""
    session, web = auditor(request), web_of(request)
    name, objects = id_in_path(request, "file"), web.exports.objects
    async with web.database.read() as reading:
        found = await _found(reading, request)
    key = found.progress["keys"].get(name) if found.state == State.READY else None
    if key is None or objects is None:
        raise HTTPException(HTTPStatus.NOT_FOUND.value)
    subject = found.request["filters"].get("artist")
    note_look(session, "export file", f"{found.export_id}/{name}", [subject] if subject else [])
    return StreamingResponse(
        await _opened(objects, key),
        media_type=guess_type(name)[0] or _ANY,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def delete(request: Request) -> Response:
    """Delete an export's files, or stop it, and lead back to its page."""
    session, _ = await posted(request)
    require_auditor(session)
    web, export_id = web_of(request), id_in_path(request, "export")
    async with web.database.keep() as writing:
        if not await expire_one(writing, export_id):
            raise HTTPException(HTTPStatus.NOT_FOUND.value)
    web.exports.look()
    return RedirectResponse(address("exports", export_id), HTTPStatus.SEE_OTHER.value)


async def _asked(request: Request, session: Session, form: Form) -> str:
    """Ask for an export; return its id. Raises Refused."""
    web = web_of(request)
    if web.exports.objects is None:
        message = "exports have nowhere to be kept: set FERMATA_EXPORTS to a folder or a bucket"
        raise refuse("export", "not_set_up", message, RefusalKind.CONFLICT)
    head = await web.heads.read()
    export_id = export_id_of(f"{_CONSOLE}\x1f{session.subject}", form.get("key") or "")
    async with web.database.keep() as writing:
        question = await read_question(writing, form)
        require_askable(question.wanted)
        asker = Asker(_CONSOLE, session.subject)
        await ask(writing, export_id, asker, question.wanted, question.as_of, head)
    web.exports.look()
    return export_id


async def _listing(
    request: Request, session: Session, filled: Filled, problems: Sequence[str]
) -> Response:
    web = web_of(request)
    async with web.database.read() as reading:
        found = await list_exports(reading, below=_below(request), limit=_LISTED + 1)
        uses = await known_uses(reading)
    page = ExportsPage(
        exports=found[:_LISTED],
        older=_older(found),
        set_up=web.exports.objects is not None,
        datasets=[Choice(one.name, one.title, sorted(one.filters)) for one in DATASETS.values()],
        packs=[Choice(one.name, one.title, sorted(one.needs)) for one in PACKS.values()],
        formats=[one.value for one in Format],
        uses=uses,
        filled=filled,
        problems=problems,
        key=web.random_bytes(_KEY_BYTES).hex(),
    )
    status = HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK
    return await answer(request, session, page, "exports", status)


def _below(request: Request) -> Place | None:
    at, name = whole_number(request, "at"), request.query_params.get("below", "")
    return None if at is None or "\0" in name else Place(min(at, LATEST), name)


def _older(found: Sequence[Export]) -> str | None:
    if len(found) <= _LISTED:
        return None
    last = found[_LISTED - 1]
    return f"{address('exports')}?at={last.requested_at}&below={last.export_id}"


async def _found(session: ReadSession, request: Request) -> Export:
    found = await read_export(session, id_in_path(request, "export"))
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND.value)
    return found


def _files(found: Export) -> Sequence[File]:
    known = {one["name"]: one for one in _described(found.manifest or {})}
    place = ("exports", found.export_id, "files")
    return [
        File(
            name,
            address(*place, name),
            known.get(name, {}).get("bytes"),
            known.get(name, {}).get("sha256"),
        )
        for name in sorted(found.progress["keys"])
    ]


def _described(manifest: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return what a manifest says of every file that it names."""
    parts = [*manifest.get("datasets", []), *manifest.get("packs", [])]
    files = [one for part in parts for one in part.get("files", [])]
    return [*files, *([manifest["readme"]] if "readme" in manifest else [])]


async def _opened(objects: Objects, key: str) -> AsyncIterator[bytes]:
    """Return a stored file's bytes. Raises HTTPException now, not while they are being sent."""
    chunks = objects.stream(key)
    try:
        first = await anext(chunks, b"")
    except NotStored:
        raise HTTPException(HTTPStatus.NOT_FOUND.value) from None

    async def all_of_it() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    return all_of_it()


_EXPORTS: Final = f"{AUDIT}/exports"
ROUTES: Final = (
    Route(_EXPORTS, exports, name="audit_exports"),
    Route(_EXPORTS, request_export, methods=["POST"], name="audit_request_export"),
    Route(f"{_EXPORTS}/{{export}}", export, name="audit_export"),
    Route(f"{_EXPORTS}/{{export}}/delete", delete, methods=["POST"], name="audit_delete_export"),
    Route(f"{_EXPORTS}/{{export}}/files/{{file}}", download, name="audit_export_file"),
)
