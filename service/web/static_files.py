"""`/static`: the style sheet, htmx and the drawings, from this service and nowhere else."""

from functools import cache
from hashlib import sha256
from http import HTTPStatus
from mimetypes import guess_type
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.web.templates import STATIC, STATIC_PATH

_SERVED: Final = frozenset({".css", ".ico", ".js", ".png", ".svg", ".woff2"})
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_ASK_AGAIN: Final = "public, no-cache"


async def static_file(request: Request) -> Response:
    """Serve one file, to be kept for ever where the address names its content (`asset`).

    Not where it names another: while a release is rolled out, a replica of the last one is asked
    for the files of the next, and what it has must not be kept under their name.
    """
    name = request.path_params["name"]
    if name not in _names():
        raise HTTPException(HTTPStatus.NOT_FOUND)
    content, kind, digest = _read(name)
    version = request.query_params.get("v")
    etag = f'"{digest}"'
    headers = {
        "Cache-Control": _FOR_EVER if version and digest.startswith(version) else _ASK_AGAIN,
        "ETag": etag,
    }
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(content, media_type=kind, headers=headers)


@cache
def _names() -> frozenset[str]:
    return frozenset(path.name for path in STATIC.iterdir() if path.suffix in _SERVED)


@cache
def _read(name: str) -> tuple[bytes, str, str]:
    content = (STATIC / name).read_bytes()
    return content, guess_type(name)[0] or "application/octet-stream", sha256(content).hexdigest()


ROUTES: Final = (Route(f"{STATIC_PATH}/{{name}}", static_file, name="static"),)
