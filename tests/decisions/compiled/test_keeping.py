"""What the compiled index keeps and refuses, and what it says beside its answers."""

import random
from dataclasses import replace
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.decisions.compiled.answers import NO_INSTANT
from service.decisions.compiled.index import CompiledIndex
from service.decisions.compiled.spelling import Spelled
from service.decisions.explanation import explain
from service.domain.assessment import Reason
from service.domain.consent import Answer, Scope
from service.domain.decision import Query, decide
from service.domain.events import (
    ArtistErased,
    ArtistsRegistered,
    ConsentRecorded,
    ContentItem,
    ContentPut,
    ContentStatus,
    Fact,
    NoticeDelivered,
    PolicyPublished,
)
from service.domain.policy import Mode
from tests.decisions.compiled.compiling import HASHING, compiled, every_instant, questions
from tests.decisions.compiled.crowds import TEMPERS, Crowd
from tests.domain.histories import Ledger, ledgers, talk

OPT_OUT: Final = PolicyPublished(
    "music", Mode.OPT_OUT, frozenset({"internal"}), 100, frozenset({("en", "A")}), editorial=False
)


def told(*facts: Fact) -> CompiledIndex:
    """Return an index of these events, ten microseconds apart."""
    return compiled((10 * number, fact) for number, fact in enumerate(facts, start=1))


def ask(index: CompiledIndex, query: Query) -> Reason:
    """Return why the index answers as it does at its last event."""
    return index.decide(query, index.recorded_at).reason


# -- explaining ------------------------------------------------------------------------------------


@given(ledgers(talk) | ledgers())
@settings(max_examples=50)
def test_the_index_explains_what_the_whole_history_explains(ledger: Ledger) -> None:
    """Everything that an answer rests on can be had from the index, to the last record."""
    index, history = compiled(ledger.events), ledger.history
    for query in questions(history):
        for now in every_instant(history)[:4]:
            assert explain(index.history, query, now, str) == explain(history, query, now, str)
            assert decide(index.history, query, now) == decide(history, query, now)


@pytest.mark.parametrize("temper", TEMPERS)
def test_a_crowd_is_explained_as_the_rules_explain_each(temper: str) -> None:
    """The index is the history of all of them, but for when content was put."""
    history = (ledger := Crowd(random.Random(temper), temper).live(60)).history
    known = compiled(ledger.events).history
    assert known.artists == history.artists
    assert {name: item for name, (item, _) in known.content.items()} == {
        name: item for name, (item, _) in history.content.items()
    }
    assert (len(known.artists), len(known.content)) == (len(history.artists), len(history.content))
    for query in questions(history):
        now = history.recorded_at
        assert explain(known, query, now, str) == explain(history, query, now, str)


def test_the_history_grows_with_the_index() -> None:
    """Who was looked at stays as they were; whoever looks again sees what has happened since."""
    index = told(OPT_OUT, ContentPut((_song("ben"),)))
    history = index.history
    assert (dict(history.artists), len(history.artists), list(history.content)) == ({}, 0, ["song"])
    assert "ben" not in history.artists
    index.apply(3, 30, ArtistsRegistered(("ana", "ben")))
    ben = history.artists["ben"]
    index.apply(4, 40, ConsentRecorded("ben", Answer.OPT_OUT, Scope("*", "song")))
    index.apply(5, 50, ConsentRecorded("ben", Answer.OPT_OUT, Scope("*", "never put")))
    assert (list(history.artists), len(history.artists)) == (["ben", "ana"], 2)
    assert (ben.records, len(history.artists["ben"].records)) == ({}, 2)
    assert ("never put" in history.content, list(history.content)) == (False, ["song"])
    assert history.content["song"][0] == _song("ben")
    assert (history.revision, history.recorded_at, history.first_artist_at) == (5, 50, 30)
    assert [version.version for version in history.versions["music"]] == [1]
    assert history.artists.get("") is None
    with pytest.raises(KeyError):
        history.content["never put"]


# -- time ------------------------------------------------------------------------------------------


@given(ledgers(talk) | ledgers(), st.integers(1, 3))
@settings(max_examples=50)
def test_what_rests_on_time_is_known(ledger: Ledger, least: int) -> None:
    """Whatever is permitted because a window has closed on anybody, or until a yes expires."""
    index, history = compiled(ledger.events), ledger.history
    for asked in questions(history):
        query = replace(asked, min_version=least)
        for now in every_instant(history)[:6]:
            decision = decide(history, query, now)
            why = explain(history, query, now, str).rightsholders
            silent = any(one.reason is Reason.WINDOW_CLOSED for one in why)
            contents = index.contents.find_all(Spelled.of([query.content or ""]))
            artists = index.subjects.find_all(Spelled.of([query.artist or ""]))
            (rests,) = index.resting_on_time(
                query.use,
                query.recipient,
                contents=None if query.content is None else contents,
                artists=artists if query.content is None else None,
                now=now,
                min_version=least,
            )
            by_time = silent or decision.interval.end is not None
            assert rests == (decision.permitted and by_time), (query, now)


# -- refusing --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fact",
    [
        ConsentRecorded("ben", Answer.OPT_OUT, Scope("*")),
        ArtistErased("ben"),
        NoticeDelivered("music", 1, ("ana", "ben")),
        NoticeDelivered("music", 2, ("ana",)),
        NoticeDelivered("voice", 1, ("ana",)),
    ],
)
def test_an_event_about_what_never_was_is_not_taken(fact: Fact) -> None:
    """Nothing of it is, so that the index still stands at the event before."""
    index = told(OPT_OUT, ArtistsRegistered(("ana",)), ContentPut((_song("ben"),)))
    with pytest.raises(ValueError, match="event 4"):
        index.apply(4, 40, fact)
    assert (index.revision, index.recorded_at) == (3, 30)
    assert ask(index, Query("music", "internal", artist="ana")) is Reason.WINDOW_CLOSED
    assert ask(index, Query("music", "internal", content="song")) is Reason.UNKNOWN_ARTIST
    index.apply(4, 40, None)


@pytest.mark.parametrize(("revision", "at"), [(1, 30), (4, 30), (3, 20)])
def test_a_gap_and_a_clock_that_went_back_are_not_taken(revision: int, at: int) -> None:
    """An index with a hole in it must never answer."""
    index = told(OPT_OUT, ArtistsRegistered(("ana",)))
    with pytest.raises(ValueError, match=f"event {revision}"):
        index.apply(revision, at, ConsentRecorded("ana", Answer.OPT_OUT, Scope("*")))
    assert ask(index, Query("music", "internal", artist="ana")) is Reason.WINDOW_CLOSED


def test_nobody_is_answered_for_before_the_rules_were_asked() -> None:
    """A stale voice that slipped through is an error and never an answer."""
    index = told(OPT_OUT, ArtistsRegistered(("ana",)))
    column = index._column("music", "internal", 1)
    ana = index.subjects.find_all(Spelled.of(["ana"]))
    column.mark(ana)
    with pytest.raises(RuntimeError):
        column.answer(ana, 20)


def test_ordinals_that_were_never_given_are_unknown() -> None:
    """However high: an answer about what is not there is a denial."""
    index = told(OPT_OUT, ArtistsRegistered(("ana",)), ContentPut((_song("ana"),)))
    wild = np.array([0, 2, 77, 2**32 - 1], np.uint32)
    by_artist = index.decide_many("music", "internal", artists=wild, now=30)
    assert {by_artist.decision(n).reason for n in range(4)} == {Reason.UNKNOWN_ARTIST}
    by_content = index.decide_many("music", "internal", contents=wild, now=30)
    assert {by_content.decision(n).reason for n in range(4)} == {Reason.UNKNOWN_CONTENT}
    assert (by_content.start == NO_INSTANT).all()
    nothing = index.decide_many("music", "internal", contents=wild[:0], now=30)
    assert len(nothing) == 0


# -- keeping ---------------------------------------------------------------------------------------


def test_a_column_in_which_nobody_spoke_keeps_nothing_per_artist() -> None:
    """However many there are and however often it is asked."""
    many = tuple(f"artist-{number}" for number in range(20_000))
    index = told(OPT_OUT, ArtistsRegistered(many))
    everybody = np.arange(index.voices.size, dtype=np.uint32)
    assert index.decide_many("music", "internal", artists=everybody, now=20).permitted.sum() == len(
        many
    )
    column = index._column("music", "internal", 1)
    assert column.states is None
    assert column.nbytes < 4_096


def test_made_up_recipients_and_versions_fill_nobodys_memory() -> None:
    """Whoever asks for a million of them gets the same few columns."""
    index = told(OPT_OUT, ArtistsRegistered(("ana",)))
    for number in range(200):
        index.decide(Query("music", f"partner:{number}", artist="ana"), 20)
        index.decide(Query("music", "internal", artist="ana", min_version=number), 20)
        index.decide(Query(f"use{number}", "internal", artist="ana"), 20)
    assert len(index._columns) == 3
    index.apply(3, 30, ConsentRecorded("ana", Answer.OPT_OUT, Scope("*")))
    made_up = Query("music", "partner:0", artist="ana")
    assert ask(index, made_up) is Reason.RECIPIENT_NOT_LISTED
    assert index._column("music", "partner:0", 1).states is None


def test_columns_for_certain_versions_are_kept_only_so_many() -> None:
    """The oldest is worked out again when it is asked for again."""
    index = told(*[OPT_OUT] * 40, ArtistsRegistered(("ana",)))
    for least in range(1, 42):
        index.decide(Query("music", "internal", artist="ana", min_version=least), index.recorded_at)
    assert len(index._columns) == 17


def test_columns_for_certain_versions_that_are_asked_in_turn_are_all_compiled() -> None:
    """More than are kept, a slice of each at a time: nobody's work is thrown away half done."""
    recipients = [f"partner:{number}" for number in range(24)]
    version = replace(OPT_OUT, recipients=frozenset(recipients))
    artists = [f"artist-{number}" for number in range(3)]
    spoke = [ConsentRecorded(one, Answer.OPT_OUT, Scope("*")) for one in artists]
    index = told(version, version, ArtistsRegistered(tuple(artists)), *spoke)
    everybody = index.subjects.find_all(Spelled.of(artists))

    def is_done(recipient: str) -> bool:
        return index.prepare("music", recipient, artists=everybody, min_version=2, most=1)

    left = recipients
    for _ in range(2 * len(artists)):
        left = [recipient for recipient in left if not is_done(recipient)]
    assert not left
    while index.refresh():
        pass
    index.decide(Query("music", recipients[0], artist=artists[0], min_version=3), index.recorded_at)
    assert len(index._columns) == 16


def test_what_an_erased_artist_said_is_gone() -> None:
    """From the records, and from what an explanation could tell."""
    index = told(
        OPT_OUT,
        ArtistsRegistered(("ana",)),
        ContentPut((_song("ana"),)),
        ConsentRecorded("ana", Answer.OPT_OUT, Scope("*")),
        ConsentRecorded("ana", Answer.OPT_IN, Scope("music", "song")),
        NoticeDelivered("music", 1, ("ana",)),
        ArtistErased("ana"),
        NoticeDelivered("music", 1, ("ana",)),
        ConsentRecorded("ana", Answer.OPT_IN, Scope("music")),
    )
    assert index.records.of(index.subjects.find("ana")) == []
    (ana,) = index.history.artists.values()
    assert ana.erased
    assert not ana.records
    assert not ana.delivered
    assert ask(index, Query("music", "internal", content="song")) is Reason.ARTIST_ERASED


def test_an_artist_is_found_by_the_platforms_id() -> None:
    """The ledger knows artists by reference only; whoever asks does not know the reference."""
    index = CompiledIndex(HASHING)
    index.apply(1, 10, OPT_OUT)
    index.apply(2, 20, ArtistsRegistered(("s1", "s2")), {"s1": "Ana", "s2": "Ben"})
    assert index.subjects.name(index.artist("Ben")) == "s2"
    assert index.artist("s2") == 0
    assert [index.artist_id(one) for one in ("s1", "s2", "s3")] == ["Ana", "Ben", None]
    found = index.artists(Spelled.of(["Ana", "Cleo", "Ben"]))
    assert found.tolist() == [index.subjects.find("s1"), 0, index.subjects.find("s2")]


def _song(*rightsholders: str) -> ContentItem:
    return ContentItem("song", rightsholders, ContentStatus.ACTIVE)
