"""What all pages of the console share: who may see them, their frame, and the note of each look.

They are in English alone: their readers are the platform's own staff.
"""

import json
import logging
from collections.abc import Collection
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, unquote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from service.web.context import AUDIT, web_of
from service.web.framing import framed
from service.web.i18n import Language, languages
from service.web.session import Session
from service.web.templates import PageContext

_MOST_DIGITS: Final = 18
_looks = logging.getLogger("service.audit.looks")


def english() -> Language:
    """Return the console's one language."""
    return languages()["en"]


async def answer(
    request: Request,
    session: Session,
    page: PageContext,
    area: str = "",
    status: HTTPStatus = HTTPStatus.OK,
) -> Response:
    """Return a page of the console; `area` is the part of it to mark as current."""
    frame = await framed(request, area=area, session=session)
    return web_of(request).templates.response(page, english(), frame, status)


def note_look(session: Session, kind: str, name: str | None, subjects: Collection[str]) -> None:
    """Write to the service's log who of the staff looked at whose data, as JSON in one line.

    `subjects` are the ledger's references of the people it is about, never the platform's ids: what
    is in a log could not be erased. `name` is that of a thing, such as a content, or None.
    """
    look = {"looked_at": kind, "name": name, "subjects": sorted(subjects), "who": session.subject}
    _looks.info("%s", json.dumps(look, ensure_ascii=True))


def id_in_path(request: Request, name: str) -> str:
    """Return an id in the path, which may hold a slash. Raises HTTPException 404 for none."""
    found = unquote(request.path_params[name])
    if "\0" in found:  # which no column of text can hold
        raise HTTPException(HTTPStatus.NOT_FOUND.value)
    return found


def whole_number(request: Request, name: str) -> int | None:
    """Return a positive number of the query, or None where there is none."""
    text = request.query_params.get(name, "")
    digits = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
    return int(text) or None if digits else None


def address(*parts: str) -> str:
    """Return the address of a page of the console; ids are escaped, slashes and all."""
    return "/".join([AUDIT, *(quote(part, safe="") for part in parts)])
