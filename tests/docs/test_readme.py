"""What the documents say is true: their commands run as written, their tables are complete."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from service.cli.local import free_port
from service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_readme_has_the_two_commands_and_a_first_check() -> None:
    """A newcomer finds `make demo`, `make serve` and a check with curl, each to be copied."""
    assert BLOCKS[:2] == ["make demo\n", "make serve\n"]
    assert "/v1/checks" in "".join(BLOCKS[2:])


@pytest.mark.timeout(300)
def test_the_demo_runs_as_written(scratch_dir: Path) -> None:
    """`make demo` ends by itself with status 0 and a one-line summary of its checks."""
    finished = subprocess.run(
        ["bash", "-ec", BLOCKS[0]],
        cwd=ROOT,
        env=_bare_environment(scratch_dir),
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout[-3_000:] + finished.stderr[-3_000:]
    assert re.search(r"strong checks of [\d,]+ tracks in [\d.]+ s", finished.stdout)


@pytest.mark.timeout(300)
def test_the_first_check_runs_as_written(scratch_dir: Path) -> None:
    """Typing the commands in order shows a permit, Ana's no, a denial that names it, a notice."""
    port = free_port()
    environment = _bare_environment(scratch_dir) | {"FERMATA_PORT": str(port)}
    script = "".join(BLOCKS[2:]).replace(":8080", f":{port}")
    with _served(BLOCKS[1], environment, port):
        finished = subprocess.run(
            ["bash", "-ec", script],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert finished.returncode == 0, finished.stdout[-3_000:] + finished.stderr[-3_000:]
    *_, before, said, after, published, told, notice = (
        line for line in finished.stdout.splitlines() if line.startswith("{")
    )
    assert finished.stdout.strip().endswith("everything that was looked at holds")
    assert '"reason":"window_closed"' in before
    assert '"answer":"opt_out"' in said
    assert '"reason":"opted_out"' in after
    assert '"explanation"' in after
    assert '"version":2' in published
    assert '"delivered":1' in told
    assert '"reached":1' in notice


def test_every_setting_is_in_the_readme() -> None:
    """The table of settings names each variable once, with its default."""
    table = dict(re.findall(r"^\| `(\w+)` \| .*? \| `?(.*?)`? \|$", README, re.MULTILINE))
    expected = {
        "DATABASE_URL" if name == "database_url" else f"FERMATA_{name.upper()}": field.default
        for name, field in Settings.model_fields.items()
    }
    assert {name: _written(default) for name, default in expected.items()} == table


def _written(default: object) -> str:
    """Return a default as it would be written in the variable."""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return ",".join(str(part) for part in default)
    return "" if default is None else str(default)


def test_every_decision_page_is_listed_and_has_its_parts() -> None:
    """The index of decisions names every page; each page says context, decision and more."""
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    pages = sorted(page for page in folder.glob("*.md") if page.name != "README.md")
    assert re.findall(r"\((\d{4}-[\w-]+\.md)\)", index) == [page.name for page in pages]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "**Context.**" in text, page.name
        assert "**Decision.**" in text, page.name
        title = text.splitlines()[0].removeprefix("# ")
        assert title in index, page.name


def test_every_link_in_the_documents_leads_somewhere() -> None:
    """A relative link names a file of this repository."""
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def _bare_environment(folder: Path) -> dict[str, str]:
    """Return what a newcomer's shell has, with the service's data in a folder of this test."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"FERMATA_DATA_DIR": str(folder / "data")}


@contextmanager
def _served(command: str, environment: dict[str, str], port: int) -> Iterator[None]:
    environment = environment | {"FERMATA_LOCAL_ISSUER_SECRET": "development"}
    log = Path(environment["FERMATA_DATA_DIR"]).with_name("serve.log")
    with log.open("w") as output:
        process = subprocess.Popen(
            ["bash", "-ec", command],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_ready(f"http://127.0.0.1:{port}/readyz", process, log)
        yield
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=30)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            if httpx2.get(url).is_success:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail(log.read_text())
