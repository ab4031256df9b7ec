"""Rows out of PostgreSQL: every value as it is, and no more in memory than is read ahead."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Final, cast

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.db.engine import connect
from service.exports import reading
from service.exports.columns import Column, Type
from service.exports.reading import read_batches

COLUMNS: Final = (
    Column("number", Type.INTEGER, "", nullable=True),
    Column("yes", Type.BOOLEAN, "", nullable=True),
    Column("at", Type.INSTANT, "", nullable=True),
    Column("text", Type.TEXT, "", nullable=True),
    Column("bytes", Type.BYTES, "", nullable=True),
    Column("texts", Type.TEXTS, "", nullable=True),
)
QUERY: Final = """
SELECT n, n % 2 = 0, timestamptz 'epoch' + n * interval '1 microsecond', $1::text,
    encode(convert_to($1::text, 'UTF8'), 'hex'), array_to_json(ARRAY[$1::text, NULL])
FROM generate_series(1, $2::bigint) n
"""


async def rows_of(connection: asyncpg.Connection, query: str, *values: Any) -> list[dict[str, Any]]:
    """Read all rows of a query."""
    batches = [batch async for batch in read_batches(connection, query, values, COLUMNS)]
    return [row for batch in batches for row in batch.to_pylist()]


@pytest.mark.parametrize(
    "text", ["", "null", '"', '""', "a,b", "\n", "\r\n\t", "\\.", "\\N", " x ", "é\U0001f3b5", "'"]
)
async def test_every_text_comes_as_it_is(database_url: str, text: str) -> None:
    """Also those that mean something in CSV, in COPY or to somebody who reads either."""
    connection = await connect(database_url)
    [row] = await rows_of(connection, QUERY, text, 1)
    await connection.close()
    assert (row["text"], row["bytes"], row["texts"]) == (text, text.encode(), [text, None])
    assert (row["number"], row["yes"]) == (1, False)


async def test_nothing_is_null(database_url: str) -> None:
    """Of any type."""
    nothing = "SELECT null::bigint, null::bool, null::timestamptz, null::text, null::text, null"
    connection = await connect(database_url)
    [row] = await rows_of(connection, nothing)
    await connection.close()
    assert set(row.values()) == {None}


async def test_rows_come_in_bounded_batches(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database waits while nobody takes them: most is never sent to who stops reading."""
    monkeypatch.setattr(reading, "AT_ONCE", 64 << 10)
    connection = await connect(database_url)
    batches = read_batches(connection, QUERY, ("x" * 100, 1_000_000), COLUMNS)
    first = await anext(batches)
    assert 100 < first.num_rows < 5_000
    second = await anext(batches)
    assert second["number"][0].as_py() == first.num_rows + 1
    await cast("AsyncGenerator[Any, None]", batches).aclose()
    connection.terminate()


async def test_a_query_that_fails_says_so(database_url: str) -> None:
    """After some rows as well as before the first."""
    connection = await connect(database_url)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await rows_of(connection, QUERY.replace("SELECT n,", "SELECT n / (n - 3),"), "x", 5)
    with pytest.raises(asyncpg.UndefinedTableError):
        await rows_of(connection, "SELECT * FROM nowhere")
    await connection.close()


@given(st.lists(st.one_of(st.none(), st.binary(max_size=8)), max_size=8))
def test_bytes_come_out_of_hexadecimal(values: list[bytes | None]) -> None:
    """All of a column at once, nulls among them."""
    written = "".join("1,\n" if one is None else f'1,"{one.hex()}"\n' for one in values)
    columns = (Column("n", Type.INTEGER, ""), Column("bytes", Type.BYTES, "", nullable=True))
    if values:
        batch = reading.parse(written.encode(), columns)
        assert batch["bytes"].to_pylist() == values


def test_a_batch_has_the_declared_types() -> None:
    """Whatever its first rows look like."""
    batch = reading.parse(b"1,t,,007,,[]\n", COLUMNS)
    assert batch.schema.types == [column.field.type for column in COLUMNS]
    assert batch["text"].to_pylist() == ["007"]


async def test_the_database_rests_while_its_rows_are_worked_on(database_url: str) -> None:
    """It sends no more than the buffers between them hold, until the next batch is asked for."""
    connection = await connect(database_url, ahead=64 << 10)
    watcher = await connect(database_url)
    await watcher.execute("CREATE SEQUENCE sent")
    query = QUERY.replace("SELECT n,", "SELECT nextval('sent'),")
    batches = read_batches(connection, query, ("x" * 400, 100_000), COLUMNS)
    await anext(batches)

    async def sent() -> int:
        count: int = await watcher.fetchval("SELECT last_value FROM sent")
        return count

    before = 0
    async with asyncio.timeout(30):
        while before != (before := await sent()):  # noqa: ASYNC110 - nobody says so
            await asyncio.sleep(0.2)
    assert before < 50_000
    second = await anext(batches)
    assert second["number"][0].as_py() <= before
    await cast("AsyncGenerator[Any, None]", batches).aclose()
    connection.terminate()
    await watcher.close()
