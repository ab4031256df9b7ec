"""Tags of what was shown: sent as `ETag`, and expected back in `If-Match` or `If-None-Match`."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Depends, Header
from starlette.responses import Response

from service.consents.entity_tags import is_known
from service.consents.precondition import Seen, seen_in

IfNoneMatch = Annotated[
    str | None,
    Header(
        alias="If-None-Match",
        description="ETags of what you have: if it is still the same, the answer is 304.",
    ),
]
_IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="The ETag of the settings that a yes was given on. A yes needs it and is taken "
        "only while they still stand, whatever the time; a no is taken whatever it is.",
    ),
]


def _seen(if_match: _IfMatch = None) -> Seen | None:
    return seen_in(if_match)


TheSeen = Annotated[Seen | None, Depends(_seen)]
"""What the caller says they have seen, or None."""

TAG_HEADERS: Final[dict[str, Any]] = {
    "ETag": {
        "description": "Stands for what is shown; send it back as If-Match with a yes.",
        "schema": {"type": "string"},
    }
}
REVISION_HEADER: Final[dict[str, Any]] = {
    "Fermata-Revision": {
        "description": "The number of events in the ledger by then.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    }
}


def tagged(response: Response, etag: str, **headers: str) -> None:
    """Let the caller keep the representation, and ask each time whether it still holds."""
    response.headers["ETag"] = etag
    response.headers["Cache-Control"] = "private, no-cache"
    for name, value in headers.items():
        response.headers[name.replace("_", "-")] = value


def unchanged(if_none_match: str | None, etag: str, **headers: str) -> Response | None:
    """Return the answer to somebody who has it already, or None (RFC 9110 section 15.4.5)."""
    if not is_known(if_none_match, etag):
        return None
    response = Response(status_code=HTTPStatus.NOT_MODIFIED)
    tagged(response, etag, **headers)
    return response
