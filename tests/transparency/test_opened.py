"""What a process starts with: who the log is, and whether it may start at all."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from service.clock import SystemClock
from service.settings import Settings
from service.telemetry import Telemetry
from service.transparency.continuation import WentBack
from service.transparency.identity import identity
from service.transparency.kept import KeptBroken, origins_kept
from service.transparency.keys import KeyType, SigningKey
from service.transparency.opened import log_identity, public_log, require_continuation
from tests.conftest import migrated_database
from tests.transparency.logs import grow, superuser

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
