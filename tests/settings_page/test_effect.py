"""What a statement would change is exactly what it then changes, for every history."""

import copy
from typing import TypeAlias

from hypothesis import assume, given
from hypothesis import strategies as st

from service.consents.admission import Statement
from service.domain.assessment import Column, Reason
from service.domain.consent import Answer, Scope
from service.domain.decision import Query, decide
from service.domain.events import ConsentRecorded
from service.domain.history import History
from service.domain.instant import Instant
from service.domain.policy import Mode
from service.settings_page.effect import MOST_TRACKS, effect_of
from service.settings_page.pending import waiting
from service.settings_page.sheet import Effect
from service.settings_page.view import view_of
from tests.domain.histories import (
    DUET,
    MUSIC,
    SONG,
    TICK,
    Ledger,
    Publish,
    Register,
    Say,
    anything,
    columns,
    ledgers,
    refusing,
    saying,
    talk,
)

ANA = "ana"
_Answers: TypeAlias = dict[tuple[str, str], bool]
statements = saying | refusing


def said(ledger: Ledger, wish: Say) -> tuple[Effect, History, History, Instant]:
    """Return what is foretold of ana's statement, and the histories without and with it."""
    before = ledger.history
    assume(not before.artists[ANA].erased)
    at = before.recorded_at + wish.after * TICK
    lasts = wish.lasts if wish.answer is Answer.OPT_IN else None
    expires_at = None if lasts is None else at + lasts * TICK
    statement = Statement(wish.answer, wish.scope, "settings_page", expires_at)
    foretold = effect_of(before, ANA, statement, at)
    after = Ledger(ledger.events)
    after.append(at, ConsentRecorded(ANA, wish.answer, wish.scope, expires_at))
    return foretold, before, after.history, at


def answers(history: History, now: Instant, content: str | None = None) -> _Answers:
    """Return ana's answer for every column there is, for one track or for all."""
    return {
        (use, to): Column(history.artists[ANA], history.versions[use], to, content)
        .assess(now)
        .permitted
        for use, to in columns()
        if use in history.versions
    }


def differences(before: _Answers, after: _Answers) -> dict[tuple[str, str], tuple[bool, bool]]:
    """Return the columns whose answers differ."""
    return {
        column: (before[column], after[column])
        for column in before
        if before[column] != after[column]
    }


@given(ledgers() | ledgers(talk), statements)
def test_the_flips_are_what_decide_says_before_and_after(ledger: Ledger, wish: Say) -> None:
    """For all tracks, column by column; a statement about one track flips nothing for all."""
    foretold, before, after, at = said(ledger, wish)
    expected = {}
    for use, recipient in columns():
        query = Query(use, recipient, artist=ANA)
        was, will = decide(before, query, at), decide(after, query, at)
        if was.permitted != will.permitted:
            expected[use, recipient] = (was.reason, will.reason)
    found = {(f.use, f.recipient): (f.reason_before, f.reason_after) for f in foretold.flips}
    assert found == expected


@given(ledgers(talk) | ledgers(talk, most=40), statements)
def test_the_tracks_are_those_with_a_record_of_their_own(ledger: Ledger, wish: Say) -> None:
    """Nothing that ana said of one track changes without being named, nor the other way round."""
    foretold, before, after, at = said(ledger, wish)
    found = {
        (f.content, f.use, f.recipient): (f.permitted_before, f.permitted_after)
        for f in foretold.tracks
    }
    expected = {}
    for content in {SONG, DUET, wish.scope.content} - {None}:
        own = [
            record.scope
            for record in before.artists[ANA].records.values()
            if record.scope.content == content and record.answer is not Answer.INHERIT
        ]
        changed = differences(answers(before, at, content), answers(after, at, content))
        for (use, recipient), was in changed.items():
            covered = any(scope.covers(use, content, recipient) for scope in own)
            if covered or wish.scope.content == content:
                expected[content, use, recipient] = was
    assert found == expected
    assert foretold.tracks_stopped == len({c for (c, _, _), was in expected.items() if was[0]})
    assert foretold.tracks_restored == len({c for (c, _, _), was in expected.items() if was[1]})


@given(ledgers(talk), statements)
def test_trying_out_leaves_the_artist_as_they_are(ledger: Ledger, wish: Say) -> None:
    """It is a copy to which the statement is applied, down to the records of one track."""
    artist = ledger.history.artists[ANA]
    before = copy.deepcopy(artist)
    said(ledger, wish)
    assert artist == before


@given(ledgers() | ledgers(talk), refusing)
def test_what_a_no_does_not_reach_is_open(ledger: Ledger, wish: Say) -> None:
    """After it nothing under its scope is permitted for all tracks but what is named."""
    wish = Say(wish.after, ANA, Answer.OPT_OUT, Scope(wish.scope.use, None, wish.scope.recipient))
    foretold, _, after, at = said(ledger, wish)
    left = {
        use
        for use, recipient in columns()
        if use in after.versions
        and wish.scope.covers(use, None, recipient)
        and decide(after, Query(use, recipient, artist=ANA), at).permitted
    }
    assert left <= set(foretold.not_reached)
    for use in foretold.not_reached:
        reasons = {decide(after, Query(use, to, artist=ANA), at).reason for to in _recipients()}
        assert Reason.OPEN in reasons


def _recipients() -> set[str]:
    return {recipient for _, recipient in columns()}


@given(ledgers(), refusing)
def test_what_a_no_stops_of_what_is_planned_never_binds_by_silence(
    ledger: Ledger, wish: Say
) -> None:
    """However the notice arrives afterwards, its recipients are denied when the window closes."""
    wish = Say(wish.after, ANA, Answer.OPT_OUT, Scope(wish.scope.use, None, wish.scope.recipient))
    foretold, before, after, at = said(ledger, wish)
    planned = {one.notice: one for one in waiting(view_of(before, ANA, at))}
    assert set(foretold.pending_stopped) <= set(planned)
    for notice in foretold.pending_stopped:
        one = planned[notice]
        told = view_of(after, ANA, at).told(one.version.use, one.version.version, at)
        closes_at = (one.delivered_at or at) + one.version.notice_period
        for recipient in one.recipients:
            assert not told.column(one.version.use, recipient).assess(closes_at).permitted


@given(ledgers(talk, most=30), st.lists(talk | anything, max_size=6))
def test_tracks_of_one_kind_are_answered_alike(ledger: Ledger, more: list[Say]) -> None:
    """Judging one of a kind is judging each: the list of exceptions may be long."""
    history = ledger.grant(more).history
    assume(not history.artists[ANA].erased)
    view = view_of(history, ANA, history.recorded_at)
    kinds: dict[object, _Answers] = {}
    for content in view.tracks:
        kind = view.kind(content)
        if kind is not None:
            here = answers(history, view.now, content)
            assert kinds.setdefault(kind, here) == here


def test_the_list_of_tracks_is_bounded_and_the_count_is_not() -> None:
    """A no that stops thousands of tracks names the first two hundred and counts them all."""
    ledger = Ledger().grant(
        [Publish(1, MUSIC, Mode.OPT_OUT, frozenset({"internal"}), 0, "A"), Register(1, ANA)]
    )
    many = 10_000
    ledger.grant(
        Say(1, ANA, Answer.OPT_IN, Scope(MUSIC, content=f"track-{n}")) for n in range(many)
    )
    no = Statement(Answer.OPT_OUT, Scope("*"), "settings_page")
    effect = effect_of(ledger.history, ANA, no, ledger.history.recorded_at)
    assert (effect.tracks_stopped, effect.tracks_restored) == (many, 0)
    assert [flip.content for flip in effect.tracks[:2]] == ["track-9999", "track-9998"]
    assert len(effect.tracks) == MOST_TRACKS
