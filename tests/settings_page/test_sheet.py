"""A sheet says what `decide` says, and what is planned."""

from hypothesis import assume, given
from hypothesis import strategies as st

from service.domain.assessment import Reason
from service.domain.consent import Answer, Scope
from service.domain.decision import Query, decide
from service.domain.instant import Instant
from service.domain.policy import Mode
from service.settings_page.bare import bare_sheet
from service.settings_page.exceptions import Exceptions
from service.settings_page.pending import waiting
from service.settings_page.view import view_of
from tests.domain.histories import Ledger, columns, ledgers, talk, turning_points

ANA = "ana"


def alive(ledger: Ledger) -> Ledger:
    """Return a ledger in which ana is not erased."""
    assume(not ledger.history.artists[ANA].erased)
    return ledger


def instants(ledger: Ledger, data: st.DataObject) -> Instant:
    """Return one of the instants at which anything could change, or just after the last event."""
    points = turning_points(ledger.history)
    return data.draw(st.sampled_from(points))


@given(ledgers() | ledgers(talk), st.data())
def test_today_is_what_decide_answers(ledger: Ledger, data: st.DataObject) -> None:
    """Permitted, reason, version and interval of every column, at any instant."""
    history = alive(ledger).history
    now = instants(ledger, data)
    sheet = bare_sheet(history, ANA, now)
    shown = {}
    for group in sheet.groups:
        for use in group.uses:
            for today in use.today:
                shown[use.use, today.recipient] = today
                decision = decide(history, Query(use.use, today.recipient, artist=ANA), now)
                assert (today.permitted, today.reason) == (decision.permitted, decision.reason)
                assert (today.version, today.interval) == (
                    decision.policy_version,
                    decision.interval,
                )
    for column in columns():
        decision = decide(history, Query(*column, artist=ANA), now)
        assert not decision.permitted or column in shown


@given(ledgers() | ledgers(talk), st.data())
def test_every_record_that_stands_is_somewhere_on_the_sheet(
    ledger: Ledger, data: st.DataObject
) -> None:
    """Exactly once where its scope has one place; nothing that was said is hidden."""
    history = alive(ledger).history
    sheet = bare_sheet(history, ANA, instants(ledger, data))
    standing = {
        record.revision: record
        for record in history.artists[ANA].records.values()
        if record.answer is not Answer.INHERIT
    }
    shown = [sheet.no_ai, *sheet.elsewhere, *(one.said for one in sheet.partners)]
    shown += [one.said for one in sheet.tracks]
    for group in sheet.groups:
        shown.append(group.said)
        for use in group.uses:
            shown += [use.said, *(today.said for today in use.today)]
    revisions = [said.revision for said in shown if said is not None]
    assert sorted(revisions) == sorted(standing)
    for said in shown:
        if said is not None:
            record = standing[said.revision]
            assert Scope(said.use, said.content, said.recipient) == record.scope
            assert (said.answer, said.expires_at) == (record.answer, record.expires_at)


@given(ledgers(), st.data())
def test_what_is_planned_waits_and_nothing_else_does(ledger: Ledger, data: st.DataObject) -> None:
    """An open window is that of a delivery; at its closing the terms govern that were announced."""
    history = alive(ledger).history
    now = instants(ledger, data)
    view = view_of(history, ANA, now)
    for one in waiting(view):
        version = one.version
        assert version.mode is Mode.OPT_OUT
        assert one.recipients
        assert set(one.recipients) <= version.recipients
        assert one.delivered_at == view.artist.deliveries(version.use).get(version.version)
        if one.closes_at is not None:
            assert one.closes_at > view.now
    planned = {(one.version.use, r) for one in waiting(view) for r in one.recipients}
    for use, recipient in columns():
        decision = decide(history, Query(use, recipient, artist=ANA), view.now)
        if decision.reason is Reason.WINDOW_OPEN:
            assert (use, recipient) in planned


@given(ledgers(), st.data())
def test_silence_turns_to_yes_only_where_it_was_planned(
    ledger: Ledger, data: st.DataObject
) -> None:
    """Whatever becomes permitted by a window closing was on the sheet, with that very instant."""
    history = alive(ledger).history
    now = instants(ledger, data)
    view = view_of(history, ANA, now)
    closing = {
        (one.version.use, recipient, one.closes_at)
        for one in waiting(view)
        for recipient in one.recipients
    }
    for use, recipient in columns():
        decision = decide(history, Query(use, recipient, artist=ANA), view.now)
        since = decision.interval.start
        if decision.permitted or since is None or since <= view.now:
            continue
        then = decide(history, Query(use, recipient, artist=ANA), since)
        if then.reason is Reason.WINDOW_CLOSED:
            assert (use, recipient, since) in closing


@given(ledgers(talk, most=30), st.data())
def test_a_lifted_exception_does_nothing(ledger: Ledger, data: st.DataObject) -> None:
    """Take away what is said to do nothing, and every answer for the track is the same."""
    history = alive(ledger).history
    view = view_of(history, ANA, instants(ledger, data))
    exceptions = Exceptions(view)
    for record in exceptions.records:
        if not exceptions.lifted(record):
            continue
        content = record.scope.content
        without = Ledger(ledger.events).history.artists[ANA]
        del without._of_content[content or ""][record.scope]
        for use, recipient in view.columns():
            with_it = view.column(use, recipient, content).assess(view.now)
            bare = type(view)(without, view.versions, view.now)
            assert bare.column(use, recipient, content).assess(view.now).permitted == (
                with_it.permitted
            )
