"""An assessment tells the whole chain: what applied, what it amounts to, and what lifted what."""

from service.domain.assessment import Column, Reason, Standing
from service.domain.binding import Window
from service.domain.consent import Answer, Scope
from service.domain.decision import Query, column_of
from service.domain.events import (
    ArtistErased,
    ArtistsRegistered,
    ConsentRecorded,
    NoticeDelivered,
)
from service.domain.history import History
from service.domain.policy import Mode
from tests.domain.test_history import history_of, tagging


def column(history: History, content: str | None = None) -> Column:
    """Return ana under `tagging` for `internal`."""
    found = column_of(history, Query("tagging", "internal", content=content), "ana")
    assert isinstance(found, Column)
    return found


def test_every_record_that_applies_is_told_with_what_lifted_it() -> None:
    """In the order of their revisions; one about another content does not apply."""
    history = history_of(
        tagging(),
        ArtistsRegistered(("ana",)),
        ConsentRecorded("ana", Answer.OPT_OUT, Scope("*")),
        ConsentRecorded("ana", Answer.OPT_OUT, Scope("tagging", "song", "internal")),
        ConsentRecorded("ana", Answer.OPT_OUT, Scope("tagging", "demo")),
        ConsentRecorded("ana", Answer.INHERIT, Scope("tagging", recipient="internal")),
        ConsentRecorded("ana", Answer.OPT_IN, Scope("tagging", "song")),
    )
    assessment = column(history, "song").assess(70)
    told = [(a.record.revision, a.standing, a.lifted_by) for a in assessment.applied]
    assert told == [
        (3, Standing.NO, 7),
        (4, Standing.NO, None),
        (6, Standing.TAKEN_BACK, None),
        (7, Standing.VALID_YES, None),
    ]
    assert (assessment.permitted, assessment.reason) == (False, Reason.OPTED_OUT)


def test_a_yes_is_told_with_its_version_and_when_it_lapses() -> None:
    """The version is the latest one published before it; it lapses when other terms govern."""
    history = history_of(
        tagging(),
        ArtistsRegistered(("ana",)),
        ConsentRecorded("ana", Answer.OPT_IN, Scope("tagging")),
        tagging(words="B"),
        NoticeDelivered("tagging", 2, ("ana",)),
    )
    before, after = column(history).assess(99), column(history).assess(100)
    assert [(a.standing, a.version, a.lapses_at) for a in before.applied] == [
        (Standing.VALID_YES, 1, 100)
    ]
    assert [(a.standing, a.version, a.lapses_at) for a in after.applied] == [
        (Standing.LAPSED_YES, 1, 100)
    ]
    assert (before.reason, before.policy_version) == (Reason.OPTED_IN, 1)
    assert (after.reason, after.policy_version) == (Reason.WINDOW_CLOSED, 2)


def test_an_expired_yes_is_told_as_the_no_it_is() -> None:
    """It denies since its expiry, not since it was given."""
    history = history_of(
        tagging(Mode.OPT_IN),
        ArtistsRegistered(("ana",)),
        ConsentRecorded("ana", Answer.OPT_IN, Scope("*"), expires_at=45),
    )
    valid, expired = column(history).assess(44).applied[0], column(history).assess(45).applied[0]
    assert (valid.standing, valid.denies_since) == (Standing.VALID_YES, None)
    assert (expired.standing, expired.denies_since) == (Standing.EXPIRED_YES, 45)


def test_a_yes_given_before_the_use_was_declared_is_told_as_not_covering_it() -> None:
    """It neither permits nor lapses: it was never about this use."""
    history = history_of(
        ArtistsRegistered(("ana",)),
        ConsentRecorded("ana", Answer.OPT_IN, Scope("*")),
        tagging(Mode.OPT_IN),
    )
    assessment = column(history).assess(30)
    assert [(a.standing, a.version) for a in assessment.applied] == [(Standing.NOT_COVERED, None)]
    assert assessment.reason is Reason.RECONSENT_REQUIRED


def test_the_windows_of_every_version_are_told() -> None:
    """From the delivery on, for exactly the notice period; undelivered versions have none."""
    history = history_of(
        ArtistsRegistered(("ana",)),
        tagging(),
        tagging(words="B"),
        tagging(words="C"),
        NoticeDelivered("tagging", 3, ("ana",)),
        NoticeDelivered("tagging", 1, ("ana",)),
    )
    assert column(history).assess(60).windows == (Window(1, 60, 110), Window(3, 50, 100))


def test_the_edges_are_the_instants_at_which_the_answer_may_change_by_itself() -> None:
    """Windows that close to effect and yeses that expire, after the last thing said."""
    history = history_of(
        ArtistsRegistered(("ana",)),
        tagging(Mode.OPT_IN),
        tagging(words="B"),
        NoticeDelivered("tagging", 2, ("ana",)),
        ConsentRecorded("ana", Answer.OPT_IN, Scope("tagging"), expires_at=70),
        ConsentRecorded("ana", Answer.OPT_OUT, Scope("discovery")),
    )
    assert column(history).settled_at == 50
    assert column(history).edges() == [70, 90]


def test_where_there_is_nobody_to_look_at_the_reason_is_told_instead() -> None:
    """Neither a stranger nor an erased artist has a column."""
    history = history_of(tagging(), ArtistsRegistered(("ana",)), ArtistErased("ana"))
    query = Query("tagging", "internal", artist="ana")
    assert column_of(history, query, "ana") is Reason.ARTIST_ERASED
    assert column_of(history, query, "zoe") is Reason.UNKNOWN_ARTIST
