"""`fermata serve --workers`: several processes at one address, as they start, answer and end."""

import asyncio
import contextlib
import os
import signal
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from pydantic import SecretStr

from service.cli import replicas
from service.cli.http_server import bound_sockets
from service.cli.local import Database, free_port
from service.cli.replica import Part
from service.cli.replicas import CannotServe, Replicas
from service.settings import Settings
from tests.cli.conftest import FERMATA, ROOT
from tests.faults.asking import over_the_network
from tests.faults.process import Served, runs, served
from tests.faults.traffic import Traffic
from tests.faults.waiting import until, until_found
from tests.faults.workers import ASKED, answered, client, processes


@asynccontextmanager
async def workers(folder: Path, number: int = 2) -> AsyncIterator[tuple[Served, str]]:
    """Run workers that all answer; and a pipeline's token, about a ledger with a track."""
    settings = {"workers": str(number), "send_notices": "false"}
    async with served(folder / "data", free_port(), **settings) as service:
        async with over_the_network(service.url) as ask:
            await Traffic(ask).begin()
            asked = await ask("POST", "/v1/checks", ASKED, who="pipeline")
            token = asked.request.headers["authorization"].removeprefix("Bearer ")
        await until_found(lambda: all_answer(service.url, token, number))
        yield service, token


async def all_answer(url: str, token: str, number: int) -> bool:
    """Ask on as many new connections, and tell whether everybody has been asked by now."""
    async with client(url, token, keep=False) as http:
        for _ in range(number):
            assert (await http.post("/v1/checks", json=ASKED)).is_success
        counts = await answered(http)
        return len(counts) == number and min(counts.values()) > 0


async def settled(http: httpx2.AsyncClient) -> Counter[str]:
    """Return how many checks each worker has answered, once nothing is missing any more."""
    seen = Counter(await answered(http))
    while True:
        await asyncio.sleep(1.5)  # each says so once a second
        again = Counter(await answered(http))
        if again == seen:
            return seen
        seen = again


async def test_connections_are_dealt_out_evenly(scratch_dir: Path) -> None:
    """Twelve that stay open, as a pipeline has them: four for each, whoever was quick."""
    async with workers(scratch_dir, 3) as (service, token), client(service.url) as http:
        before = await settled(http)
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(12):
                one = await stack.enter_async_context(client(service.url, token))
                for _ in range(3):
                    assert (await one.post("/v1/checks", json=ASKED)).is_success
        assert set((await settled(http) - before).values()) == {12}


async def test_signing_in_works_whichever_worker_is_asked(scratch_dir: Path) -> None:
    """Whoever is told the name, another redeems the code, and knows the session."""
    async with workers(scratch_dir) as (service, _), client(service.url, keep=False) as http:
        for skipped in range(2):
            began = await http.get("/settings/sign-in")
            asked = {name: one for name, (one,) in parse_qs(query_of(began)).items()}
            form = asked | {"subject": "ana"}
            for _ in range(skipped):  # the next one gets what comes next
                await http.get("/livez")
            back = (await http.post("/oauth/authorize", data=form)).headers["location"]
            ended = await http.get(back, headers={"Cookie": cookies_of(began)})
            page = await http.get(ended.headers["location"], headers={"Cookie": cookies_of(ended)})
            assert (ended.status_code, page.status_code) == (303, 200), page.text


def query_of(response: httpx2.Response) -> str:
    """Return the query of where the browser is sent."""
    return urlsplit(response.headers["location"]).query


def cookies_of(response: httpx2.Response) -> str:
    """Return what a browser sends back: loopback counts as secure there, but not here."""
    return "; ".join(one.partition(";")[0] for one in response.headers.get_list("set-cookie"))


async def test_a_worker_that_is_killed_is_started_again(scratch_dir: Path) -> None:
    """The other answers meanwhile, every time, and the new one only when it can."""
    async with workers(scratch_dir) as (service, token):
        before = processes(service)
        os.kill(min(before), signal.SIGKILL)
        await until(lambda: len(processes(service) - before) == 1)
        await until_found(lambda: all_answer(service.url, token, 2))
        assert processes(service) & before == {max(before)}


async def test_all_end_well_when_they_are_told_to(scratch_dir: Path) -> None:
    """On SIGTERM, with status 0, nobody left, and after what had been begun is answered."""
    async with workers(scratch_dir) as (service, token), client(service.url, token) as http:
        ours = processes(service)
        answers = [asyncio.create_task(http.post("/v1/checks", json=ASKED)) for _ in range(32)]
        await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
        status = await asyncio.to_thread(service.stop)
        done = await asyncio.gather(*answers, return_exceptions=True)
        assert status == 0
        assert not any(runs(pid) for pid in ours)
        # Some may have arrived too late, and then found nobody; none was answered anything else.
        assert {one.status_code for one in done if isinstance(one, httpx2.Response)} == {200}


async def test_workers_do_not_outlive_their_parent(scratch_dir: Path) -> None:
    """Killed without a warning, it takes them along: nobody else would ever stop them."""
    async with workers(scratch_dir) as (service, _):
        ours = processes(service)
        await asyncio.to_thread(service.kill)
        await until(lambda: not any(runs(pid) for pid in ours))


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    """Sockets that hold a free address."""
    held = bound_sockets("127.0.0.1", 0)
    yield held
    for one in held:
        one.close()


async def test_workers_that_cannot_start_end_it_all(
    sockets: list[socket.socket], tmp_path: Path
) -> None:
    """One that never answered is not started again and again: that would not help."""
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    key = SecretStr("A" * 43 + "=")
    settings = Settings(database_url=nowhere, key_encryption_key=key, log_level="critical")
    parts = [
        Part(number, settings, Database(nowhere, None), tmp_path, issuer_port=1)
        for number in range(2)
    ]
    with pytest.raises(CannotServe, match=r"worker \d \(process \d+\) ended with status 3"):
        await Replicas(parts, sockets).run()


class _Ready:
    """Stands for a worker that takes connections at once."""

    takes = True
    has_started = True

    def __init__(self, _: Part, told: Callable[[], None]) -> None:
        self._stopped = asyncio.Event()
        asyncio.get_running_loop().call_soon(told)

    async def ended(self) -> int:
        await self._stopped.wait()
        return 0

    def stop(self) -> None:
        self._stopped.set()

    kill = stop


async def test_an_address_that_somebody_else_was_quicker_to_listen_on_ends_it(
    scratch_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two may hold it while neither listens yet; the later one stops its workers and says why."""
    monkeypatch.setattr(replicas, "Child", _Ready)
    theirs = bound_sockets("127.0.0.1", 0)
    ours = bound_sockets("127.0.0.1", theirs[0].getsockname()[1])
    part = Part(0, Settings(), Database("postgresql://x", None), scratch_dir, None)
    with theirs[0]:
        theirs[0].listen()
        with pytest.raises(CannotServe, match="nothing can listen there any more"):
            await Replicas([part], ours).run()


async def refusal(folder: Path, *arguments: str, **variables: str) -> str:
    """Return what `fermata serve` says as it refuses to start."""
    process = await asyncio.create_subprocess_exec(
        *(*FERMATA, "serve", *arguments),
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "NO_COLOR": "1", **variables},
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert process.returncode == 2, said.decode()
    return said.decode()


@pytest.mark.parametrize("workers", ["1", "4"])
async def test_what_is_missing_is_said_once(
    database_url: str, tmp_path: Path, workers: str
) -> None:
    """By the parent, before any worker is started."""
    said = await refusal(tmp_path, "--port", "0", "--workers", workers, DATABASE_URL=database_url)
    assert said.count("fermata cannot start:") == 1
    assert "FERMATA_ISSUER" in said


async def test_an_address_that_is_taken_is_refused(
    sockets: list[socket.socket], tmp_path: Path
) -> None:
    """At once, before a database is started. Two services never share one."""
    sockets[0].listen()
    port = sockets[0].getsockname()[1]
    said = await refusal(tmp_path, "--port", str(port), "--workers", "2")
    assert f"nothing can listen on 127.0.0.1 port {port}" in said
