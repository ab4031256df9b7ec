"""What pipelines were answered, counted from the log of decisions."""

import random
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from service.audit import answered_logged
from service.audit.answered import LONGEST, Answered, Tally, answered_in
from service.audit.answered_counts import MOST_JOBS, Pipeline
from service.audit.answered_sealed import counted_in_files
from service.audit.bounded import TooMuch
from service.audit.decisions import decisions_in_files
from service.audit.period import Period
from service.clock import SystemClock
from service.db.engine import Database, ReadSession
from service.db.tables import DecisionLogRow, SealedPeriod
from service.domain.assessment import PERMITS
from service.sealing import partition
from service.sealing.find import SealedLog
from service.sealing.period import sealed_periods
from tests.audit.history import DAYS, RANKER, TRAINER
from tests.decisions.log.deciding import LAUNCH, decision
from tests.sealing.months import APRIL, MARCH, made_up, several_months

NOTHING_SEALED = SealedLog(None, Path(), SystemClock())
ALL = Period.ending(SystemClock().now(), DAYS + 5)


async def logged(reading: ReadSession) -> Counter[str]:
    """Count the answers of every decision one by one."""
    counted: Counter[str] = Counter()
    for reasons in (await reading.execute(select(col(DecisionLogRow.reasons)))).scalars():
        counted.update(reasons)
    return counted


async def counted(history_url: str, period: Period) -> Answered:
    """Count what was answered, in a session that has read nothing yet."""
    async with Database(history_url, pool_size=1) as database, database.read() as reading:
        return await answered_in(reading, NOTHING_SEALED, period)


async def test_every_answer_is_counted_once(history_url: str, reading: ReadSession) -> None:
    """By reason, by pipeline and by day alike."""
    found = await counted(history_url, ALL)
    assert {reason.value: number for reason, number in found.by_reason.items()} == await logged(
        reading
    )
    assert found.percent == 100
    assert found.unread == 0
    assert found.total == sum(found.by_pipeline.values(), Tally())
    assert found.total == sum(found.by_stretch.values(), Tally())
    permitted = sum(number for reason, number in found.by_reason.items() if reason in PERMITS)
    assert found.total.permitted == permitted
    assert set(found.by_pipeline) == {
        Pipeline("pipeline"),
        Pipeline("pipeline", RANKER),
        Pipeline(TRAINER.client_id),
    }


async def test_most_come_first(history_url: str) -> None:
    """Pipelines and reasons alike."""
    found = await counted(history_url, ALL)
    pipelines = [tally.total for tally in found.by_pipeline.values()]
    reasons = list(found.by_reason.values())
    assert pipelines == sorted(pipelines, reverse=True)
    assert reasons == sorted(reasons, reverse=True)


async def test_only_the_period_is_counted(history_url: str) -> None:
    """A day has what was answered on it."""
    whole = await counted(history_url, ALL)
    days = [day for day, tally in whole.by_stretch.items() if tally.total][:1]
    day = days[0] if not ALL.by_weeks else days[0] + timedelta(days=3)
    alone = await counted(history_url, Period(day, day))
    assert 0 < alone.total.total < whole.total.total
    assert set(alone.by_stretch) == {day}


async def test_nobody_looks_at_years(history_url: str) -> None:
    """They would not fit on a page, let alone be read while somebody waits."""
    with pytest.raises(ValueError, match="no more than"):
        await counted(history_url, Period.ending(SystemClock().now(), LONGEST + 1))


async def test_what_is_too_much_is_estimated_and_says_so(
    history_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a sample of the months' pages, scaled up."""
    monkeypatch.setattr(answered_logged, "_MOST_EXACT", 0)
    monkeypatch.setattr(answered_logged, "_SAMPLED_PAGES", 1)
    found = await counted(history_url, ALL)
    assert 0 < found.percent < 100
    of_pipelines = sum(found.by_pipeline.values(), Tally())
    assert of_pipelines.total == pytest.approx(found.total.total, rel=0.05)


def test_numbers_of_a_sample_are_scaled_up() -> None:
    """So that they are about those of the whole."""
    assert answered_logged._scaled(7, 10.0) == 70
    assert answered_logged._scaled(7, 100.0) == 7


async def test_sealed_months_are_counted_as_they_were(database_url: str, tmp_path: Path) -> None:
    """From their files, to the same numbers; what takes too long is given up there as well."""
    period = Period(date(2026, 3, 20), date(2026, 5, 10))
    async with several_months(database_url, tmp_path) as months:
        await months.record(*made_up(random.Random(3), 200))
        async with months.database.read() as reading:
            before = await answered_in(reading, months.log, period)
        await months.seal(through=APRIL)
        async with months.database.read() as reading:
            after = await answered_in(reading, months.log, period)
            sealed = await sealed_periods(reading)
        assert before == after
        assert before.total.total > 100
        assert before.total == sum(before.by_pipeline.values(), Tally())
        assert set(before.by_pipeline) == {
            Pipeline(client, job) for client in ("nightly", "serving") for job in (None, "job")
        }
        with pytest.raises(TooMuch):
            await counted_in_files(months.log, sealed, period, seconds=0)


async def test_pipelines_behind_one_client_are_told_apart(
    database_url: str, tmp_path: Path
) -> None:
    """Until a client names so many that nobody could read them; sealed or not, or half of each."""
    period = Period(date(2026, 3, 1), date(2026, 5, 10))
    few, many = [f"few-{n}" for n in range(MOST_JOBS)], [f"many-{n}" for n in range(MOST_JOBS + 1)]
    async with several_months(database_url, tmp_path) as months:
        await months.record(
            *(decision(["t"], at=LAUNCH + n, client="few", job=job) for n, job in enumerate(few)),
            *(decision(["t"], at=LAUNCH + n, client="many", job=job) for n, job in enumerate(many)),
            decision(["t", "u"], at=APRIL.begins, client="many", job=many[0]),
            decision(["t"], at=APRIL.begins, client="few"),
        )
        expected = {
            Pipeline("many", many=True): len(many) + 2,
            **{Pipeline("few", job): 1 for job in (*few, None)},
        }
        for month in (None, MARCH, APRIL):
            if month is not None:
                await months.seal(through=month)
            async with months.database.read() as reading:
                found = await answered_in(reading, months.log, period)
            of = {one: tally.total for one, tally in found.by_pipeline.items()}
            assert of == expected, month
            assert found.total.total == sum(expected.values()), month


async def test_a_month_is_counted_once_while_its_table_is_still_there(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read from its files, and taken out when everybody has stopped reading."""
    period = Period(date(2026, 3, 20), date(2026, 5, 10))

    async def killed(*_: object) -> None:
        raise InterruptedError

    async with several_months(database_url, tmp_path) as months:
        await months.record(*made_up(random.Random(3), 50))
        async with months.database.read() as reading:
            before = await answered_in(reading, months.log, period)
        monkeypatch.setattr(partition, "detach", killed)
        with pytest.raises(InterruptedError):
            await months.seal(through=APRIL)
        monkeypatch.setattr(answered_logged, "_MOST_EXACT", 0)
        async with months.database.read() as reading:
            assert await answered_in(reading, months.log, period) == before
            assert await decisions_in_files(reading) == 0


async def test_months_whose_files_are_gone_are_named(database_url: str, tmp_path: Path) -> None:
    """Nobody shall take the rest for all there was."""
    async with several_months(database_url, tmp_path) as months:
        await months.record(*made_up(random.Random(3), 20))
        await months.seal(through=APRIL)
        async with months.database.keep() as writing:
            await writing.execute(
                update(SealedPeriod).values(discarded_at=col(SealedPeriod.sealed_at))
            )
        async with months.database.read() as reading:
            found = await answered_in(
                reading, months.log, Period(date(2026, 3, 1), date(2026, 4, 30))
            )
    assert list(found.discarded) == ["2026-03", "2026-04"]
    assert found.total == Tally()
