"""Taking the ledger's events in: each makes stale whatever it bears on, and decides nothing."""

from collections.abc import Mapping, Sequence
from functools import singledispatchmethod

import numpy as np

from service.decisions.compiled.kept import Kept
from service.decisions.compiled.rules import rule_of
from service.decisions.compiled.shapes import Terms
from service.decisions.compiled.slots import Ordinals
from service.decisions.compiled.spelling import Spelled
from service.decisions.compiled.voices import (
    ERASED,
    OF_ONE_CONTENT,
    SILENT,
    SPOKE,
    UNKNOWN_ARTIST,
)
from service.domain import uses
from service.domain.consent import Answer, ConsentRecord, Scope
from service.domain.events import (
    ArtistErased,
    ArtistsRegistered,
    CharterSet,
    ConsentRecorded,
    ContentPut,
    Fact,
    NoticeDelivered,
    PolicyPublished,
)
from service.domain.instant import Instant


class Taking(Kept):
    """An index that events are fed to, in revision order."""

    def apply(
        self,
        revision: int,
        recorded_at: Instant,
        fact: Fact | None,
        artist_ids: Mapping[str, str] | None = None,
    ) -> None:
        """Take the next event; `artist_ids` names the artists it registers, by subject.

        Raises ValueError on a gap, a clock that went back, or an event about what was never
        registered or published; it has then changed nothing.
        """
        self._refuse_strangers(revision, fact)
        policy = fact if isinstance(fact, PolicyPublished | CharterSet) else None
        self.history.apply(revision, recorded_at, policy)
        if fact is not None:
            self._take(fact)
        if artist_ids:
            self.names.give(artist_ids, self.subjects)

    def _refuse_strangers(self, revision: int, fact: Fact | None) -> None:
        match fact:
            case ConsentRecorded(artist=artist) | ArtistErased(artist=artist):
                known = np.array([self.subjects.find(artist)], np.uint32)
            case NoticeDelivered(use=use, version=version, artists=artists):
                if version > len(self.history.versions.get(use, ())):
                    raise ValueError(f"event {revision} delivers a version that is not published")
                known = self.subjects.find_all(Spelled.of(artists))
            case _:
                return
        if (self.voices.standing.values[known] == UNKNOWN_ARTIST).any():
            raise ValueError(f"event {revision} speaks of an artist who is not registered")

    @singledispatchmethod
    def _take(self, fact: Fact) -> None:
        message = f"no rule knows what {type(fact).__name__} means"
        raise TypeError(message)

    @_take.register
    def _(self, _: CharterSet) -> None:
        """Change no answer: the policies know of it."""

    @_take.register
    def _(self, fact: PolicyPublished) -> None:
        for key in [key for key in self._columns if key[0] == fact.use]:
            terms = self._terms(key)
            self._columns[key].move(terms, rule_of(terms))

    @_take.register
    def _(self, fact: ArtistsRegistered) -> None:
        if fact.artists and self.history.first_artist_at is None:
            self.history.first_artist_at = self.recorded_at
        voices = self._voices_of(fact.artists)
        new = self.voices.register(voices, self.recorded_at)
        for column in self._columns.values():
            column.stand(new, SILENT)

    @_take.register
    def _(self, fact: ArtistErased) -> None:
        self.last_erasure = self.revision
        artist = self.subjects.find(fact.artist)
        voices = self.voices.with_own(artist)
        self.voices.standing.values[voices] = ERASED
        for column in self._columns.values():
            column.stand(voices, ERASED)
        self.records.forget(artist)
        self.names.forget(np.array([artist], np.uint32))
        for deliveries in self.deliveries.values():
            deliveries.forget(artist)

    @_take.register
    def _(self, fact: ContentPut) -> None:
        # Of a content that comes twice the last word counts.
        items = list({item.content: item for item in fact.items}.values())
        contents = self.contents.add_all([item.content for item in items])
        self.rightsholders.reach(len(self.contents))
        numbers = np.fromiter((len(i.rightsholders) for i in items), np.int64, len(items))
        voices = self._voices_of([one for item in items for one in item.rightsholders])
        voices = self.voices.exceptions.instead(voices, np.repeat(contents, numbers))
        self.rightsholders.put(contents, [item.status for item in items], numbers, voices)

    @_take.register
    def _(self, fact: NoticeDelivered) -> None:
        artists = self.subjects.find_all(Spelled.of(fact.artists))
        artists = artists[self.voices.standing.values[artists] == SILENT]
        deliveries = self._deliveries_of(fact.use)
        deliveries.deliver(fact.version, artists, self.recorded_at, ordinals=self.voices.size)
        voices = self.voices.exceptions.with_own(artists)
        for column in self._listed_columns():
            if column.deliveries is deliveries:
                column.mark(voices)

    @_take.register
    def _(self, fact: ConsentRecorded) -> None:
        artist = self.subjects.find(fact.artist)
        if self.voices.standing.values[artist] == ERASED:
            return
        content, voice = 0, artist
        if fact.scope.content is not None:
            content = self.contents.add(fact.scope.content)
            self.rightsholders.reach(len(self.contents))
            voice = self.voices.exceptions.find(artist, content) or self._speak(artist, content)
        record = ConsentRecord(
            self.revision, self.recorded_at, Answer(fact.answer), fact.scope, fact.expires_at
        )
        self.records.say(artist, content, record)
        if content:
            concerned = np.array([voice], np.uint32)
        else:
            self.voices.said.values[voice] = SPOKE
            concerned = self.voices.with_own(artist)
        for column in self._listed_columns():
            if _covers(fact.scope, column.terms):
                column.mark(concerned)

    def _speak(self, artist: int, content: int) -> int:
        """Give an artist a voice about one content."""
        voice = self.subjects.nameless()
        self.voices.reach(len(self.subjects))
        self.voices.standing.values[voice] = SILENT
        self.voices.registered_at.values[voice] = self.voices.registered_at.values[artist]
        self.voices.said.values[voice] = OF_ONE_CONTENT
        self.voices.exceptions.add(artist, content, voice)
        self.rightsholders.speak_for(content, artist, voice)
        for column in self._listed_columns():
            # Where nobody was told or said anything, the new voice is as silent as its artist.
            if column.states is not None:
                column.mark(np.array([voice], np.uint32))
        return voice

    def _voices_of(self, artists: Sequence[str]) -> Ordinals:
        voices = self.subjects.add_all(artists)
        self.voices.reach(len(self.subjects))
        return voices


def _covers(scope: Scope, terms: Terms) -> bool:
    """Tell whether a record at this scope bears on a column, for whatever content."""
    return uses.covers(scope.use, terms.versions[0].use) and scope.recipient in {
        None,
        terms.recipient,
    }
