"""A replay finds nothing where the log says what the rules say, and whatever else it says."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.assessment import PERMITS, Reason
from service.domain.consent import Answer, Scope
from service.domain.decision import Decision, Query, decide
from service.domain.events import ArtistErased, ConsentRecorded, ContentStatus, Fact
from service.domain.interval import NEVER, Interval
from service.domain.policy import Mode
from service.ledger.events import LedgerBroken
from service.replay.steps import Erasure, Step
from tests.decisions.compiled.crowds import TEMPERS, Crowd
from tests.domain.histories import (
    MUSIC,
    SONG,
    TICK,
    Erase,
    Ledger,
    Publish,
    Put,
    Register,
    Say,
    fold,
    ledgers,
    talk,
)
from tests.replay.keeping import Kept, kept_log, numbers, ordered, outcomes, report_of, steps

seeds: Final = st.integers(0, 2**32)


@given(ledgers(talk) | ledgers(), seeds, st.sampled_from((1, 7, 1_000)))
@settings(max_examples=40)
def test_what_the_rules_answered_is_replayed_without_a_difference(
    ledger: Ledger, seed: int, size: int
) -> None:
    """At every revision, for every question, however the log is cut up."""
    log = kept_log(ledger.events, random.Random(seed), 30, least=2)
    report = report_of(steps(ledger.events), log, size=size)
    assert report.differences == []
    assert numbers(report) == (outcomes(log), 0, 0)
    assert report.decisions == len(log)


@given(seeds, st.sampled_from(tuple(TEMPERS)))
@settings(max_examples=15)
def test_crowds_are_replayed_without_a_difference(seed: int, temper: str) -> None:
    """Where many have said and been told much the same, and are asked about together."""
    rng = random.Random(seed)
    ledger = Crowd(rng, temper).live(60)
    log = kept_log(ledger.events, rng, 40, least=3)
    assert numbers(report_of(steps(ledger.events), log, size=13)) == (outcomes(log), 0, 0)


def altered(decision: Decision, field: str, rng: random.Random) -> Decision:
    """Return an answer with one field that says something else."""
    interval, instant = decision.interval, rng.randrange(1, 10_000) * TICK + 3
    match field:
        case "permitted":
            return replace(decision, permitted=not decision.permitted)
        case "reason":
            others = [
                one
                for one in Reason
                if one is not decision.reason
                if (one in PERMITS) is decision.permitted
            ]
            return replace(decision, reason=rng.choice(others))
        case "policy_version":
            return replace(decision, policy_version=(decision.policy_version or 0) + 1)
        case "permitted_from":
            return replace(decision, interval=Interval(instant, interval.end))
        case _:
            return replace(decision, interval=Interval(interval.start, instant))


FIELDS: Final = ("permitted", "reason", "policy_version", "permitted_from", "valid_until")


@given(ledgers(talk), seeds, st.sampled_from(FIELDS))
@settings(max_examples=60)
def test_an_answer_that_was_altered_is_named(ledger: Ledger, seed: int, field: str) -> None:
    """Whichever field it is: by decision, position, what was logged, and what would be right."""
    rng = random.Random(seed)
    log = kept_log(ledger.events, rng, 12)
    place = rng.randrange(len(log))
    kept = log[place]
    right = rng.choice(kept.decisions)
    wrong = altered(right, field, rng)
    places = [n for n, one in enumerate(kept.decisions) if one == right]
    # The log tells what is the same once.
    log[place] = replace(kept, decisions=[wrong if one == right else one for one in kept.decisions])
    found = report_of(steps(ledger.events), log).differences
    assert [one.outcome and one.outcome.position for one in found] == places
    assert {one.decision_id for one in found} == {kept.decision_id}
    assert {one.revision for one in found} == {kept.revision}
    assert {(one.logged, one.replayed, one.fields) for one in found} == {(wrong, right, (field,))}


def town() -> Ledger:
    """Return two artists, a song of one's, and terms that ask first."""
    ledger = Ledger().grant([Register(1, "ana"), Register(1, "ben")])
    ledger.grant([Put(1, SONG, ("ana",), ContentStatus.ACTIVE)])
    ledger.grant([Publish(1, MUSIC, Mode.OPT_IN, frozenset({"internal"}), 0, "A")])
    return ledger.grant([Say(1, "ana", Answer.OPT_IN, Scope(MUSIC))])


def asked(ledger: Ledger, query: Query, revision: int | None = None, late: int = 1) -> Kept:
    """Return a decision at a revision, the last one unless said."""
    history = fold(ledger.events[:revision])
    now = history.recorded_at + late
    revision = history.revision
    return Kept(f"dec_{revision:032x}", revision, now, [query], [decide(history, query, now)])


PERMIT: Final = Decision(
    permitted=True, reason=Reason.OPTED_IN, policy_version=1, interval=Interval(TICK)
)
ERASED: Final = Decision(
    permitted=False, reason=Reason.ARTIST_ERASED, policy_version=None, interval=NEVER
)
ABOUT_SONG: Final = Query(MUSIC, "internal", content=SONG)


def test_a_question_that_was_altered_leads_elsewhere() -> None:
    """Another content, use, recipient, artist, least version, revision: another answer."""
    ledger = town()
    right = asked(ledger, ABOUT_SONG)
    assert right.decisions[0].permitted
    for change in (
        {"content": "other"},
        {"use": "train.voice"},
        {"recipient": "partner:tuney"},
        {"content": None, "artist": "ben"},
        {"min_version": 9},
    ):
        wrong = replace(right, queries=[replace(ABOUT_SONG, **change)])
        (found,) = report_of(steps(ledger.events), [wrong]).differences
        assert "permitted" in found.fields
    (found,) = report_of(steps(ledger.events), [replace(right, revision=5)]).differences
    assert found.replayed is not None
    assert found.replayed.reason is Reason.NO_OPT_IN


def test_a_revision_or_an_instant_that_cannot_be_is_named() -> None:
    """A revision that the ledger has not got to; an instant before what the revision holds."""
    ledger = town()
    right = asked(ledger, ABOUT_SONG)
    for revision in (-(2**63), -1, len(ledger.events) + 1, 2**63 - 1):
        nowhere = replace(right, revision=revision)
        report = report_of(steps(ledger.events), ordered([right, nowhere]))
        (found,) = report.differences
        assert "does not go as far" in found.why
        assert (found.revision, found.replayed) == (revision, None)
    early = replace(right, evaluated_at=fold(ledger.events).recorded_at - 1)
    (found,) = report_of(steps(ledger.events), [early]).differences
    assert "evaluated before" in found.why


def test_bytes_that_are_no_outcomes_are_a_difference() -> None:
    """They are named and counted, and the others are judged."""
    ledger = town()
    right = asked(ledger, ABOUT_SONG)

    class Torn(Kept):
        def packed(self, ids: Sequence[str]) -> bytes:
            return b"\x9b\x01 torn"

    torn = Torn("dec_torn", right.revision, right.evaluated_at, right.queries, right.decisions)
    report = report_of(steps(ledger.events), [right, torn])
    (found,) = report.differences
    assert found.decision_id == "dec_torn"
    assert (report.decisions, report.outcomes, report.different) == (2, 1, 1)


def test_decisions_out_of_order_are_refused() -> None:
    """An index does not go back; whoever reads the log sorts it."""
    ledger = town()
    log = [asked(ledger, ABOUT_SONG), asked(ledger, ABOUT_SONG, 3)]
    with pytest.raises(ValueError, match="come after those"):
        report_of(steps(ledger.events), log, size=1)


def test_events_that_contradict_each_other_are_no_ledger() -> None:
    """Nothing is recomputed from them."""
    gap = [Step(2, TICK, None)]
    with pytest.raises(LedgerBroken):
        report_of(gap, [replace(asked(town(), ABOUT_SONG), revision=2)])


# -- what erasure has destroyed --------------------------------------------------------------------


def destroyed(ledger: Ledger, artist: str) -> tuple[list[Step], dict[str, Erasure]]:
    """Return a history as it is read once an artist is erased: what they said is gone."""
    read, erasures = list[Step](), dict[str, Erasure]()
    for step in steps(ledger.events):
        fact: Fact | None = step.fact
        if isinstance(fact, ConsentRecorded) and fact.artist == artist:
            read.append(
                Step(step.revision, step.recorded_at, ArtistErased(artist), words_gone=True)
            )
        else:
            read.append(step)
        if isinstance(fact, ArtistErased) and fact.artist == artist:
            erasures[artist] = Erasure(step.revision, step.recorded_at)
    return read, erasures


def gone_log(ledger: Ledger) -> Sequence[Kept]:
    """Return questions about what ana said, before and after she was erased."""
    everything = (
        ABOUT_SONG,
        Query(MUSIC, "internal", content="duet"),
        Query(MUSIC, "internal", content="removed"),
        Query(MUSIC, "internal", artist="ana"),
        Query(MUSIC, "internal", artist="ben"),
        Query(MUSIC, "internal", content="nowhere"),
    )
    length = len(ledger.events)
    return ordered(
        replace(one, decision_id=f"dec_{number:032x}")
        for number, one in enumerate(
            asked(ledger, query, revision)
            for query in everything
            for revision in (3, length - 1, length)
        )
    )


def erased_town() -> Ledger:
    """Return a town from which ana goes, having said yes; ben is asked before her."""
    return town().grant(
        [
            Put(1, "duet", ("ben", "ana"), ContentStatus.ACTIVE),
            Put(1, "removed", ("ana",), ContentStatus.REMOVED),
            Erase(1, "ana"),
        ]
    )


def test_what_rests_on_destroyed_words_is_neither_equal_nor_different() -> None:
    """Only between what was said and the erasure, and only where she is asked at all."""
    ledger = erased_town()
    read, erasures = destroyed(ledger, "ana")
    log = gone_log(ledger)
    report = report_of(read, log, erasures)
    assert {(one.one, one.revision) for one in report.gone_ones} == {
        (SONG, len(ledger.events) - 1),
        ("duet", len(ledger.events) - 1),
        ("ana", len(ledger.events) - 1),
    }
    assert numbers(report) == (len(log) - 3, 0, 3)


def test_many_at_once_are_told_apart_likewise() -> None:
    """In a decision about many the others are still recomputed."""
    ledger = erased_town()
    read, erasures = destroyed(ledger, "ana")
    revision = len(ledger.events) - 1
    history = fold(ledger.events[:revision])
    queries = [ABOUT_SONG, replace(ABOUT_SONG, content="removed")] * 20
    now = history.recorded_at
    answers = [decide(history, one, now) for one in queries]
    log = [Kept("dec_many", revision, now, queries, answers)]
    assert numbers(report_of(read, log, erasures)) == (20, 0, 20)


def test_an_altered_answer_after_the_erasure_is_different() -> None:
    """From then on the answer rests on the erasure, which is in the ledger for ever."""
    ledger = erased_town()
    read, erasures = destroyed(ledger, "ana")
    right = asked(ledger, ABOUT_SONG)
    assert right.decisions[0].reason is Reason.ARTIST_ERASED
    wrong = right.having(0, PERMIT)
    assert numbers(report_of(read, [wrong], erasures)) == (0, 1, 0)


@pytest.mark.parametrize("said_something", [True, False])
def test_the_past_is_answered_as_those_answer_who_know_of_the_erasure(
    *, said_something: bool
) -> None:
    """A question about an instant before it, asked after it, was answered `artist_erased`."""
    ledger = erased_town()
    read, erasures = destroyed(ledger, "ana")
    revision = len(ledger.events) - 1 if said_something else 5
    right = asked(ledger, ABOUT_SONG, revision, late=0)
    after = replace(right, past=True, answered_at=erasures["ana"].recorded_at + TICK)
    assert numbers(report_of(read, [after.having(0, ERASED)], erasures)) == (1, 0, 0)
    assert numbers(report_of(read, [after.having(0, PERMIT)], erasures)) == (0, 1, 0)
    before = replace(after, answered_at=erasures["ana"].recorded_at - 1)
    expected = (0, 0, 1) if said_something else (0, 1, 0)
    assert numbers(report_of(read, [before.having(0, ERASED)], erasures)) == expected
