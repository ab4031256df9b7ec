"""`fermata worker`, as it is started: what it needs, what it does, how it stops."""

import asyncio
import base64
import os
import signal
from asyncio.subprocess import Process
from pathlib import Path

import asyncpg

from client import Connection
from service.clock import SystemClock
from service.db.engine import Database
from service.ledger.derived_keys import WEBHOOK_KEYS, derived_key
from service.notices.endpoint import Keeper, put_endpoint
from service.settings import KEY_BYTES
from tests.cli.conftest import FERMATA, ROOT, open_charter
from tests.notices.channels.listening import Listener, listening
from tests.notices.office import artists_of
from tests.serving import running_service

KEY = bytes(KEY_BYTES)


async def start(home: Path, **variables: str) -> Process:
    """Start the command with these variables and nothing else of this machine's."""
    return await asyncio.create_subprocess_exec(
        *FERMATA,
        "worker",
        env={"PATH": os.environ["PATH"], "HOME": str(home), "NO_COLOR": "1", **variables},
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )


async def ended(process: Process) -> tuple[int, str]:
    """Return how it ended and what it said."""
    _, said = await process.communicate()
    return process.returncode or 0, said.decode()


async def put_listener(url: str, listener: Listener) -> None:
    """Register the listener as the platform's endpoint, and take it for proven."""
    keeper = Keeper(derived_key(KEY, WEBHOOK_KEYS), os.urandom, SystemClock().now())
    async with Database(url, pool_size=1) as database, database.keep() as session:
        await put_endpoint(session, f"http://127.0.0.1:{listener.port}/hook", keeper)
    connection = await asyncpg.connect(url)
    await connection.execute("UPDATE private.webhook_endpoint SET proven_at = now()")
    await connection.close()


def begin(connection: Connection) -> None:
    """Register two artists and publish what they have to be told of."""
    rows = {"artists": [{"artist": "ana"}, {"artist": "ben"}]}
    connection.write("POST", "/v1/artists", rows)
    policy = {
        "mode": "opt_out",
        "recipients": ["internal"],
        "notice_period": "P30D",
        "texts": {"en": "What we would do with your music."},
    }
    connection.write("POST", "/v1/uses/training.music/policies", policy)


async def test_it_tells_artists_beside_a_service_and_stops_when_asked(
    database_url: str, tmp_path: Path
) -> None:
    """It finds what was published elsewhere, sends it, and ends well on SIGTERM."""
    async with listening(None) as listener:
        with running_service(database_url) as service:
            await asyncio.to_thread(open_charter, service)
            with service.connect() as connection:
                await asyncio.to_thread(begin, connection)
        await put_listener(database_url, listener)
        process = await start(
            tmp_path,
            DATABASE_URL=database_url,
            FERMATA_KEY_ENCRYPTION_KEY=base64.b64encode(KEY).decode(),
            FERMATA_WEBHOOK_DEVELOPMENT="true",
        )
        async with asyncio.timeout(60):
            while not listener.heard:
                assert process.returncode is None
                await asyncio.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        status, said = await ended(process)
        assert (status, "fermata works" in said, "fermata stops" in said) == (0, True, True)
        assert sorted(artists_of(listener.heard[0])) == ["ana", "ben"]
        assert len(listener.heard) == 1


async def test_it_refuses_a_database_without_tables(
    empty_database_url: str, tmp_path: Path
) -> None:
    """Like `fermata serve` it leaves migrating to `fermata migrate`."""
    process = await start(tmp_path, DATABASE_URL=empty_database_url)
    status, said = await ended(process)
    assert status == 2
    assert "run `fermata migrate` first" in said


async def test_it_says_what_is_missing(tmp_path: Path) -> None:
    """Without a database, or with half of what letters need, it says what to set."""
    status, said = await ended(await start(tmp_path))
    assert status == 2
    assert "set DATABASE_URL" in said


async def test_a_mail_server_needs_somebody_to_write(database_url: str, tmp_path: Path) -> None:
    """A setting that cannot be used stops the start, not a letter."""
    process = await start(
        tmp_path,
        DATABASE_URL=database_url,
        FERMATA_KEY_ENCRYPTION_KEY=base64.b64encode(KEY).decode(),
        FERMATA_SMTP_HOST="mail.example",
    )
    status, said = await ended(process)
    assert status == 2
    assert "FERMATA_MAIL_FROM" in said
