"""The program's commands as processes of their own, and processes ended without a warning."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx2

SECRET: Final = "a secret of these tests"
_PROGRAM: Final = "from service.cli.main import app; app()"
_POLL_SECONDS: Final = 0.02


class Command:
    """The program with some arguments, running until it is ended."""

    def __init__(self, home: Path, *arguments: str, **settings: str) -> None:
        """Start it. `settings` are those of `Settings`, as an operator gives them."""
        chosen = {"log_level": "critical", **settings}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *arguments],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(home),
                **{f"FERMATA_{name.upper()}": value for name, value in chosen.items()},
            },
            cwd=Path(__file__).resolve().parents[2],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it between two instructions, whatever it was doing."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """Ask it to end, wait until it has, and return its exit status."""
        self._process.terminate()
        return self._process.wait()


class Served(Command):
    """The command, serving on loopback from a data directory until it is ended."""

    def __init__(self, data_dir: Path, port: int, **settings: str) -> None:
        """Start it."""
        self.url = f"http://127.0.0.1:{port}"
        self._data_dir = data_dir
        super().__init__(
            data_dir,
            *("serve", "--port", str(port)),
            data_dir=str(data_dir),
            local_issuer="true",
            local_issuer_secret=SECRET,
            **settings,
        )

    async def until_ready(self) -> None:
        """Return once it answers checks."""
        async with httpx2.AsyncClient(base_url=self.url) as http:
            while True:
                assert self.runs, "the service has ended"
                with contextlib.suppress(httpx2.TransportError):
                    if (await http.get("/readyz")).is_success:
                        return
                await asyncio.sleep(_POLL_SECONDS)

    def database_url(self) -> str:
        """Return the address of the PostgreSQL that it runs."""
        folder = self._data_dir / "postgres"
        password = (folder / "password").read_text()
        port = (folder / "cluster" / "postmaster.pid").read_text().splitlines()[3]
        return f"postgresql://fermata:{password}@127.0.0.1:{port}/fermata"

    def key_encryption_key(self) -> str:
        """Return the key that it made for itself."""
        return (self._data_dir / "key-encryption-key").read_text()


@asynccontextmanager
async def served(data_dir: Path, port: int, **settings: str) -> AsyncIterator[Served]:
    """Serve until the block ends, ready when it begins."""
    service = Served(data_dir, port, **settings)
    try:
        await service.until_ready()
        yield service
    finally:
        await asyncio.to_thread(service.stop)  # what it still asks for may be here


async def kill_with_children(pid: int) -> None:
    """End a process and all it has started at once, and return when none of them is left."""
    doomed = [pid, *children_of(pid)]
    for one in doomed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    await asyncio.to_thread(_wait_for_the_end_of, doomed)


def _wait_for_the_end_of(pids: list[int]) -> None:
    while any(runs(pid) for pid in pids):
        time.sleep(_POLL_SECONDS)


def children_of(pid: int) -> Iterator[int]:
    """Yield the processes that this one has started and that are there."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if _status(process)[1] == str(pid):
                yield int(process.name)


def runs(pid: int) -> bool:
    """Whether it is there and not only waiting for its parent to notice its end."""
    with contextlib.suppress(OSError):
        return _status(Path(f"/proc/{pid}"))[0] != "Z"
    return False


def _status(process: Path) -> list[str]:
    """Return state, parent and so on: what follows the program's name (proc(5))."""
    return (process / "stat").read_text().rpartition(")")[2].split()
