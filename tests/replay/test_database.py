"""A whole database replayed: what the service answered, and what somebody made of it since."""

import asyncio
import base64
import json
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from service.cli.main import app
from service.clock import SystemClock
from service.db.engine import Database
from service.decisions.compiled.spelling import Spelled
from service.decisions.log.name import name_decision
from service.decisions.log.packing import pack, unpack
from service.decisions.question import About, Check
from service.domain.instant import DAY, LATEST, SECOND, Instant, format_instant, to_instant
from service.replay.database import replay_database
from service.replay.report import Progress
from service.replay.wanted import Wanted
from service.sealing.copies import SealedFiles
from service.sealing.find import SealedLog
from service.sealing.month import Month
from service.sealing.period import Period, SealedUnreadable
from service.sealing.sealing import Sealer
from service.storage.objects import Objects
from tests.conftest import migrated_database
from tests.decisions.following import CALLER, replica
from tests.judge.histories import ARTISTS, CONTENTS, LEAVES, RECIPIENTS
from tests.ledger.playing import instant_of, playable, write_of
from tests.ledger.stopped_clock import NOON, set_clock, stop_clock
from tests.ledger.writing import KEY, appending, connected, open_ledger, vault
from tests.transparency.logs import superuser

MANY: Final = 100
"""So many are asked about together: read, packed and judged in another way than few."""


@pytest.fixture(scope="module")
def lived_url(postgres_url: str) -> Iterator[str]:
    """URL of a database in which much was said, and much was asked in between."""
    with asyncio.Runner() as loop:
        opened = migrated_database(postgres_url)
        url = loop.run(_entered(opened))
        try:
            loop.run(stop_clock(url))
            loop.run(live(url, random.Random(random.getrandbits(32))))
            yield url
        finally:
            loop.run(_left(opened))


async def _entered(opened: AbstractAsyncContextManager[str]) -> str:
    return await opened.__aenter__()


async def _left(opened: AbstractAsyncContextManager[str]) -> None:
    await opened.__aexit__(None, None, None)


@asynccontextmanager
async def copied(postgres_url: str, url: str) -> AsyncIterator[str]:
    """Make a copy of a database that nobody is connected to."""
    name = url.rpartition("/")[2]
    async with connected(postgres_url) as server:
        await server.execute(f"CREATE DATABASE {name}_copy TEMPLATE {name}")
    try:
        yield f"{url}_copy"
    finally:
        async with connected(postgres_url) as server:
            await server.execute(f"DROP DATABASE {name}_copy WITH (FORCE)")


@pytest.fixture
async def altered_url(postgres_url: str, lived_url: str) -> AsyncIterator[str]:
    """URL of a copy of that database, to be tampered with."""
    async with copied(postgres_url, lived_url) as url:
        yield url


async def live(url: str, rng: random.Random) -> None:
    """Play a random history, and ask this and that after each of its events."""
    async with (
        appending(url) as appender,
        replica(url, max_disagreement=LATEST) as here,
        connected(url) as clock,
    ):
        await open_ledger(appender)
        for event in playable(rng, 40)["events"]:
            await set_clock(clock, instant_of(event))
            await appender.submit(write_of(event))
            await here.catch_up()
            now = instant_of(event)
            for check in asked(rng, now):
                await here.checker.answer(check, CALLER)


def asked(rng: random.Random, now: Instant) -> list[Check]:
    """Return some questions: few and many, with and without a least version, of other times."""
    return [
        question(rng),
        question(rng, number=MANY),
        question(rng, min_policy_version=rng.choice((1, 2, 3))),
        question(rng, at=rng.choice((NOON, now - SECOND, now + 9 * SECOND)), number=3),
        question(rng, explain=True, about=About.ARTISTS),
    ]


def question(
    rng: random.Random, number: int = 1, about: About = About.CONTENT, **more: Any
) -> Check:
    """Return a question about some of the content, or artists, that there may be."""
    ids = (*CONTENTS, "stranger") if about is About.CONTENT else (*ARTISTS, "stranger")
    return Check(
        rng.choice(LEAVES),
        rng.choice(RECIPIENTS),
        about,
        Spelled.of(rng.choices(ids, k=number)),
        **more,
    )


async def test_nothing_differs(lived_url: str) -> None:
    """Every decision that the service logged is recomputed, and progress is told."""
    told = list[Progress]()
    report = await replay_database(lived_url, vault(), on_progress=told.append)
    async with connected(lived_url) as connection:
        decisions, outcomes, revision = await connection.fetchrow(
            "SELECT count(*), sum(number), max(revision) FROM decisions"
        )
    assert report.differences == []
    assert (report.decisions, report.outcomes, report.revision) == (decisions, outcomes, revision)
    assert report.equal == outcomes > 1_000
    assert told[-1] == Progress(decisions, decisions, revision)


async def test_a_part_is_replayed_by_itself(lived_url: str) -> None:
    """By name, and by when it was answered; an hour in which nothing was is no difference."""
    async with connected(lived_url) as connection:
        rows = await connection.fetch(
            "SELECT decision_id, answered_at FROM decisions ORDER BY answered_at, decision_id"
        )
    names = [row["decision_id"] for row in rows]
    wanted = Wanted(decisions=[names[1], names[-1]])
    assert (await replay_database(lived_url, vault(), wanted=wanted)).decisions == 2
    middle = to_instant(rows[len(rows) // 2]["answered_at"])
    parts = [Wanted(until=middle), Wanted(since=middle), Wanted(until=NOON - SECOND)]
    before, after, none = [
        (await replay_database(lived_url, vault(), wanted=part)).decisions for part in parts
    ]
    assert before + after == len(rows)
    assert min(before, after) > 0
    assert none == 0


async def alter(url: str, statement: str, *arguments: object) -> None:
    """Change the log as a superuser can."""
    async with superuser(url) as connection:
        await connection.execute(statement, *arguments)


async def some_decision(url: str, condition: str = "true") -> asyncpg.Record:
    """Return a logged decision."""
    async with connected(url) as connection:
        return await connection.fetchrow(
            f"SELECT * FROM decisions WHERE {condition} ORDER BY revision DESC LIMIT 1"
        )


@pytest.mark.parametrize("condition", ["number = 1", f"number = {MANY}"])
async def test_an_altered_row_is_found(altered_url: str, condition: str) -> None:
    """A denial that was made a permit, in the very bytes; and it alone is named."""
    row = await some_decision(altered_url, f"{condition} AND reasons ->> 'window_closed' IS NULL")
    outcomes = unpack(row["outcomes"])
    outcomes.answers.permitted[:] = True
    forged = outcomes.answers
    forged.reason[:] = 0
    await alter(
        altered_url,
        "UPDATE decisions SET outcomes = $1 WHERE decision_id = $2",
        pack(outcomes.ids, forged),
        row["decision_id"],
    )
    report = await replay_database(altered_url, vault())
    assert {one.decision_id for one in report.differences} == {row["decision_id"]}
    assert report.different == row["number"]


@pytest.mark.parametrize(
    "version", ['"two"', "1.5", "0", "true", "[[[[]]]]", "99999999999999999999"]
)
async def test_a_question_that_nobody_can_have_asked_is_named(
    altered_url: str, version: str
) -> None:
    """By its decision alone; all others are replayed."""
    row = await some_decision(altered_url, "number = 1")
    await alter(
        altered_url,
        "UPDATE decisions SET request = jsonb_set(request, '{min_policy_version}', $1::jsonb)"
        " WHERE decision_id = $2",
        version,
        row["decision_id"],
    )
    report = await replay_database(altered_url, vault())
    (difference,) = report.differences
    assert difference.decision_id == row["decision_id"]
    assert "least policy version" in difference.why


async def test_sealed_months_are_replayed_from_their_files(
    altered_url: str, tmp_path: Path
) -> None:
    """Nothing differs there either; a file that was altered is not believed, but told."""
    place, scratch = tmp_path / "sealed", tmp_path / "scratch"
    before = await replay_database(altered_url, vault())
    async with Database(altered_url) as database, appending(altered_url) as appender:
        sealer = Sealer(database, appender, Objects(place), scratch)
        months = await sealer.seal(NOON + 400 * DAY, through=None, tell=lambda _: None)
    assert months
    files = SealedFiles(str(place), tmp_path / "copies", most_bytes=1 << 30)
    log = SealedLog(files, scratch, SystemClock())
    after = await replay_database(altered_url, vault(), sealed=log, scratch=scratch)
    assert after.differences == []
    assert (after.decisions, after.outcomes) == (before.decisions, before.outcomes)
    wanted = Wanted(until=NOON - SECOND)
    none = await replay_database(altered_url, vault(), sealed=log, scratch=scratch, wanted=wanted)
    assert none.decisions == 0
    with pytest.raises(SealedUnreadable, match="where they are kept"):
        await replay_database(altered_url, vault())
    outcomes = min(place.rglob("outcomes-*.parquet"))
    outcomes.write_bytes(outcomes.read_bytes()[:-1] + b"?")
    with pytest.raises(SealedUnreadable, match="altered"):
        await replay_database(altered_url, vault(), sealed=log, scratch=scratch)
    log.close()


def test_names_tell_which_months_are_read() -> None:
    """Others are neither sorted, nor said to be no longer kept; an old name may be of any."""
    march, april = (
        Period(Month(2026, n), None, None, 0, 0, b"", (), 1, NOON, NOON, None) for n in (3, 4)
    )
    name = name_decision(april.month.begins, bytes(8))
    assert [Wanted(decisions=[name]).spans(one) for one in (march, april)] == [False, True]
    old = "dec_" + "4" * 32
    assert [Wanted(decisions=[name, old]).spans(one) for one in (march, april)] == [True, True]


async def test_the_command_tells_people_and_programs(lived_url: str, altered_url: str) -> None:
    """And says by its exit status what came of it."""
    fine = await command(lived_url)
    assert (fine.exit_code, " 0 different" in fine.stdout) == (0, True)
    row = await some_decision(altered_url, "request ->> 'at' IS NULL AND number = 1")
    await alter(
        altered_url,
        "UPDATE decisions SET revision = 1000000 WHERE decision_id = $1",
        row["decision_id"],
    )
    wrong = await command(altered_url)
    assert wrong.exit_code == 1
    assert f"{row['decision_id']} at revision 1,000,000" in wrong.stdout
    said = await command(altered_url, "--json", "--decision", row["decision_id"])
    assert said.exit_code == 1
    (difference,) = json.loads(said.stdout)["differences"]
    assert difference["decision_id"] == row["decision_id"]
    assert difference["evaluated_at"] == format_instant(to_instant(row["evaluated_at"]))
    assert difference["replayed"] is None


@pytest.mark.parametrize(
    "arguments",
    [("--since", "yesterday"), ("--decision", "song"), ("--decision", "dec_" + 32 * "7")],
)
async def test_what_cannot_be_told_is_no_difference(
    lived_url: str, arguments: Sequence[str]
) -> None:
    """It has an exit status of its own."""
    assert (await command(lived_url, *arguments)).exit_code == 2


async def test_another_key_cannot_tell(lived_url: str) -> None:
    """What artists said is sealed under the database's own key."""
    result = await command(lived_url, key=bytes(32))
    assert result.exit_code == 2
    assert "is not the key" in " ".join(result.stderr.split())


async def command(url: str, *arguments: str, key: bytes = KEY) -> Result:
    """Run `fermata replay` over a database."""
    env = {
        "DATABASE_URL": url,
        "FERMATA_KEY_ENCRYPTION_KEY": base64.b64encode(key).decode(),
        "COLUMNS": "300",
    }
    return await asyncio.to_thread(CliRunner().invoke, app, ["replay", *arguments], env=env)
