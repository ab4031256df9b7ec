"""Readers in a test's hand: what they hold, told by changes alone, and what should be held."""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from service.decisions.changes.events import Events
from service.decisions.changes.places import Places
from service.decisions.changes.reading import Changes, Entry, Told
from service.decisions.changes.touched import Anew
from service.decisions.log import DecisionLog
from service.decisions.question import About
from service.domain.decision import Decision, Query, decide
from service.domain.history import History
from service.domain.instant import LATEST, Instant
from service.domain.interval import NEVER, Interval
from service.ledger.append import Appender, Write
from service.ledger.events import Json, Kind, NewEvent
from service.ledger.facts import fact_of
from service.ledger.read import tail
from service.ledger.transaction import Transaction
from service.running import real_surroundings
from tests.decisions.following import Replica, replica
from tests.ledger.writing import connected, vault

PATIENCE: Final = 30.0


@dataclass(frozen=True, slots=True)
class Following:
    """Changes over a replica of their own."""

    changes: Changes
    replica: Replica


@asynccontextmanager
async def following(url: str, *, most_behind: int = 1_000_000) -> AsyncIterator[Following]:
    """Follow the ledger, believing whatever its clock says."""
    async with (
        replica(url, max_disagreement=LATEST) as followed,
        DecisionLog(url, timeout=PATIENCE) as log,
        Changes(
            Events(url, vault()),
            followed.checker,
            index=followed.index,
            follower=followed.follower,
            heads=followed.heads,
            log=log,
            random_bytes=real_surroundings().random_bytes,
            timeout=PATIENCE,
            most_behind=most_behind,
            places=Places(10),
        ) as changes,
    ):
        yield Following(changes, followed)


def decisions_of(entry: Told) -> Iterator[tuple[str, Decision]]:
    """Return what an entry says of each content or artist."""
    answered = entry.answered
    return (
        (name, answered.answers.decision(position)) for position, name in enumerate(answered.names)
    )


@dataclass(slots=True)
class Facts:
    """The ledger as it lies in the database, and who its artists are."""

    histories: list[History]
    subjects: dict[str, str]

    @classmethod
    async def read(cls, url: str) -> "Facts":
        """Read all of it, past the code that is tested."""
        async with connected(url) as connection:
            events = await tail(connection, vault(), 0, limit=10_000)
            rows = await connection.fetch("SELECT artist_id, subject FROM artists")
        histories = [History()]
        for last in range(1, len(events) + 1):
            history = History()
            for event in events[:last]:
                history.apply(event.revision, event.recorded_at, fact_of(event))
            histories.append(history)
        subjects = {row["artist_id"]: row["subject"] for row in rows if row["artist_id"]}
        return cls(histories, subjects)

    def questions(self, history: History) -> Iterator[tuple["Held", Query]]:
        """Yield every question about what a history knows, and under which name it is held."""
        columns = {
            (use, recipient)
            for use, versions in history.versions.items()
            for version in versions
            for recipient in version.recipients
        }
        names = {subject: artist for artist, subject in self.subjects.items()}
        for use, to in columns:
            for content in history.content:
                yield Held(use, to, About.CONTENT, content), Query(use, to, content=content)
            for subject in history.artists:
                if subject in names:
                    held = Held(use, to, About.ARTISTS, names[subject])
                    yield held, Query(use, to, artist=subject)

    def intervals(self, revision: int) -> "dict[Held, Interval]":
        """Return when each of all questions is permitted at a revision, from then on for ever."""
        history = self.histories[revision]
        return {
            held: decide(history, query, history.recorded_at).interval
            for held, query in self.questions(history)
        }

    def right(self, revision: int, held: "Held", now: Instant) -> Decision:
        """Return what the rules say of one question."""
        by_content = held.about is About.CONTENT
        query = Query(
            held.use,
            held.recipient,
            content=held.name if by_content else None,
            artist=None if by_content else self.subjects[held.name],
        )
        return decide(self.histories[revision], query, now)


@dataclass(frozen=True, slots=True)
class Held:
    """What a reader holds an answer about."""

    use: str
    recipient: str
    about: About
    name: str


@dataclass(slots=True)
class View:
    """What a reader holds: for each question, when it is permitted."""

    held: dict[Held, Interval] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    anew: list[Anew] = field(default_factory=list)

    def take(self, entries: Iterable[Entry]) -> None:
        """Take in what was told; what has to be asked anew is forgotten."""
        for entry in entries:
            if isinstance(entry, Anew):
                self.anew.append(entry)
                for held in [held for held in self.held if _concerns(entry, held)]:
                    del self.held[held]
            else:
                self.told.append(entry)
                one = entry.answered
                for name, decision in decisions_of(entry):
                    self.held[Held(one.use, one.recipient, one.about, name)] = decision.interval

    def ask_anew(self, facts: Facts, revision: int) -> None:
        """Ask about what was forgotten, as somebody would who reads `ask_anew`."""
        for held, interval in facts.intervals(revision).items():
            if held not in self.held and any(_concerns(anew, held) for anew in self.anew):
                self.held[held] = interval
        self.anew.clear()

    def differs_from(self, right: "dict[Held, Interval]") -> dict[Held, object]:
        """Return what is held otherwise than it should be; what is not held is not permitted."""
        return {
            held: (self.held.get(held, NEVER), interval)
            for held, interval in right.items()
            if self.held.get(held, NEVER) != interval
        }


def _concerns(anew: Anew, held: Held) -> bool:
    return anew.use in {None, held.use} and anew.about in {None, held.about}


def erasing(artist_id: str) -> Write:
    """Return a write that erases an artist as far as answers go; the service has none yet."""

    async def write(transaction: Transaction) -> Json:
        connection = await transaction.session.connection()
        found = await connection.exec_driver_sql(
            "SELECT subject FROM artists WHERE artist_id = $1", (artist_id,)
        )
        subject = found.scalar_one()
        recorded = await transaction.record(NewEvent(Kind.ARTIST_ERASED, {"subject": subject}))
        await connection.exec_driver_sql(
            "UPDATE artists SET artist_id = NULL, erased_at = now() WHERE subject = $1", (subject,)
        )
        return {"revision": recorded.revision}

    return write


async def erase(appender: Appender, artist_id: str) -> None:
    """Erase an artist."""
    await appender.submit(erasing(artist_id))


async def logged(url: str) -> list[asyncpg.Record]:
    """Return the rows of the decision log."""
    async with connected(url) as connection:
        return list(await connection.fetch("SELECT * FROM decisions"))
