"""What is signed, cosigned and verified, as the tables have it."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import insert

from service.audit.ledger_health import Cosigned, ledger_health
from service.db.engine import Database, ReadSession
from service.db.tables import (
    LedgerCheckpoint,
    LedgerCosignature,
    Verification,
)
from service.domain.instant import SECOND

ORIGIN = "example.org/log"
WITNESSES = ("witness.example/a", "witness.example/b")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database with nothing in it."""
    async with Database(database_url, pool_size=1) as opened:
        yield opened


async def test_a_new_ledger_has_nothing_to_show(database: Database) -> None:
    """And says so; witnesses that are asked are named all the same."""
    async with database.read() as reading:
        health = await ledger_health(reading, ORIGIN, WITNESSES)
    assert (health.size, health.signed, health.verified, health.unsigned) == (0, None, None, 0)
    assert health.cosigned == [Cosigned(one, None, None) for one in WITNESSES]


async def test_the_newest_of_everything_is_shown(database: Database) -> None:
    """Of this log alone: another's checkpoints are none of its own."""
    async with database.keep() as writing:
        for origin, size in ((ORIGIN, 4), (ORIGIN, 7), ("other.example/log", 8)):
            await writing.execute(
                insert(LedgerCheckpoint).values(
                    origin=origin, size=size, note="", signed_at=size * SECOND
                )
            )
        for witness, size in ((WITNESSES[0], 4), (WITNESSES[0], 7), ("stranger", 4)):
            await writing.execute(
                insert(LedgerCosignature).values(
                    origin=ORIGIN, size=size, witness=witness, line="", received_at=size * SECOND
                )
            )
        for revision, passed in ((3, True), (6, False)):
            await writing.execute(
                insert(Verification).values(
                    began_at=revision * SECOND,
                    ended_at=revision * SECOND,
                    revision=revision,
                    root=bytes(32),
                    passed=passed,
                    what={
                        "first_wrong_revision": 5,
                        "findings": [{"where": "event 5", "says": "it was altered"}],
                    },
                )
            )
    async with database.read() as reading:
        health = await ledger_health(reading, ORIGIN, WITNESSES)
    assert health.signed is not None
    assert (health.signed.size, health.signed.signed_at) == (7, 7 * SECOND)
    assert health.cosigned == [
        Cosigned(WITNESSES[0], 7, 7 * SECOND),
        Cosigned(WITNESSES[1], None, None),
        Cosigned("stranger", 4, 4 * SECOND),
    ]
    assert health.verified is not None
    assert (health.verified.revision, health.verified.passed) == (6, False)
    assert health.verified.first_wrong == 5
    assert health.verified.findings == ["event 5: it was altered"]


async def test_what_no_checkpoint_covers_is_counted(reading: ReadSession) -> None:
    """All of it, where this log has signed nothing."""
    health = await ledger_health(reading, ORIGIN, ())
    assert health.unsigned == health.size > 100
    assert health.recorded_at > 0
