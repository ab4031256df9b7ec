"""How many said yes and no, over time and by use, as the consent records have it."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlmodel import col

from service.audit.period import Period
from service.audit.said import Answers, known_uses, said_in
from service.clock import SystemClock
from service.db.engine import ReadSession
from service.db.tables import Consent
from service.domain import uses
from tests.api.story import MUSIC, RECOMMENDATION, VOICE
from tests.audit.history import DAYS

ALL = Period.ending(SystemClock().now(), DAYS + 5)
"""Everything that has ever been said."""


async def recorded(reading: ReadSession, *nodes: str) -> Answers:
    """Count the records of these uses one by one."""
    counted = select(col(Consent.answer), func.count()).group_by(col(Consent.answer))
    rows = await reading.execute(counted.where(col(Consent.use).in_(nodes)))
    found = {row[0]: row[1] for row in rows}
    return Answers(found.get("opt_out", 0), found.get("opt_in", 0), found.get("inherit", 0))


async def test_everything_that_was_said_is_counted_once(reading: ReadSession) -> None:
    """By time and by use alike."""
    said = await said_in(reading, ALL)
    assert said.total == await recorded(reading, "*", "training", MUSIC, VOICE, RECOMMENDATION)
    assert said.total == sum((one.answers for one in said.stretches), Answers())
    assert said.total.total > 50
    assert said.above == Answers()


async def test_a_group_has_what_is_beneath_it(reading: ReadSession) -> None:
    """And nothing else; what was said about something wider is told apart."""
    said = await said_in(reading, ALL, "training")
    assert set(said.by_use) == {"training", MUSIC, VOICE}
    assert said.total == await recorded(reading, "training", MUSIC, VOICE)
    assert said.above == await recorded(reading, "*")
    leaf = await said_in(reading, ALL, VOICE)
    assert leaf.total == await recorded(reading, VOICE)
    assert leaf.above == await recorded(reading, "*", "training")


async def test_a_use_is_no_beginning_of_a_name(reading: ReadSession) -> None:
    """`train` is not above `training`."""
    assert (await said_in(reading, ALL, "train")).total == Answers()


async def test_only_the_period_is_counted(reading: ReadSession) -> None:
    """Two halves are the whole; a time before the ledger, or to come, has nothing."""
    middle = ALL.first + timedelta(days=30)
    halves = [Period(ALL.first, middle), Period(middle + timedelta(days=1), ALL.last)]
    parts = [(await said_in(reading, half)).total for half in halves]
    assert parts[0] + parts[1] == (await said_in(reading, ALL)).total
    assert all(part.total for part in parts)
    later = Period(ALL.last + timedelta(days=9), ALL.last + timedelta(days=10))
    empty = await said_in(reading, later)
    assert empty.total == Answers()
    assert len(empty.stretches) == 2


@pytest.mark.parametrize("node", [uses.ROOT, "training", "training.generative", MUSIC])
async def test_every_node_can_be_asked_about(reading: ReadSession, node: str) -> None:
    """Groups as well as uses, everything first."""
    known = await known_uses(reading)
    assert known[0] == uses.ROOT
    assert node in known
