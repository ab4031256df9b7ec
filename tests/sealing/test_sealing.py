"""A month is sealed once, whole, and never lost, wherever sealing is broken off."""

import asyncio
import hashlib
import json
import random
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import asyncpg
import pyarrow.parquet as pq
import pytest

from service.db.engine import Database
from service.decisions.log import DecisionLog, LogUnavailable
from service.decisions.log.find import Wanted
from service.decisions.log.packing import Damaged
from service.decisions.log.table import SCHEMA, batch_of
from service.decisions.question import About
from service.domain.instant import DAY, SECOND, to_datetime
from service.domain.merkle import EMPTY_ROOT
from service.sealing import building, partition
from service.sealing import sealing as steps
from service.sealing.discarding import discard
from service.sealing.parquet import Holds
from service.sealing.period import SealedUnreadable, hold_log
from service.sealing.sealing import Sealer, SealingElsewhere, due
from service.storage.objects import Objects
from tests.decisions.log.deciding import LAUNCH, decision
from tests.decisions.log.test_table import QUERY
from tests.ledger.writing import appending, connected
from tests.sealing.document import documented_root
from tests.sealing.months import APRIL, JUNE, MARCH, MAY, NOW, Months, made_up, silent

HERE: Final = Path(__file__).resolve().parents[2]
COPY: Final = """
INSERT INTO decisions (decision_id, answered_at, evaluated_at, revision, client, caller, use,
    recipient, about, request, outcomes)
SELECT 'dec_' || repeat('7', 32), answered_at, evaluated_at, revision, client, caller, use,
    recipient, about, request, outcomes
FROM decisions
"""
ORDER: Final = [(name, "ascending") for name in ("about", "one", "answered_at", "decision_id")]


class Killed(Exception):  # noqa: N818 - an end
    """The process has come to its end here."""


# -- what is sealed --------------------------------------------------------------------------------


async def test_what_is_in_the_files_is_what_was_in_the_table(months: Months) -> None:
    """Every outcome, in the order that look-ups need; and the ledger says which files, and root."""
    await months.record(*made_up(random.Random(), 80))
    async with connected(months.url) as connection:
        table = batch_of(await connection.fetch(QUERY))
    assert await months.seal() == [MARCH, APRIL, MAY, JUNE]
    assert await months.tables() == []
    events = [json.loads(leaf) for leaf in await months.events()]
    assert [event["period"] for event in events] == ["2026-03", "2026-04", "2026-05", "2026-06"]
    total = 0
    for event, period in zip(events, await months.periods(), strict=True):
        paths = [months.folder / file["name"] for file in event["files"]]
        for file, path in zip(event["files"], paths, strict=True):
            assert hashlib.sha256(path.read_bytes()).hexdigest() == file["sha256"]
            assert pq.read_metadata(path).num_rows == file["rows"]
        outcomes = pq.read_table(paths[1]) if paths else SCHEMA.empty_table()
        sealed = outcomes.sort_by([*ORDER, ("position", "ascending")])
        assert outcomes.equals(sealed)
        begins, ends = to_datetime(period.month.begins), to_datetime(period.month.ends)
        there = [one for one in table.to_pylist() if begins <= one["answered_at"] < ends]
        assert sorted(map(str, outcomes.to_pylist())) == sorted(map(str, there))
        assert event["root"] == period.root.hex() == documented_root(paths[1:])
        assert event["outcomes"] == period.outcomes == len(there)
        assert event["decisions"] == period.decisions == sum(one["position"] == 0 for one in there)
        total += len(there)
    assert total == table.num_rows


async def test_a_month_without_decisions_is_sealed_as_such(months: Months) -> None:
    """So that nobody can say later that there were some."""
    async with connected(months.url) as connection:
        await connection.execute("SELECT make_month_of_decisions('2026-04-01')")
    assert await months.seal(APRIL) == [APRIL]
    (period,) = await months.periods()
    assert (period.decisions, period.files, period.root) == (0, [], EMPTY_ROOT)
    assert documented_root([]) == EMPTY_ROOT.hex()
    assert await months.entries(Wanted()) == []


async def test_large_months_have_several_files(
    months: Months, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut at whole blocks, one tree over all of them, and few enough for one event."""
    for name, value in (("BLOCK", 64), ("_AT_ONCE", 50), ("FILE_ROWS", 128), ("FILE_DECISIONS", 9)):
        monkeypatch.setattr(building, name, value)
    monkeypatch.setattr("service.sealing.reading.DECISIONS_AT_ONCE", 7)
    ids = [f"t{n}" for n in range(333)]
    await months.record(
        decision(ids), *(decision([ids[n]], at=LAUNCH + n * SECOND) for n in range(40))
    )
    searches = [Wanted(), Wanted(about=About.CONTENT, one="t7"), Wanted(client="pipeline")]
    before = [await months.pages(wanted, limit=11) for wanted in searches]
    await months.seal(MARCH)
    (event,) = map(json.loads, await months.events())
    rows = [(file["name"][8:16], file["rows"]) for file in event["files"]]
    assert [number for kind, number in rows if kind == "outcomes"] == [128, 128, 117]
    assert [number for kind, number in rows if kind == "decision"] == [14, 14, 13]
    paths = [months.folder / file["name"] for file in event["files"]]
    assert event["root"] == documented_root(paths[3:])
    assert [await months.pages(wanted, limit=11) for wanted in searches] == before


async def test_there_are_never_more_files_than_an_event_can_name(
    months: Months, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a month of any size: then each is larger."""
    for name, value in (("BLOCK", 16), ("_AT_ONCE", 16), ("FILE_ROWS", 16), ("MOST_FILES", 3)):
        monkeypatch.setattr(building, name, value)
    await months.record(decision([f"t{n}" for n in range(100)]))
    await months.seal(MARCH)
    (period,) = await months.periods()
    assert [file.rows for file in period.that_hold(Holds.OUTCOMES)] == [64, 36]


# -- when ------------------------------------------------------------------------------------------


async def test_a_month_is_left_open_for_a_day_after_its_end(months: Months) -> None:
    """By the ledger's clock."""
    await months.record(decision(["a"]))
    for now, expected in ((MARCH.ends + DAY - 1, []), (MARCH.ends + DAY, [MARCH])):
        async with connected(months.url) as connection:
            assert [one for one in await due(connection, now) if one <= MARCH] == expected
        assert await months.sealer.seal(now, tell=silent) == expected


async def test_nothing_is_sealed_before_the_ledger_begins(database_url: str) -> None:
    """Its first event is the charter."""
    async with connected(database_url) as connection:
        await connection.execute("SELECT make_month_of_decisions('2026-04-01')")
        assert await due(connection, NOW) == []


# -- who comes late --------------------------------------------------------------------------------


async def test_whoever_writes_late_is_refused(months: Months) -> None:
    """While a month is being sealed, and ever after: so nobody is answered."""
    await months.record(decision(["a"]), decision(["a"], at=MAY.begins))
    late, in_time = decision(["late"], at=LAUNCH + DAY), decision(["b"], at=MAY.begins)
    async with connected(months.url) as connection, DecisionLog(months.url, timeout=30) as log:
        await partition.close(connection, MARCH)
        with pytest.raises(LogUnavailable):
            await log.record(late)
        await log.record(in_time)
        assert await months.seal(MARCH) == [MARCH]
        with pytest.raises(LogUnavailable):
            await log.record(late)
        await log.record(decision(["c"], at=MAY.begins))
    assert await months.tables() == ["decisions_2026_05"]
    assert len(await months.entries(Wanted(until=MARCH.ends))) == 1


async def test_closing_waits_for_whoever_is_writing(months: Months) -> None:
    """What was begun before is part of the month, and sealed with it."""
    await months.record(decision(["a"]))
    async with connected(months.url) as writer, connected(months.url) as closer:
        transaction = writer.transaction()
        await transaction.start()
        await writer.execute(COPY)
        closing = asyncio.create_task(partition.close(closer, MARCH))
        await asyncio.wait([closing], timeout=0.1)
        assert not closing.done()
        await transaction.commit()
        await closing
    await months.seal(MARCH)
    assert (await months.periods())[0].decisions == 2


async def test_who_reads_keeps_what_they_read(months: Months) -> None:
    """A transaction that holds the log reads on from the table to its end, and no writer waits."""
    await months.record(decision(["a"]))
    async with months.database.read() as session:
        periods = await hold_log(session)
        assert periods == []
        sealing = asyncio.create_task(months.seal(MARCH))
        while not [period for period in await months.periods() if period.moved]:
            assert not sealing.done()
        await months.record(decision(["b"], at=MAY.begins))
        page = await months.log.find(session, periods, Wanted(), below=None, limit=10)
        assert [entry.place.answered_at for entry in page.entries] == [LAUNCH]
        assert not sealing.done()
    assert await sealing == [MARCH]
    assert len(await months.entries(Wanted())) == 2


# -- broken off ------------------------------------------------------------------------------------


async def _raise(*_: object, **__: object) -> None:
    raise Killed


def _before(name: str, where: Any = steps) -> Callable[[pytest.MonkeyPatch], None]:
    """Return what ends sealing before a step."""
    return lambda patch: patch.setattr(where, name, _raise)


def _after(name: str, where: Any = steps) -> Callable[[pytest.MonkeyPatch], None]:
    """Return what ends sealing after a step."""
    step: Callable[..., Awaitable[object]] = getattr(where, name)

    async def and_then_end(*args: object, **kwargs: object) -> None:
        await step(*args, **kwargs)
        raise Killed

    return lambda patch: patch.setattr(where, name, and_then_end)


BROKEN_OFF: Final[dict[str, Callable[[pytest.MonkeyPatch], None]]] = {
    "before the month is closed": _before("close", partition),
    "when it is closed": _after("close", partition),
    "when its files are made": _after("build"),
    "when one file is stored": _after("put", Objects),
    "when it is recorded": _after("_write", Sealer),
    "when its files are read again": _after("_require_stored", Sealer),
    "when the log is read from its files": _after("move"),
    "before its table is taken out": _before("detach", partition),
    "when its table is taken out": _after("detach", partition),
    "when all is done": _after("drop", partition),
}


@pytest.mark.parametrize("where", BROKEN_OFF)
async def test_what_is_broken_off_is_completed_by_the_next(
    months: Months, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost or twice there meanwhile, and in the end there is one event."""
    await months.record(*made_up(random.Random(), 12), decision(["a"]))
    before = await months.pages(Wanted(), limit=5)
    with monkeypatch.context() as patch:
        BROKEN_OFF[where](patch)
        with pytest.raises(Killed):
            await months.seal(MARCH)
    assert await months.pages(Wanted(), limit=5) == before
    await months.seal(MARCH)
    assert await months.pages(Wanted(), limit=5) == before
    assert len(await months.events()) == 1
    assert "decisions_2026_03" not in await months.tables()
    assert len(list((months.folder / "2026-03").iterdir())) == 2


_STOPPED_AT: Final = """
import asyncio, os, signal, sys
from pathlib import Path
from service.sealing import sealing as steps, partition
where, name = {"steps": steps, "partition": partition}[sys.argv[3]], sys.argv[4]
def end(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(where, name, end)
from tests.sealing.months import several_months, MARCH, NOW, silent
from tests.sealing.test_sealing import sealer_alone
asyncio.run(sealer_alone(sys.argv[1], Path(sys.argv[2])))
"""


async def sealer_alone(url: str, folder: Path) -> None:
    """Seal March in a process of its own."""
    async with Database(url) as database, appending(url) as appender:
        sealer = Sealer(database, appender, Objects(folder / "sealed"), folder / "scratch")
        await sealer.seal(NOW, through=MARCH, tell=silent)


@pytest.mark.parametrize(
    ("module", "name"), [("steps", "sealing"), ("partition", "detach")], ids=["stored", "moved"]
)
async def test_a_process_that_is_killed_leaves_nothing_in_the_way(
    months: Months, module: str, name: str
) -> None:
    """Neither its lock nor its working folder, and the next completes what it has begun."""
    await months.record(decision(["a"]))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _STOPPED_AT, months.url, str(months.folder.parent), module, name),
        cwd=HERE,
    )
    assert await process.wait() == -9
    assert len(await months.entries(Wanted())) == 1
    while True:
        try:
            await months.seal(MARCH)
            break
        except SealingElsewhere:  # the server has not noticed yet that it has gone
            continue
    assert len(await months.entries(Wanted())) == 1
    assert len(await months.events()) == 1
    assert not list((months.folder.parent / "scratch").glob("fermata-sealing-*"))


async def test_two_at_once_do_it_once(months: Months) -> None:
    """One does it, the other is told so; whoever lost the lock meanwhile records nothing twice."""
    await months.record(decision(["a"]))
    results = await asyncio.gather(months.seal(MARCH), months.seal(MARCH), return_exceptions=True)
    assert sorted(map(type, results), key=str) in (
        [SealingElsewhere, list],
        [list, SealingElsewhere],
        [list, list],
    )
    built = building.Built([], 0, 0, EMPTY_ROOT, None, None)
    await months.sealer.appender.submit(steps.sealing(MARCH, built))
    assert len(await months.events()) == 1
    assert len(await months.entries(Wanted())) == 1


# -- storage that is not to be trusted -------------------------------------------------------------


@pytest.mark.parametrize("kind", ["decisions", "outcomes"])
@pytest.mark.parametrize("how", ["altered", "lost"])
async def test_the_table_stays_until_the_files_have_been_read_again(
    months: Months, kind: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that has not kept what it was given is found out, before it is relied upon."""
    await months.record(decision(["a", "b"]))

    async def spoil(*_: object) -> None:
        (path,) = months.folder.glob(f"2026-03/{kind}-*")
        if how == "lost":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:-1] + b"?")

    keep = Sealer._require_stored

    async def spoiled(*args: Any) -> None:
        await spoil()
        await keep(*args)

    with monkeypatch.context() as patch:
        patch.setattr(Sealer, "_require_stored", spoiled)
        with pytest.raises(SealedUnreadable, match="stay in the database"):
            await months.seal(MARCH)
    assert "decisions_2026_03" in await months.tables()
    assert len(await months.entries(Wanted())) == 1
    await months.seal(MARCH)
    assert len(await months.events()) == 1
    assert len(await months.entries(Wanted())) == 1


async def test_a_table_that_was_changed_behind_the_triggers_stays(
    months: Months, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was slipped in after the event is not dropped with the rest: somebody has to look."""
    await months.record(decision(["a"]))
    with monkeypatch.context() as patch:
        _after("_write", Sealer)(patch)
        with pytest.raises(Killed):
            await months.seal(MARCH)
    async with connected(months.url) as connection:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(COPY)
    with pytest.raises(SealedUnreadable, match="2 decisions, not 1"):
        await months.seal(MARCH)
    assert "decisions_2026_03" in await months.tables()


async def test_a_month_with_what_cannot_be_read_stays_and_says_which(months: Months) -> None:
    """Nothing is left out silently."""
    await months.record(decision(["a"]), broken := decision(["b"]))
    async with connected(months.url) as connection:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(
            "UPDATE decisions SET outcomes = '\\x9b' WHERE decision_id = $1", broken.decision_id
        )
    with pytest.raises(Damaged, match=broken.decision_id):
        await months.seal(MARCH)
    assert "decisions_2026_03" in await months.tables()
    assert await months.events() == []


# -- not kept any more -----------------------------------------------------------------------------


async def test_files_are_discarded_and_the_root_stays(months: Months) -> None:
    """Nothing is found there any more, nor what was begun; a second time does no harm."""
    await months.record(decision(["a"]), decision(["a"], at=MAY.begins))
    database, objects = months.database, months.sealer.objects
    assert await discard(database, objects, MARCH) == 0
    await months.seal()
    (months.folder / "2026-03" / "decisions-000.parquet#1").write_bytes(b"killed in storing it")
    for _ in range(2):
        assert await discard(database, objects, MARCH) == 1
        assert len(await months.entries(Wanted())) == 1
        assert await months.read(decision(["a"]).decision_id) is None
    periods = await months.periods()
    assert [str(period.month) for period in periods if period.discarded] == ["2026-03"]
    assert not (months.folder / "2026-03").exists()
    assert len(periods[0].root) == len(
        bytes.fromhex(json.loads((await months.events())[0])["root"])
    )
    with pytest.raises(asyncpg.PostgresError, match="is sealed"):
        async with connected(months.url) as connection:
            await connection.execute("SELECT make_month_of_decisions('2026-03-01')")
