"""Which of two forms a reader wants: pages or a stream (RFC 9110 section 12.5.1)."""

from typing import Final

from service.api.problems import NotAcceptable

PAGES: Final = "application/x-ndjson"
STREAM: Final = "text/event-stream"


def wants_stream(accept: str) -> bool:
    """Tell whether a stream is wanted rather than pages. Raises NotAcceptable.

    Pages are for whoever does not say.
    """
    stream, pages = _wish(STREAM, accept), _wish(PAGES, accept)
    if not stream[0] and not pages[0]:
        message = f"ask for '{PAGES}' or '{STREAM}' in the header Accept"
        raise NotAcceptable(message)
    return stream > pages


def _wish(media_type: str, accept: str) -> tuple[float, int]:
    """Return the weight that this type is given, and how exactly it was named."""
    ranges = ["*/*", f"{media_type.partition('/')[0]}/*", media_type]
    found = [(0.0, -1)] if accept.strip() else [(1.0, 0)]
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        if name in ranges:
            found.append((_weight(parameters), ranges.index(name)))
    return max(found, key=lambda one: one[1])


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0
