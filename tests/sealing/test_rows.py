"""Sealed outcomes in bulk are those of the table, in its order or in that of the files."""

import random
from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa
import pytest

from service.decisions.log.table import SCHEMA, batch_of
from service.domain.instant import DAY
from service.sealing import rows as bulk
from service.sealing.period import hold_log
from service.sealing.rows import OutcomesWanted, sealed_rows
from tests.decisions.log.deciding import LAUNCH
from tests.decisions.log.test_table import QUERY
from tests.ledger.writing import connected
from tests.sealing.months import MARCH, MAY, THEIRS, TRACKS, Months, made_up

WANTED: Final = [
    OutcomesWanted(),
    OutcomesWanted(run="run-1"),
    OutcomesWanted(client="nightly", recipient="internal"),
    OutcomesWanted(use="training.generative.music", since=LAUNCH + 10 * DAY),
    OutcomesWanted(about="artists", until=MAY.begins),
    OutcomesWanted(about="content", one=TRACKS[0]),
    OutcomesWanted(about="content", one="nobody-asked"),
    OutcomesWanted(since=MARCH.ends, until=MARCH.ends + 1),
    *(OutcomesWanted(theirs=one) for one in THEIRS),
    OutcomesWanted(theirs=THEIRS[0], run="run-1", since=LAUNCH + 10 * DAY),
]


@pytest.fixture
async def before(months: Months) -> pa.Table:
    """Return what was in the log, whose months are all sealed by now."""
    await months.record(*made_up(random.Random(7), 60))
    async with connected(months.url) as connection:
        table = pa.Table.from_batches([batch_of(await connection.fetch(QUERY))])
    await months.seal()
    return table


async def read(months: Months, wanted: OutcomesWanted, **how: Any) -> pa.Table:
    """Return what is read in bulk."""
    async with months.database.read() as session:
        periods = await hold_log(session)
        found = [batch async for batch in sealed_rows(months.log, periods, wanted, **how)]
    return pa.Table.from_batches(found, found[0].schema if found else SCHEMA)


def fitting(table: pa.Table, wanted: OutcomesWanted) -> list[dict[str, Any]]:
    """Return the rows that are wanted, by looking at each."""
    names = ("client", "run", "use", "recipient", "about", "one")
    equal = {name: getattr(wanted, name) for name in names if getattr(wanted, name) is not None}
    instants = table.column("answered_at").cast(pa.int64()).to_pylist()
    return [
        row
        for at, row in zip(instants, table.to_pylist(), strict=True)
        if equal.items() <= row.items() and wanted.bottom.answered_at <= at < wanted.top.answered_at
        if wanted.theirs is None or wanted.theirs.has(row["about"], row["one"], row["revision"])
    ]


async def test_bulk_is_what_the_table_was(
    months: Months, before: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wanted: by time, or all the same as the files have it, in small batches."""
    monkeypatch.setattr(bulk, "MOST_ROWS", 100)
    for wanted in WANTED:
        expected = fitting(before, wanted)
        ordered = await read(months, wanted)
        assert ordered.schema.equals(SCHEMA)
        if wanted.theirs is None:
            assert ordered.to_pylist() == expected, wanted
        else:
            assert in_order(ordered.to_pylist()) == in_order(expected), wanted
        assert max((len(chunk) for chunk in ordered.column(0).chunks), default=0) <= 100
        unordered = await read(months, wanted, ordered=False)
        assert in_order(unordered.to_pylist()) == in_order(expected), wanted


def in_order(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows in one order."""
    return sorted(rows, key=lambda row: (row["decision_id"], row["position"]))


async def test_only_some_columns_are_given(months: Months, before: pa.Table) -> None:
    """Those named, in the order named, whatever is looked at to choose the rows."""
    columns, wanted = ["one", "permitted", "decision_id"], OutcomesWanted(run="run-2")
    for ordered in (True, False):
        found = await read(months, wanted, columns=columns, ordered=ordered)
        assert found.column_names == columns
        assert found.num_rows == len(fitting(before, wanted))
