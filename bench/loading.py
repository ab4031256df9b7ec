"""Bringing a world into a running service through its own API, as a platform would."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from bench.asking import ask_each
from bench.serving import Service
from bench.world import MODES, World

ROWS: Final = 10_000
"""What one request may register or put."""

_CONNECTIONS: Final = 16


def open_ledger(service: Service, modes: dict[str, str] | None = None) -> None:
    """Open the ledger and publish launch terms for every use."""
    with service.connect("policy-desk") as desk:
        desk.write("POST", "/v1/charter", {"platform": "Bench"})
        for use, mode in (modes or MODES).items():
            desk.write("POST", f"/v1/uses/{use}/policies", terms(mode, f"Terms of {use}"))


def terms(mode: str, text: str) -> dict[str, Any]:
    """Return a version as it is published."""
    return {
        "mode": mode,
        "recipients": ["internal"],
        "notice_period": "P30D",
        "texts": {"en": text},
    }


def load(service: Service, world: World) -> None:
    """Open the ledger, register the artists, put the tracks, and let the artists speak."""
    open_ledger(service)
    with service.connect("platform") as platform:
        for names in _parts(list(world.artists)):
            artists = [{"artist": name} for name in names]
            platform.write("POST", "/v1/artists", {"artists": artists})
        for ids in _parts(world.ids):
            tracks = [{"content": one, "rightsholders": world.tracks[one].artists} for one in ids]
            platform.write("POST", "/v1/content", {"content": tracks})
    token = service.token("platform")
    said = [saying(service, token, artist, body) for artist, body in _statements(world)]
    if said:
        ask_each(service.address, said, connections=_CONNECTIONS)


def saying(service: Service, token: str, artist: str, body: dict[str, Any]) -> bytes:
    """Return the request by which the platform records what an artist says."""
    path = f"/v1/artists/{artist}/consents"
    encoded = json.dumps(body | {"channel": "bench"}).encode()
    return service.address.request("POST", path, token=token, body=encoded)


def _statements(world: World) -> Iterator[tuple[str, dict[str, Any]]]:
    for artist in world.artists.values():
        for use in sorted(artist.no):
            yield artist.name, {"answer": "opt_out", "use": use}
        for use in sorted(artist.yes):
            shown = [{"use": use, "version": 1}]
            yield artist.name, {"answer": "opt_in", "use": use, "shown": shown}
    for track in world.tracks.values():
        for use in sorted(track.no):
            yield track.artists[0], {"answer": "opt_out", "use": use, "content": track.name}


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[first : first + ROWS] for first in range(0, len(ids), ROWS))
