"""What nobody has touched holds, whoever looks, and it is said what could not be looked at."""

import pytest

from service.domain.merkle import EMPTY_ROOT
from service.verify.claims import NO_LOG_KEY, NO_WITNESS_KEY, OTHER_LOG
from service.verify.database import Trust, verify_database
from service.verify.event import NO_KEY
from service.verify.finding import CannotLook
from service.verify.notes import read_key
from tests.transparency.logs import superuser
from tests.verify.seeded import KEK, VERIFIERS, Seeded

KEYS = tuple(read_key(one) for one in VERIFIERS)


async def test_everything_holds(seeded: Seeded) -> None:
    """Every event, table, tile, checkpoint and cosignature, and nothing is left out."""
    report = await verify_database(seeded.url, Trust(KEYS, KEK))
    assert report.findings == ()
    assert report.unseen == {}
    assert report.size == report.looked["events"] == seeded.size


async def test_without_the_key_it_says_so(seeded: Seeded) -> None:
    """What artists said is not looked at then; everything else is, and whose it is and when."""
    report = await verify_database(seeded.url, Trust(KEYS))
    assert report.findings == ()
    assert report.unseen == {NO_KEY: 29}
    assert report.looked["rows of consents"] == 22


async def test_without_public_keys_it_says_so(seeded: Seeded) -> None:
    """Roots are compared, and nobody can tell who claims them."""
    report = await verify_database(seeded.url, Trust((), KEK))
    assert report.findings == ()
    assert report.unseen == {NO_LOG_KEY: 3, NO_WITNESS_KEY: 1}


async def test_checkpoints_under_another_name(copy_url: str) -> None:
    """A log that was given up, or anybody's: without its key nothing is held against it."""
    async with superuser(copy_url) as connection:
        await connection.execute(
            "INSERT INTO ledger_checkpoints SELECT 'other/log', size, "
            "replace(note, origin, 'other/log'), signed_at FROM ledger_checkpoints"
        )
    report = await verify_database(copy_url, Trust(KEYS, KEK))
    assert report.findings == ()
    assert report.unseen == {OTHER_LOG: 3}


async def test_the_key_of_another_database(seeded: Seeded) -> None:
    """It is no finding: it could not look."""
    with pytest.raises(CannotLook, match="not the one"):
        await verify_database(seeded.url, Trust(KEYS, bytes(32)))


async def test_a_database_that_is_not_there(seeded: Seeded) -> None:
    """Nor is that one."""
    with pytest.raises(CannotLook, match="cannot be read"):
        await verify_database(f"{seeded.url}_not", Trust(KEYS, KEK))


async def test_an_empty_ledger(database_url: str) -> None:
    """Nothing has happened, and that holds."""
    report = await verify_database(database_url, Trust(KEYS, KEK))
    assert report.findings == ()
    assert report.root == EMPTY_ROOT
