"""However a question is cut up, and whatever happens meanwhile, its answers are of one revision."""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from service.decisions import judging
from service.decisions.compiled.spelling import Spelled
from service.decisions.index import Index
from service.decisions.judging import Asked, Judge, Judgement
from service.decisions.question import About
from service.decisions.stillness import Stillness
from service.domain.assessment import Reason
from service.domain.decision import Decision, Query, decide
from service.domain.history import History
from service.domain.instant import Instant
from service.domain.refusal import Refused
from tests.decisions.compiled.compiling import HASHING, STRANGER
from tests.decisions.compiled.crowds import CROWD, TEMPERS, WORKS, Crowd
from tests.domain.histories import MUSIC, RECIPIENTS, VOICE, Event, Ledger, fold

MANY = 50
"""Ids of one question: several slices, where a slice is made small."""


@pytest.fixture(params=["few", "one step", "slices"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Each way through: one by one, all in one step, and slice by slice."""
    if request.param != "few":
        monkeypatch.setattr(judging, "FEW", 0)
    if request.param == "slices":
        monkeypatch.setattr(judging, "_AT_ONCE", 4)
        monkeypatch.setattr(judging, "_SLICE", 3)
    return iter([request.param])


class Replica:
    """An index that is fed while it is asked."""

    def __init__(self, events: list[Event], *, known: int) -> None:
        """Know the first events; the others are to come."""
        self.stillness = Stillness()
        self.index = Index(HASHING)
        self.judge = Judge(self.index, self.stillness)
        self.events = events
        while self.index.revision < known:
            self._take()

    def _take(self) -> None:
        at, fact = self.events[self.index.revision]
        self.index.apply(self.index.revision + 1, at, fact, self._named(fact))

    @staticmethod
    def _named(fact: object) -> dict[str, str]:
        return {
            artist: artist
            for artist in getattr(fact, "artists", ())
            if "Registered" in type(fact).__name__
        }

    async def follow(self, rng: random.Random) -> None:
        """Take in what is left, an event now and then, as the follower does."""
        while self.index.revision < len(self.events):
            for _ in range(rng.randrange(60)):
                await asyncio.sleep(0)
            await self.stillness.leave_to_move()
            self._take()

    def then(self, revision: int) -> History:
        """Return what the rules see at a revision."""
        return fold(self.events[:revision])


def asked_about(asked: Asked, one: str, history: History) -> Query:
    """Return the question as the rules take it; an artist's reference is the id here."""
    known = one in history.artists
    return Query(
        asked.use,
        asked.recipient,
        content=one if asked.about is About.CONTENT else None,
        artist=None if asked.about is About.CONTENT else one if known else "",
        min_version=asked.min_version,
    )


def given(judged: Judgement) -> list[Decision]:
    """Return the answers one by one."""
    return [judged.answers.decision(number) for number in range(len(judged.answers))]


def nameless(decisions: list[Decision]) -> list[Decision]:
    """Take an erased artist for an unknown one: their name leads nowhere from then on."""
    erased = Reason.ARTIST_ERASED
    return [
        replace(one, reason=Reason.UNKNOWN_ARTIST) if one.reason is erased else one
        for one in decisions
    ]


def some_question(rng: random.Random, ledger: Ledger) -> tuple[Asked, list[str]]:
    """Return a column, and ids of which some are unknown or come twice."""
    uses = [*ledger.history.versions, STRANGER]
    about = rng.choice(list(About))
    asked = Asked(rng.choice(uses), rng.choice(RECIPIENTS), about, rng.choice((1, 1, 2)))
    ids = WORKS if about is About.CONTENT else CROWD
    number = 3 if judging.FEW else MANY
    return asked, rng.choices([*ids, STRANGER], k=number)


@pytest.mark.parametrize("temper", TEMPERS)
@pytest.mark.usefixtures("way")
async def test_all_answers_are_those_of_one_revision(temper: str) -> None:
    """Events come in between, and every answer is what the rules give at the revision it names."""
    seed = random.getrandbits(32)
    rng = random.Random(seed)
    for _ in range(4):
        ledger = Crowd(rng, temper).live(40)
        replica = Replica(ledger.events, known=rng.randrange(1, len(ledger.events)))
        following = asyncio.create_task(replica.follow(rng))
        while not following.done():
            asked, ids = some_question(rng, ledger)
            now: Instant = replica.index.recorded_at + rng.choice((0, 1, 10**7))
            judged = await replica.judge.judge(asked, Spelled.of(ids), now)
            assert judged is not None
            assert judged.instant >= now
            history = replica.then(judged.revision)
            queries = [asked_about(asked, one, history) for one in ids]
            expected = [decide(history, query, judged.instant) for query in queries]
            assert nameless(given(judged)) == nameless(expected), seed
            await asyncio.sleep(0)
        await following


@pytest.mark.usefixtures("way")
async def test_who_holds_the_index_is_answered_at_what_it_holds() -> None:
    """A question among several that belong together waits for nobody and lets nobody in."""
    ledger = Crowd(random.Random(5), "everything").live(40)
    replica = Replica(ledger.events, known=len(ledger.events) // 2)
    asked = Asked(MUSIC, "internal", About.CONTENT)
    ids = Spelled.of([*WORKS] * (1 if judging.FEW else 9))
    async with replica.stillness.held():
        following = asyncio.create_task(replica.follow(random.Random(5)))
        before = replica.index.revision
        for _ in range(3):
            judged = await replica.judge.judge_still(asked, ids, 0)
            again = await replica.judge.judge(asked, ids, 0, still=True)
            assert again is not None
            assert judged.revision == again.revision == before
            assert given(judged) == given(again)
    await following


@pytest.mark.usefixtures("way")
async def test_an_instant_that_the_ledger_has_passed_is_not_answered_here() -> None:
    """The present knows nothing of it; one that is still to come is judged at that very instant."""
    ledger = Crowd(random.Random(6), "windows").live(20)
    replica = Replica(ledger.events, known=len(ledger.events))
    asked = Asked(MUSIC, "internal", About.CONTENT)
    ids = Spelled.of([*WORKS] * (1 if judging.FEW else 9))
    last = replica.index.recorded_at
    assert await replica.judge.judge(asked, ids, last, at=last - 1) is None
    for at in (last, last + 10**12):
        judged = await replica.judge.judge(asked, ids, last, at=at)
        assert judged is not None
        assert judged.instant == at


@pytest.mark.usefixtures("way")
async def test_whether_anything_rests_on_time_is_told_where_it_is_doubted() -> None:
    """By the same way of cutting it up; nobody who did not ask is told anything."""
    rng, told = random.Random(8), set[bool | None]()
    for _ in range(12):
        ledger = Crowd(rng, "windows").live(30)
        replica = Replica(ledger.events, known=len(ledger.events))
        for use in (MUSIC, VOICE):
            asked = Asked(use, "internal", About.ARTISTS)
            ids = Spelled.of(CROWD)
            now = replica.index.recorded_at + 10**13
            judged = await replica.judge.judge(asked, ids, now, doubt_time=True)
            assert judged is not None
            told.add(judged.by_time)
            by_silence = {one.reason for one in given(judged)} & {Reason.WINDOW_CLOSED}
            assert judged.by_time or not by_silence
            trusting = await replica.judge.judge(asked, ids, now)
            assert trusting is not None
            assert trusting.by_time is None
    assert told == {True, False}


async def test_more_rightsholders_than_one_question_may_have_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before they are judged; and the index is let go of."""
    monkeypatch.setattr(judging, "_AT_ONCE", 4)
    monkeypatch.setattr(judging, "_SLICE", 3)
    monkeypatch.setattr(judging, "MOST_RIGHTSHOLDERS", 5)
    ledger = Crowd(random.Random(7), "works").live(60)
    replica = Replica(ledger.events, known=len(ledger.events))
    asked = Asked(MUSIC, "internal", About.CONTENT)
    with pytest.raises(Refused, match="send it in parts"):
        await replica.judge.judge(asked, Spelled.of([*WORKS] * 9), 0)
    async with asyncio.timeout(5):
        await replica.stillness.leave_to_move()
