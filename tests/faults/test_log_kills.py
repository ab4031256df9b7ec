"""Whatever was answered is in the log exactly as it was answered, whoever is killed and when.

The service, or every process of PostgreSQL, is ended without warning many times over while single
and bulk checks are asked from many sides and an artist changes their mind.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx2
import pytest

from service.cli.local import free_port
from service.db.embedded import EmbeddedPostgres
from service.db.migrate import upgrade
from service.domain.instant import parse_instant
from tests.api.door import make_issuer, open_door
from tests.decisions.log.deciding import outcomes_of
from tests.faults.asking import over_the_network
from tests.faults.process import Served, kill_with_children
from tests.faults.proxy import Proxy
from tests.faults.test_kills import at_the_door
from tests.faults.traffic import USE, Ask, Traffic

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="finds processes where Linux tells of them"
)

TIMES: Final = 3
ALONE: Final = 6
OF_MANY: Final = 3
MANY: Final = 3_000


class Answers:
    """Asks all the time, and remembers every answer."""

    def __init__(self, ask: Ask, draw: random.Random) -> None:
        """Take what asks, and where the choice of content comes from."""
        self._ask = ask
        self._draw = draw
        self._stopped = False
        self._news = asyncio.Event()
        self.given: dict[str, list[list[Any]]] = {}
        self.of_many = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Ask until the block ends, and all have finished what they are at."""
        async with asyncio.TaskGroup() as crowd:
            for _ in range(ALONE):
                crowd.create_task(self._keep_asking(1))
            for _ in range(OF_MANY):
                crowd.create_task(self._keep_asking(MANY))
            crowd.create_task(self._keep_changing())
            try:
                yield
            finally:
                self._stopped = True

    async def until(self, *, alone: int, of_many: int) -> None:
        """Return once this many more have been answered."""
        alone += len(self.given) - self.of_many
        of_many += self.of_many
        while len(self.given) - self.of_many < alone or self.of_many < of_many:
            self._news.clear()
            await self._news.wait()

    async def _keep_asking(self, number: int) -> None:
        while not self._stopped:
            content = self._draw.choices(["t1", "nobody's", *map(str, range(50))], k=number)
            told = await self._told("/v1/checks", {"use": USE, "content": content}, "pipeline")
            if told is None:
                continue
            self.given[told["decision_id"]] = [_as_logged(one) for one in told["results"]]
            self.of_many += number > 1
            self._news.set()

    async def _keep_changing(self) -> None:
        no = {"answer": "opt_out", "use": USE, "channel": "settings_page"}
        yes = no | {"answer": "opt_in", "shown": [{"use": USE, "version": 1}]}
        while not self._stopped:
            for said in (no, yes):
                await self._told("/v1/artists/ana/consents", said, "platform")

    async def _told(self, path: str, body: Any, who: str) -> Any:
        try:
            response = await self._ask("POST", path, body, who=who)
        except httpx2.TransportError:
            await asyncio.sleep(0.01)
            return None
        if response.is_success:
            return response.json()
        assert response.status_code == 503, response.text
        await asyncio.sleep(0.01)
        return None

    async def hold_to_account(self, url: str) -> None:
        """See that every answer is in the log, to the last outcome, and in it once."""
        connection = await asyncpg.connect(url)
        try:
            rows = await connection.fetch("SELECT decision_id, outcomes FROM decisions")
        finally:
            await connection.close()
        logged = {row["decision_id"]: row["outcomes"] for row in rows}
        assert len(logged) == len(rows)
        assert logged.keys() >= self.given.keys()
        for decision_id, given in self.given.items():
            assert outcomes_of(logged[decision_id]) == given


def _as_logged(result: dict[str, Any]) -> list[Any]:
    instants = (result["permitted_from"], result["valid_until"])
    return [
        result["content"],
        result["reason"],
        result["policy_version"],
        *(None if one is None else parse_instant(one) for one in instants),
    ]


async def test_killing_the_service_loses_no_answer(scratch_dir: Path, seed: int) -> None:
    """It is started again each time, over the same PostgreSQL, which was told nothing."""
    draw, port = random.Random(seed), free_port()
    data_dir = scratch_dir / "data"
    async with over_the_network(f"http://127.0.0.1:{port}") as ask:
        answers = Answers(ask, draw)
        service = Served(data_dir, port)
        try:
            await service.until_ready()
            await Traffic(ask).begin()
            async with answers.running():
                for _ in range(TIMES):
                    await answers.until(alone=draw.randint(1, 80), of_many=draw.randint(0, 8))
                    service.kill()
                    service = Served(data_dir, port)
                    await service.until_ready()
                await answers.until(alone=20, of_many=5)
            await answers.hold_to_account(service.database_url())
        finally:
            await asyncio.to_thread(service.stop)


async def test_killing_postgresql_loses_no_answer(scratch_dir: Path, seed: int) -> None:
    """Every process of it at once, so that nothing is flushed on the way out."""
    draw, postgres = random.Random(seed), EmbeddedPostgres(scratch_dir / "postgres")
    try:
        url = await asyncio.to_thread(postgres.start)
        await asyncio.to_thread(upgrade, url)
        async with Proxy(url) as proxy, open_door(proxy.url, make_issuer()) as door:
            ask = at_the_door(door)
            answers = Answers(ask, draw)
            await Traffic(ask).begin()
            async with answers.running():
                for _ in range(TIMES):
                    await answers.until(alone=draw.randint(1, 80), of_many=draw.randint(0, 8))
                    assert postgres.pid is not None
                    await kill_with_children(postgres.pid)
                    await asyncio.to_thread(postgres.stop)
                    proxy.retarget(await asyncio.to_thread(postgres.start))
                await answers.until(alone=20, of_many=5)
            await answers.hold_to_account(postgres.url)
    finally:
        await asyncio.to_thread(postgres.stop)
