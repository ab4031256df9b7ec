"""Cerbos over HTTP: CheckResources with everything it has to know about each track."""

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from bench.asking import Address, ask_each, ask_for
from bench.part import Run
from bench.peers.variant import Batch, Variant, hold_peer
from bench.serving import ServiceFailed
from bench.world import MODES, World, batches, covering
from service.cli.local import free_port

PROGRAM: Final = (
    Path(__file__).resolve().parent.parent
    / "node/node_modules/@cerbos/cerbos-linux-x64/cerbos-linux-x64"
)
MOST: Final = 500
"""Resources a request; it takes no more, whatever one configures."""

_SIZES: Final = (50, 200, MOST)
_CONNECTIONS: Final = (1, 2, 4)


def measure(world: World, asked: Sequence[Batch], run: Run) -> list[Variant]:
    """Return what it manages with requests of several sizes on several connections."""
    with _serving() as address:
        hold_peer(world, asked, lambda use, ids: _answers(address, world, use, ids))
        return [*_same_work(address, world, run), _all_uses(address, world, run)]


def version() -> str:
    """Return the version of the program."""
    manifest: dict[str, str] = json.loads((PROGRAM.parent / "package.json").read_text())
    return manifest["version"]


def _same_work(address: Address, world: World, run: Run) -> Iterator[Variant]:
    for size in _SIZES:
        asked = [_request(address, world, ids, [use]) for use, ids in batches(world, size, 100)]
        for connections in _CONNECTIONS:
            how = f"over HTTP, {size} a request, {connections} connections"
            yield Variant("Cerbos", how, _rates(address, asked, size, connections, run))


def _all_uses(address: Address, world: World, run: Run) -> Variant:
    asked = [_request(address, world, ids, list(MODES)) for _, ids in batches(world, 50, 100)]
    rates = _rates(address, asked, 50 * len(MODES), 4, run)
    return Variant(
        "Cerbos",
        "over HTTP, 50 a request, all five uses of each, 4 connections",
        rates,
        aside="nobody asks about five uses at once; each track's data is read once for five checks",
    )


def _rates(
    address: Address, asked: Sequence[bytes], each: int, connections: int, run: Run
) -> list[float]:
    # There are many ways to ask it, so each gets a share of the time.
    return [
        ask_for(address, asked, connections=connections, seconds=run.seconds / 3).per_second(each)
        for _ in range(run.runs)
    ]


def _answers(address: Address, world: World, use: str, ids: list[str]) -> list[bool]:
    parts = [ids[first : first + MOST] for first in range(0, len(ids), MOST)]
    said: dict[int, list[bool]] = {}

    def hear(number: int, body: bytes) -> None:
        results = json.loads(body)["results"]
        said[number] = [one["actions"][use] == "EFFECT_ALLOW" for one in results]

    ask_each(
        address,
        [_request(address, world, part, [use]) for part in parts],
        connections=2,
        heard=hear,
    )
    return [one for number in sorted(said) for one in said[number]]


def _request(address: Address, world: World, ids: Sequence[str], actions: list[str]) -> bytes:
    body = {
        "requestId": "bench",
        "principal": {"id": "internal", "roles": ["pipeline"]},
        "resources": [{"actions": actions, "resource": _resource(world, one)} for one in ids],
    }
    return address.request("POST", "/api/check/resources", body=json.dumps(body).encode())


def _resource(world: World, track: str) -> dict[str, Any]:
    item = world.tracks[track]
    artists = (world.artists[name] for name in item.artists)
    said = [{"no": sorted(one.no), "yes": sorted(one.yes)} for one in artists]
    return {"kind": "track", "id": track, "attr": {"no": sorted(item.no), "artists": said}}


def _policy() -> dict[str, Any]:
    rules: list[dict[str, Any]] = []
    for use, mode in MODES.items():
        nodes = json.dumps(covering(use))
        willing = (
            f'!("{use}" in R.attr.no || R.attr.artists.exists(a, hasIntersection(a.no, {nodes})))'
        )
        conditions = {
            "open": None,
            "opt_out": willing,
            "opt_in": f'R.attr.artists.all(a, "{use}" in a.yes) && {willing}',
        }
        if mode not in conditions:
            continue
        rule: dict[str, Any] = {"actions": [use], "effect": "EFFECT_ALLOW", "roles": ["pipeline"]}
        if (condition := conditions[mode]) is not None:
            rule["condition"] = {"match": {"expr": condition}}
        rules.append(rule)
    policy = {"version": "default", "resource": "track", "rules": rules}
    return {"apiVersion": "api.cerbos.dev/v1", "resourcePolicy": policy}


@contextmanager
def _serving() -> Iterator[Address]:
    """Run it on two free ports of this machine; it logs nothing and calls nobody."""
    if not PROGRAM.exists():
        raise ServiceFailed("Cerbos is not installed: `make bench` installs it")
    with tempfile.TemporaryDirectory() as folder:
        policies = Path(folder) / "policies"
        policies.mkdir()
        (policies / "track.json").write_text(json.dumps(_policy()))
        http, grpc = free_port(), free_port()
        configuration = {
            "server": {
                "httpListenAddr": f"127.0.0.1:{http}",
                "grpcListenAddr": f"127.0.0.1:{grpc}",
                "requestLimits": {"maxResourcesPerRequest": MOST},
            },
            "storage": {"driver": "disk", "disk": {"directory": str(policies)}},
            "telemetry": {"disabled": True},
            "audit": {"enabled": False},
        }
        path = Path(folder) / "cerbos.json"
        path.write_text(json.dumps(configuration))
        process = subprocess.Popen([PROGRAM, "server", "--config", path, "--log-level=error"])
        try:
            yield _ready(Address("127.0.0.1", http), process)
        finally:
            process.terminate()
            process.wait()


def _ready(address: Address, process: subprocess.Popen[bytes]) -> Address:
    health = address.request("GET", "/_cerbos/health")
    for _ in range(200):
        try:
            ask_each(address, [health], connections=1)
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.05)
        else:
            return address
    raise ServiceFailed("Cerbos did not start")
