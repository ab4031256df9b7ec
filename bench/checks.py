"""Strong, logged checks over HTTP: how many a second, how long one takes, and the ceiling.

`make bench` starts the service as `fermata serve` runs it, on an embedded PostgreSQL with fsync on,
loads a generated catalogue of 21,502 tracks, and asks over loopback. The ceiling is what the same
number of look-ups in a plain dictionary costs in this process.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import statistics
import time
from dataclasses import dataclass

from bench.serving import SECRET, serving
from client import Connection, local_tokens
from service.catalog.sources.generated import generated_catalog
from service.cli.import_run import run_import

USE = "discovery.recommendation"
SHAPES = ((1, 16), (100, 8), (10_000, 2))
"""Content per request, and how many connections ask at once."""


@dataclass(frozen=True)
class Measured:
    """One row of the table."""

    per_request: int
    connections: int
    checks_per_second: float
    p50_ms: float
    p99_ms: float


def main() -> None:
    """Measure and print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5, help="how long each row is measured")
    parser.add_argument("--runs", type=int, default=3, help="of which the median is shown")
    asked = parser.parse_args()
    with serving() as (url, _):
        tracks = load(url)
        token = local_tokens(url, "pipeline", SECRET)(fresh=False)
        rows = []
        for per_request, connections in SHAPES:
            runs = [
                asyncio.run(measure(url, token, tracks, per_request, connections, asked.seconds))
                for _ in range(asked.runs)
            ]
            rows.append(sorted(runs, key=lambda run: run.checks_per_second)[len(runs) // 2])
    print(table(rows, ceiling(tracks), asked))


def load(url: str) -> list[str]:
    """Open the ledger, publish one launch policy, load the catalogue; return its content ids."""
    with Connection(url, local_tokens(url, "policy-desk", SECRET)) as desk:
        desk.write("POST", "/v1/charter", {"platform": "Bench"})
        policy = {
            "mode": "opt_out",
            "recipients": ["internal"],
            "notice_period": "P30D",
            "texts": {"en": "Recommendations"},
        }
        desk.write("POST", f"/v1/uses/{USE}/policies", policy)
    rows = list(generated_catalog(random.Random(1)))
    with Connection(url, local_tokens(url, "platform", SECRET)) as platform_side:
        run_import(rows, platform_side, batch=10_000)
    return [row.content_id for row in rows]


async def measure(
    url: str, token: str, tracks: list[str], per_request: int, connections: int, seconds: float
) -> Measured:
    """Ask for some seconds over some connections, and count."""
    requests = [
        request(url, token, random.Random(n).sample(tracks, per_request)) for n in range(64)
    ]
    took: list[float] = []
    began = time.perf_counter()
    until = began + seconds
    await asyncio.gather(
        *(ask(url, requests[n::connections], until, took) for n in range(connections))
    )
    elapsed = time.perf_counter() - began
    cuts = statistics.quantiles(took, n=100)
    return Measured(
        per_request,
        connections,
        len(took) * per_request / elapsed,
        cuts[49] * 1e3,
        cuts[98] * 1e3,
    )


def request(url: str, token: str, content: list[str]) -> bytes:
    """Return one request, ready to send: the client's own work is not what is measured."""
    shape = "columns" if len(content) > 100 else "objects"  # noqa: PLR2004 - as one would ask
    body = json.dumps({"use": USE, "content": content, "shape": shape}).encode()
    head = (
        f"POST /v1/checks HTTP/1.1\r\nHost: {url.removeprefix('http://')}\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def ask(url: str, requests: list[bytes], until: float, took: list[float]) -> None:
    """Send requests one after the other on one connection, and note how long each took."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 24)
    number = 0
    while (began := time.perf_counter()) < until:
        writer.write(requests[number % len(requests)])
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        took.append(time.perf_counter() - began)
        number += 1
    writer.close()


def ceiling(tracks: list[str]) -> float:
    """Return look-ups a second in a plain dictionary, 10,000 at once: no rules, no wire, no log."""
    permitted = dict.fromkeys(tracks, True)
    asked = random.Random(1).choices(tracks, k=10_000)
    runs = []
    for _ in range(200):
        began = time.perf_counter()
        found = [permitted[track] for track in asked]
        runs.append(len(found) / (time.perf_counter() - began))
    return statistics.median(runs)


def table(rows: list[Measured], dictionary: float, asked: argparse.Namespace) -> str:
    """Return the figures as Markdown, with how they were measured."""
    method = (
        f"{platform.machine()}, {os.cpu_count()} cores shared by client, service and PostgreSQL; "
        f"Python {platform.python_version()}; median of {asked.runs} runs of {asked.seconds:g} s."
    )
    lines = [
        method,
        "",
        "| content per request | connections | checks/s | p50 ms | p99 ms |",
        "|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row.per_request:,} | {row.connections} | {row.checks_per_second:,.0f} "
        f"| {row.p50_ms:.1f} | {row.p99_ms:.1f} |"
        for row in rows
    ]
    lines += ["", f"Plain dictionary look-ups in one process: {dictionary:,.0f}/s."]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
