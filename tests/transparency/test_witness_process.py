"""The witness and the service as programs: started, asked, killed, started again."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final

import httpx2
import pytest

from service.cli.local import free_port
from service.transparency.checkpoint import open_checkpoint
from service.transparency.keys import (
    KeyType,
    SigningKey,
    parse_signing_key,
    parse_verifier_key,
    verified,
)
from service.transparency.note import parse_note, parse_signatures
from tests.faults.process import Command, served
from tests.transparency.trees import LOG_KEY, Log

KEY: Final = SigningKey("witness.example/w1", bytes(range(1, 33)))
OURS: Final = KEY.verifier(KeyType.WITNESS)
PROGRAM: Final = "from service.cli.main import app; app()"
ROOT: Final = Path(__file__).resolve().parents[2]


def ran(home: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "COLUMNS": "300"}
        | {f"FERMATA_{name.upper()}": value for name, value in settings.items()},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@asynccontextmanager
async def witnessing(folder: Path, port: int, log: str) -> AsyncIterator[Command]:
    """Run a witness until the block ends, answering when it begins."""
    key = folder / "key"
    key.write_text(f"{KEY.private_text()}\n")
    command = Command(
        folder,
        *("witness", "--listen", f"127.0.0.1:{port}", "--key", str(key)),
        *("--origin", log, "--state", str(folder / "state")),
    )
    try:
        async with asyncio.timeout(60), httpx2.AsyncClient() as http:
            while True:
                assert command.runs, "the witness has ended"
                with contextlib.suppress(httpx2.TransportError):
                    await http.get(f"http://127.0.0.1:{port}/")
                    break
                await asyncio.sleep(0.02)
        yield command
    finally:
        command.kill()


async def test_a_killed_witness_has_forgotten_nothing_that_it_signed(tmp_path: Path) -> None:
    """Killed again and again amid questions: it never cosigns less, or another history."""
    log, forked, port, acknowledged = Log(), Log(fork=0), free_port(), 0
    for _ in range(3):
        async with (
            witnessing(tmp_path, port, str(LOG_KEY.verifier())) as command,
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as http,
        ):
            known = await remembered(http, log)
            assert acknowledged <= known <= acknowledged + 1
            if known:
                other = await http.post("/add-checkpoint", content=forked.request(known, 299))
                assert other.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
            asyncio.get_running_loop().call_later(0.2, command.kill)
            acknowledged = await asked_until_killed(http, log, known)
    assert acknowledged > 3


async def remembered(http: httpx2.AsyncClient, log: Log) -> int:
    """Return the size that the witness says it has cosigned."""
    answer = await http.post("/add-checkpoint", content=log.request(300, 300))
    assert answer.status_code == HTTPStatus.CONFLICT
    return int(answer.text)


async def asked_until_killed(http: httpx2.AsyncClient, log: Log, size: int) -> int:
    """Let the log grow by one and one, and return the size that was cosigned last."""
    with contextlib.suppress(httpx2.TransportError):
        while size < 298:
            answer = await http.post("/add-checkpoint", content=log.request(size, size + 1))
            (line,) = parse_signatures(answer.text)
            assert OURS.verifies(parse_note(log.note(size + 1)).text, line)
            size += 1
    return size


@pytest.mark.timeout(240)
async def test_a_service_and_its_witness(scratch_dir: Path, tmp_path: Path) -> None:
    """Configured by two lines; what is published then verifies with the keys that are printed."""
    service_port, witness_port = free_port(), free_port()
    origin = "log.example/log"
    made = ran(tmp_path, "log-key", "--new", origin)
    log_key = parse_signing_key(made.stdout.strip())
    assert str(log_key.verifier()) in made.stderr
    assert str(log_key.verifier(KeyType.WITNESS)) in made.stderr
    settings = {
        "log_origin": origin,
        "log_signing_key": made.stdout.strip(),
        "log_witnesses": f"http://127.0.0.1:{witness_port} {OURS}",
        "checkpoint_interval_ms": "50",
    }
    data_dir = scratch_dir / "data"
    async with (
        witnessing(tmp_path, witness_port, str(log_key.verifier())),
        served(data_dir, service_port, **settings) as service,
        httpx2.AsyncClient(base_url=service.url) as http,
    ):
        note = ""
        async with asyncio.timeout(60):
            while note.count("— ") != 2:
                note = (await http.get("/log/checkpoint")).text
                await asyncio.sleep(0.05)
        printed = ran(tmp_path, "log-key", data_dir=str(data_dir), **settings).stdout.strip()
        trusted = parse_verifier_key(printed)
        assert len(verified(parse_note(note), [trusted, OURS])) == 2
        assert open_checkpoint(note, [trusted])[0].origin == origin


@pytest.mark.timeout(240)
async def test_the_key_of_a_service_without_settings_is_printed(
    scratch_dir: Path, tmp_path: Path
) -> None:
    """It follows from the key that was made for the data, and signs under its first address."""
    data_dir = scratch_dir / "data"
    before = ran(tmp_path, "log-key", data_dir=str(data_dir))
    assert before.returncode == 2
    assert "start the service first" in before.stderr
    port = free_port()
    notes = []
    for _ in range(2):
        async with (
            served(data_dir, port) as service,
            httpx2.AsyncClient(base_url=service.url) as http,
        ):
            notes.append((await http.get("/log/checkpoint")).text)
        port = free_port()  # the address changes, the log's name does not
    printed = ran(tmp_path, "log-key", data_dir=str(data_dir))
    assert printed.returncode == 0, printed.stderr
    trusted = parse_verifier_key(printed.stdout.strip())
    origins = {open_checkpoint(note, [trusted])[0].origin for note in notes}
    assert origins == {trusted.name}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--origin", "nonsense"), "a key is"),
        (("--origin", str(OURS)), "type 1"),
        (("--listen", "nowhere"), "HOST:PORT"),
        (("--key", "/nonexistent/key"), "No such file"),
    ],
)
def test_a_witness_that_cannot_start_says_why(
    tmp_path: Path, arguments: tuple[str, ...], why: str
) -> None:
    """In one line, and exit status 2."""
    (tmp_path / "key").write_text(KEY.private_text())
    given = {"--origin": str(LOG_KEY.verifier()), "--key": str(tmp_path / "key")}
    given |= {"--state": str(tmp_path / "state"), arguments[0]: arguments[1]}
    words = [word for pair in given.items() for word in pair]
    result = ran(tmp_path, "witness", *words)
    assert result.returncode == 2
    assert why in result.stderr
    assert "Traceback" not in result.stderr
