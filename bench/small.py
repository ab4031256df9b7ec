"""A small catalogue where nobody has said anything yet: an artist a track, one use by opt-out."""

from typing import Final

from bench.asking import ask_each
from bench.loading import open_ledger, saying
from bench.questions import Form, answered, question
from bench.serving import Service

USE: Final = "training.analysis"
_ROWS: Final = 10_000


def artist(number: int) -> str:
    """Return an artist's id."""
    return f"artist-{number:06}"


def track(number: int) -> str:
    """Return the id of this artist's only track."""
    return f"track-{number:06}"


def load_small(service: Service, artists: int) -> None:
    """Open the ledger, register everybody and give each a track; every track is permitted then."""
    open_ledger(service, {USE: "opt_out"})
    with service.connect("platform") as platform:
        for first in range(0, artists, _ROWS):
            numbers = range(first, min(first + _ROWS, artists))
            registered = [{"artist": artist(number)} for number in numbers]
            platform.write("POST", "/v1/artists", {"artists": registered})
            put = [{"content": track(n), "rightsholders": [artist(n)]} for n in numbers]
            platform.write("POST", "/v1/content", {"content": put})
    permitted = permits(service, artists)
    if permitted != artists:
        raise ValueError(f"{permitted} of {artists} tracks are permitted before anybody spoke")


def permits(service: Service, artists: int) -> int:
    """Return how many of the tracks are permitted now."""
    token, counted = service.token("pipeline"), 0

    def hear(_: int, body: bytes) -> None:
        nonlocal counted
        counted += sum(permitted for _, permitted, _ in answered(body, Form.JSON))

    parts = [range(first, min(first + _ROWS, artists)) for first in range(0, artists, _ROWS)]
    asked = [question(service, token, USE, list(map(track, part)), Form.JSON) for part in parts]
    ask_each(service.address, asked, connections=1, heard=hear)
    return counted


def opt_out(service: Service, token: str, number: int) -> bytes:
    """Return the request by which an artist's no to the use is recorded."""
    return saying(service, token, artist(number), {"answer": "opt_out", "use": USE})
