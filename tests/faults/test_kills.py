"""What is ended without warning: nobody loses what they were told, or is told what is not known."""

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import pytest

from service.cli.local import free_port
from service.db.embedded import EmbeddedPostgres
from service.db.migrate import upgrade
from tests.api.door import Door, make_issuer, open_door
from tests.api.people import PIPELINE, PLATFORM, POLICY_DESK, person
from tests.faults.asking import over_the_network
from tests.faults.process import Served, kill_with_children, served
from tests.faults.proxy import Proxy
from tests.faults.traffic import Ask, Traffic

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="finds processes where Linux tells of them"
)


async def test_the_service_is_killed_in_the_middle(scratch_dir: Path) -> None:
    """Killed amid writes and checks: started again, all that was told is there, each key once."""
    port = free_port()
    async with over_the_network(f"http://127.0.0.1:{port}") as ask:
        traffic = Traffic(ask)
        first = Served(scratch_dir / "data", port)
        try:
            await first.until_ready()
            await traffic.begin()
            async with traffic.running():
                await traffic.until(writes=150, checks=50)
                first.kill()
        finally:
            first.kill()
        assert traffic.unknown

        async with served(scratch_dir / "data", port) as second:
            await traffic.resolve()
            await traffic.hold_to_account(second.database_url())


def at_the_door(door: Door) -> Ask:
    """Return what asks a service in this process."""
    callers = {
        "policy-desk": POLICY_DESK,
        "platform": PLATFORM,
        "pipeline": PIPELINE,
        "ana": person("ana"),
    }

    async def ask(
        method: str, path: str, body: Any, *, who: str, key: str | None = None
    ) -> httpx2.Response:
        return await door.ask(method, path, body, by=callers[who], key=key)

    return ask


async def test_the_database_is_killed_in_the_middle(scratch_dir: Path) -> None:
    """Every process of PostgreSQL is killed and it is started again: all that was told is there.

    Meanwhile nothing is answered; afterwards the service goes on by itself. The second time it is
    killed amid writes alone, for a check's commit makes durable whatever was written before it.
    """
    postgres = EmbeddedPostgres(scratch_dir / "postgres")
    try:
        url = await asyncio.to_thread(postgres.start)
        await asyncio.to_thread(upgrade, url)
        async with Proxy(url) as proxy, open_door(proxy.url, make_issuer()) as door:
            traffic = Traffic(at_the_door(door))
            await traffic.begin()
            async with traffic.running():
                await traffic.until(writes=150, checks=50)
                await kill_and_start_again(postgres, proxy, traffic)
                await traffic.until(writes=50, checks=50)
                traffic.asking.clear()
                await traffic.until(writes=100)
                await kill_and_start_again(postgres, proxy, traffic)
                traffic.asking.set()
                await traffic.until(writes=50, checks=50)
            await traffic.resolve()
            await traffic.hold_to_account(postgres.url)
    finally:
        await asyncio.to_thread(postgres.stop)


async def kill_and_start_again(postgres: EmbeddedPostgres, proxy: Proxy, traffic: Traffic) -> None:
    """Kill the server, see that nothing is answered for a while, and start it at another port."""
    assert postgres.pid is not None
    await kill_with_children(postgres.pid)
    await traffic.until(refused=100)  # what was committed just before may still be on its way
    answered, acknowledged = len(traffic.answered), len(traffic.acknowledged)
    await traffic.until(refused=100)
    assert (len(traffic.answered), len(traffic.acknowledged)) == (answered, acknowledged)
    await asyncio.to_thread(postgres.stop)
    proxy.retarget(await asyncio.to_thread(postgres.start))
