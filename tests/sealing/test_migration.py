"""The way back from this release, as long as there is one."""

import asyncio

import pytest
from alembic import command
from sqlalchemy.exc import DBAPIError

from service.db.migrate import config, upgrade
from service.sealing import partition
from tests.decisions.log.deciding import decision
from tests.ledger.writing import connected
from tests.migrations.test_decisions_by_month import record
from tests.sealing.months import MARCH

BEFORE = "0007"


async def close(url: str) -> None:
    """Close March, as sealing does first of all."""
    async with connected(url) as connection:
        await partition.close(connection, MARCH)


async def execute(url: str, statement: str) -> None:
    """Run one statement."""
    async with connected(url) as connection:
        await connection.execute(statement)


def test_a_month_that_was_only_closed_is_open_again(empty_database_url: str) -> None:
    """The release before knows of no sealing, and writes into it."""
    url = empty_database_url
    upgrade(url)
    asyncio.run(record(url, decision(["a"])))
    asyncio.run(close(url))
    command.downgrade(config(url), BEFORE)
    asyncio.run(record(url, decision(["b"])))
    upgrade(url)


def test_there_is_no_way_back_from_what_is_sealed(empty_database_url: str) -> None:
    """The release before would answer that nothing was decided in that month."""
    url = empty_database_url
    upgrade(url)
    asyncio.run(
        execute(
            url,
            "INSERT INTO sealed_periods (period, decisions, outcomes, root, files, revision,"
            " sealed_at) VALUES ('2026-03', 1, 1, '', '[]', 1, now())",
        )
    )
    with pytest.raises(DBAPIError, match="only this release can read"):
        command.downgrade(config(url), BEFORE)
