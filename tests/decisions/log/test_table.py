"""The log as a table says of each outcome what its decision's row says, and nothing else."""

import asyncio
import zlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from service.db.engine import Database
from service.decisions.log import DecisionLog, LoggedDecision
from service.decisions.log.packing import Damaged, pack, unpack
from service.decisions.log.table import (
    LOGGED,
    SCHEMA,
    batch_of,
    batches_of,
    batches_of_rows,
    logged_columns,
    parts_of,
)
from service.domain.assessment import PERMITS, Reason
from service.domain.instant import DAY, to_datetime
from tests.decisions.log.deciding import LAUNCH, Said, decision, outcomes_of
from tests.ledger.writing import connected

QUERY: Final = f"SELECT {', '.join(LOGGED)} FROM decisions ORDER BY answered_at, decision_id"

IDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=9) | st.sampled_from(
    ["a", "ab", "é", "\0"]
)
SAID = st.builds(
    Said,
    st.sampled_from(Reason),
    st.integers(0, 2**31 - 1),
    st.sampled_from([-1, LAUNCH, LAUNCH + 1]) | st.integers(0, 2**55),
    st.sampled_from([-1, LAUNCH + 9]),
)
DECISIONS = st.lists(
    st.lists(st.tuples(IDS, SAID), min_size=1, max_size=1)
    | st.lists(st.tuples(IDS, SAID), min_size=2, max_size=60),
    min_size=1,
    max_size=8,
)


class Read(dict[str, Any]):
    """A row as asyncpg reads it: names by `keys`, but values one after the other."""

    def __iter__(self) -> Any:
        """Yield the values."""
        return iter(self.values())


def read(one: LoggedDecision, **instead: Any) -> Read:
    """Return a decision as it is read from the log."""
    return Read(
        {
            "decision_id": one.decision_id,
            "answered_at": to_datetime(one.answered_at),
            "evaluated_at": to_datetime(one.evaluated_at),
            "revision": one.revision,
            "client": one.client,
            "caller": one.caller,
            "use": one.use,
            "recipient": one.recipient,
            "about": one.about.value,
            "run": one.run,
            "job": one.job,
            "request": one.request_text().decode(),
            "outcomes": pack(one.ids, one.answers),
        }
        | instead
    )


def told(rows: Sequence[Read]) -> list[dict[str, Any]]:
    """Return what the table has to say of rows, by the document's own reader."""
    return [
        {name: row[name] for name in LOGGED if name != "outcomes"}
        | {
            "one": one,
            "position": position,
            "permitted": reason in set(PERMITS),
            "reason": reason,
            "policy_version": version,
            "permitted_from": None if start is None else to_datetime(start),
            "valid_until": None if end is None else to_datetime(end),
        }
        for row in rows
        for position, (one, reason, version, start, end) in enumerate(outcomes_of(row["outcomes"]))
    ]


def decided(rows: Sequence[tuple[str, Said]], **more: Any) -> LoggedDecision:
    """Return a decision about ids and what was said of each."""
    return decision([one for one, _ in rows], [said for _, said in rows], **more)


@given(DECISIONS)
def test_every_outcome_is_a_row(decisions: list[list[tuple[str, Said]]]) -> None:
    """Of decisions about one and about many, side by side, in the order asked."""
    rows = [
        read(decided(one, at=LAUNCH + n, run=None if n % 2 else f"run-{n}"))
        for n, one in enumerate(decisions)
    ]
    batch = batch_of(rows)
    assert batch.schema.equals(SCHEMA)
    batch.validate(full=True)
    assert batch.to_pylist() == told(rows)


@given(DECISIONS, st.integers(1, 70))
def test_parts_are_the_whole(decisions: list[list[tuple[str, Said]]], most: int) -> None:
    """However few outcomes are taken at once, also of a decision that has more than that."""
    rows = [read(decided(one)) for one in decisions]
    parts = list(batches_of(logged_columns(rows), most))
    assert [part.num_rows for part in parts[:-1]] == [most] * (len(parts) - 1)
    assert pa.Table.from_batches(parts).combine_chunks().to_batches()[0].equals(batch_of(rows))


@given(DECISIONS, st.integers(1, 70))
def test_rows_that_arrow_has_read_say_the_same(
    decisions: list[list[tuple[str, Said]]], most: int
) -> None:
    """Whatever lies before them in the same bytes, and however their requests are spaced."""
    rows = [read(decided(one)) for one in decisions]
    columns = {name: [row[name] for row in rows] for name in LOGGED}
    columns["request"] = [one.replace(":", ": ") for one in columns["request"]]
    types = {name: SCHEMA.field(name).type for name in LOGGED if name != "outcomes"}
    arrays = [pa.array(columns[name], types.get(name, pa.binary())) for name in LOGGED]
    whole = pa.RecordBatch.from_arrays(arrays, names=list(LOGGED))
    for start in range(len(rows)):
        parts = pa.Table.from_batches(batches_of_rows(whole.slice(start), most))
        assert parts.combine_chunks().to_batches()[0].equals(batch_of(rows[start:]))


async def test_rows_are_taken_as_either_reader_has_them(database_url: str) -> None:
    """JSON is a text to asyncpg and a dictionary to SQLAlchemy; the table is the same."""
    decisions = [
        decision(["a", "b"], [Said(), Said(Reason.OPTED_OUT)], at=LAUNCH, run="r", explain=True),
        decision(["c"], at=LAUNCH + 40 * DAY, job="j", interface="authzen"),
    ]
    async with DecisionLog(database_url, timeout=30) as log:
        await asyncio.gather(*map(log.record, decisions))
    async with connected(database_url) as connection:
        batch = batch_of(await connection.fetch(QUERY))
    async with Database(database_url) as database, database.read() as session:
        assert batch_of((await session.execute(text(QUERY))).all()).equals(batch)
    requests = ['{"consistency":"strong","explain":true}'] * 2
    requests += ['{"consistency":"strong","interface":"authzen"}']
    assert batch.column("request").to_pylist() == requests
    expected = told([read(one) for one in decisions])
    assert batch.to_pylist() == [
        one | {"request": request} for one, request in zip(expected, requests, strict=True)
    ]


def test_old_rows_are_told_like_new_ones() -> None:
    """What the release before the months said in the request alone stands in its column."""
    request = {
        "use": "training.generative.music",
        "recipient": "internal",
        "about": "artists",
        "consistency": "strong",
        "at": None,
        "run": "run-1",
    }
    outcomes = [["x", "window_closed", 2, LAUNCH, None], ["y", "opted_out", None, None, None]]
    old = read(
        decision(["?"]),
        **dict.fromkeys(("use", "recipient", "about", "run", "job")),
        request=msgspec.json.encode(request).decode(),
        outcomes=zlib.compress(msgspec.json.encode(outcomes)),
    )
    first, second = batch_of([old]).to_pylist()
    assert (first["use"], first["recipient"]) == ("training.generative.music", "internal")
    assert (first["about"], first["run"], first["job"]) == ("artists", "run-1", None)
    assert (first["one"], first["permitted"], first["policy_version"]) == ("x", True, 2)
    assert (second["one"], second["permitted"], second["policy_version"]) == ("y", False, None)


def test_what_is_no_text_is_shown_as_such() -> None:
    """Half of a surrogate pair, which no file of texts can hold, spoils nothing beside it."""
    batch = batch_of([read(decision(["a", "\ud800", "é"])), read(decision(["b"]))])
    assert batch.column("one").to_pylist() == ["a", "\ufffd" * 3, "é", "b"]


def test_no_decisions_are_a_table_without_rows() -> None:
    """It has its columns all the same."""
    assert batch_of([]).schema.equals(SCHEMA)
    assert batch_of([]).num_rows == 0


def _altered(place: int, value: object) -> bytes:
    one = decision(["a", "bc"], [Said(), Said(Reason.OPTED_OUT)])
    parts = msgspec.msgpack.decode(pack(one.ids, one.answers))
    parts[place] = value
    return msgspec.msgpack.encode(parts)


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        bytes(range(64)),
        zlib.compress(b"[]"),
        _altered(0, 2),
        _altered(1, 0),
        _altered(1, 3),
        _altered(3, b"\1\1"),
        _altered(4, b"\0\2"),
        _altered(5, ["a reason of later"] * 2),
        _altered(1, 1 << 40),
        _altered(1, (1 << 64) - 1),
        _altered(3, (1).to_bytes(8, "little") + (2**64 - 1).to_bytes(8, "little")),
        _altered(4, b"\0" * 8 + b"\xff" * 8),
        _altered(6, b"\0\2"),
        _altered(7, b"\0\5"),
        _altered(8, b"\1\0\0"),
        _altered(9, b"\0" * 8),
        _altered(10, b"\0" * 24),
    ],
)
def test_damage_is_told_and_never_taken_for_a_neighbours(damaged: bytes) -> None:
    """Whatever lies beside it: its parts could be read as those of another decision."""
    sound = read(decision(["x", "y"]))
    with pytest.raises(Damaged):
        batch_of([sound, read(decision(["a", "bc"]), outcomes=damaged), sound])
    with pytest.raises(Damaged):
        unpack(damaged)


def test_what_is_lacking_in_one_is_not_taken_from_the_next() -> None:
    """Though all of them together have as much as there has to be."""
    rows = [read(decision(["a", "bc"]), outcomes=_altered(8, bytes(size))) for size in (4, 12)]
    with pytest.raises(Damaged):
        batch_of(rows)


def test_one_that_is_neither_permitted_nor_not_is_damaged() -> None:
    """Among those that are recognised by their bytes as well."""
    one = decision(["a"])
    packed = bytearray(pack(one.ids, one.answers))
    packed[-30] = 2
    with pytest.raises(Damaged):
        batch_of([read(decision(["a"])), read(decision(["a"]), outcomes=bytes(packed))])


@given(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=30), st.integers(1, 1_000))
def test_rows_are_taken_whatever_they_say_of_themselves(numbers: list[int], most: int) -> None:
    """Each once, in order; never more than twice as much at once, but where one has that alone."""
    parts = list(parts_of(np.array(numbers, np.int64), most))
    assert [row for part in parts for row in range(len(numbers))[part]] == [*range(len(numbers))]
    for part in parts:
        taken = [max(1, number) for number in numbers[part]]
        assert sum(taken) <= 2 * most or len(taken) == 1


def test_what_is_too_much_for_a_batch_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Offsets have 31 bits: nothing wraps round."""
    monkeypatch.setattr("service.decisions.log.table._LARGEST_TEXT", 1_000)
    many = read(decision([f"t{n}" for n in range(100)]))
    with pytest.raises(OverflowError, match="fewer decisions"):
        batch_of([many])
    assert batch_of([read(decision(["a"]))]).num_rows == 1
    assert pa.types.is_string(SCHEMA.field("one").type)
