"""A log kept by the rules alone: questions at any revision of a history, answered by `decide`."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from service.decisions.compiled.answers import Answers
from service.decisions.compiled.spelling import Hashing, Spelled
from service.decisions.log.packing import pack
from service.decisions.question import About
from service.domain.decision import Decision, Query, decide
from service.domain.history import History
from service.domain.instant import Instant
from service.replay.copied import copied_rows, rows_in
from service.replay.logged import Logged
from service.replay.recompute import replayed
from service.replay.report import ReplayReport
from service.replay.steps import Erasures, Step
from tests.decisions.compiled.compiling import every_instant, questions
from tests.domain.histories import Event

HASHING: Final = Hashing(b"sixteen bytes of replay")
_EPOCH: Final = 946_684_800_000_000


@dataclass(frozen=True)
class Kept:
    """One logged decision: a column asked about some things at one instant."""

    decision_id: str
    revision: int
    evaluated_at: Instant
    queries: Sequence[Query]
    decisions: Sequence[Decision]
    past: bool = False
    answered_at: Instant | None = None

    def row(self) -> bytes:
        """Return it as COPY sends it (PostgreSQL, "COPY", "Binary Format")."""
        first = self.queries[0]
        about = About.CONTENT if first.artist is None else About.ARTISTS
        ids = [one.content if one.content is not None else one.artist for one in self.queries]
        answered_at = self.evaluated_at if self.answered_at is None else self.answered_at
        least = str(first.min_version)
        texts = [one.encode() for one in (least, first.use, first.recipient, about.value)]
        name, packed = self.decision_id.encode(), self.packed([one or "" for one in ids])
        fields = [
            (len(packed) + len(name) + sum(map(len, texts))).to_bytes(4, "big"),
            self.revision.to_bytes(8, "big", signed=True),
            (answered_at - _EPOCH).to_bytes(8, "big", signed=True),
            (self.evaluated_at - _EPOCH).to_bytes(8, "big", signed=True),
            bytes([self.past]),
            packed,
            name,
            *texts,
        ]
        row = [len(one).to_bytes(4, "big") + one for one in fields]
        return b"".join([len(row).to_bytes(2, "big"), *row])

    def packed(self, ids: Sequence[str]) -> bytes:
        """Return its outcomes as they are packed."""
        return pack(Spelled.of(ids), Answers.of(self.decisions))

    def having(self, position: int, decision: Decision) -> "Kept":
        """Return it with another answer at one position."""
        decisions = list(self.decisions)
        decisions[position] = decision
        return replace(self, decisions=decisions)


def kept_log(
    events: Sequence[Event], rng: random.Random, number: int, *, least: int = 1
) -> list[Kept]:
    """Return so many decisions, made at revisions of a history in order; some are about many."""
    halts = sorted(rng.choices(range(len(events) + 1), k=number))
    history, log = History(), list[Kept]()
    for halt in halts:
        while history.revision < halt:
            at, fact = events[history.revision]
            history.apply(history.revision + 1, at, fact)
        asked = questions(history)
        first = replace(rng.choice(asked), min_version=rng.choice((1, 1, 1, least)))
        column = [
            replace(one, min_version=first.min_version)
            for one in asked
            if (one.use, one.recipient) == (first.use, first.recipient)
            if (one.content is None) is (first.content is None)
        ]
        queries = [first] if rng.random() < 0.6 else rng.choices(column, k=rng.choice((1, 3, 40)))
        now = rng.choice(every_instant(history))
        decisions = [decide(history, one, now) for one in queries]
        log.append(Kept(f"dec_{len(log):032x}", halt, now, queries, decisions))
    return log


def steps(events: Iterable[Event]) -> Iterator[Step]:
    """Return a history as a replay takes it."""
    for revision, (at, fact) in enumerate(events, start=1):
        yield Step(revision, at, fact)


def batches(log: Sequence[Kept], size: int = 7) -> Iterator[Logged]:
    """Return a log as it is read, so many decisions at once."""
    for start in range(0, len(log), size):
        data = b"".join(one.row() for one in log[start : start + size])
        rows, end = rows_in(data)
        assert (len(rows), end) == (len(log[start : start + size]), len(data))
        yield copied_rows(data, rows)


def report_of(
    happened: Iterable[Step],
    log: Sequence[Kept],
    erasures: Erasures | None = None,
    *,
    size: int = 7,
) -> ReplayReport:
    """Replay a log against what happened."""
    report = ReplayReport()
    for judged in replayed(happened, batches(log, size), erasures or {}, HASHING):
        report.add(judged)
    return report


def ordered(log: Iterable[Kept]) -> list[Kept]:
    """Return decisions in order of their revisions."""
    return sorted(log, key=lambda one: one.revision)


def numbers(report: ReplayReport) -> tuple[int, int, int]:
    """Return how many outcomes are equal, different, and cannot be recomputed."""
    return report.equal, report.different, report.gone


def outcomes(log: Iterable[Kept]) -> int:
    """Return how many outcomes a log has."""
    return int(np.sum([len(one.queries) for one in log]))
