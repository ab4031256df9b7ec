"""Bodies are JSON and say so: what is read otherwise could be meant otherwise."""

from typing import Annotated, TypeAlias

from fastapi import Depends
from starlette.requests import Request

from service.api.problems import BodyNotJson


def require_json(request: Request) -> None:
    """Raise BodyNotJson unless the request declares its body as JSON (RFC 8259, RFC 6839)."""
    declared = request.headers.get("content-type", "")
    media_type = declared.partition(";")[0].strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise BodyNotJson(declared)


NeedsJson: TypeAlias = Annotated[None, Depends(require_json)]
"""For a route that takes a body and writes nothing; `Writing` sees to it where something is."""
