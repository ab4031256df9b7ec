"""A platform's own messaging: takes signed notices by webhook, some of them badly, and remembers.

It keeps to what Standard Webhooks asks of receivers: the message id is what tells a repetition from
a second message. What it took by two different ids for one artist is what must never happen.
"""

import asyncio
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import uvicorn
from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

_SLOW_SECONDS: Final = 0.02


@dataclass(slots=True)
class Messaging:
    """What it has taken, and how badly it behaves: a share of calls fails before or after that.

    It fails each message once at most, for a second failure would put the third try off for five
    minutes.
    """

    url: str
    randomness: random.Random
    trouble: float = 0.0
    secret: str | None = None
    """With the endpoint's secret every signature is checked."""
    taken: dict[str, list[str]] = field(default_factory=dict)
    """The artists of each message, by its id."""
    calls: int = 0
    repeated: int = 0
    forged: int = 0
    changed: int = 0
    """Repetitions of an id with other artists."""
    failed: set[str] = field(default_factory=set)
    """The ids of messages whose sender was told that they failed."""

    @property
    def told(self) -> Counter[str]:
        """Return by how many different messages each artist was told."""
        return Counter(artist for artists in self.taken.values() for artist in artists)

    @property
    def reached(self) -> int:
        """How many artists' notices it has."""
        return sum(map(len, self.taken.values()))

    async def answer(self, request: Request) -> Response:
        """Take one webhook, or fail in one of the ways in which servers do."""
        body = await request.body()
        event: Any = await request.json()
        if event["type"] == "endpoint.challenge":
            return JSONResponse({"challenge": event["data"]["challenge"]})
        self.calls += 1
        if not self._genuine(request, body):
            self.forged += 1
            return Response(status_code=401)
        await asyncio.sleep(_SLOW_SECONDS * self.randomness.random())
        identifier = request.headers["webhook-id"]
        mood = 1.0 if identifier in self.failed else self.randomness.random()
        if mood < self.trouble:
            self.failed.add(identifier)
        if mood < self.trouble / 2:
            return Response(status_code=500)  # before anything was taken
        self._take(identifier, [one["artist"] for one in event["data"]["artists"]])
        if mood < self.trouble:
            return Response(status_code=500)  # after it was taken: the sender cannot know
        return Response(status_code=204)

    def _genuine(self, request: Request, body: bytes) -> bool:
        if self.secret is None:
            return True
        try:
            Webhook(self.secret).verify(body, dict(request.headers))
        except Exception:  # noqa: BLE001 - whatever it says, it is not genuine
            return False
        return True

    def _take(self, identifier: str, artists: list[str]) -> None:
        known = self.taken.setdefault(identifier, artists)
        if known is not artists:
            self.repeated += 1
            self.changed += known != artists


@asynccontextmanager
async def messaging(seed: int, *, trouble: float = 0.0) -> AsyncIterator[Messaging]:
    """Listen on a free port of this machine until the block ends."""
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/notices"
    platform = Messaging(url, random.Random(seed), trouble)
    app = Starlette(routes=[Route("/notices", platform.answer, methods=["POST"])])
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listening]))
    try:
        yield platform
    finally:
        server.should_exit = True
        await serving
        listening.close()
