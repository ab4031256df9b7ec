"""Commands as they are typed: in this process, in one that can be killed, and at a terminal."""

import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest
from typer.testing import CliRunner

from service.cli.main import app
from tests.serving import RunningService, running_service

ROOT = Path(__file__).resolve().parents[2]
# A shell lets the commands it runs in the background ignore Ctrl-C, and they hand that on.
_HEARS_INTERRUPTS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
FERMATA = (
    sys.executable,
    "-c",
    f"{_HEARS_INTERRUPTS}; from service.cli.main import app; app()",
)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit status, and what it said on each of its outputs."""

    status: int
    out: str
    err: str = ""


Fermata: TypeAlias = Callable[..., Ended]


@pytest.fixture
def service(database_url: str) -> Iterator[RunningService]:
    """A running service whose ledger is not opened yet."""
    with running_service(database_url) as running:
        yield running


@pytest.fixture
def opened(service: RunningService) -> RunningService:
    """A running service with a charter."""
    open_charter(service)
    return service


@pytest.fixture
def state_home(tmp_path: Path) -> Path:
    """Where the commands of this test keep what they remember."""
    return tmp_path / "state"


@pytest.fixture
def environment(service: RunningService, state_home: Path) -> dict[str, str]:
    """Variables that lead a command to the service, with a token that allows everything."""
    return environment_for(service, state_home)


@pytest.fixture
def fermata(environment: Mapping[str, str]) -> Fermata:
    """`fermata …` against the service, in this process, without a terminal."""

    def run(*arguments: object, **variables: str) -> Ended:
        typed = [str(argument) for argument in arguments]
        result = CliRunner().invoke(app, typed, env={**environment, **variables})
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ended(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def fermata_at_terminal(environment: Mapping[str, str]) -> Fermata:
    """`fermata …` at a terminal, where somebody types `answer`."""

    def run(*arguments: object, answer: str = "") -> Ended:
        return at_terminal([*FERMATA, *map(str, arguments)], environment, answer)

    return run


def environment_for(service: RunningService, state_home: Path) -> dict[str, str]:
    """Return variables that lead a command to this service."""
    return {
        "FERMATA_URL": service.url,
        "FERMATA_TOKEN": service.token(),
        "XDG_STATE_HOME": str(state_home),
        "NO_COLOR": "1",
    }


def open_charter(service: RunningService, min_notice_period: str = "P30D") -> None:
    """Open the ledger."""
    with service.connect() as connection:
        charter = {"platform": "Test Sounds", "min_notice_period": min_notice_period}
        connection.write("POST", "/v1/charter", charter)


def at_terminal(command: Sequence[str], environment: Mapping[str, str], answer: str) -> Ended:
    """Run a command whose input and outputs are one terminal."""
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=ROOT,
            env={**os.environ, **environment, "TERM": "xterm", "COLUMNS": "200"},
        )
        os.close(theirs)
        os.write(ours, answer.encode())
        seen = bytearray()
        while chunk := _read(ours):
            seen += chunk
        return Ended(process.wait(), seen.decode(errors="replace"))
    finally:
        os.close(ours)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # how Linux says that nobody has the other end open any more
        return b""
