"""Histories drawn at random that could have been written: no event in them is one to refuse.

What is drawn is a list of wishes. A `Ledger` grants those that the rules allow and passes over the
rest, so that any list is a history and shrinking a list shrinks the history. The world is small
(two leaves, two recipients, two artists and one who comes late) and time is short (instants are
multiples of `TICK`), so that what seldom meets in life meets often here: a yes that expires at the
instant of the next one, windows that close together, words that come back.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import singledispatchmethod
from typing import Final, Self, TypeAlias

from hypothesis import strategies as st

from service.domain.consent import Answer, Scope, refuse_consent
from service.domain.decision import Query
from service.domain.events import (
    ArtistErased,
    ArtistsRegistered,
    CharterSet,
    ConsentRecorded,
    ContentItem,
    ContentPut,
    ContentStatus,
    Fact,
    NoticeDelivered,
    PolicyPublished,
)
from service.domain.history import History
from service.domain.instant import Duration, Instant
from service.domain.policy import Mode, PolicyDraft, refuse_policy

TICK: Final = 10
"""Events happen at multiples of this many microseconds, so that one more fits between two."""

MUSIC: Final = "train.music"
VOICE: Final = "train.voice"
NODES: Final = (MUSIC, VOICE, "train", "*")
RECIPIENTS: Final = ("internal", "partner:tuney")
ARTISTS: Final = ("ana", "ben")
LATECOMER: Final = "cleo"
SONG: Final = "song"
DUET: Final = "duet"
RIGHTSHOLDERS: Final = {SONG: ("ana",), DUET: ("ben", "ana")}
MIN_NOTICE: Final = 8 * TICK

Event: TypeAlias = tuple[Instant, Fact]


def fold(events: Iterable[Event]) -> History:
    """Return what the events add up to."""
    history = History()
    for revision, (at, fact) in enumerate(events, start=1):
        history.apply(revision, at, fact)
    return history


@dataclass(frozen=True)
class Wish:
    """Something somebody wants to do, `after` ticks."""

    after: int


@dataclass(frozen=True)
class Publish(Wish):
    """The next version: of the latest one's spelling if `editorial`, or of its own making."""

    use: str
    mode: Mode
    recipients: frozenset[str]
    longer: Duration
    words: str
    editorial: bool = False


@dataclass(frozen=True)
class Deliver(Wish):
    """The arrival of the notice of the version `back` before the latest one."""

    use: str
    back: int
    artists: frozenset[str]


@dataclass(frozen=True)
class Say(Wish):
    """A statement; a yes may last for some ticks only."""

    artist: str
    answer: Answer
    scope: Scope
    lasts: int | None = None


@dataclass(frozen=True)
class Register(Wish):
    """An artist joins."""

    artist: str


@dataclass(frozen=True)
class Erase(Wish):
    """An artist is erased."""

    artist: str


@dataclass(frozen=True)
class Put(Wish):
    """A content changes hands or status."""

    content: str
    rightsholders: tuple[str, ...]
    status: ContentStatus


class Ledger:
    """Grants wishes, one event each, as long as the rules allow."""

    def __init__(self, events: Sequence[Event] = ()) -> None:
        """Go on from these events; without any, open the ledger."""
        self.events = list(events) or [(TICK, CharterSet(MIN_NOTICE))]
        self.history = fold(self.events)

    def __repr__(self) -> str:
        return f"Ledger({self.events!r})"

    def grant(self, wishes: Iterable[Wish]) -> Self:
        """Let every wish come true that may."""
        for wish in wishes:
            fact = self._fact(wish, self._when(wish))
            if fact is not None:
                self.append(self._when(wish), fact)
        return self

    def grants(self, wish: Wish) -> bool:
        """Let a wish come true if it may, and tell whether it did."""
        before = len(self.events)
        return len(self.grant([wish]).events) > before

    def append(self, at: Instant, fact: Fact) -> None:
        """Record one event."""
        self.events.append((at, fact))
        self.history.apply(len(self.events), at, fact)

    def _when(self, wish: Wish) -> Instant:
        return self.history.recorded_at // TICK * TICK + wish.after * TICK

    @singledispatchmethod
    def _fact(self, wish: Wish, now: Instant) -> Fact | None:
        raise TypeError(type(wish).__name__)

    @_fact.register
    def _(self, wish: Publish, now: Instant) -> Fact | None:
        draft = self._editorial(wish) if wish.editorial else self._terms(wish)
        if draft is None:
            return None
        texts = frozenset(draft.texts.items())
        refusals = refuse_policy(
            draft,
            texts,
            self.history.versions.get(wish.use, []),
            launch=self.history.first_artist_at is None,
            min_notice_period=MIN_NOTICE,
        )
        return (
            None
            if refusals
            else PolicyPublished(
                draft.use,
                draft.mode,
                draft.recipients,
                draft.notice_period,
                texts,
                draft.editorial,
            )
        )

    def _editorial(self, wish: Publish) -> PolicyDraft | None:
        earlier = self.history.versions.get(wish.use, [])
        if not earlier:
            return None
        last = earlier[-1]
        spelling = {"en": f"{wish.words}, spelling {len(earlier)}"}
        return PolicyDraft(
            wish.use, last.mode, last.recipients, last.notice_period, spelling, editorial=True
        )

    def _terms(self, wish: Publish) -> PolicyDraft:
        earlier = self.history.versions.get(wish.use, [])
        floor = max([MIN_NOTICE, *(version.notice_period for version in earlier)])
        notice = floor + wish.longer * TICK
        return PolicyDraft(wish.use, wish.mode, wish.recipients, notice, {"en": wish.words})

    @_fact.register
    def _(self, wish: Deliver, now: Instant) -> Fact | None:
        version = len(self.history.versions.get(wish.use, [])) - wish.back
        artists = tuple(artist for artist in sorted(wish.artists) if self._alive(artist))
        return NoticeDelivered(wish.use, version, artists) if version > 0 and artists else None

    @_fact.register
    def _(self, wish: Say, now: Instant) -> Fact | None:
        expires_at = None
        if wish.lasts is not None and wish.answer is Answer.OPT_IN:
            expires_at = now + wish.lasts * TICK
        latest = [versions[-1] for versions in self.history.versions.values()]
        if refuse_consent(wish.answer, wish.scope, expires_at, latest=latest, now=now):
            return None
        if not self._alive(wish.artist):
            return None
        return ConsentRecorded(wish.artist, wish.answer, wish.scope, expires_at)

    @_fact.register
    def _(self, wish: Register, now: Instant) -> Fact | None:
        return None if wish.artist in self.history.artists else ArtistsRegistered((wish.artist,))

    @_fact.register
    def _(self, wish: Erase, now: Instant) -> Fact | None:
        return ArtistErased(wish.artist) if self._alive(wish.artist) else None

    @_fact.register
    def _(self, wish: Put, now: Instant) -> Fact | None:
        return ContentPut((ContentItem(wish.content, wish.rightsholders, wish.status),))

    def _alive(self, artist: str) -> bool:
        known = self.history.artists.get(artist)
        return known is not None and not known.erased


def columns() -> Iterator[tuple[str, str]]:
    """Return every (leaf use, recipient) of this world."""
    return ((use, recipient) for use in (MUSIC, VOICE) for recipient in RECIPIENTS)


def queries(history: History) -> list[Query]:
    """Return every question worth asking of a history."""
    return [
        *(Query(use, to, content=content) for use, to in columns() for content in history.content),
        *(Query(use, to, artist=artist) for use, to in columns() for artist in history.artists),
    ]


def turning_points(history: History, *others: Instant) -> list[Instant]:
    """Return every instant, from the last event on, at which anything could begin or end.

    They are worked out from what was written rather than by the code that is tested, and each
    comes with its neighbours a microsecond away. `others` are added likewise.
    """
    points = {history.recorded_at, history.recorded_at + 1_000_000 * TICK, *others}
    for artist in history.artists.values():
        points |= {r.expires_at for r in artist.records.values() if r.expires_at is not None}
        for use, delivered in artist.delivered.items():
            points |= {
                at + version.notice_period
                for at in delivered.values()
                for version in history.versions[use]
            }
    around = {point + nudge for point in points for nudge in (-1, 0, 1)}
    return sorted(instant for instant in around if instant >= history.recorded_at)


# -- strategies ------------------------------------------------------------------------------------

_pauses = st.sampled_from((1, 1, 2, 3, 5, 8))
_uses = st.sampled_from((MUSIC, MUSIC, MUSIC, VOICE))
_artists = st.sampled_from(("ana", "ana", "ben", LATECOMER))
scopes = st.builds(
    Scope,
    st.sampled_from((MUSIC, *NODES)),
    st.sampled_from((None, None, SONG, DUET)),
    st.sampled_from((None, None, *RECIPIENTS)),
)
_recipients = st.sampled_from(
    (*(frozenset(RECIPIENTS),) * 4, *(frozenset({recipient}) for recipient in RECIPIENTS))
)
_modes = st.sampled_from((*(Mode.OPT_OUT,) * 5, *(Mode.OPT_IN,) * 2, Mode.PROHIBITED))
_words = st.sampled_from(("A", "B", "C"))

launches = st.builds(
    Publish,
    _pauses,
    _uses,
    st.one_of(_modes, st.just(Mode.OPEN)),
    _recipients,
    st.sampled_from((0, 3)),
    _words,
)
publishing = st.builds(
    Publish,
    _pauses,
    _uses,
    _modes,
    _recipients,
    st.sampled_from((0, 0, 3)),
    _words,
    st.sampled_from((False, False, True)),
)
editorials = st.builds(
    Publish,
    _pauses,
    _uses,
    _modes,
    _recipients,
    st.just(0),
    _words,
    st.just(value=True),
)
delivering = st.builds(
    Deliver,
    _pauses,
    _uses,
    st.sampled_from((0, 0, 0, 1, 2)),
    st.sampled_from(
        [frozenset(names) for names in (ARTISTS, ARTISTS, ("ana",), ("ben", LATECOMER))]
    ),
)
saying = st.builds(
    Say,
    _pauses,
    _artists,
    st.sampled_from(Answer),
    scopes,
    st.sampled_from((None, None, 1, 4, 9)),
)
agreeing = st.builds(
    Say,
    _pauses,
    _artists,
    st.just(Answer.OPT_IN),
    scopes,
    st.sampled_from((None, 4, 9)),
)
_about_music = st.builds(
    Scope,
    st.sampled_from((MUSIC, "train")),
    st.sampled_from((None, SONG)),
    st.sampled_from((None, None, "internal")),
)
saying_music = st.builds(
    Say,
    _pauses,
    st.just("ana"),
    st.sampled_from((Answer.OPT_OUT, Answer.OPT_OUT, *Answer)),
    _about_music,
    st.sampled_from((None, 4)),
)
agreeing_music = st.builds(
    Say,
    _pauses,
    st.just("ana"),
    st.just(Answer.OPT_IN),
    _about_music,
    st.sampled_from((None, None, 1, 4, 9)),
)
refusing = st.builds(Say, _pauses, _artists, st.just(Answer.OPT_OUT), scopes)
joining = st.builds(Register, _pauses, st.just(LATECOMER))
erasing = st.builds(Erase, _pauses, _artists)
putting = st.builds(
    Put,
    _pauses,
    st.sampled_from((SONG, DUET)),
    st.lists(_artists, max_size=2, unique=True).map(tuple),
    st.sampled_from((ContentStatus.ACTIVE, *ContentStatus)),
)


def _weighted(*weights: tuple[st.SearchStrategy[Wish], int]) -> st.SearchStrategy[Wish]:
    drawn = [strategy for strategy, weight in weights for _ in range(weight)]
    return st.sampled_from(drawn).flatmap(lambda strategy: strategy)


anything = _weighted(
    (delivering, 16),
    (publishing, 12),
    (saying, 12),
    (agreeing, 8),
    (joining, 2),
    (putting, 2),
    (erasing, 1),
)
talk = _weighted(
    (agreeing_music, 4), (saying_music, 4), (saying, 1), (delivering, 1), (publishing, 1)
)
"""Much is said, by one artist about one use: what the rules on records are about."""


@st.composite
def ledgers(
    draw: st.DrawFn, wishes: st.SearchStrategy[Wish] = anything, *, most: int = 16
) -> Ledger:
    """Return a ledger with launch terms or without, the usual artists and content, and a past."""
    ledger = Ledger().grant(draw(st.lists(launches, max_size=2)))
    ledger.grant(Register(1, artist) for artist in ARTISTS)
    ledger.grant(
        Put(1, content, holders, ContentStatus.ACTIVE) for content, holders in RIGHTSHOLDERS.items()
    )
    ledger.grant([draw(publishing)])
    return ledger.grant(draw(st.lists(wishes, min_size=most // 4, max_size=most)))
