"""The client asks in bulk, and again where the service has no room."""

import json
from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from client import Connection, Problem
from client.arrow import check_table
from client.connection import _ATTEMPTS
from tests.serving import RunningService, running_service

USE: Final = "discovery.recommendation"


class Crowded:
    """A layer that answers 429 as often as it is told to, in place of the app."""

    def __init__(self, app: ASGIApp) -> None:
        """Begin with room for everything."""
        self._app = app
        self.refusals = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        if scope["type"] != "http" or scope["path"] != "/v1/checks" or self.refusals == 0:
            await self._app(scope, receive, send)
            return
        self.refusals -= 1
        headers = [(b"content-type", b"application/problem+json"), (b"retry-after", b"3")]
        await send({"type": "http.response.start", "status": 429, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"title": "no room"}'})


class Served:
    """A running platform with one artist, one track, and a layer that can refuse."""

    def __init__(self, service: RunningService, layers: list[Crowded]) -> None:
        """Take both."""
        self.connection: Connection = service.connect()
        self.layer = layers[0]

    def begin(self) -> None:
        """Open the ledger, and let silence permit."""
        write = self.connection.write
        write("POST", "/v1/charter", {"platform": "x", "min_notice_period": "P30D"})
        policy = {"mode": "opt_out", "recipients": ["internal"], "notice_period": "P30D"}
        write("POST", f"/v1/uses/{USE}/policies", policy | {"texts": {"en": "We recommend."}})
        write("POST", "/v1/artists", {"artists": [{"artist": "ana"}]})
        write("POST", "/v1/content", {"content": [{"content": "song", "rightsholders": ["ana"]}]})


@pytest.fixture
def served(database_url: str) -> Iterator[Served]:
    """Run a platform."""
    layers: list[Crowded] = []

    def wrap(app: ASGIApp) -> ASGIApp:
        layers.append(Crowded(app))
        return layers[0]

    with running_service(database_url, wrap=wrap) as service:
        platform = Served(service, layers)
        with platform.connection:
            platform.begin()
            yield platform


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note how long the client would have waited, and do not wait."""
    noted: list[float] = []
    monkeypatch.setattr("client.connection.time.sleep", noted.append)
    return noted


@pytest.mark.parametrize(
    "ids",
    [
        ["song", "none"],
        pa.array(["song", "none"]).dictionary_encode(),
        pa.chunked_array([["song"], ["none"]]),
    ],
    ids=["list", "dictionary", "chunks"],
)
def test_a_table_is_answered_by_a_table(served: Served, ids: Any) -> None:
    """Row by row, from whatever the ids come in."""
    results = check_table(served.connection, ids, USE, run="nightly-7")
    assert results["content"].to_pylist() == ["song", "none"]
    assert results["permitted"].to_pylist() == [True, False]
    assert results["reason"].to_pylist() == ["window_closed", "unknown_content"]
    assert results.schema.metadata[b"decision_id"]
    artists = check_table(served.connection, ["ana"], USE, artists=True)
    assert artists["artist"].to_pylist() == ["ana"]


def test_where_there_is_no_room_it_asks_again(served: Served, pauses: list[float]) -> None:
    """When the service says, in JSON and in Arrow."""
    served.layer.refusals = 2
    assert served.connection.check(USE, ["song"])["results"][0]["permitted"]
    served.layer.refusals = 1
    assert check_table(served.connection, ["song"], USE)["permitted"].to_pylist() == [True]
    assert pauses == [3, 3, 3]


def test_it_does_not_ask_for_ever(served: Served, pauses: list[float]) -> None:
    """What is refused again and again is refused; that is no permit."""
    served.layer.refusals = _ATTEMPTS
    with pytest.raises(Problem) as refused:
        served.connection.check(USE, ["song"])
    assert refused.value.status == 429
    assert refused.value.retry_after == 3
    assert len(pauses) == _ATTEMPTS - 1


def test_what_is_wrong_is_not_asked_again(served: Served, pauses: list[float]) -> None:
    """A refusal is final, and names the field."""
    with pytest.raises(Problem) as refused:
        check_table(served.connection, ["song"], USE, explain=True)
    assert refused.value.codes == {"not_in_arrow"}
    assert json.dumps(refused.value.errors)
    assert pauses == []
