"""A history takes the ledger's events in order, and keeps what bears on answers to come."""

import pytest

from service.domain.consent import Answer, Scope
from service.domain.events import (
    ArtistErased,
    ArtistsRegistered,
    ConsentRecorded,
    Fact,
    NoticeDelivered,
    PolicyPublished,
)
from service.domain.history import History
from service.domain.policy import Mode


def tagging(mode: Mode = Mode.OPT_OUT, words: str = "A") -> PolicyPublished:
    """Return a version of `tagging`."""
    return PolicyPublished(
        "tagging", mode, frozenset({"internal"}), 50, frozenset({("en", words)}), editorial=False
    )


def history_of(*facts: Fact | None) -> History:
    """Return the history of these facts, ten microseconds apart, the first at 10."""
    history = History()
    for revision, fact in enumerate(facts, start=1):
        history.apply(revision, revision * 10, fact)
    return history


@pytest.mark.parametrize("revision", [1, 2, 4, 0, -1])
def test_a_gap_or_a_repetition_is_refused(revision: int) -> None:
    """A history with a hole in it must never answer, so it goes no further."""
    history = history_of(None, None)
    with pytest.raises(ValueError, match="cannot follow event 2"):
        history.apply(revision, 99, None)
    assert (history.revision, history.recorded_at) == ((2, 20) if revision != 3 else (3, 99))


@pytest.mark.parametrize("recorded_at", [20, 19, 0])
def test_a_clock_that_stands_still_or_goes_back_is_refused(recorded_at: int) -> None:
    """The ledger's instants increase strictly (section 4)."""
    history = history_of(None, None)
    with pytest.raises(ValueError, match="not later than event 2"):
        history.apply(3, recorded_at, None)
    assert (history.revision, history.recorded_at) == (2, 20)


def test_a_fact_that_no_rule_knows_is_refused() -> None:
    """Better no answer than one that leaves something out."""
    with pytest.raises(TypeError, match="no rule knows what str means"):
        History().apply(1, 10, "rain")  # type: ignore[arg-type]


def test_an_event_that_changes_no_answer_still_counts() -> None:
    """The revision is the number of events, of whatever kind."""
    history = history_of(None, ArtistsRegistered(("ana",)), None)
    assert (history.revision, history.recorded_at) == (3, 30)


def test_launch_ends_with_the_first_artist() -> None:
    """A registration of nobody is no registration."""
    history = history_of(
        ArtistsRegistered(()), tagging(), ArtistsRegistered(("ana",)), tagging(words="B")
    )
    assert [version.launch for version in history.versions["tagging"]] == [True, False]
    assert history.first_artist_at == 30


def test_registering_again_changes_nothing() -> None:
    """What an artist has said is not lost, and the launch terms do not start anew."""
    history = history_of(
        ArtistsRegistered(("ana",)),
        ConsentRecorded("ana", Answer.OPT_OUT, Scope("*")),
        ArtistsRegistered(("ana", "ben")),
    )
    assert history.artists["ana"].registered_at == 10
    assert Scope("*") in history.artists["ana"].records
    assert history.artists["ben"].registered_at == 30


def test_of_several_deliveries_the_first_counts() -> None:
    """The window starts with the first confirmed delivery of that version to that artist (R6)."""
    history = history_of(
        ArtistsRegistered(("ana", "ben")),
        tagging(),
        NoticeDelivered("tagging", 1, ("ana",)),
        tagging(words="B"),
        NoticeDelivered("tagging", 1, ("ana", "ben")),
        NoticeDelivered("tagging", 2, ("ana",)),
    )
    assert dict(history.artists["ana"].deliveries("tagging")) == {1: 30, 2: 60}
    assert dict(history.artists["ben"].deliveries("tagging")) == {1: 50}
    assert dict(history.artists["ana"].deliveries("discovery")) == {}


def test_erasing_forgets_what_was_said() -> None:
    """Only that there was somebody, and since when, is left."""
    history = history_of(
        ArtistsRegistered(("ana",)),
        tagging(),
        ConsentRecorded("ana", Answer.OPT_OUT, Scope("tagging")),
        NoticeDelivered("tagging", 1, ("ana",)),
        ArtistErased("ana"),
    )
    ana = history.artists["ana"]
    assert (ana.erased, ana.registered_at) == (True, 10)
    assert not ana.records
    assert not ana.delivered


def test_a_record_about_one_content_is_noticed() -> None:
    """An artist with such a record is a sparse exception to whoever keeps answers by column."""
    history = history_of(
        ArtistsRegistered(("ana", "ben")),
        ConsentRecorded("ana", Answer.OPT_OUT, Scope("*", content="song")),
        ConsentRecorded("ben", Answer.OPT_OUT, Scope("*", recipient="internal")),
    )
    assert history.artists["ana"].speaks_of("song")
    assert not history.artists["ben"].speaks_of("song")


@pytest.mark.parametrize(
    ("words", "terms"),
    [
        (["A", "B", "C"], [1, 2, 3]),
        (["A", "A", "A"], [1, 1, 1]),
        (["A", "B", "A", "B"], [1, 2, 1, 2]),
        (["A", "*A'", "A", "A'"], [1, 1, 1, 1]),
        (["A", "B", "*B'", "A", "B'"], [1, 2, 2, 1, 2]),
        (["A", "*A'", "*A''", "B", "A''"], [1, 1, 1, 4, 1]),
    ],
)
def test_same_words_and_editorial_versions_carry_the_same_terms(
    words: list[str], terms: list[int]
) -> None:
    """Terms are named after the first version to carry them; `*` marks an editorial one (R7)."""
    history = History()
    for revision, text in enumerate(words, start=1):
        version = PolicyPublished(
            "tagging",
            Mode.OPT_OUT,
            frozenset({"internal"}),
            50,
            frozenset({("en", text.removeprefix("*"))}),
            editorial=text.startswith("*"),
        )
        history.apply(revision, revision * 10, version)
    assert [version.terms for version in history.versions["tagging"]] == terms
