"""The index answers as the rules do, however its kept answers and new events are interleaved."""

import random
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest

from service.decisions.compiled.spelling import Hashing
from service.decisions.index import Index
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
from service.domain.history import History
from service.domain.instant import SECOND, Instant
from service.domain.policy import Mode
from service.ledger.events import Kind, NewEvent, StoredEvent
from service.ledger.facts import (
    artists_event,
    consent_event,
    content_event,
    delivery_event,
    fact_of,
    policy_event,
)
from tests.judge.histories import ARTISTS, CONTENTS, LEAVES, RECIPIENTS, STRANGER, random_history

HISTORIES: Final = 120
_START: Final = 1_900_000_000 * SECOND

Event = Mapping[str, Any]


def instant_of(event: Event) -> Instant:
    """Return when an event of a history happens."""
    at: int = event["at"]
    return _START + at * SECOND


class Told:
    """A history told twice, event by event: to an index that is asked in between, and to a fold."""

    def __init__(self, events: list[Event]) -> None:
        """Start before the first event."""
        self.index = Index(Hashing(bytes(32)))
        self.history = History()
        self._events = events
        self._versions: dict[str, int] = {}

    def __iter__(self) -> Iterator[Event]:
        """Tell one event after the other."""
        for revision, event in enumerate(self._events, start=1):
            fact = self._fact(event)
            stored = self._stored(revision, event, fact)
            assert fact_of(stored) == fact
            names = {event["artist"]: event["artist"]} if event["type"] == "artist" else {}
            self.index.take(stored, names)
            self.history.apply(revision, stored.recorded_at, fact)
            yield event

    def _fact(self, event: Event) -> Fact:
        match event["type"]:
            case "policy":
                return PolicyPublished(
                    use=event["use"],
                    mode=Mode(event["mode"]),
                    recipients=frozenset(event["recipients"]),
                    notice_period=event["notice_seconds"] * SECOND,
                    texts=frozenset({("en", event["text"])}),
                    editorial=event["editorial"],
                )
            case "artist":
                return ArtistsRegistered((event["artist"],))
            case "erase":
                return ArtistErased(event["artist"])
            case "content":
                status = ContentStatus(event.get("status", "active"))
                holders = tuple(event["rightsholders"])
                return ContentPut((ContentItem(event["content"], holders, status),))
            case "delivery":
                return NoticeDelivered(event["use"], event["version"], (event["artist"],))
            case _:
                expires = event["expires"]
                return ConsentRecorded(
                    artist=event["artist"],
                    answer=Answer(event["answer"]),
                    scope=Scope(event["use"], event["content"], event["recipient"]),
                    expires_at=None if expires is None else _START + expires * SECOND,
                )

    def _stored(self, revision: int, event: Event, fact: Fact) -> StoredEvent:
        """Return the event as the ledger would give it back."""
        new = self._new(fact)
        return StoredEvent(
            revision=revision,
            recorded_at=instant_of(event),
            kind=new.kind,
            leaf_hash=revision.to_bytes(32),
            public=dict(new.public) | ({} if new.subject is None else {"subject": new.subject}),
            rows=new.rows,
            details=new.details,
        )

    def _new(self, fact: Fact) -> NewEvent:
        match fact:
            case PolicyPublished(use=use):
                self._versions[use] = self._versions.get(use, 0) + 1
                return policy_event(fact, self._versions[use])
            case ArtistsRegistered(artists=artists):
                return artists_event(artists)
            case ArtistErased(artist=artist):
                return NewEvent(Kind.ARTIST_ERASED, subject=artist)
            case ContentPut(items=items):
                return content_event([(item, None) for item in items])
            case NoticeDelivered(use=use, version=version, artists=artists):
                rows = [{"subject": artist, "outcome": "delivered"} for artist in artists]
                return delivery_event(use, version, rows)
            case ConsentRecorded():
                return consent_event(fact, {})
            case _:
                raise TypeError(fact)


def anything(index: Index, rng: random.Random) -> Query:
    """Return a question about any column, a content or an artist, known or not."""
    by_content = rng.random() < 0.7
    return Query(
        use=rng.choice(LEAVES),
        recipient=rng.choice((*RECIPIENTS, *RECIPIENTS, "partner:other")),
        content=rng.choice((*CONTENTS, "t0")) if by_content else None,
        artist=None if by_content else index.subject(rng.choice((*ARTISTS, STRANGER))),
        min_version=rng.choice((1, 1, 1, 2, 3)),
    )


def every(index: Index, history: History) -> list[Query]:
    """Return the question about every column with every content and every artist."""
    return [
        query
        for use in history.versions
        for recipient in RECIPIENTS
        for query in (
            *(Query(use, recipient, content=content) for content in history.content),
            *(Query(use, recipient, artist=index.subject(artist)) for artist in ARTISTS),
        )
    ]


@pytest.mark.parametrize("part", range(2))
def test_answers_kept_from_before_are_those_worked_out_anew(part: int) -> None:
    """Questions asked between events, at instants to come, leave nothing stale behind."""
    rng = random.Random(random.getrandbits(32) + part)
    for _ in range(HISTORIES):
        seed = rng.getrandbits(32)
        told = Told(random_history(random.Random(seed), 30, 0)["events"])
        for event in told:
            for query in [anything(told.index, rng) for _ in range(4)]:
                now = instant_of(event) + rng.choice((0, 1, 5, 60, 10_000)) * SECOND
                given = told.index.decide(query, now)
                assert given == decide(told.history, query, now), (seed, query, now)
        last = told.history.recorded_at
        for query in every(told.index, told.history):
            for now in (last, last + 20 * SECOND, last + 10_000 * SECOND):
                given = told.index.decide(query, now)
                assert given == decide(told.history, query, now), (seed, query, now)


def test_a_gap_is_not_taken() -> None:
    """Nor is an event that is not later than the one before it."""
    told = Told([])
    event = StoredEvent(2, _START, Kind.USE_NAMED, bytes(32), {}, None, None)
    with pytest.raises(ValueError, match="cannot follow"):
        told.index.take(event, {})


def test_an_artist_whose_words_are_lost_permits_nothing() -> None:
    """A record without its private part could be the no that nobody may forget."""
    history: list[Event] = [
        {"at": 1, "type": "policy", "use": "discovery", "mode": "opt_out", "text": "A"}
        | {"recipients": ["internal"], "notice_seconds": 1, "editorial": False},
        {"at": 2, "type": "artist", "artist": "ana"},
    ]
    told = Told(history)
    list(told)
    query = Query("discovery", "internal", artist="ana")
    assert told.index.decide(query, _START + 2 * SECOND).permitted
    lost = StoredEvent(
        revision=3,
        recorded_at=_START + 3 * SECOND,
        kind=Kind.CONSENT_RECORDED,
        leaf_hash=bytes(32),
        public={"subject": "ana", "commitment": "00"},
        rows=None,
        details=None,
    )
    told.index.take(lost, {})
    assert told.index.decide(query, _START + 4 * SECOND).reason == "artist_erased"
