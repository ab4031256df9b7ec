"""History: the state that a prefix of the ledger adds up to."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import singledispatchmethod
from types import MappingProxyType

from service.domain.consent import Answer, ConsentRecord, Scope
from service.domain.events import (
    ArtistErased,
    ArtistsRegistered,
    CharterSet,
    ConsentRecorded,
    ContentItem,
    ContentPut,
    Fact,
    NoticeDelivered,
    PolicyPublished,
)
from service.domain.instant import DAY, Duration, Instant
from service.domain.policy import PolicyVersion, terms_of

_NO_DELIVERIES: MappingProxyType[int, Instant] = MappingProxyType({})


@dataclass(slots=True)
class Artist:
    """What the ledger knows of one artist.

    `records` holds the latest record of each scope, taken-back ones included. `delivered` holds,
    per use and version, the instant at which the first confirmed delivery was recorded (R6).
    """

    registered_at: Instant
    erased: bool = False
    records: dict[Scope, ConsentRecord] = field(default_factory=dict)
    _of_content: dict[str, dict[Scope, ConsentRecord]] = field(default_factory=dict)
    _of_all: dict[Scope, ConsentRecord] = field(default_factory=dict)
    delivered: dict[str, dict[int, Instant]] = field(default_factory=dict)

    def deliveries(self, use: str) -> "MappingProxyType[int, Instant] | dict[int, Instant]":
        """Return the recording instants of this use's deliveries, by version."""
        return self.delivered.get(use, _NO_DELIVERIES)

    def say(self, record: ConsentRecord) -> None:
        """Put the record in the place of the older one at exactly its scope (R3)."""
        content = record.scope.content
        place = self._of_all if content is None else self._of_content.setdefault(content, {})
        place[record.scope] = self.records[record.scope] = record

    def having_said(self, record: ConsentRecord) -> "Artist":
        """Return the artist as they would be with one more record; this one stays as it is."""
        content = record.scope.content
        of_content = dict(self._of_content)
        if content is not None:
            of_content[content] = dict(of_content.get(content, {}))
        said = replace(
            self,
            records=dict(self.records),
            _of_content=of_content,
            _of_all=dict(self._of_all),
        )
        said.say(record)
        return said

    def speaks_of(self, content: str | None) -> bool:
        """Tell whether any record is about this one content."""
        return content in self._of_content

    def said_of(self, content: str | None) -> Iterator[ConsentRecord]:
        """Return the records about all content, and those about this one."""
        yield from self._of_all.values()
        if content is not None:
            yield from self._of_content.get(content, {}).values()


class History:
    """A fold over the ledger's facts: feed it in revision order, then ask `decide`.

    It holds only what bears on present and future answers, so an answer about the past needs a
    history that ends there.
    """

    def __init__(self) -> None:
        """Start before the first event."""
        self.revision = 0
        self.recorded_at: Instant = 0
        self.min_notice_period: Duration = 30 * DAY
        self.first_artist_at: Instant | None = None
        self.versions: dict[str, list[PolicyVersion]] = {}
        self.artists: dict[str, Artist] = {}
        self.content: dict[str, tuple[ContentItem, Instant]] = {}

    def apply(self, revision: int, recorded_at: Instant, fact: Fact | None) -> None:
        """Take the next event; `fact` is None where an event changes no answer.

        Raises ValueError on a gap or a clock that went back: a history with a hole in it must
        never answer.
        """
        if revision != self.revision + 1:
            message = f"event {revision} cannot follow event {self.revision}"
            raise ValueError(message)
        if recorded_at <= self.recorded_at:
            message = f"event {revision} is not later than event {self.revision}"
            raise ValueError(message)
        self.revision = revision
        self.recorded_at = recorded_at
        if fact is not None:
            self._take(fact)

    @singledispatchmethod
    def _take(self, fact: Fact) -> None:
        message = f"no rule knows what {type(fact).__name__} means"
        raise TypeError(message)

    @_take.register
    def _(self, fact: CharterSet) -> None:
        self.min_notice_period = fact.min_notice_period

    @_take.register
    def _(self, fact: PolicyPublished) -> None:
        earlier = self.versions.setdefault(fact.use, [])
        earlier.append(
            PolicyVersion(
                use=fact.use,
                version=len(earlier) + 1,
                mode=fact.mode,
                recipients=fact.recipients,
                notice_period=fact.notice_period,
                texts=fact.texts,
                editorial=fact.editorial,
                launch=self.first_artist_at is None,
                terms=terms_of(earlier, fact.texts, editorial=fact.editorial),
                published_at=self.recorded_at,
                revision=self.revision,
            )
        )

    @_take.register
    def _(self, fact: ArtistsRegistered) -> None:
        if self.first_artist_at is None and fact.artists:
            self.first_artist_at = self.recorded_at
        for artist in fact.artists:
            self.artists.setdefault(artist, Artist(self.recorded_at))

    @_take.register
    def _(self, fact: ArtistErased) -> None:
        known = self.artists[fact.artist]
        self.artists[fact.artist] = Artist(known.registered_at, erased=True)

    @_take.register
    def _(self, fact: ContentPut) -> None:
        for item in fact.items:
            self.content[item.content] = (item, self.recorded_at)

    @_take.register
    def _(self, fact: NoticeDelivered) -> None:
        for artist in fact.artists:
            delivered = self.artists[artist].delivered.setdefault(fact.use, {})
            delivered.setdefault(fact.version, self.recorded_at)

    @_take.register
    def _(self, fact: ConsentRecorded) -> None:
        record = ConsentRecord(
            self.revision, self.recorded_at, Answer(fact.answer), fact.scope, fact.expires_at
        )
        self.artists[fact.artist].say(record)
