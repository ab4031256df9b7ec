"""What a process starts with: who the log is, and whether it may start at all."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from service.cli.local import free_port
from service.clock import SystemClock
from service.ledger.events import LedgerBroken
from service.settings import Settings
from service.telemetry import Telemetry
from service.transparency import cosigning, remembered
from service.transparency.continuation import WentBack
from service.transparency.identity import identity
from service.transparency.kept import KeptBroken, origins_kept
from service.transparency.keys import KeyType, SigningKey
from service.transparency.opened import log_identity, public_log, require_continuation
from tests.conftest import migrated_database
from tests.transparency.logs import copy_of, grow, restore, superuser
from tests.transparency.test_witness_process import OURS as WITNESS
from tests.transparency.test_witness_process import witnessing

KEY: Final = bytes(range(32))


@pytest.fixture
async def another_url(postgres_url: str) -> AsyncIterator[str]:
    """URL of a second database, as empty as the first."""
    async with migrated_database(postgres_url) as url:
        yield url


def settings(**given: Any) -> Settings:
    """Return settings of which only these are set."""
    return Settings(**given)


async def opened(url: str, **given: Any) -> str:
    """Start the log, stop it, and return what it is called."""
    async with public_log(settings(**given), KEY, url, SystemClock(), Telemetry()) as log:
        return log.identity.origin


async def test_a_database_that_was_made_anew_is_noticed(
    database_url: str, another_url: str, tmp_path: Path
) -> None:
    """By the kept checkpoint, though the new database has never heard of the log."""
    await grow(database_url, 3)
    origin = await opened(database_url, log_dir=tmp_path, public_url="https://one.example")
    given = settings(log_dir=tmp_path, public_url="https://two.example")
    assert (await log_identity(given, KEY, another_url)).origin == origin
    for start in (
        require_continuation(given, KEY, another_url),
        opened(another_url, log_dir=tmp_path),
    ):
        with pytest.raises(WentBack, match="holds 0 events"):
            await start
    await require_continuation(given, KEY, database_url)


# Nothing kept outside but what a witness remembers


@asynccontextmanager
async def witnessed(url: str, folder: Path, port: int) -> AsyncIterator[Settings]:
    """Run a witness that knows the log of this database, and yield settings that name it."""
    async with public_log(settings(), KEY, url, SystemClock(), Telemetry()) as log:
        ours = str(log.identity.key.verifier())
    async with witnessing(folder, port, ours):
        yield witnessed_at(port)


def witnessed_at(port: int, **more: Any) -> Settings:
    """Return settings with a witness there."""
    return settings(log_witnesses=f"http://127.0.0.1:{port} {WITNESS}", **more)


async def cosigned(url: str, given: Settings) -> None:
    """Run the log until its newest checkpoint is cosigned."""
    async with public_log(given, KEY, url, SystemClock(), Telemetry()) as log:
        async with asyncio.timeout(20):
            note = ""
            while note.count("— ") != 2:
                await asyncio.sleep(0.02)
                note = await log.publication.note() or ""


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask witnesses again without the usual pause."""
    monkeypatch.setattr(cosigning, "_AGAIN_SECONDS", 0.1)


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("grown_again", [0, 5, 9])
async def test_a_restored_backup_is_refused_by_what_a_witness_remembers(
    database_url: str, tmp_path: Path, grown_again: int
) -> None:
    """Where nothing else does: shorter, as long again with other events, or longer by now."""
    await grow(database_url, 20)
    await copy_of(database_url, "backup")
    await grow(database_url, 5)
    async with witnessed(database_url, tmp_path, free_port()) as given:
        await cosigned(database_url, given)
        await require_continuation(given, KEY, database_url)
        await restore(database_url, "backup")
        await grow(database_url, grown_again)
        for start in (
            require_continuation(given, KEY, database_url),
            cosigned(database_url, given),
        ):
            with pytest.raises(WentBack, match="the memory of the witness at http://127"):
                await start


async def test_a_witness_that_is_away_is_no_reason_not_to_start(
    database_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither one that refuses connections nor one that never answers; the log names both."""
    monkeypatch.setattr(remembered, "_PATIENCE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ports = [silent.getsockname()[1], free_port()]
        given = settings(
            log_witnesses=",".join(f"http://127.0.0.1:{port} {WITNESS}" for port in ports)
        )
        await grow(database_url, 3)
        async with asyncio.timeout(10):
            await require_continuation(given, KEY, database_url)
    for port in ports:
        assert f"it is not known what the witness at http://127.0.0.1:{port}" in caplog.text


@pytest.mark.usefixtures("often")
async def test_a_witness_that_comes_back_stops_a_restored_backup(
    database_url: str, tmp_path: Path
) -> None:
    """It could not be asked at the start; nothing is signed any more once it can."""
    await grow(database_url, 20)
    await copy_of(database_url, "backup")
    await grow(database_url, 5)
    port, telemetry = free_port(), Telemetry()
    async with witnessed(database_url, tmp_path, port) as given:
        await cosigned(database_url, given)
    await restore(database_url, "backup")
    given = witnessed_at(port, checkpoint_interval_ms=10)
    async with public_log(given, KEY, database_url, SystemClock(), telemetry) as log:
        assert b"fermata_log_signs 1.0" in telemetry.exposition()
        async with witnessed(database_url, tmp_path, port):
            with pytest.raises(LedgerBroken, match="memory of the witness"):
                await log.signer.reach(1_000, timeout=20)
        assert b"fermata_log_signs 0.0" in telemetry.exposition()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "FERMATA_LOG_DIR IS NOT SET, AND NO WITNESS"),
        ({"log_witnesses": f"http://127.0.0.1:1 {WITNESS}"}, "noticed only as far as a witness"),
        ({"log_dir": Path("kept")}, None),
    ],
)
async def test_who_starts_without_a_folder_is_warned(
    database_url: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    given: dict[str, Any],
    said: str | None,
) -> None:
    """Once, with what cannot be noticed then, and what to set."""
    given = {name: tmp_path / one if name == "log_dir" else one for name, one in given.items()}
    await require_continuation(settings(**given), KEY, database_url)
    warned = [one for one in caplog.messages if "FERMATA_LOG_DIR" in one]
    assert len(warned) == (said is not None)
    for one in warned:
        assert str(said) in one
        assert "Set FERMATA_LOG_DIR to a folder on another disk" in one


async def test_a_broken_folder_is_no_new_beginning(database_url: str, tmp_path: Path) -> None:
    """What cannot be read may be what would have told."""
    (tmp_path / "0123.checkpoint").write_text("nonsense")
    with pytest.raises(KeptBroken, match=r"0123\.checkpoint"):
        await require_continuation(settings(log_dir=tmp_path), KEY, database_url)
    with pytest.raises(KeptBroken):
        origins_kept(tmp_path)


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ({}, "fermata.localhost/log"),
        ({"public_url": "https://consent.example"}, "consent.example/log"),
        ({"public_url": "https://example.org/consent/"}, "example.org/consent/log"),
        ({"log_origin": "log.example", "public_url": "https://x.example"}, "log.example"),
    ],
)
async def test_the_origin_is_the_address_unless_said(
    database_url: str, given: dict[str, str], origin: str
) -> None:
    """And once it has been signed, it stays unless said otherwise."""
    assert await opened(database_url, **given) == origin
    assert await opened(database_url, public_url="https://later.example") == origin
    assert await opened(database_url, log_origin="new.example") == "new.example"
    assert await opened(database_url) == "new.example"


async def test_an_origin_that_somebody_else_put_there_is_not_taken(database_url: str) -> None:
    """Only what was signed by a key of ours says who we are."""
    forged = SigningKey("evil.example", bytes(32))
    note = f"evil.example\n0\n{'A' * 43}=\n\n{forged.sign('x').line()}"
    async with superuser(database_url) as database:
        await database.execute(
            "INSERT INTO ledger_checkpoints VALUES ('evil.example', 0, $1, now())", note
        )
    assert await opened(database_url) == "fermata.localhost/log"


def test_old_keys_are_trusted_and_wrong_ones_said() -> None:
    """Each setting that cannot be used stops the start."""
    old = SigningKey("fermata.localhost/log", bytes(32)).verifier()
    found = identity(settings(log_old_keys=str(old)), KEY, None)
    assert found.trusted == (found.key.verifier(), old)
    assert found.key.verifier().type is KeyType.LOG
    for given in (
        {"log_old_keys": "nonsense"},
        {"log_origin": "two words"},
        {"log_signing_key": "nonsense"},
    ):
        with pytest.raises(ValueError, match="FERMATA_LOG_ORIGIN"):
            identity(settings(**given), KEY, None)
