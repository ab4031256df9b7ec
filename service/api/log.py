"""`/log`: the ledger as everybody may check it, in the formats of C2SP. Nothing here takes a token.

Checkpoints, tiles and entries are what monitors need; proofs spare everybody else the computing.
"""

from typing import Annotated, Final, TypeAlias
from urllib.parse import unquote

from fastapi import APIRouter, Path, Query
from pydantic import BeforeValidator
from starlette.requests import Request
from starlette.responses import Response

from service.api.access import authenticate
from service.api.context import Services, TheServices
from service.api.schemas.log import ConsistencyProofOut, InclusionProofOut
from service.api.schemas.types import LARGEST_REVISION
from service.auth.scopes import Scope
from service.domain.refusal import RefusalKind, Refused, refuse
from service.domain.tiles import Tile, parse_level, parse_number
from service.ledger.events import Json
from service.transparency.note import encode64
from service.transparency.proof_file import proof_file
from service.transparency.publication import Inclusion

router = APIRouter(prefix="/log", tags=["log"])

_TEXT: Final = "text/plain; charset=utf-8"
_BYTES: Final = "application/octet-stream"
_FOR_EVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
_FOR_A_MOMENT: Final = {"Cache-Control": "public, max-age=1"}
_FOR_AUDITORS: Final = {"Cache-Control": "private, no-store", "Vary": "Authorization"}
_SPARE_SECONDS: Final = 2

_Number: TypeAlias = Annotated[
    str,
    BeforeValidator(unquote),
    Path(
        description="Groups of three digits, all but the last behind an x, and how wide it is "
        "unless it is full: x001/x234/067, or 000.p/8. Its slashes are part of the path."
    ),
]
_Revision: TypeAlias = Annotated[int, Path(ge=1, le=LARGEST_REVISION)]
_Size: TypeAlias = Annotated[
    int | None,
    Query(ge=0, le=LARGEST_REVISION, description="Of which checkpoint; the newest unless said."),
]


def _file(media_type: str, description: str) -> Json:
    schema = {"type": "string"} | ({"format": "binary"} if media_type == _BYTES else {})
    content = {media_type.partition(";")[0]: {"schema": schema}}
    return {"responses": {200: {"description": description, "content": content}}}


@router.get(
    "/proof/{revision}.tlog-proof",
    response_class=Response,
    **_file(_TEXT, "The file."),
)
async def read_proof_file(
    revision: _Revision, services: TheServices, size: _Size = None
) -> Response:
    """Return the proof of one event as a file that is verified offline (C2SP tlog-proof).

    Its extra line is the entry itself, unless entries are for auditors. The newest checkpoint may
    be a second behind: it is waited for.
    """
    proof = await _inclusion(services, revision, size)
    entry = proof.leaf if services.settings.log_entries == "public" else None
    name = f'attachment; filename="revision-{revision}.tlog-proof"'
    return Response(
        proof_file(proof.index, proof.hashes, proof.note, entry),
        media_type=_TEXT,
        headers=_FOR_A_MOMENT | {"Content-Disposition": name},
    )


@router.get("/proof/{revision}", response_model=InclusionProofOut)
async def read_proof(
    revision: _Revision, services: TheServices, response: Response, size: _Size = None
) -> Json:
    """Return the same proof as JSON."""
    proof = await _inclusion(services, revision, size)
    response.headers.update(_FOR_A_MOMENT)
    public = services.settings.log_entries == "public"
    return {
        "logIndex": str(proof.index),
        "rootHash": encode64(proof.checkpoint.root),
        "treeSize": str(proof.checkpoint.size),
        "hashes": [encode64(one) for one in proof.hashes],
        "checkpoint": {"envelope": proof.note},
        "entry": encode64(proof.leaf) if public else None,
    }


@router.get("/consistency", response_model=ConsistencyProofOut)
async def read_consistency(
    services: TheServices,
    response: Response,
    first: Annotated[int, Query(ge=0, le=LARGEST_REVISION, description="The older size.")],
    second: Annotated[
        int | None,
        Query(ge=0, le=LARGEST_REVISION, description="The newer one; the newest unless said."),
    ] = None,
) -> Json:
    """Return the proof that the ledger only grew from one size to another.

    Compare the roots with those of the checkpoints that you have: they are what is proven about.
    """
    proof = await services.publication.consistency(first, second)
    if proof is None:
        raise _nothing("second", "no checkpoint covers such a tree: ask for less than the newest")
    response.headers.update(_FOR_A_MOMENT if second is None else _FOR_EVER)
    return {
        "first": proof.older,
        "second": proof.newer,
        "first_root_hash": encode64(proof.older_root),
        "second_root_hash": encode64(proof.newer_root),
        "consistency": [encode64(one) for one in proof.hashes],
    }


@router.get(
    "/checkpoint",
    response_class=Response,
    **_file(_TEXT, "A signed note."),
)
async def read_checkpoint(services: TheServices) -> Response:
    """Return the newest checkpoint (C2SP tlog-checkpoint), with what witnesses have added.

    Keep it: whoever has an old one can tell whether the past was changed since.
    """
    note = await services.publication.note()
    if note is None:
        raise _nothing("checkpoint", "no checkpoint has been signed yet: ask again in a moment")
    return Response(note, media_type=_TEXT, headers=_FOR_A_MOMENT)


@router.get(
    "/tile/entries/{number:path}",
    response_class=Response,
    **_file(_BYTES, "Entries, each behind its length in two bytes."),
)
async def read_entries(request: Request, number: _Number, services: TheServices) -> Response:
    """Return up to 256 of the ledger's entries (C2SP tlog-tiles).

    What artists said is in them as salted commitments. They come with gzip where `Accept-Encoding`
    names it. An operator may let auditors alone read
    entries; a token with the scope fermata:audit is asked for then.
    """
    open_to_all = services.settings.log_entries == "public"
    if not open_to_all:
        await authenticate(request, Scope.AUDIT)
    parsed = parse_number(number)
    found = None if parsed is None else await services.publication.bundle(*parsed)
    if found is None:
        raise _nothing("number", "no checkpoint covers such entries")
    headers = _FOR_EVER if open_to_all else _FOR_AUDITORS
    return Response(found, media_type=_BYTES, headers=headers)


@router.get(
    "/tile/{level}/{number:path}",
    response_class=Response,
    **_file(_BYTES, "Hashes of 32 bytes, end to end."),
)
async def read_tile(
    level: Annotated[str, Path(description="0 to 63.")], number: _Number, services: TheServices
) -> Response:
    """Return up to 256 neighbouring hashes of the ledger's tree (C2SP tlog-tiles)."""
    at, parsed = parse_level(level), parse_number(number)
    if at is not None and parsed is not None:
        found = await services.publication.tile(Tile(at, parsed[0]), parsed[1])
        if found is not None:
            return Response(found, media_type=_BYTES, headers=_FOR_EVER)
    raise _nothing("number", "no checkpoint covers such a tile")


async def _inclusion(services: Services, revision: int, size: int | None) -> Inclusion:
    """Return the proof, once there is a checkpoint that covers the event."""
    if not await services.publication.holds(revision):
        raise _nothing("revision", "the ledger has not got there")
    if size is None:
        patience = services.settings.checkpoint_interval_ms / 1_000 + _SPARE_SECONDS
        await services.signer.reach(revision, timeout=patience)
    proof = await services.publication.inclusion(revision, size)
    if proof is None:
        raise _nothing("size", "there is no checkpoint of that size, or it does not cover it")
    return proof


def _nothing(field: str, message: str) -> Refused:
    return refuse(field, "not_in_the_log", message, RefusalKind.UNKNOWN)
