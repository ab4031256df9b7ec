"""A reader of server-sent events in this process, which can stop taking in what it is sent."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tests.api.door import Door
from tests.api.people import PIPELINE, Caller


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event."""

    name: str
    id: str | None
    data: Any


@dataclass(slots=True)
class StreamReader:
    """What was sent so far. While `takes` is not set, the sender waits, as it does on TCP."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    takes: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    body: bytes = b""
    _events: asyncio.Queue[Event | None] = field(default_factory=asyncio.Queue)
    _rest: bytes = b""

    async def receive(self) -> dict[str, Any]:
        """Tell the service what the reader sends: nothing, and then that it has left."""
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        """Take in what the service sends."""
        await self.takes.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = message["headers"]
            self.headers = {name.decode().lower(): value.decode() for name, value in headers}
            return
        self.body += message["body"]
        *whole, self._rest = (self._rest + message["body"]).split(b"\n\n")
        for block in whole:
            event = _event(block.decode())
            if event is not None:
                self._events.put_nowait(event)
        if not message.get("more_body"):
            self._events.put_nowait(None)

    async def next(self) -> Event:
        """Return the next event. Fails where the stream has ended."""
        async with asyncio.timeout(20):
            event = await self._events.get()
        assert event is not None, "the stream has ended"
        return event

    async def until(self, name: str) -> list[Event]:
        """Return all events up to the next one of this name."""
        events = [await self.next()]
        while events[-1].name != name:
            events.append(await self.next())
        return events

    async def until_reached(self, revision: int) -> list[Event]:
        """Return all events until the stream has reached a revision; it says where it is anyway."""
        events = await self.until("reached")
        while events[-1].data["revision"] < revision:
            events += await self.until("reached")
        return events

    async def end(self) -> list[Event]:
        """Return all events up to the end of the stream."""
        events = []
        async with asyncio.timeout(20):
            while (event := await self._events.get()) is not None:
                events.append(event)
        return events


@asynccontextmanager
async def streamed(
    door: Door,
    *,
    by: Caller = PIPELINE,
    last_event_id: str | None = None,
    takes: bool = True,
    **query: Any,
) -> AsyncIterator[StreamReader]:
    """Read changes as a stream until the block ends."""
    reader = StreamReader()
    if takes:
        reader.takes.set()
    headers = {**door.headers(by), "Accept": "text/event-stream", "Host": "127.0.0.1:8080"}
    if last_event_id is not None:
        headers["Last-Event-ID"] = last_event_id
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/v1/changes",
        "raw_path": b"/v1/changes",
        "root_path": "",
        "query_string": urlencode(query).encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8080),
        "state": {},
    }
    serving = asyncio.create_task(door.app(scope, reader.receive, reader.send))
    try:
        yield reader
    finally:
        reader.takes.set()
        reader.gone.set()
        async with asyncio.timeout(20):
            await serving


def _event(block: str) -> Event | None:
    """Read one block as a browser does (WHATWG HTML section 9.2.6); None where it has no data."""
    fields: dict[str, str] = {}
    for line in block.splitlines():
        name, _, value = line.partition(":")
        fields[name] = value.removeprefix(" ")
    if "data" not in fields:
        return None
    return Event(fields.get("event", "message"), fields.get("id"), json.loads(fields["data"]))
