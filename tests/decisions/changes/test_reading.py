"""Whoever applies all that they are told holds exactly what checks answer."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg
import pytest

from service.decisions.changes.position import Position, parse_position
from service.decisions.changes.reading import MOST_RESULTS
from service.decisions.changes.wanted import Wanted
from service.domain.instant import Instant
from service.ledger.append import Appender
from tests.decisions.changes.readers import Facts, Following, Held, View, decisions_of, following
from tests.decisions.changes.readers import erase as erase_artist
from tests.decisions.following import CALLER
from tests.ledger.playing import instant_of, playable, write_of
from tests.ledger.stopped_clock import set_clock, stop_clock
from tests.ledger.writing import appending, connected, open_ledger

HISTORIES: Final = 3


@dataclass(slots=True)
class Reader:
    """Somebody who comes back now and then, with nothing but a position."""

    followed: Following
    since: str
    most: int
    levels: list[int] = field(default_factory=list)
    steps: list[tuple[Sequence[Any], int, bool]] = field(default_factory=list)

    async def read(self, most_steps: int) -> None:
        """Take so many steps, or as many as there are."""
        position = parse_position(self.since, "since")
        reading = await self.followed.changes.read(position, Wanted(), CALLER, most=self.most)
        for _ in range(most_steps):
            entries = await reading.advance()
            index = self.followed.replica.index
            level = reading.position.revision if reading.is_level else 0
            self.steps.append((entries or (), index.revision, bool(level)))
            if level:
                self.levels.append(level)
            self.since = str(reading.position)
            if entries is None:
                assert reading.is_level
                return


def replay(reader: Reader, facts: Facts, start: int) -> View:
    """Apply all that a reader was told, and return what it then holds.

    Whenever it was level, each answer it held was that of its revision or of a later one; now and
    then all were that of its revision, and so it is in the end, when nothing more is written.
    """
    view, right = View(facts.intervals(start)), 0
    levels = iter(reader.levels)
    for entries, revision, is_level in reader.steps:
        view.take(entries)
        view.ask_anew(facts, revision)
        if is_level:
            level = next(levels)
            differs = view.differs_from(facts.intervals(level))
            later = [facts.intervals(r) for r in range(level, revision + 1)]
            assert all(
                any(one.get(held) == view.held.get(held) for one in later) for held in differs
            ), (level, differs)
            right += not differs
    assert right
    assert not view.differs_from(facts.intervals(reader.levels[-1]))
    return view


@pytest.mark.parametrize("part", range(HISTORIES))
async def test_a_view_that_applies_all_changes_is_what_checks_answer(
    database_url: str, part: int
) -> None:
    """However often and in whatever portions they are read, from whichever revision on."""
    await stop_clock(database_url)
    seed = random.getrandbits(32) + part
    rng = random.Random(seed)
    events = playable(rng, 50)["events"]
    async with (
        appending(database_url) as appender,
        connected(database_url) as clock,
        following(database_url) as followed,
    ):
        await open_ledger(appender)
        readers: dict[int, list[Reader]] = {}
        for event in events:
            await happen(appender, clock, event, rng)
            revision = (await followed.replica.heads.read()).size
            if rng.random() < 0.3:
                most = rng.choice((1, 7, MOST_RESULTS))
                readers.setdefault(revision, []).append(Reader(followed, str(revision), most))
            for reader in (one for many in readers.values() for one in many):
                if rng.random() < 0.4:
                    await reader.read(rng.choice((1, 2, 100)))
        for reader in (one for many in readers.values() for one in many):
            await reader.read(10_000)
        await erase_artist(appender, "ana")
        for reader in (one for many in readers.values() for one in many):
            await reader.read(10_000)
    facts = await Facts.read(database_url)
    last = len(facts.histories) - 1
    for start, many in readers.items():
        for reader in many:
            assert reader.levels[-1] == last, seed
            view = replay(reader, facts, start)
            # The erased artist's id is not named any more, so it was told to be asked anew.
            assert not [one for one in view.held if (one.about, one.name) == ("artists", "ana")]
            assert_told_as_decided(reader, facts)


async def happen(
    appender: Appender, clock: asyncpg.Connection, event: Any, rng: random.Random
) -> None:
    """Let an event happen at its instant."""
    await set_clock(clock, instant_of(event))
    await appender.submit(write_of(event))


def assert_told_as_decided(reader: Reader, facts: Facts) -> None:
    """Every answer is the rules' at the revision and instant it names, reason and version too."""
    for entries, _, _ in reader.steps:
        view = View()
        view.take(entries)
        for told in view.told:
            one = told.answered
            now: Instant = max(one.evaluated_at, facts.histories[one.revision].recorded_at)
            for name, decision in decisions_of(told):
                if name in facts.subjects or one.about == "content":
                    held = Held(one.use, one.recipient, one.about, name)
                    assert decision == facts.right(one.revision, held, now)


async def test_nothing_is_told_twice_of_one_event_nor_of_what_it_does_not_touch(
    database_url: str,
) -> None:
    """A reader who is level is told nothing until something happens."""
    rng = random.Random(3)
    await stop_clock(database_url)
    async with (
        appending(database_url) as appender,
        connected(database_url) as clock,
        following(database_url) as followed,
    ):
        await open_ledger(appender)
        for event in playable(rng, 20)["events"]:
            await happen(appender, clock, event, rng)
        await followed.replica.catch_up()
        position = Position(followed.replica.index.revision)
        reading = await followed.changes.read(position, Wanted(), CALLER)
        assert await reading.advance() is None
        assert await reading.advance() is None
        assert reading.is_level
