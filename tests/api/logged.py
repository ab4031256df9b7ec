"""The decision log as tests read it: from the table, by the document alone."""

import json
from typing import Any

from tests.api.door import Door, connected
from tests.decisions.log.deciding import outcomes_of


async def logged(door: Door) -> list[dict[str, Any]]:
    """Return the log, oldest first, with every outcome, and with how it was asked in one place."""
    async with connected(door.database_url) as connection:
        rows = await connection.fetch("SELECT * FROM decisions ORDER BY answered_at, decision_id")
    return [
        dict(row) | {"request": request_of(row), "outcomes": outcomes_of(row["outcomes"])}
        for row in rows
    ]


def request_of(row: Any) -> dict[str, Any]:
    """Return what was asked: what is not written down was not asked for."""
    columns = {name: row[name] for name in ("use", "recipient", "about")}
    optional = {name: row[name] for name in ("run", "job") if row[name] is not None}
    unless = {"min_policy_version": None, "at": None, "explain": False}
    request: dict[str, Any] = json.loads(row["request"])
    return columns | unless | optional | request
