"""What every test may ask for: a database of its own on a real PostgreSQL.

One embedded server serves all workers of a test run. The first worker that needs it starts it and
migrates one template database; each test that asks for ``database_url`` gets a fresh clone of that,
dropped afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import logging
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from hypothesis import HealthCheck, settings

from service.db.embedded import DATABASE, EmbeddedPostgres
from service.db.migrate import upgrade

# Nothing here outlives a test run, so nothing needs to reach the disk; many workers with pools of
# their own need many connections, each small.
_FAST = {
    "autovacuum": "off",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "400",
    "shared_buffers": "64MB",
}
_TEMPLATE = "fermata_template"
_ROOM = 4 << 30
"""Bytes: some hundred databases, and what the server writes beside them."""

# A failing example is printed as a line to paste; what a machine under load takes is not a failure.
settings.register_profile(
    "dev",
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("long", settings.get_profile("dev"), max_examples=1_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


# What is imported while tests are collected stays: walking it meanwhile is for nothing.
gc.disable()


def pytest_collection_finish() -> None:
    """Spare the collector what was imported: it stays, and would be walked again and again."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    """Let the collector have it in the end: some libraries take what is left for a leak."""
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _log_settings_stay_here() -> Iterator[None]:
    """Undo what a command says about logging: it would write where nobody listens any more."""
    root = logging.getLogger()
    level = root.level
    yield
    for handler in root.handlers[:]:
        if type(handler) is logging.StreamHandler:  # pytest's own are of kinds of their own
            root.removeHandler(handler)
            root.setLevel(level)


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of the run's server, as its administrator; for tests that create databases themselves."""
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    with _joined(shared) as url:
        yield url


@pytest.fixture
def scratch_dir() -> Iterator[Path]:
    """A new folder that the server's account can reach, as root's ``tmp_path`` is not."""
    folder = Path(tempfile.mkdtemp(prefix="fermata-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def database_url(postgres_url: str) -> AsyncIterator[str]:
    """URL of a database of this test's own, migrated to the newest schema and otherwise empty."""
    async with migrated_database(postgres_url) as url:
        yield url


@pytest.fixture
async def empty_database_url(postgres_url: str) -> AsyncIterator[str]:
    """URL of a database of this test's own without any table, for tests of the migrations."""
    async with _database(postgres_url, "template0") as url:
        yield url


def migrated_database(server: str) -> contextlib.AbstractAsyncContextManager[str]:
    """Return a database of its own for the block, for fixtures that several tests share."""
    return _database(server, _TEMPLATE)


@contextlib.asynccontextmanager
async def _database(server: str, template: str) -> AsyncIterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    await _execute(server, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    try:
        yield _at(server, name)
    finally:
        await _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _at(server: str, database: str) -> str:
    return f"{server.removesuffix(DATABASE)}{database}"


@contextlib.contextmanager
def _joined(shared: Path) -> Iterator[str]:
    """Join the server of this test run; the first to come starts it, and stops it after the last.

    Locks of the operating system count who is there, so a worker that is killed is not waited for.
    """
    address = shared / "postgres.url"
    with (shared / "postgres.users").open("a") as users:
        with _alone(shared):
            started = None if address.exists() else _start()
            if started:
                address.write_text(started[0].url)
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield address.read_text()
        finally:
            fcntl.flock(users, fcntl.LOCK_UN)
            if started:
                with _alone(shared):
                    fcntl.flock(users, fcntl.LOCK_EX)  # until the others are done
                    address.unlink()
                    started[0].stop()
                    shutil.rmtree(started[1])


def _in_memory() -> Path | None:
    """Return where files never reach a disk, if this machine has enough room there."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own in it
    if memory.is_dir() and shutil.disk_usage(memory).free > _ROOM:
        return memory
    return None


@contextlib.contextmanager
def _alone(shared: Path) -> Iterator[None]:
    with (shared / "postgres.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _start() -> tuple[EmbeddedPostgres, Path]:
    folder = Path(tempfile.mkdtemp(prefix="fermata-tests-", dir=_in_memory()))
    server = EmbeddedPostgres(folder, _FAST)
    url = server.start()
    try:
        _make_template(url)
    except BaseException:
        server.stop()
        shutil.rmtree(folder)
        raise
    return server, folder


def _make_template(server: str) -> None:
    asyncio.run(_execute(server, f"CREATE DATABASE {_TEMPLATE}"))
    upgrade(_at(server, _TEMPLATE))
