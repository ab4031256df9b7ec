"""The log is divided by months, and put together again, without losing a word."""

import asyncio
import zlib
from typing import Any, Final

import msgspec
import pytest
from alembic import command
from sqlalchemy.exc import DBAPIError

from service.clock import SystemClock
from service.db.engine import Database
from service.db.migrate import config, upgrade
from service.decisions.log import DecisionLog
from service.decisions.log.entry import read_decision
from service.decisions.log.find import Wanted, find_decisions
from service.decisions.question import About
from service.domain.instant import DAY, to_datetime
from tests.decisions.log.deciding import LAUNCH, decision, outcomes_of
from tests.ledger.writing import connected

BEFORE, AFTER = "0004", "0005"
REQUEST: Final = {
    "use": "discovery.recommendation",
    "recipient": "internal",
    "about": "content",
    "consistency": {"at_least": 3},
    "min_policy_version": None,
    "at": None,
    "explain": False,
}


def old_row(number: int) -> tuple[Any, ...]:
    """Return a row as the releases before wrote it: every nine days one."""
    request = REQUEST | ({"interface": "authzen", "run": "r", "job": "j"} if number % 2 else {})
    outcomes = [[f"t{number}", "opted_out", 2, None, None], ["song", "open", 1, LAUNCH, None]]
    return (
        f"dec_{number:012x}4{number:019x}",
        to_datetime(LAUNCH + 9 * number * DAY),
        to_datetime(LAUNCH),
        number,
        "nightly",
        "worker",
        msgspec.json.encode(request).decode(),
        zlib.compress(msgspec.json.encode(outcomes), 1),
    )


ROWS: Final = [old_row(number) for number in range(12)]


async def write_old(url: str) -> None:
    """Write the log of the releases before."""
    async with connected(url) as connection:
        await connection.executemany(
            "INSERT INTO decisions VALUES ($1, $2, $3, $4, $5, $6, $7, $8)", ROWS
        )


async def read(url: str, columns: str = "*") -> list[dict[str, Any]]:
    """Return the log, oldest first."""
    async with connected(url) as connection:
        found = await connection.fetch(f"SELECT {columns} FROM decisions ORDER BY answered_at")
    return [dict(row) for row in found]


def test_old_decisions_come_along(empty_database_url: str) -> None:
    """To their months, byte for byte, with what they were about in columns; and are found there."""
    url = empty_database_url
    command.upgrade(config(url), BEFORE)
    asyncio.run(write_old(url))
    before = asyncio.run(read(url))
    command.upgrade(config(url), AFTER)
    after = asyncio.run(read(url, "*, tableoid::regclass::text AS month"))
    for old, new in zip(before, after, strict=True):
        assert old.items() <= new.items()
        assert new["month"] == f"decisions_{new['answered_at']:%Y_%m}"
        assert (new["use"], new["recipient"], new["about"]) == (
            "discovery.recommendation",
            "internal",
            "content",
        )
        assert (new["run"], new["job"]) == (("r", "j") if new["revision"] % 2 else (None, None))
        assert (new["one"], new["number"], new["reasons"]) == (None, None, None)
    assert {row["month"] for row in after} == {f"decisions_2026_{n:02}" for n in range(3, 7)}
    asyncio.run(look_up(url))


async def look_up(url: str) -> None:
    """See that old decisions are found by name, content and run."""
    async with Database(url) as database, database.read() as session:
        for row in ROWS:
            whole = await read_decision(session, row[0], first=0, most=10)
            assert whole is not None
            assert [one.one for one in whole.outcomes] == [f"t{row[3]}", "song"]
        for wanted, expected in (
            (Wanted(about=About.CONTENT, one="t7"), [7]),
            (Wanted(about=About.CONTENT, one="song"), list(range(12))[::-1]),
            (Wanted(run="r"), [11, 9, 7, 5, 3, 1]),
        ):
            page = await find_decisions(session, SystemClock(), wanted, below=None, limit=100)
            assert [entry.revision for entry in page.entries] == expected


async def test_old_names_are_found_by_an_index(empty_database_url: str) -> None:
    """They do not tell the month to look in."""
    await asyncio.to_thread(upgrade, empty_database_url)
    async with connected(empty_database_url) as connection:
        plan = await connection.fetch(
            "EXPLAIN SELECT FROM decisions"
            f" WHERE decision_id = '{ROWS[0][0]}' AND substr(decision_id, 17, 1) <> '7'"
        )
    assert not any("Seq Scan" in line[0] for line in plan)


def test_the_way_back_loses_nothing(empty_database_url: str) -> None:
    """What stood in columns stands in the request again, also of what was logged since."""
    url = empty_database_url
    command.upgrade(config(url), BEFORE)
    asyncio.run(write_old(url))
    before = asyncio.run(read(url))
    command.upgrade(config(url), AFTER)
    new = decision(["song"], at=LAUNCH - DAY, run="run-9")
    asyncio.run(record(url, new))
    command.downgrade(config(url), BEFORE)
    first, *rest = asyncio.run(read(url))
    assert [row | {"request": msgspec.json.decode(row["request"])} for row in rest] == [
        row | {"request": msgspec.json.decode(row["request"])} for row in before
    ]
    assert first["decision_id"] == new.decision_id
    assert msgspec.json.decode(first["request"]) == {
        "use": "discovery.recommendation",
        "recipient": "internal",
        "about": "content",
        "consistency": "strong",
        "run": "run-9",
    }
    assert outcomes_of(first["outcomes"]) == [["song", "window_closed", 1, LAUNCH, None]]
    command.upgrade(config(url), AFTER)
    assert [row["decision_id"] for row in asyncio.run(read(url))] == [
        row["decision_id"] for row in (first, *rest)
    ]


async def record(url: str, *decisions: Any) -> None:
    """Write to the log."""
    async with DecisionLog(url, timeout=10) as log:
        for one in decisions:
            await log.record(one)


def test_a_division_that_fails_leaves_everything_as_it_was(empty_database_url: str) -> None:
    """A decision that cannot be moved stops it: nothing is renamed, moved or dropped."""
    url = empty_database_url
    command.upgrade(config(url), BEFORE)
    asyncio.run(write_old(url))
    late = "INSERT INTO decisions SELECT 'x', 'infinity', now(), 1, '', '', '{}', ''"
    asyncio.run(run(url, late))
    before = asyncio.run(read(url))
    with pytest.raises(DBAPIError):
        command.upgrade(config(url), AFTER)
    assert asyncio.run(read(url)) == before


async def run(url: str, statement: str) -> None:
    """Run one statement."""
    async with connected(url) as connection:
        await connection.execute(statement)
