"""The state at an instant in the past, read from tables, is the fold of the ledger up to there."""

import random

import pytest

from service.db.engine import Database
from service.decisions.past import past_history
from service.domain.decision import Query, decide
from service.domain.events import Fact
from service.domain.history import History
from service.domain.instant import Instant
from service.ledger.facts import fact_of
from service.ledger.read import tail
from tests.decisions.following import Replica, replica
from tests.judge.histories import ARTISTS, CONTENTS, LEAVES, RECIPIENTS
from tests.ledger.playing import play, playable
from tests.ledger.stopped_clock import stop_clock
from tests.ledger.writing import appending, connected, vault

Dated = list[tuple[Instant, Fact | None]]


async def facts(url: str) -> Dated:
    """Return what happened and when."""
    async with connected(url) as connection:
        events = await tail(connection, vault(), 0, limit=10_000)
    return [(event.recorded_at, fact_of(event)) for event in events]


def fold(happened: Dated, until: Instant) -> History:
    """Return what the events up to an instant add up to."""
    history = History()
    for revision, (at, fact) in enumerate(happened, start=1):
        if at <= until:
            history.apply(revision, at, fact)
    return history


async def as_it_was(database: Database, present: Replica, instant: Instant) -> History:
    """Return the past with everything asked about."""
    subjects = [present.index.subject(artist) for artist in ARTISTS]
    async with database.read() as session:
        return await past_history(
            session, present.index.history, instant, content=CONTENTS, subjects=subjects
        )


@pytest.mark.parametrize("part", range(2))
async def test_the_past_is_what_the_ledger_said_then(database_url: str, part: int) -> None:
    """At every event, just before and just after it: same state, same answers."""
    await stop_clock(database_url)
    seed = random.getrandbits(32) + part
    async with appending(database_url) as appender:
        await play(database_url, appender, playable(random.Random(seed), 40))
    happened = await facts(database_url)
    assert len(happened) > 20

    async with Database(database_url) as database, replica(database_url) as present:
        await present.catch_up()
        for instant in {at + nudge for at, _ in happened for nudge in (-1, 0, 1)}:
            past = await as_it_was(database, present, instant)
            right = fold(happened, instant)
            assert (past.revision, past.recorded_at) == (right.revision, right.recorded_at), seed
            assert past.versions == right.versions, (seed, instant)
            assert past.content == right.content, (seed, instant)
            assert past.artists == right.artists, (seed, instant)
            assert answers(past, present, instant) == answers(right, present, instant)


def answers(history: History, present: Replica, instant: Instant) -> list[object]:
    """Return the answer to every question there is."""
    subjects = [present.index.subject(artist) for artist in ARTISTS]
    return [
        decide(history, query, instant)
        for use in LEAVES
        for recipient in RECIPIENTS
        for query in (
            *(Query(use, recipient, content=content) for content in CONTENTS),
            *(Query(use, recipient, artist=subject) for subject in subjects),
        )
    ]
