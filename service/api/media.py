"""Bodies say what they are: what is read otherwise could be meant otherwise. So do answers."""

from typing import Annotated, Final, TypeAlias

from fastapi import Depends
from starlette.requests import Request

from service.api.problems import BodyNotJson, MediaTypeNotTaken, NotAcceptable

JSON: Final = "application/json"
ARROW: Final = "application/vnd.apache.arrow.stream"


def require_json(request: Request) -> None:
    """Raise BodyNotJson unless the request declares its body as JSON (RFC 8259, RFC 6839)."""
    declared = request.headers.get("content-type", "")
    if not _is_json(_media_type(declared)):
        raise BodyNotJson(declared)


def json_or_arrow(declared: str | None) -> str:
    """Return what a Content-Type declares, `JSON` or `ARROW`. Raises MediaTypeNotTaken."""
    media_type = _media_type(declared or "")
    if _is_json(media_type):
        return JSON
    if media_type == ARROW:
        return ARROW
    raise MediaTypeNotTaken(declared or "", (JSON, ARROW))


def acceptable(accept: str, sent: str) -> str:
    """Return the best answer, `JSON` or `ARROW`, for an Accept header (RFC 9110 section 12.5.1).

    Where both are as good, it is what was `sent`; so it is where nothing is said. Raises
    NotAcceptable where neither will do.
    """
    ranges = [_range(part) for part in accept.split(",") if part.strip()]
    if not ranges:
        return sent
    other = ARROW if sent == JSON else JSON
    best = max((sent, other), key=lambda kind: _quality(kind, ranges))  # the first of equals
    if _quality(best, ranges) == 0:
        raise NotAcceptable(f"the answer is {JSON} or {ARROW}: accept one of them")
    return best


def takes_gzip(accept: str) -> bool:
    """Tell whether an Accept-Encoding header asks for gzip (RFC 9110 section 12.5.3).

    Whoever says nothing, or only that anything will do, is not taken to ask for it.
    """
    codings = dict(_range(part) for part in accept.split(","))
    return codings.get("gzip", 0) > 0


def _media_type(declared: str) -> str:
    return declared.partition(";")[0].strip().lower()


def _is_json(media_type: str) -> bool:
    return media_type == JSON or (
        media_type.startswith("application/") and media_type.endswith("+json")
    )


def _range(part: str) -> tuple[str, float]:
    """Return a media range (or coding) and its quality; what is no quality counts as not said."""
    media_range, *parameters = part.split(";")
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            quality = _number(value.strip())
    return media_range.strip().lower(), quality


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return 1.0
    return number if 0 <= number <= 1 else 1.0


def _quality(media_type: str, ranges: list[tuple[str, float]]) -> float:
    """Return the quality that the most specific range gives a media type; 0 where none does."""
    for wanted in (media_type, media_type.partition("/")[0] + "/*", "*/*"):
        for media_range, quality in ranges:
            if media_range == wanted:
                return quality
    return 0.0


NeedsJson: TypeAlias = Annotated[None, Depends(require_json)]
"""For a route that takes a body and writes nothing; `Writing` sees to it where something is."""
