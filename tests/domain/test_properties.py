"""What holds for every history: the promises behind the rules, each tried on many.

Histories are drawn by `tests.domain.histories`; every promise is asked of every question there is,
at every instant at which anything could change and a microsecond to either side of it.
"""

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

from hypothesis import assume, given
from hypothesis import strategies as st

from service.domain.assessment import Column, Reason
from service.domain.binding import binding_instants
from service.domain.consent import Answer, Scope
from service.domain.decision import Query, column_of, decide
from service.domain.events import (
    ArtistErased,
    ArtistsRegistered,
    CharterSet,
    ConsentRecorded,
    ContentItem,
    ContentPut,
    ContentStatus,
    NoticeDelivered,
    PolicyPublished,
)
from service.domain.history import History
from service.domain.instant import Instant
from service.domain.policy import Mode, PolicyVersion
from tests.domain.histories import (
    MIN_NOTICE,
    MUSIC,
    SONG,
    TICK,
    Event,
    Ledger,
    Publish,
    Say,
    Wish,
    agreeing,
    anything,
    columns,
    delivering,
    editorials,
    fold,
    joining,
    ledgers,
    publishing,
    queries,
    refusing,
    scopes,
    talk,
    turning_points,
)

# -- a no holds (R3, R4) ---------------------------------------------------------------------------


@given(ledgers(talk) | ledgers(), refusing, st.lists(talk | anything, max_size=10))
def test_a_no_is_never_outlived_by_silence(ledger: Ledger, no: Say, later: list[Wish]) -> None:
    """Whatever is published, delivered or left unsaid: without a later yes a no stays a no."""
    assume(ledger.grants(no))
    ledger.grant(_without_consent(later, no))
    _assert_only_open_permits(ledger.history, no, ledger.history.recorded_at)


@given(ledgers(talk) | ledgers(), agreeing, st.lists(talk | anything, max_size=10))
def test_an_expired_yes_is_never_outlived_by_silence(
    ledger: Ledger, yes: Say, later: list[Wish]
) -> None:
    """From its expiry on, a yes that was neither renewed nor taken back is a no."""
    yes = replace(yes, lasts=yes.lasts or 1)
    assume(ledger.grants(yes))
    expires_at = ledger.history.artists[yes.artist].records[yes.scope].expires_at
    assert expires_at is not None
    ledger.grant(_without_consent(later, yes))
    _assert_only_open_permits(ledger.history, yes, expires_at)


def _without_consent(wishes: Iterable[Wish], said: Say) -> Iterator[Wish]:
    """Leave out what may end a no: the artist's yeses, and taking back at its very scope."""
    for wish in wishes:
        if isinstance(wish, Say) and wish.artist == said.artist:
            takes_back = wish.answer is Answer.INHERIT and wish.scope == said.scope
            if takes_back or wish.answer is Answer.OPT_IN:
                continue
        yield wish


def _assert_only_open_permits(history: History, said: Say, since: Instant) -> None:
    """Whatever the artist's scope covers is permitted only where nobody is asked (R2)."""
    instants = [instant for instant in turning_points(history, since) if instant >= since]
    for query in queries(history):
        if not said.scope.covers(query.use, query.content, query.recipient):
            continue
        if said.artist not in _asked(history, query):
            continue
        alone = Query(query.use, query.recipient, artist=said.artist)
        for instant in instants:
            if decide(history, query, instant).permitted:
                assert decide(history, alone, instant).reason is Reason.OPEN, (query, instant)


def _asked(history: History, query: Query) -> tuple[str | None, ...]:
    if query.content is None:
        return (query.artist,)
    return history.content[query.content][0].rightsholders


@dataclass(frozen=True)
class AddedNo:
    """A history, and the same history with one no more."""

    without: tuple[Event, ...]
    position: int
    no: Event


@st.composite
def added_noes(draw: st.DrawFn) -> AddedNo:
    """Put one no anywhere into a history: between any two events, or after the last.

    As often as not it is said where the artist has said something already, so that it replaces.
    """
    events = draw(ledgers(talk) | ledgers()).events
    artist = draw(st.sampled_from([a for _, f in events for a in _registered(f)]))
    said = [
        (number, fact.scope)
        for number, (_, fact) in enumerate(events)
        if isinstance(fact, ConsentRecorded) and fact.artist == artist
    ]
    joined = next(n for n, (_, fact) in enumerate(events) if artist in _registered(fact))
    erased = (n for n, (_, fact) in enumerate(events) if fact == ArtistErased(artist))
    anywhere = st.tuples(st.just(joined), scopes)
    earliest, scope = draw(anywhere | st.sampled_from(said) if said else anywhere)
    position = draw(st.integers(earliest + 1, next(erased, len(events))))
    before = events[position - 1][0]
    after = events[position][0] if position < len(events) else before + 3 * TICK
    at = draw(st.integers(before + 1, after - 1))
    return AddedNo(tuple(events), position, (at, ConsentRecorded(artist, Answer.OPT_OUT, scope)))


def _registered(fact: object) -> tuple[str, ...]:
    return fact.artists if isinstance(fact, ArtistsRegistered) else ()


@given(ledgers(talk) | ledgers(), refusing)
def test_a_no_said_now_permits_nothing_more(ledger: Ledger, no: Say) -> None:
    """Whatever the history, a no at its end turns no denial into a permission, at any instant."""
    without = fold(ledger.events)
    assume(ledger.grants(no))
    _assert_permits_no_more(ledger.history, without)


# All yeses are to one `opt_in` version. Without the added no, the yes for everything expires at 90
# and is from then on a no of that date, which the yes for the song (given at 60) cannot lift. With
# it, the yes for everything never expires, because a no at the same scope has replaced it at 51,
# and that no is lifted by the later, more specific yes for the song.
REPLACED_YES = AddedNo(
    without=(
        (10, CharterSet(MIN_NOTICE)),
        (
            20,
            PolicyPublished(
                MUSIC,
                Mode.OPT_IN,
                frozenset({"internal"}),
                MIN_NOTICE,
                frozenset({("en", "A")}),
                editorial=False,
            ),
        ),
        (30, ArtistsRegistered(("ana",))),
        (40, ContentPut((ContentItem(SONG, ("ana",), ContentStatus.ACTIVE),))),
        (50, ConsentRecorded("ana", Answer.OPT_IN, Scope(MUSIC), expires_at=90)),
        (60, ConsentRecorded("ana", Answer.OPT_IN, Scope(MUSIC, SONG))),
    ),
    position=5,
    no=(51, ConsentRecorded("ana", Answer.OPT_OUT, Scope(MUSIC))),
)


@given(added_noes())
def test_a_no_more_anywhere_in_the_past_permits_nothing_more(added: AddedNo) -> None:
    """One no more at any point of a history turns no denial into a permission.

    Left out is a no in the place of a yes that would have expired; see the next test.
    """
    assume(not _takes_the_place_of_an_expiring_yes(added))
    events = list(added.without)
    events.insert(added.position, added.no)
    _assert_permits_no_more(fold(events), fold(added.without))


def _takes_the_place_of_an_expiring_yes(added: AddedNo) -> bool:
    no = added.no[1]
    assert isinstance(no, ConsentRecorded)
    said = [
        fact
        for _, fact in added.without[: added.position]
        if isinstance(fact, ConsentRecorded) and (fact.artist, fact.scope) == (no.artist, no.scope)
    ]
    return bool(said) and said[-1].expires_at is not None


def test_a_no_in_the_place_of_an_expiring_yes_takes_its_expiry_along() -> None:
    """The rules' own words: a newer record at the same scope replaces the older one, all of it.

    So the later, more specific yes lifts the no of 51, and no no of 90 ever arises (R3, R4;
    docs/decisions/0015).
    """
    song = Query(MUSIC, "internal", SONG)
    without = fold(REPLACED_YES.without)
    assert decide(without, song, 90).reason is Reason.OPT_IN_EXPIRED
    events = list(REPLACED_YES.without)
    events.insert(REPLACED_YES.position, REPLACED_YES.no)
    assert decide(fold(events), song, 90).reason is Reason.OPTED_IN


def _assert_permits_no_more(one: History, other: History) -> None:
    """What the one permits the other permits as well, from both their last events on."""
    since = max(one.recorded_at, other.recorded_at)
    instants = {*turning_points(one), *turning_points(other), since, since + 1}
    for query in queries(one):
        for instant in sorted(instant for instant in instants if instant >= since):
            if decide(one, query, instant).permitted:
                assert decide(other, query, instant).permitted, (query, instant)


# -- windows (R5, R6, R7) --------------------------------------------------------------------------

_bystanding = st.lists(st.one_of(delivering, delivering, joining), max_size=4)
"""What may happen after a version is published without anybody saying a word about it."""


class Fork(NamedTuple):
    """The same course of things with a version published at some point, and without it."""

    with_it: History
    without_it: History
    use: str


def _fork(ledger: Ledger, wish: Publish, later: Iterable[Wish]) -> Fork:
    """Publish a version, then let the same happen with it and without it.

    Notices delivered later are of versions that both know.
    """
    past = list(ledger.events)
    assume(ledger.grants(wish))
    published_at, _ = published = ledger.events[-1]
    nothing_new = (published_at, CharterSet(MIN_NOTICE))
    without = Ledger([*past, nothing_new]).grant(later)
    future = without.events[len(past) + 1 :]
    return Fork(fold([*past, published, *future]), without.history, wish.use)


@given(ledgers(), publishing, _bystanding)
def test_no_version_after_launch_shortens_a_window(
    ledger: Ledger, wish: Publish, later: list[Wish]
) -> None:
    """Every earlier version binds everybody exactly when it would have bound them anyway."""
    fork = _fork(ledger, wish, later)
    versions = fork.with_it.versions[fork.use]
    for recipient in sorted({recipient for _, recipient in columns()}):
        for name, artist in fork.with_it.artists.items():
            delivered = fork.without_it.artists[name].deliveries(fork.use)
            assert artist.deliveries(fork.use) == delivered
            bound = binding_instants(versions, recipient, artist.registered_at, delivered)
            assert bound[:-1] == binding_instants(
                versions[:-1], recipient, artist.registered_at, delivered
            )


@given(ledgers(), publishing, _bystanding)
def test_no_version_after_launch_permits_before_anybody_speaks(
    ledger: Ledger, wish: Publish, later: list[Wish]
) -> None:
    """Publishing alone, of whatever version, permits nothing that was not permitted without it."""
    fork = _fork(ledger, wish, later)
    _assert_permits_no_more(fork.with_it, fork.without_it)


@given(ledgers(), editorials, _bystanding)
def test_an_editorial_version_carries_nobody_anywhere(
    ledger: Ledger, wish: Publish, later: list[Wish]
) -> None:
    """Under a corrected spelling every answer, at every instant, is what it was without it."""
    fork = _fork(ledger, wish, later)
    for query in queries(fork.with_it):
        for instant in turning_points(fork.with_it):
            given_now = decide(fork.with_it, query, instant)
            anyway = decide(fork.without_it, query, instant)
            assert (given_now.permitted, given_now.reason) == (anyway.permitted, anyway.reason)


@given(ledgers(), publishing, _bystanding)
def test_a_narrowing_version_carries_nobody_past_a_pending_window(
    ledger: Ledger, wish: Publish, later: list[Wish]
) -> None:
    """Once silence permits nothing, no earlier window that closes later makes it permit again."""
    fork = _fork(ledger, wish, later)
    published = fork.with_it.versions[fork.use][-1]
    for query in queries(fork.with_it):
        if query.use == fork.use and _narrows(published, query.recipient):
            for instant in turning_points(fork.with_it):
                decision = decide(fork.with_it, query, instant)
                assert not decision.permitted or decision.reason is Reason.OPTED_IN


def _narrows(version: PolicyVersion, recipient: str) -> bool:
    """Tell whether silence permits nothing under the version on this column."""
    return version.mode in {Mode.PROHIBITED, Mode.OPT_IN} or recipient not in version.recipients


@given(ledgers())
def test_silence_permits_only_after_launch_or_a_whole_window(ledger: Ledger) -> None:
    """Who is permitted by silence was told of these terms a whole notice period ago, or launched.

    That is: of the version that governs or one of the same terms, published after the last version
    under which silence permitted nothing.
    """
    history = ledger.history
    for query in queries(history):
        if query.artist is None or query.use not in history.versions:
            continue
        versions = history.versions[query.use]
        for instant in turning_points(history):
            decision = decide(history, query, instant)
            if decision.reason is Reason.WINDOW_CLOSED:
                assert decision.policy_version is not None
                known = versions[: decision.policy_version]
                assert any(
                    version.launch or _told(ledger, version, query.artist, instant)
                    for version in _continuing(known, query.recipient)
                ), (query, instant)


def _continuing(known: list[PolicyVersion], recipient: str) -> list[PolicyVersion]:
    """Return the versions of the last one's terms, back to the last that narrowed."""
    narrowed = max((v.version for v in known if _narrows(v, recipient)), default=0)
    return [v for v in known[narrowed:] if v.terms == known[-1].terms]


def _told(ledger: Ledger, version: PolicyVersion, artist: str, instant: Instant) -> bool:
    """Tell whether a notice arrived at least the longest notice period so far ago."""
    periods = [v.notice_period for v in ledger.history.versions[version.use][: version.version]]
    return any(
        isinstance(fact, NoticeDelivered)
        and (fact.use, fact.version) == (version.use, version.version)
        and artist in fact.artists
        and at + max(MIN_NOTICE, *periods) <= instant
        for at, fact in ledger.events
    )


# -- everybody agrees (R8) -------------------------------------------------------------------------


@given(ledgers(), st.lists(st.sampled_from(("ana", "ben", "cleo")), min_size=1, max_size=3))
def test_a_content_is_answered_as_all_its_rightsholders_answer(
    ledger: Ledger, holders: list[str]
) -> None:
    """Permitted while each would permit it alone; denied for the reason of the first who denies."""
    at = ledger.history.recorded_at + TICK
    together = _held_by(ledger, at, holders)
    alone = [_held_by(ledger, at, [holder]) for holder in holders]
    for use, recipient in columns():
        query = Query(use, recipient, content=SONG)
        for instant in turning_points(together):
            answer = decide(together, query, instant)
            answers = [decide(history, query, instant) for history in alone]
            assert answer.permitted == all(each.permitted for each in answers)
            decisive = next((each for each in answers if not each.permitted), answers[0])
            assert answer.reason is decisive.reason
            assert answer.policy_version == decisive.policy_version


def _held_by(ledger: Ledger, at: Instant, holders: Iterable[str]) -> History:
    item = ContentItem(SONG, tuple(holders), ContentStatus.ACTIVE)
    return fold([*ledger.events, (at, ContentPut((item,)))])


# -- intervals and replay (R9, R10) ----------------------------------------------------------------

_least = st.integers(1, 4)


@given(ledgers(talk) | ledgers(), _least)
def test_every_instant_is_answered_as_the_rules_judge_that_instant(
    ledger: Ledger, min_version: int
) -> None:
    """Answers found by spans of time are those of the rules applied to the very instant."""
    history = ledger.history
    for asked in queries(history):
        query = replace(asked, min_version=min_version)
        if query.artist is None or query.use not in history.versions:
            continue
        column = column_of(history, query, query.artist)
        if not isinstance(column, Column):
            continue
        for instant in turning_points(history):
            judged, decision = column.assess(instant), decide(history, query, instant)
            assert decision.permitted == judged.permitted
            assert decision.reason is judged.reason
            assert decision.policy_version == judged.policy_version


@given(ledgers(talk) | ledgers(), _least)
def test_the_interval_agrees_with_the_answer_at_every_instant(
    ledger: Ledger, min_version: int
) -> None:
    """From the last event on, what lies within the interval is permitted and nothing else is."""
    history = ledger.history
    for asked in queries(history):
        query = replace(asked, min_version=min_version)
        told = decide(history, query, history.recorded_at).interval
        edges = [edge for edge in (told.start, told.end) if edge is not None]
        for instant in turning_points(history, *edges):
            decision = decide(history, query, instant)
            begun = told.start is not None and told.start <= instant
            over = told.end is not None and told.end <= instant
            assert decision.permitted == (begun and not over), (query, instant)
            assert decision.interval == told


@given(ledgers(talk) | ledgers(), _least)
def test_the_permitted_time_is_one_piece(ledger: Ledger, min_version: int) -> None:
    """Once a permit has ended it does not come back by itself."""
    history = ledger.history
    instants = turning_points(history)
    for asked in queries(history):
        query = replace(asked, min_version=min_version)
        permitted = [decide(history, query, instant).permitted for instant in instants]
        begins = [later for earlier, later in pairwise([False, *permitted]) if later > earlier]
        assert len(begins) <= 1, query


@given(ledgers(), st.integers(0, 8))
def test_the_same_ledger_gives_the_same_answer(ledger: Ledger, forget: int) -> None:
    """Asking changes nothing, and a ledger read anew to any point answers as it did there."""
    past = ledger.events[: max(1, len(ledger.events) - forget)]
    history, again = fold(past), fold(past)
    before = copy.deepcopy(_contents(history))
    for query in queries(history):
        for instant in turning_points(history):
            assert decide(history, query, instant) == decide(again, query, instant)
    assert _contents(history) == before == _contents(again)


def _contents(history: History) -> dict[str, object]:
    return dict(vars(history))


@given(ledgers())
def test_acting_under_a_later_version_never_permits_more(ledger: Ledger) -> None:
    """The higher the least version asked for, the fewer answers are permits."""
    history = ledger.history
    for query in queries(history):
        for instant in turning_points(history):
            answers = [
                decide(history, replace(query, min_version=least), instant) for least in range(1, 6)
            ]
            assert answers[0] == decide(history, query, instant)
            for lower, higher in pairwise(answers):
                assert lower.permitted >= higher.permitted, (query, instant)
            for least, answer in enumerate(answers, start=1):
                if answer.permitted and query.artist is not None:
                    assert (answer.policy_version or 0) >= least
