"""Publishing to a million artists: how fast, and how long anybody else waits meanwhile.

Starts the service as `fermata serve` runs it, with the worker inside, on an embedded PostgreSQL
with fsync on. Artists are registered through the API, 10,000 a request. Then a version that has to
wait is published, the worker finds everybody who is to be told, sends them to a platform's
messaging on loopback, and the platform reports every delivery, 10,000 a request (--report), one
request after the other.

From beginning to end single strong checks and opt-outs are asked for at a steady rate, each at its
own instant whatever became of the one before; how long one waits counts from that instant. The
issue allows no write to keep them waiting for longer than 100 ms.
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import platform
import socket
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from bench.serving import SECRET, embedded_url, serving
from client import Connection, local_tokens

_SENDING = {
    "FERMATA_WEBHOOK_DEVELOPMENT": "true",
    "FERMATA_WEBHOOK_CALLS_PER_MINUTE": "60000",
}
USE = "training.generative.music"
CHECKED = "discovery.recommendation"
NOTICE = f"{USE}:2"
ROWS = 10_000
ALLOWED_MS = 100
IDLE_S = 3
"""After five seconds the service closes a connection that nothing is asked on."""


@dataclass
class Waits:
    """How long each of one kind waited in one phase, in seconds."""

    phase: str
    kind: str
    seconds: list[float] = field(default_factory=list)

    def as_row(self) -> dict[str, Any]:
        """Return the figures of the table."""
        ordered = sorted(self.seconds) or [0.0]
        return {
            "phase": self.phase,
            "kind": self.kind,
            "count": len(self.seconds),
            "p50_ms": round(statistics.median(ordered) * 1e3, 1),
            "p99_ms": round(ordered[int(len(ordered) * 0.99)] * 1e3, 1),
            "longest_ms": round(ordered[-1] * 1e3, 1),
            "too_long": sum(wait * 1e3 > ALLOWED_MS for wait in self.seconds),
        }


class Asked:
    """One connection to the service that sends requests which are ready, one after the other."""

    def __init__(self, url: str, token: str) -> None:
        """Nothing is connected before the first request."""
        self._host, _, self._port = url.removeprefix("http://").partition(":")
        self._token = token
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used_at = 0.0

    def request(self, path: str, body: object) -> bytes:
        """Return a request, ready to send: making it is not what is measured."""
        encoded = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n"
            f"Authorization: Bearer {self._token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(encoded)}\r\n\r\n"
        )
        return head.encode() + encoded

    async def send(self, request: bytes) -> bytes:
        """Send one and return the body of what is answered, which has to be good."""
        idle = time.perf_counter() - self._used_at
        if self._streams is None or idle > IDLE_S:
            if self._streams is not None:
                self._streams[1].close()
            self._streams = await asyncio.open_connection(
                self._host, int(self._port), limit=1 << 24
            )
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        body = await reader.readexactly(int(head.split("content-length: ")[1].split("\r\n")[0]))
        assert head.split()[1][0] == "2", (head, body[:500])
        self._used_at = time.perf_counter()
        return body


class Probes:
    """Single checks and opt-outs at a steady rate, told apart by what goes on meanwhile."""

    def __init__(self, url: str, artists: int) -> None:
        """Take the service's address and how many artists it knows."""
        self.phase = "idle"
        self.waits: dict[tuple[str, str], Waits] = {}
        self.stalls: list[tuple[float, str, str, float]] = []
        self._url = url
        self._artists = artists
        self._began = time.perf_counter()

    @asynccontextmanager
    async def running(self, checks: float, opt_outs: float) -> AsyncIterator[None]:
        """Ask so often a second until the block ends."""
        tasks = [
            asyncio.create_task(self._at_a_rate("check", checks, "pipeline", check)),
            asyncio.create_task(self._at_a_rate("opt-out", opt_outs, "platform", self._opt_out)),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            for problem in ended:
                if isinstance(problem, Exception):
                    raise problem

    def _opt_out(self, number: int) -> tuple[str, object]:
        artist = name(number * 7919 % self._artists)
        no = {"answer": "opt_out", "use": USE, "channel": "bench"}
        return f"/v1/artists/{artist}/consents", no

    async def _at_a_rate(
        self, kind: str, rate: float, client: str, ask: Callable[[int], tuple[str, object]]
    ) -> None:
        token = await asyncio.to_thread(
            lambda: local_tokens(self._url, client, SECRET)(fresh=False)
        )
        free: list[Asked] = []
        began, number = time.perf_counter(), 0
        async with asyncio.TaskGroup() as crowd:
            while True:
                due = began + number / rate
                await asyncio.sleep(due - time.perf_counter())
                line = free.pop() if free else Asked(self._url, token)
                request = line.request(*ask(number))
                crowd.create_task(self._one(kind, line, request, due, free))
                number += 1

    async def _one(
        self, kind: str, line: Asked, request: bytes, due: float, free: list[Asked]
    ) -> None:
        phase = self.phase
        await line.send(request)
        wait = time.perf_counter() - due
        free.append(line)
        self.waits.setdefault((phase, kind), Waits(phase, kind)).seconds.append(wait)
        if wait * 1e3 > ALLOWED_MS:
            self.stalls.append((due - self._began, phase, kind, wait))


def check(number: int) -> tuple[str, object]:
    """Return a check of one track."""
    return "/v1/checks", {"use": CHECKED, "content": [f"track-{number % 1_000}"]}


def name(number: int) -> str:
    """Return an artist's id."""
    return f"artist-{number:07}"


def main() -> None:
    """Measure, print the tables as Markdown and write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--artists", type=int, default=1_000_000)
    parser.add_argument("--idle", type=float, default=10, help="seconds to measure with no load")
    parser.add_argument("--checks", type=float, default=50, help="checks a second")
    parser.add_argument("--opt-outs", type=float, default=20, help="opt-outs a second")
    parser.add_argument("--report", type=int, default=ROWS, help="deliveries a request reports")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    asked = parser.parse_args()
    with messaging() as (notices_url, taken), serving(variables=_SENDING) as service:
        rates, probes = asyncio.run(measure(service.url, service.folder, notices_url, taken, asked))
    rows = [waits.as_row() for waits in probes.waits.values()]
    print(table(rates, rows, asked))
    for at, phase, kind, wait in probes.stalls[:50]:
        print(f"stalled at {at:.2f} s in {phase}: a {kind} waited {wait * 1e3:.0f} ms")
    if asked.json:
        found = {"artists": asked.artists, "rates": [asdict(rate) for rate in rates], "waits": rows}
        asked.json.write_text(json.dumps(found, indent=1) + "\n")


@dataclass(frozen=True)
class Rate:
    """How fast one phase went."""

    what: str
    number: int
    seconds: float


async def measure(
    url: str, folder: Path, notices_url: str, taken: Any, asked: argparse.Namespace
) -> tuple[list[Rate], Probes]:
    """Go through the phases with the probes running."""
    database = await asyncpg.connect(embedded_url(folder))
    rates = [await asyncio.to_thread(register, url, asked.artists)]
    await asyncio.to_thread(put_endpoint, url, notices_url)
    token = await asyncio.to_thread(lambda: local_tokens(url, "platform", SECRET)(fresh=False))
    reporter = Asked(url, token)
    reports = [
        reporter.request(
            f"/v1/notices/{NOTICE}/deliveries",
            {"deliveries": deliveries(first, min(first + asked.report, asked.artists))},
        )
        for first in range(0, asked.artists, asked.report)
    ]
    probes = Probes(url, asked.artists)
    async with probes.running(asked.checks, asked.opt_outs):
        await asyncio.sleep(asked.idle)
        probes.phase = "publication"
        began = time.perf_counter()
        await asyncio.to_thread(publish, url)
        rates.append(Rate("publication", 1, time.perf_counter() - began))
        probes.phase = "bookkeeping"
        began = time.perf_counter()
        await until(database, LOOKED_AT)
        rates.append(Rate("bookkeeping", asked.artists, time.perf_counter() - began))
        probes.phase = "sending"
        while taken.value < asked.artists:  # noqa: ASYNC110 - another process counts
            await asyncio.sleep(0.1)
        rates.append(Rate("sending", asked.artists, time.perf_counter() - began))
        await until(database, "SELECT NOT EXISTS (SELECT FROM send_batches WHERE due_at NOTNULL)")
        probes.phase = "delivery reports"
        began = time.perf_counter()
        for report in reports:
            await reporter.send(report)
        rates.append(Rate("delivery reports", asked.artists, time.perf_counter() - began))
    await database.close()
    return rates, probes


LOOKED_AT = """
SELECT EXISTS (SELECT FROM announcements) AND NOT EXISTS (
    SELECT FROM announcements AS a, artists AS r
    WHERE (r.revision, r.subject) > (a.after_revision, a.after_subject)
)
"""


async def until(database: asyncpg.Connection, question: str) -> None:
    """Return once the database says yes."""
    while not await database.fetchval(question):  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.05)


def register(url: str, artists: int) -> Rate:
    """Open the ledger with launch terms, register everybody and give some of them tracks."""
    terms = {"recipients": ["internal"], "notice_period": "P30D", "texts": {"en": "Launch terms"}}
    with Connection(url, local_tokens(url, "policy-desk", SECRET)) as desk:
        desk.write("POST", "/v1/charter", {"platform": "Bench"})
        desk.write("POST", f"/v1/uses/{CHECKED}/policies", terms | {"mode": "opt_out"})
        desk.write("POST", f"/v1/uses/{USE}/policies", terms | {"mode": "opt_in"})
    began = time.perf_counter()
    with Connection(url, local_tokens(url, "platform", SECRET)) as platform_side:
        for first in range(0, artists, ROWS):
            rows = [{"artist": name(n)} for n in range(first, min(first + ROWS, artists))]
            platform_side.write("POST", "/v1/artists", {"artists": rows})
        seconds = time.perf_counter() - began
        tracks = [{"content": f"track-{n}", "rightsholders": [name(n)]} for n in range(1_000)]
        platform_side.write("POST", "/v1/content", {"content": tracks})
    return Rate("registration", artists, seconds)


def put_endpoint(url: str, notices_url: str) -> None:
    """Register the messaging, and let it prove itself."""
    with Connection(url, local_tokens(url, "platform", SECRET)) as platform_side:
        platform_side.write("PUT", "/v1/webhook-endpoint", {"url": notices_url})
        platform_side.write("POST", "/v1/webhook-endpoint/challenge", {})


def publish(url: str) -> None:
    """Publish a version that waits for everybody's window."""
    with Connection(url, local_tokens(url, "policy-desk", SECRET)) as desk:
        body = {
            "mode": "opt_out",
            "recipients": ["internal"],
            "notice_period": "P30D",
            "texts": {"en": "We train on your music unless you object."},
        }
        desk.write("POST", f"/v1/uses/{USE}/policies", body)


def deliveries(first: int, end: int) -> list[dict[str, str]]:
    """Return the reports of one request."""
    return [{"artist": name(number), "channel": "push"} for number in range(first, end)]


@contextmanager
def messaging() -> Iterator[tuple[str, Any]]:
    """Run what takes webhooks, in a process of its own; yield its address and how many it took."""
    listening = socket.create_server(("127.0.0.1", 0))
    taken = multiprocessing.Value("q", 0)
    process = multiprocessing.get_context("fork").Process(
        target=take_webhooks, args=(listening, taken), daemon=True
    )
    process.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/notices", taken
    finally:
        process.terminate()
        process.join()


def take_webhooks(listening: socket.socket, taken: Any) -> None:
    """Answer challenges, and count the artists of whatever else comes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.split("content-length: ")[1].split("\r\n")[0])
                data = json.loads(await reader.readexactly(length))["data"]
                body = json.dumps({"challenge": data.get("challenge")}).encode()
                taken.value += len(data.get("artists", ()))
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
                )
        writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(answer, sock=listening)
        await server.serve_forever()

    asyncio.run(serve())


def table(rates: list[Rate], rows: list[dict[str, Any]], asked: argparse.Namespace) -> str:
    """Return the figures as Markdown, with how they were measured."""
    method = (
        f"{platform.machine()}, {os.cpu_count()} cores shared by client, service, PostgreSQL and "
        f"messaging; Python {platform.python_version()}; {asked.artists:,} artists; "
        f"{asked.checks:g} checks and {asked.opt_outs:g} opt-outs a second meanwhile; "
        f"{asked.report:,} deliveries a report."
    )
    lines = [
        method,
        "",
        "| phase | number | seconds | a second |",
        "|---|---:|---:|---:|",
        *(
            f"| {rate.what} | {rate.number:,} | {rate.seconds:.2f} "
            f"| {rate.number / rate.seconds:,.0f} |"
            for rate in rates
        ),
        "",
        f"| meanwhile | waits of | number | p50 ms | p99 ms | longest ms | over {ALLOWED_MS} ms |",
        "|---|---|---:|---:|---:|---:|---:|",
        *(
            f"| {row['phase']} | {row['kind']} | {row['count']:,} | {row['p50_ms']} "
            f"| {row['p99_ms']} | {row['longest_ms']} | {row['too_long']} |"
            for row in rows
        ),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
