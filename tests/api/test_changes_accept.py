"""Pages or a stream: what the header Accept asks for."""

import pytest

from service.api.changes_accept import wants_stream
from service.api.problems import NotAcceptable


@pytest.mark.parametrize(
    ("accept", "stream"),
    [
        ("", False),
        ("*/*", False),
        ("application/*", False),
        ("application/x-ndjson", False),
        ("text/event-stream", True),
        ("Text/Event-Stream; charset=utf-8", True),
        ("text/*", True),
        ("text/event-stream, */*", True),
        ("text/event-stream, application/x-ndjson", False),
        ("text/event-stream, application/x-ndjson;q=0.5", True),
        ("text/event-stream;q=0.1, application/x-ndjson", False),
        ("text/event-stream;q=0, */*", False),
        ("application/x-ndjson;q=0, */*", True),
    ],
)
def test_the_form_that_is_wished_most_is_given(accept: str, *, stream: bool) -> None:
    """By weight, then by how exactly it was named; pages where nothing tells."""
    assert wants_stream(accept) is stream


@pytest.mark.parametrize("accept", ["text/html", "text/event-stream;q=0", "a/b;q=x", "*/*;q=0"])
def test_neither_form_is_refused(accept: str) -> None:
    """Rather than to send what nobody reads."""
    with pytest.raises(NotAcceptable):
        wants_stream(accept)
