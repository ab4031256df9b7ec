"""`fermata snapshot`, and a service's keeper that runs it: against a real PostgreSQL."""

import asyncio
import os
import random
import signal
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from service.beside import Beside
from service.catalog.artists import ArtistRow, register_artists
from service.cli.local import Database, complete
from service.cli.main import app
from service.decisions.snapshots.folder import SnapshotFolder
from service.decisions.snapshots.keeper import Pace, SnapshotKeeper, snapshot_process
from service.decisions.snapshots.restore import restore
from service.domain.instant import DAY
from service.ledger.append import Appender
from service.ledger.key_check import require_key
from service.settings import Settings
from tests.decisions.following import HandClock, replica
from tests.decisions.snapshots.test_folder import names
from tests.decisions.snapshots.test_restore import built, erasing, state
from tests.ledger.playing import play, playable
from tests.ledger.stopped_clock import stop_clock
from tests.ledger.writing import KEY, appending, vault

KEY_TEXT = b64encode(KEY).decode()


@pytest.fixture
async def appender(database_url: str) -> AsyncIterator[Appender]:
    """Write to a ledger in which a few things have happened."""
    await require_key(database_url, vault())
    await stop_clock(database_url)
    async with appending(database_url) as appender:
        await play(database_url, appender, playable(random.Random(5), 20))
        yield appender


def writing_into(url: str, folder: Path) -> Beside:
    """Return the command as the keeper has it."""
    settings = Settings(
        database_url=url, key_encryption_key=SecretStr(KEY_TEXT), snapshot_dir=folder
    )
    return snapshot_process(settings)


async def run(url: str, folder: Path, **settings: str) -> tuple[int, str]:
    """Run the command as the keeper does, and return its status and what it said."""
    writer = writing_into(url, folder)
    process = await asyncio.create_subprocess_exec(
        *writer.command,
        env={**writer.environment, **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_it_writes_what_a_service_starts_from(
    appender: Appender, database_url: str, tmp_path: Path
) -> None:
    """It says what it did, and does nothing twice."""
    status, said = await run(database_url, tmp_path)
    assert (status, "snapshot of revision" in said) == (0, True), said
    status, said = await run(database_url, tmp_path)
    assert (status, "holds the whole ledger already" in said) == (0, True), said
    index = await restore(tmp_path, KEY, database_url, vault())
    assert index is not None
    assert state(index) == state(await built(database_url))


async def test_it_says_why_not_now(appender: Appender, database_url: str, tmp_path: Path) -> None:
    """Somebody else is at it, or the database is not there: status 1."""
    with SnapshotFolder(tmp_path).writing():
        status, said = await run(database_url, tmp_path)
    assert (status, "another process" in said) == (1, True), said
    status, said = await run(database_url.rpartition(":")[0] + ":1/nothing", tmp_path)
    assert status == 1, said
    assert SnapshotFolder(tmp_path).newest() is None


async def test_it_says_what_is_not_set_up(
    appender: Appender, database_url: str, tmp_path: Path
) -> None:
    """The key is another database's, or none, or there is no folder: status 2."""
    other = b64encode(KEY[::-1]).decode()
    for settings, word in (
        ({"FERMATA_KEY_ENCRYPTION_KEY": other}, "not the key this database was written with"),
        ({"FERMATA_KEY_ENCRYPTION_KEY": "short"}, "openssl rand"),
        ({"FERMATA_SNAPSHOT_INTERVAL": "an hour"}, "not a duration"),
    ):
        status, said = await run(database_url, tmp_path, **settings)
        assert (status, word in said) == (2, True), said
    environment = {"DATABASE_URL": database_url, "FERMATA_KEY_ENCRYPTION_KEY": KEY_TEXT}
    result = await asyncio.to_thread(CliRunner().invoke, app, ["snapshot"], env=environment)
    assert result.exit_code == 2
    assert "FERMATA_SNAPSHOT_DIR" in result.output
    assert SnapshotFolder(tmp_path).newest() is None


_SLOW = """
import signal, sys
from service.decisions.snapshots import write
def stop_in_the_middle(file, *_):
    file.write(b"half of it" * 100)
    file.flush()
    print("writing", flush=True)
    signal.pause()
write.write_index = stop_in_the_middle
from service.cli.snapshot import snapshot
snapshot()
"""


async def test_killed_in_the_middle_it_is_in_nobodys_way(
    appender: Appender, database_url: str, tmp_path: Path
) -> None:
    """The snapshot before is still there, whole, and the next writer goes on from it."""
    assert (await run(database_url, tmp_path))[0] == 0
    before = SnapshotFolder(tmp_path).newest()
    await appender.submit(register_artists([ArtistRow("newcomer")]))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _SLOW,
        env=writing_into(database_url, tmp_path).environment,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    await process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    await process.communicate()
    assert SnapshotFolder(tmp_path).newest() == before
    assert (await run(database_url, tmp_path))[0] == 0
    assert names(tmp_path) == {"index-1.snapshot"}
    index = await restore(tmp_path, KEY, database_url, vault())
    assert index is not None
    assert index.artist("newcomer")


def test_an_embedded_database_brings_a_folder_along(tmp_path: Path) -> None:
    """Beside its data; a database of the operator's own has none unless they say where."""
    embedded = complete(Settings(), Database("postgresql://embedded", tmp_path))
    assert embedded.snapshot_dir == tmp_path / "snapshots"
    said = complete(Settings(snapshot_dir=Path("/there")), Database("postgresql://e", tmp_path))
    assert said.snapshot_dir == Path("/there")
    own = complete(
        Settings(database_url="postgresql://own"), Database("postgresql://own", tmp_path)
    )
    assert own.snapshot_dir is None


async def test_a_service_keeps_its_snapshot_and_forgets_with_it(
    appender: Appender, database_url: str, tmp_path: Path
) -> None:
    """From the first start to an erasure: the new snapshot does not know the artist any more."""
    await appender.submit(register_artists([ArtistRow("leaving")]))
    clock, writer = HandClock(), writing_into(database_url, tmp_path)
    async with replica(database_url) as one:
        await one.catch_up()
        keeper = SnapshotKeeper(
            tmp_path, one.index, writer, Pace(1_000, 100 * DAY), clock, one.follower.caught_up
        )
        await keeper.look()
        await keeper.written()
        known = await restore(tmp_path, KEY, database_url, vault())
        assert known is not None
        assert known.artist("leaving")
        await appender.submit(erasing("leaving"))
        await one.catch_up()
        await keeper.look()
        newest = SnapshotFolder(tmp_path).newest()
        assert newest is None or newest.revision == one.index.revision
        await keeper.written()
    index = await restore(tmp_path, KEY, database_url, vault())
    assert index is not None
    assert index.last_erasure == 0  # it was written after that
    assert index.artist("leaving") == 0
    assert state(index) == state(await built(database_url))
