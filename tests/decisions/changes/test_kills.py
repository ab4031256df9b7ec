"""A reader of a service that is killed, or stopped, misses nothing and is not waited for."""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest

from service.cli.local import free_port
from tests.faults.asking import over_the_network
from tests.faults.process import SECRET, Served, served
from tests.faults.traffic import USE, Traffic
from tests.faults.waiting import until

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="finds processes where Linux tells of them"
)


@dataclass(slots=True)
class Reader:
    """A client that keeps what it is told, and comes back whenever the stream breaks."""

    url: str
    since: str
    token: str = ""
    reached: int = 0
    ended: int = 0
    told: int = 0
    held: dict[str, bool] = field(default_factory=dict)
    permits: set[str] = field(default_factory=set)
    """The names of decisions in which anything was permitted."""

    async def log_in(self) -> None:
        """Get a token; it outlives the service that made it."""
        async with httpx2.AsyncClient(base_url=self.url) as http:
            form = {"grant_type": "client_credentials"}
            answer = await http.post("/oauth/token", data=form, auth=("pipeline", SECRET))
            self.token = answer.json()["access_token"]

    async def follow(self) -> None:
        """Read until cancelled."""
        async with httpx2.AsyncClient(base_url=self.url, timeout=30) as http:
            while True:
                with contextlib.suppress(httpx2.TransportError):
                    await self._read(http)
                self.ended += 1
                await asyncio.sleep(0.02)

    async def _read(self, http: httpx2.AsyncClient) -> None:
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Accept": "text/event-stream",
            "Last-Event-ID": self.since,
        }
        async with http.stream("GET", "/v1/changes", headers=headers) as response:
            if not response.is_success:
                return
            event: dict[str, str] = {}
            async for line in response.aiter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    event[name] = value
                    continue
                if "data" in event:
                    self._take(json.loads(event["data"]))
                self.since = event.get("id", self.since)
                event = {}

    def _take(self, told: Any) -> None:
        self.told += 1
        if told["type"] == "reached":
            self.reached = told["revision"]
        if told["type"] == "answers":
            for result in told["results"]:
                self.held[result.get("content") or result["artist"]] = result["permitted"]
                if result["permitted"]:
                    self.permits.add(told["decision_id"])


async def test_a_reader_of_a_service_that_is_killed_misses_nothing(scratch_dir: Path) -> None:
    """Killed amid writes: the reader comes back, and in the end holds what a check answers."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with over_the_network(url) as ask:
        traffic = Traffic(ask)
        first = Served(scratch_dir / "data", port)
        try:
            await first.until_ready()
            await traffic.begin()
            reader = Reader(url, "1")
            await reader.log_in()
            following = asyncio.create_task(reader.follow())
            async with traffic.running():
                await traffic.until(writes=60)
                await until(lambda: reader.reached > 20)
                first.kill()
        finally:
            first.kill()

        async with served(scratch_dir / "data", port) as second:
            await traffic.resolve()
            answer = await check(ask)
            await until(lambda: reader.reached >= answer["revision"])
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            content = answer["results"][0]
            assert reader.held[content["content"]] == content["permitted"]
            assert reader.ended
            assert await unlogged(second.database_url(), reader.permits) == set()


async def check(ask: Any) -> Any:
    """Ask about the one track there is."""
    body = {"use": USE, "content": ["t1"]}
    return (await ask("POST", "/v1/checks", body, who="pipeline")).json()


async def unlogged(database_url: str, decisions: set[str]) -> set[str]:
    """Return those of the decisions that are not in the log."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch("SELECT decision_id FROM decisions")
    finally:
        await connection.close()
    return decisions - {str(row["decision_id"]) for row in rows}


async def test_a_service_that_is_stopped_waits_for_no_stream(scratch_dir: Path) -> None:
    """It ends as soon as it is told to, whoever reads."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    service = Served(scratch_dir / "data", port)
    try:
        await service.until_ready()
        reader = Reader(url, "0")
        await reader.log_in()
        following = asyncio.create_task(reader.follow())
        await until(lambda: reader.told > 0)
        async with asyncio.timeout(8):  # uvicorn's own patience is 10 s
            await asyncio.to_thread(service.stop)
    finally:
        service.kill()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
