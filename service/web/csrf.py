"""That a form was sent from a page of ours, by whoever was shown it.

Three fences, any of which would do: the session cookie is not sent with other sites' forms
(SameSite); the browser's own word on where the form was (Sec-Fetch-Site, or Origin where it says
nothing); and a token that only pages of this session know.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Self
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from service.web.session import Session

CSRF_FIELD: Final = "csrf_token"
LARGEST_FORM: Final = 256 * 1_024  # bytes
MOST_FIELDS: Final = 5_000
_FORM_TYPE: Final = "application/x-www-form-urlencoded"


class ForeignForm(Exception):  # noqa: N818 -- an outcome
    """The form does not come from a page of ours that this session was shown."""


class BadForm(Exception):  # noqa: N818 -- an outcome
    """The body is no form that a page of ours sends."""

    def __init__(self, status: HTTPStatus) -> None:
        """Say in what way."""
        super().__init__(status.phrase)
        self.status = status


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form, each with its values in the order they were sent."""

    fields: Mapping[str, Sequence[str]]

    def get(self, name: str) -> str | None:
        """Return a field's first value; None where it was not sent."""
        values = self.fields.get(name)
        return values[0] if values else None

    def all(self, name: str) -> Sequence[str]:
        """Return every value of a field."""
        return self.fields.get(name, ())

    @classmethod
    async def read(cls, request: Request) -> Self:
        """Read the body of at most 256 kB and 5,000 fields. Raises BadForm."""
        declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if declared != _FORM_TYPE:
            raise BadForm(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_FORM:
                raise BadForm(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return cls(_parsed(bytes(body)))


def require_same_origin(request: Request, public_url: str | None) -> None:
    """Raise ForeignForm where the browser says that another site sent this.

    A browser that says nothing at all is let through: it has the token yet to show.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None:
        # "none" is the person's own doing. Before Origin, which is "null" under no-referrer.
        ours = site in {"same-origin", "none"}
    else:
        ours = origin is None or origin in _own_origins(request, public_url)
    if not ours:
        raise ForeignForm


def is_surely_ours(request: Request) -> bool:
    """Tell whether the browser says that a page of ours sent this; no page can make it say so."""
    return request.headers.get("sec-fetch-site") == "same-origin"


def require_csrf_token(form: Form, session: Session) -> None:
    """Raise ForeignForm unless the form carries this session's token."""
    given = form.get(CSRF_FIELD) or ""
    if not hmac.compare_digest(given.encode(), session.csrf_token.encode()):
        raise ForeignForm


def _own_origins(request: Request, public_url: str | None) -> set[str]:
    urls = [str(request.url)] if public_url is None else [str(request.url), public_url]
    return {f"{parts.scheme}://{parts.netloc}" for parts in map(urlsplit, urls)}


def _parsed(body: bytes) -> dict[str, list[str]]:
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError:
        raise BadForm(HTTPStatus.BAD_REQUEST) from None
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        if "\0" in name + value:  # which no column of text can hold
            raise BadForm(HTTPStatus.BAD_REQUEST)
        fields.setdefault(name, []).append(value)
    return fields
