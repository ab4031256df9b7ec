"""Every decision that fits is found, newest first, however a search is cut into pages."""

import asyncio
import itertools
import random
import zlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Final

import asyncpg
import msgspec
import pytest

from service.clock import SystemClock
from service.db.engine import Database
from service.decisions.log import DecisionLog, LoggedDecision
from service.decisions.log import find as finding
from service.decisions.log.entry import Entry, Outcome, Place, read_decision
from service.decisions.log.find import Wanted, find_decisions
from service.decisions.log.theirs import Theirs
from service.decisions.question import About
from service.domain.assessment import PERMITS, Reason
from service.domain.instant import DAY, SECOND, to_datetime
from tests.decisions.log.deciding import LAUNCH, Said, decision, outcomes_of
from tests.ledger.writing import connected

TRACKS: Final = [f"track-{n}" for n in range(12)]
CLIENTS: Final = ["nightly", "serving"]
RUNS: Final = [None, "run-1", "run-2"]
JOBS: Final = [None, "embeddings", "ranker"]
THEIRS: Final = Theirs.of(
    TRACKS[3],
    [(TRACKS[0], 2, 3), (TRACKS[0], 7, None), (TRACKS[5], 4, None), ("never-asked", 1, 9)],
)
"""An artist who held the first track twice, and the sixth from revision 4 on."""
USES: Final = ["discovery.recommendation", "training.generative.music"]
SAID: Final = [Said(), Said(Reason.OPTED_OUT, 2, -1), Said(Reason.OPTED_IN, 3)]


class SlowClock(SystemClock):
    """A clock by which everything takes as long as a test says."""

    def __init__(self, step: int) -> None:
        """Take how many microseconds pass at each look."""
        self._time, self._step = 0, step

    def monotonic(self) -> int:
        """Return a time that goes on by one step."""
        self._time += self._step
        return self._time


def made_up(draw: random.Random, number: int) -> list[LoggedDecision]:
    """Return decisions about one and about many, over three months, some at the same instant."""
    instants = sorted(
        LAUNCH + draw.choice([0, 1, SECOND, DAY, 40 * DAY]) * n for n in range(number)
    )
    decisions = []
    for instant in instants:
        about = draw.choice([About.CONTENT, About.CONTENT, About.ARTISTS])
        ids = draw.choices(TRACKS, k=draw.choice([1, 1, 1, 2, 30, 600]))
        of = {one: draw.choice(SAID) for one in TRACKS}
        decisions.append(
            decision(
                ids,
                [of[one] for one in ids],
                at=instant,
                about=about,
                revision=draw.randrange(1, 10),
                client=draw.choice(CLIENTS),
                run=draw.choice(RUNS),
                job=draw.choice(JOBS),
                use=draw.choice(USES),
                recipient=draw.choice(["internal", "partner:x"]),
            )
        )
    return decisions


def wanted_of(draw: random.Random) -> Wanted:
    """Return something to look for."""
    one = draw.choice([None, *TRACKS[:3], "nobody-asked"])
    theirs = draw.choice([None, THEIRS]) if one is None else None
    return Wanted(
        about=None if one is None else draw.choice(list(About)),
        one=one,
        theirs=theirs,
        client=draw.choice([None, None, *CLIENTS]),
        run=draw.choice([None, *RUNS]),
        job=draw.choice([None, *JOBS]),
        use=draw.choice([None, None, *USES]),
        recipient=draw.choice([None, None, "internal"]),
        permitted=draw.choice([None, None, True, False]),
        reason=draw.choice([None, None, Reason.OPTED_OUT]),
        since=draw.choice([None, LAUNCH + 10 * DAY]),
        until=draw.choice([None, LAUNCH + 50 * DAY]),
    )


def fits(wanted: Wanted, one: LoggedDecision) -> bool:
    """Tell by the words alone whether a decision is wanted."""
    ids = one.ids.texts()
    reasons = [one.answers.decision(n).reason for n in range(len(ids))]
    if wanted.one is not None:
        if wanted.one not in ids or one.about is not wanted.about:
            return False
        reasons = [reasons[ids.index(wanted.one)]]
    if wanted.theirs is not None:
        theirs, revision = wanted.theirs, one.revision
        reasons = [reasons[n] for n, id_ in enumerate(ids) if theirs.has(one.about, id_, revision)]
    right = [
        reason
        for reason in reasons
        if wanted.reason in {None, reason} and wanted.permitted in {None, reason in PERMITS}
    ]
    return (
        bool(right)
        and wanted.client in {None, one.client}
        and wanted.run in {None, one.run}
        and wanted.job in {None, one.job}
        and wanted.use in {None, one.use}
        and wanted.recipient in {None, one.recipient}
        and (wanted.since is None or one.answered_at >= wanted.since)
        and (wanted.until is None or one.answered_at < wanted.until)
    )


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Open the pools of a reader."""
    async with Database(database_url) as opened:
        yield opened


async def found(
    database: Database, wanted: Wanted, *, limit: int = 100, step: int = 0
) -> tuple[list[Entry], int]:
    """Return everything that is found, page by page, and how many pages it took."""
    entries: list[Entry] = []
    below: Place | None = None
    for pages in itertools.count(1):
        async with database.read() as session:
            clock = SlowClock(step)
            page = await find_decisions(session, clock, wanted, below=below, limit=limit)
        assert len(page.entries) <= limit
        entries += page.entries
        if page.below is None:
            return entries, pages
        assert below is None or page.below < below
        below = page.below
    raise AssertionError


async def recorded(url: str, decisions: Sequence[LoggedDecision]) -> None:
    """Write decisions to the log."""
    async with DecisionLog(url, timeout=30) as log:
        await asyncio.gather(*map(log.record, decisions))


async def test_what_fits_is_found_and_nothing_else(
    database_url: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many searches of many kinds, page by page, each finds what looking at all would find."""
    monkeypatch.setattr(finding, "_LOOKED_INTO_AT_ONCE", 3)
    draw = random.Random(number := random.getrandbits(32))
    decisions = made_up(draw, 150)
    await recorded(database_url, decisions)
    newest_first = sorted(decisions, key=lambda d: (d.answered_at, d.decision_id), reverse=True)
    for turn in range(60):
        wanted = wanted_of(draw)
        limit = draw.choice([1, 3, 100])
        entries, _ = await found(database, wanted, limit=limit)
        expected = [d.decision_id for d in newest_first if fits(wanted, d)]
        assert [e.place.decision_id for e in entries] == expected, (number, turn, wanted)


async def test_what_is_found_says_what_was_answered(database_url: str, database: Database) -> None:
    """The outcome of the one that was looked for, or of the only one; and all in numbers."""
    many = decision(["a", "b", "c", "b"], [SAID[0], SAID[1], SAID[2], SAID[1]], at=LAUNCH, run="r")
    one = decision(["b"], [SAID[2]], at=LAUNCH + DAY, job="j", interface="authzen")
    await recorded(database_url, [many, one])
    (first, second), _ = await found(database, Wanted(about=About.CONTENT, one="b"))
    assert (first.place, second.place) == (
        (one.answered_at, one.decision_id),
        (many.answered_at, many.decision_id),
    )
    assert first.outcome is not None
    assert second.outcome is not None
    assert first.outcome.decision == one.answers.decision(0)
    assert second.outcome.decision == many.answers.decision(1)
    assert (first.number, second.number) == (1, 4)
    assert second.reasons == {Reason.WINDOW_CLOSED: 1, Reason.OPTED_OUT: 2, Reason.OPTED_IN: 1}
    assert (first.job, first.run, second.run) == ("j", None, "r")
    assert first.request == {"consistency": "strong", "interface": "authzen"}
    (first, second), _ = await found(database, Wanted())
    assert first.outcome is not None
    assert second.outcome is None


async def test_a_page_takes_a_bounded_time(database_url: str, database: Database) -> None:
    """Where looking takes long, pages are short or empty, and say where to go on."""
    rare = decision(["rare"], at=LAUNCH)
    await recorded(
        database_url, [rare, *(decision(["t", "u"], at=LAUNCH + n * DAY) for n in range(1, 40))]
    )
    wanted = Wanted(about=About.CONTENT, one="rare")
    entries, pages = await found(database, wanted, step=finding.PATIENCE)
    assert [entry.place.decision_id for entry in entries] == [rare.decision_id]
    assert pages > 10
    entries, pages = await found(database, wanted)
    assert [entry.place.decision_id for entry in entries] == [rare.decision_id]
    assert pages == 1


async def test_one_decision_is_read_in_parts(database_url: str, database: Database) -> None:
    """Every outcome in the order asked, however many a page has."""
    ids = [f"t{n}" for n in range(1_000)]
    said = [SAID[n % 3] for n in range(1_000)]
    one = decision(ids, said, at=LAUNCH)
    await recorded(database_url, [one, decision(["t1"], at=LAUNCH)])
    read: list[Outcome] = []
    for first in range(0, 1_400, 400):
        async with database.read() as session:
            whole = await read_decision(session, one.decision_id, first=first, most=400)
        assert whole is not None
        assert whole.entry.place == (one.answered_at, one.decision_id)
        read += whole.outcomes
    assert [outcome.one for outcome in read] == ids
    assert [outcome.decision for outcome in read] == [one.answers.decision(n) for n in range(1_000)]
    async with database.read() as session:
        assert await read_decision(session, "dec_" + "7" * 32, first=0, most=1) is None
        assert await read_decision(session, "dec_" + "4" * 32, first=0, most=1) is None


OLD_REQUEST: Final = {
    "use": USES[0],
    "recipient": "internal",
    "about": "content",
    "consistency": "strong",
    "min_policy_version": None,
    "at": None,
    "explain": False,
    "run": "run-1",
    "job": "embeddings",
}
OLD_OUTCOMES: Final = [
    ["track-1", "window_closed", 2, LAUNCH, None],
    ["track-2", "opted_out", 2, None, None],
]


async def write_as_the_release_before(url: str, decision_id: str) -> None:
    """Write a row with the columns and in the form of the release before the log had months."""
    connection: asyncpg.Connection
    async with connected(url) as connection:
        now = await connection.fetchval("SELECT now()")
        await connection.execute(
            "INSERT INTO decisions (decision_id, answered_at, evaluated_at, revision, client,"
            " caller, request, outcomes) VALUES ($1, $2, $3, 5, 'nightly', 'nightly', $4, $5)",
            decision_id,
            now,
            to_datetime(LAUNCH),
            msgspec.json.encode(OLD_REQUEST).decode(),
            zlib.compress(msgspec.json.encode(OLD_OUTCOMES), 1),
        )


async def test_what_the_release_before_writes_is_found_as_well(
    database_url: str, database: Database
) -> None:
    """It runs on while this one takes over; use, run and outcomes are where it puts them."""
    old = "dec_" + "4" * 32
    await write_as_the_release_before(database_url, old)
    await recorded(database_url, [decision(["track-1"], at=LAUNCH)])
    content = Wanted(about=About.CONTENT, one="track-2")
    for wanted in (
        content,
        replace(content, run="run-1", use=USES[0], recipient="internal", client="nightly"),
        replace(content, permitted=False),
        replace(content, reason=Reason.OPTED_OUT),
        Wanted(job="embeddings", client="nightly"),
        Wanted(run="run-1", permitted=True),
        Wanted(run="run-1", reason=Reason.OPTED_OUT),
    ):
        entries, _ = await found(database, wanted)
        assert [entry.place.decision_id for entry in entries] == [old], wanted
        assert entries[0].number == 2
        assert entries[0].run == "run-1"
    for wanted in (
        replace(content, permitted=True),
        replace(content, use=USES[1]),
        replace(content, about=About.ARTISTS),
        Wanted(run="run-1", reason=Reason.OPEN),
        Wanted(run="run-2"),
        Wanted(job="ranker"),
    ):
        assert await found(database, wanted) == ([], 1), wanted
    async with database.read() as session:
        whole = await read_decision(session, old, first=0, most=10)
    assert whole is not None
    assert [outcome.one for outcome in whole.outcomes] == ["track-1", "track-2"]
    assert outcomes_of(zlib.compress(msgspec.json.encode(OLD_OUTCOMES))) == OLD_OUTCOMES
