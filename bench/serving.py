"""The service as `fermata serve` runs it, for as long as it is measured."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import httpx2

from bench.asking import Address
from bench.memory import children_of
from client import Connection, Problem, local_tokens
from service.cli.local import free_port

SECRET = "bench"  # noqa: S105 - of a service that lives for a minute
QUIET = {"FERMATA_SEND_NOTICES": "false"}
"""Nothing is announced while checks are measured: there is nobody to send to."""

_POLL_SECONDS = 0.02


class ServiceFailed(Exception):  # noqa: N818 - names what happened
    """The service did not start, or cannot do what is to be measured."""


@dataclass(frozen=True)
class Service:
    """A running service: where it listens, where its data lie, and its process."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes] = field(repr=False)
    ready_after: float
    """Seconds from the start of the process to its being ready."""

    @cached_property
    def address(self) -> Address:
        """Where it listens."""
        return Address.of(self.url)

    def token(self, client: str) -> str:
        """Return a token of one of the local issuer's clients."""
        return local_tokens(self.url, client, SECRET)(fresh=False)

    def connect(self, client: str) -> Connection:
        """Return a connection as one of the local issuer's clients."""
        return Connection(self.url, local_tokens(self.url, client, SECRET))

    def database_url(self) -> str:
        """Return the address of the PostgreSQL that the service runs."""
        return embedded_url(self.folder)

    def pids(self) -> list[int]:
        """Return the processes that are the service, PostgreSQL's and its guard's left out."""
        return [self.process.pid, *children_of(self.process.pid, named=("python", "fermata"))]


def embedded_url(folder: Path) -> str:
    """Return the address of the embedded PostgreSQL that runs in this folder of data."""
    password = (folder / "postgres" / "password").read_text()
    port = (folder / "postgres" / "cluster" / "postmaster.pid").read_text().splitlines()[3]
    return f"postgresql://fermata:{password}@127.0.0.1:{port}/fermata"


@contextlib.contextmanager
def data_folder() -> Iterator[Path]:
    """Make a folder that PostgreSQL's own account can enter, and remove it in the end."""
    folder = Path(tempfile.mkdtemp(prefix="fermata-bench-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def serving(
    folder: Path | None = None,
    *,
    options: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    profile: Path | None = None,
    patience: float = 60,
) -> Iterator[Service]:
    """Run it over an embedded PostgreSQL, or over DATABASE_URL where `variables` name one.

    With `profile` it has a profiler at hand that writes there; see `bench.profiled`. Raises
    ServiceFailed.
    """
    with contextlib.ExitStack() as stack:
        where = folder or stack.enter_context(data_folder())
        port = free_port()
        fermata = [str(Path(sys.executable).with_name("fermata"))]
        watched = [sys.executable, "-m", "bench.profiled", str(profile)]
        program = watched if profile else fermata
        command = [*program, "serve", "--local-issuer", "--port", str(port), *options]
        environment = {
            **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
            "FERMATA_DATA_DIR": str(where),
            "FERMATA_LOCAL_ISSUER_SECRET": SECRET,
            "FERMATA_LOG_LEVEL": "error",
            **(variables or {}),
        }
        said = stack.enter_context(tempfile.TemporaryFile())
        began = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stderr=said)
        stack.callback(_stop, process)
        url = f"http://127.0.0.1:{port}"
        try:
            wait_until_ready(url, process, patience)
        except ServiceFailed as failed:
            said.seek(0)
            raise ServiceFailed(f"{failed}\n{said.read().decode()[-2_000:]}") from None
        yield Service(url, where, process, time.perf_counter() - began)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until_ready(url: str, process: subprocess.Popen[bytes], patience: float) -> None:
    """Return once the service is ready. Raises ServiceFailed."""
    until = time.perf_counter() + patience
    with Connection(url) as probe:
        while time.perf_counter() < until:
            with contextlib.suppress(Problem, OSError, httpx2.TransportError):
                probe.get("/readyz")
                return
            if process.poll() is not None:
                break
            time.sleep(_POLL_SECONDS)
    ended = process.poll()
    why = "is not ready yet" if ended is None else f"ended with status {ended}"
    command = " ".join(map(str, process.args if isinstance(process.args, list) else ()))
    raise ServiceFailed(f"after {patience:g} s the service {why}: {command}")
