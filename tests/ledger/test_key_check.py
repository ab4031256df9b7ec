"""A process with another key encryption key than the database's does not start."""

import asyncio
import base64
from typing import Final

import pytest
from pydantic import SecretStr

from service.ledger.key_check import WrongKey, require_key
from service.ledger.vault import Vault
from tests.api.door import make_clock_movable, make_issuer, open_door
from tests.api.story import MUSIC, Story
from tests.api.whole_database import changed, everything

OTHER: Final = bytes(range(1, 33))


def random_bytes(size: int) -> bytes:
    """Return what serves for randomness where none is used."""
    return bytes(size)


async def test_another_key_is_refused_and_changes_nothing(database_url: str) -> None:
    """Whether or not anything has been written; the process that has the key is not disturbed."""
    await make_clock_movable(database_url)
    issuer = make_issuer()
    other = SecretStr(base64.b64encode(OTHER).decode())
    async with open_door(database_url, issuer) as door:
        for story in (None, Story(door)):
            if story is not None:
                await story.begin()
            before = await everything(database_url)
            with pytest.raises(WrongKey, match="FERMATA_KEY_ENCRYPTION_KEY"):
                async with open_door(database_url, issuer, key_encryption_key=other):
                    pytest.fail("a service runs with a key that can read nothing")
            assert changed(before, await everything(database_url)) == []
        await Story(door).say("ana", "opt_in", MUSIC)


async def test_the_same_key_is_let_in_again(database_url: str) -> None:
    """Beside the first process and after it, and reads what the first one wrote."""
    await make_clock_movable(database_url)
    issuer = make_issuer()
    async with open_door(database_url, issuer) as door:
        await Story(door).begin()
        async with open_door(database_url, issuer) as beside:
            await Story(beside).say("ana", "opt_in", MUSIC)
    async with open_door(database_url, issuer) as after:
        assert await Story(after).reasons(MUSIC, "song") == ["opted_in"]


async def test_of_two_that_come_first_at_once_one_stays(database_url: str) -> None:
    """However many start together on a new database, they are of one key."""
    vaults = [Vault(bytes([n // 4]) * 32, random_bytes) for n in range(8)]
    outcomes = await asyncio.gather(
        *(require_key(database_url, vault) for vault in vaults), return_exceptions=True
    )
    refused = [n // 4 for n, outcome in enumerate(outcomes) if isinstance(outcome, WrongKey)]
    assert refused in ([0] * 4, [1] * 4)
    assert all(outcome is None or isinstance(outcome, WrongKey) for outcome in outcomes)


async def test_the_key_itself_is_not_kept(database_url: str) -> None:
    """Whoever reads the whole database has no key to what it holds."""
    await require_key(database_url, Vault(OTHER, random_bytes))
    rows = str(await everything(database_url))
    assert OTHER.hex() not in rows
    assert base64.b64encode(OTHER).decode() not in rows
