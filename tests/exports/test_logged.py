"""The log is exported whole, whatever is in it and whatever its database is set to."""

import json
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
import pytest

from service.auth.scopes import Scope
from tests.api.door import connected
from tests.api.people import machine
from tests.api.story import ONLY_ASKS, RECOMMENDATION, Story
from tests.exports.bundles import Office

LAST_INSTANT: Final = "9999-12-31T23:59:59Z"
ANY_INSTANT: Final = machine("any-instant", Scope.CHECK, Scope.AUDIT)

_OLD: Final = """
INSERT INTO decisions
    (decision_id, answered_at, evaluated_at, revision, client, caller, request, outcomes)
VALUES ($1, now(), now(), 5, 'nightly', 'nightly', $2, $3)
"""


async def write_old(database_url: str, run: str) -> str:
    """Write a decision as the release before the months wrote it: all of it in two columns."""
    request = {
        "use": RECOMMENDATION,
        "recipient": "internal",
        "about": "content",
        "consistency": "strong",
        "at": None,
        "run": run,
    }
    outcomes = [
        ["song", "window_closed", 2, 1_772_323_200_000_000, None],
        ["tune", "opted_out", 2, None, None],
    ]
    packed, name = zlib.compress(msgspec.json.encode(outcomes), 1), f"dec_{'4' * 32}"
    async with connected(database_url) as connection:
        await connection.execute(_OLD, name, json.dumps(request), packed)
    return name


@ONLY_ASKS
async def test_rows_of_the_first_releases_come_along(office: Office) -> None:
    """They do not say how much they are about, so nobody knows before how many rows there are."""
    name = await write_old(office.door.database_url, "an-old-run")
    every = (await office.bundle("decisions")).rows("decisions")
    of_run = (await office.bundle("decisions", filters={"run": "an-old-run"})).rows("decisions")
    assert [row["one"] for row in of_run] == ["song", "tune"]
    assert [row for row in every if row["decision_id"] == name] == of_run
    async with connected(office.door.database_url) as connection:
        await connection.execute("SET session_replication_role = 'replica'")  # past the trigger
        await connection.execute("DELETE FROM decisions WHERE decision_id = $1", name)


@asynccontextmanager
async def database_set_to(database_url: str, name: str, value: str) -> AsyncIterator[None]:
    """Have every connection begin with a setting, until the block ends."""
    async with connected(database_url) as connection:
        database = await connection.fetchval("SELECT current_database()")
        await connection.execute(f"ALTER DATABASE \"{database}\" SET {name} = '{value}'")
        try:
            yield
        finally:
            await connection.execute(f'ALTER DATABASE "{database}" RESET {name}')


@ONLY_ASKS
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TimeZone", "Pacific/Kiritimati"),
        ("DateStyle", "German"),
        ("DateStyle", "SQL, DMY"),
        ("bytea_output", "escape"),
        ("extra_float_digits", "0"),
    ],
)
async def test_what_a_database_is_set_to_changes_nothing(
    office: Office, name: str, value: str
) -> None:
    """Neither what is exported nor whether: not even of the last instant that there is."""
    story = Story(office.door)
    asked: dict[str, Any] = {"use": RECOMMENDATION, "content": ["song"], "at": LAST_INSTANT}
    await office.door.done("POST", "/v1/checks", asked, by=ANY_INSTANT)
    await story.say("ana", "opt_in", expires_at=LAST_INSTANT)
    wanted = {"as_of": (await story.say("ana", "inherit"))["revision"]}
    expected = await office.bundle("decisions", "consents", **wanted)
    async with database_set_to(office.door.database_url, name, value):
        found = await office.bundle("decisions", "consents", **wanted)
    for dataset in ("decisions", "consents"):
        assert found.rows(dataset) == expected.rows(dataset)
    assert any(row["evaluated_at"].year == 9999 for row in found.rows("decisions"))
