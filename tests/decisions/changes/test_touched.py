"""Whatever an event changes is among what it is said to touch."""

from collections.abc import Iterator

from hypothesis import given

from service.decisions.changes.touched import Touched, touched_by
from service.decisions.question import About
from service.domain.decision import Query, decide
from service.domain.history import History
from service.domain.instant import Instant
from tests.domain.histories import Event, Ledger, fold, ledgers, queries, talk, turning_points


def is_told(touched: Touched, query: Query, history: History) -> bool:
    """Tell whether a reader hears of this question: by an answer, or by being told to ask anew."""
    anew = touched.anew
    if anew is not None and anew.use in {None, query.use}:
        about = About.ARTISTS if query.content is None else About.CONTENT
        if anew.about in {None, about}:
            return True
    if not touched.covers(query.use, query.recipient):
        return False
    if query.content is None:
        return query.artist in touched.artists
    holders = history.content[query.content][0].rightsholders
    return query.content in touched.content or not set(holders).isdisjoint(touched.artists)


def changed(before: History, after: History, instants: list[Instant]) -> Iterator[Query]:
    """Yield every question that is answered differently at any of these instants."""
    for query in queries(after):
        if any(decide(before, query, now) != decide(after, query, now) for now in instants):
            yield query


def assert_nothing_is_missed(events: list[Event]) -> None:
    """After each event, every question with another answer than before is one that is told."""
    before = History()
    for revision in range(1, len(events) + 1):
        after = fold(events[:revision])
        touched = touched_by(revision, events[revision - 1][1])
        instants = turning_points(after)
        for query in changed(before, after, instants):
            assert is_told(touched, query, after), (revision, events[revision - 1], query)
        before = after


@given(ledgers())
def test_what_an_event_changes_it_touches(ledger: Ledger) -> None:
    """Reason, version or interval: at no instant from an event on is another answer missed."""
    assert_nothing_is_missed(ledger.events)


@given(ledgers(talk))
def test_what_is_said_touches_all_that_it_changes(ledger: Ledger) -> None:
    """However much is said, and about whatever."""
    assert_nothing_is_missed(ledger.events)
