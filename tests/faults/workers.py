"""Several workers behind one address: who they are, and who has answered what."""

from pathlib import Path
from typing import Final

import httpx2

from tests.faults.process import Served, children_of

ASKED: Final = {"use": "discovery", "content": ["t1"]}
_STARTED_BY_US: Final = b"spawn_main"
_COUNTED: Final = "fermata_checks_total{"


def processes(service: Served) -> set[int]:
    """Return the workers' process ids."""
    found = set()
    for pid in children_of(service.pid):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        if _STARTED_BY_US in command:
            found.add(pid)
    return found


async def answered(http: httpx2.AsyncClient) -> dict[str, int]:
    """Return how many checks each worker has answered, by its number; a second may be missing."""
    lines = (await http.get("/metrics")).text.splitlines()
    counted = [line.removeprefix(_COUNTED) for line in lines if line.startswith(_COUNTED)]
    return {line.split('"')[1]: int(float(line.split()[-1])) for line in counted}


def client(url: str, token: str = "", *, keep: bool = True) -> httpx2.AsyncClient:
    """Return a client that keeps its connections, or takes a new one for each request."""
    return httpx2.AsyncClient(
        base_url=url,
        timeout=30,
        headers={"Authorization": f"Bearer {token}"} if token else {},
        limits=httpx2.Limits(max_keepalive_connections=None if keep else 0),
    )
