"""The compiled index: the ledger's meaning at one revision, in arrays.

It holds what `service.domain.history.History` holds, and answers what `decide` answers, for a
million at a time. Nothing is decided here: events make voices stale (`columns`), the rules say what
stale voices answer (`compile`), and a check gathers (`ask`).

Like the index it is changed by `apply` alone, read between events and in one thread, so that every
answer belongs to exactly one revision. Asking compiles what is stale and therefore writes too.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial, singledispatchmethod
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from service.decisions.compiled.answers import (
    FOREVER,
    NO_INSTANT,
    NUMBER,
    REASON_BITS,
    Answers,
    Codes,
    Instants,
    code_of,
)
from service.decisions.compiled.ask import Ask, ask_content
from service.decisions.compiled.columns import STALE, CompiledColumn
from service.decisions.compiled.compile import Compiler
from service.decisions.compiled.deliveries import Deliveries
from service.decisions.compiled.growing import Growing
from service.decisions.compiled.ids import UNKNOWN, Ids
from service.decisions.compiled.records import Records
from service.decisions.compiled.rightsholders import Rightsholders
from service.decisions.compiled.rules import rule_of
from service.decisions.compiled.shapes import Terms
from service.decisions.compiled.slots import Ordinals
from service.decisions.compiled.spelling import Hashing, Spelled
from service.decisions.compiled.voices import (
    ERASED,
    OF_ONE_CONTENT,
    QUIET,
    SILENT,
    SPOKE,
    UNKNOWN_ARTIST,
    Voices,
)
from service.domain import uses
from service.domain.assessment import Reason
from service.domain.consent import Answer, ConsentRecord, Scope
from service.domain.decision import Decision, Query
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
from service.domain.history import Artist, History
from service.domain.instant import Instant

ColumnKey: TypeAlias = tuple[str, str, int]
"""Use, recipient (empty for all that no version lists), and the least version that counts."""

_BLOCK: Final = 32_768
_NOBODY: Final = ""
"""No recipient's name. Whoever is listed by no version gets the same answers as anybody else."""

_MOST_LEAST: Final = 16
"""Columns kept for pipelines that act under a certain version; the oldest goes first."""


class CompiledIndex:
    """A replica of the ledger's meaning, compiled."""

    def __init__(self, hashing: Hashing) -> None:
        self._policies = History()
        """The skeleton: revision, clock and policies, but nobody and nothing."""
        self.subjects = Ids(hashing)
        """Artists' references, by the ordinals of their voices."""
        self.contents = Ids(hashing)
        self.voices = Voices()
        self.rightsholders = Rightsholders()
        self.records = Records()
        self._names = Ids(hashing)
        self._named = Growing(np.uint32, size=1)
        self._name_of = Growing(np.uint32, size=1)
        self._deliveries: dict[str, Deliveries] = {}
        self._columns: dict[ColumnKey, CompiledColumn] = {}
        self._compiler = Compiler(self.voices, self.records)

    # -- the ledger's events -----------------------------------------------------------------------

    @property
    def revision(self) -> int:
        """The number of events taken in."""
        return self._policies.revision

    @property
    def recorded_at(self) -> Instant:
        """When the last event was recorded; no check is judged before."""
        return self._policies.recorded_at

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
        self._policies.apply(revision, recorded_at, policy)
        if fact is not None:
            self._take(fact)
        for subject, artist_id in (artist_ids or {}).items():
            name, voice = self._names.add(artist_id), self.subjects.find(subject)
            self._named.reach(name + 1)
            self._named.values[name] = voice
            self._name_of.reach(voice + 1)
            self._name_of.values[voice] = name

    def _refuse_strangers(self, revision: int, fact: Fact | None) -> None:
        match fact:
            case ConsentRecorded(artist=artist) | ArtistErased(artist=artist):
                known = np.array([self.subjects.find(artist)], np.uint32)
            case NoticeDelivered(use=use, version=version, artists=artists):
                if version > len(self._policies.versions.get(use, ())):
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
        if fact.artists and self._policies.first_artist_at is None:
            self._policies.first_artist_at = self.recorded_at
        voices = self._voices(fact.artists)
        new = self.voices.register(voices, self.recorded_at)
        for column in self._columns.values():
            column.stand(new, SILENT)

    @_take.register
    def _(self, fact: ArtistErased) -> None:
        artist = self.subjects.find(fact.artist)
        voices = self.voices.with_own(artist)
        self.voices.standing.values[voices] = ERASED
        for column in self._columns.values():
            column.stand(voices, ERASED)
        self.records.forget(artist)
        for deliveries in self._deliveries.values():
            deliveries.forget(artist)

    @_take.register
    def _(self, fact: ContentPut) -> None:
        # Of a content that comes twice the last word counts.
        items = list({item.content: item for item in fact.items}.values())
        contents = self.contents.add_all([item.content for item in items])
        self.rightsholders.reach(len(self.contents))
        numbers = np.fromiter((len(i.rightsholders) for i in items), np.int64, len(items))
        voices = self._voices([one for item in items for one in item.rightsholders])
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

    def _voices(self, artists: Sequence[str]) -> Ordinals:
        voices = self.subjects.add_all(artists)
        self.voices.reach(len(self.subjects))
        return voices

    def _deliveries_of(self, use: str) -> Deliveries:
        return self._deliveries.setdefault(use, Deliveries())

    # -- answering ---------------------------------------------------------------------------------

    def artist(self, artist_id: str) -> int:
        """Return the ordinal of an artist by the platform's id, or 0."""
        return int(self._named.values[self._names.find(artist_id)])

    def artist_id(self, subject: str) -> str | None:
        """Return the platform's id of an artist, or None where it is not known."""
        voice = self.subjects.find(subject)
        name = self._name_of.values.item(voice) if voice < self._name_of.size else UNKNOWN
        return self._names.name(name) if name else None

    def artists(self, artist_ids: Spelled) -> Ordinals:
        """Return the ordinal of each artist by the platform's id, or 0."""
        return self._named.values[self._names.find_all(artist_ids)]

    def decide(self, query: Query, now: Instant) -> Decision:
        """Answer one question as `service.domain.decision.decide` does."""
        about = self.contents.find(query.content) if query.content is not None else None
        artist = self.subjects.find(query.artist or "")
        asked = np.array([artist if about is None else about], np.uint32)
        answers = self.decide_many(
            query.use,
            query.recipient,
            contents=None if about is None else asked,
            artists=asked if about is None else None,
            now=now,
            min_version=query.min_version,
        )
        return answers.decision(0)

    def decide_many(
        self,
        use: str,
        recipient: str,
        *,
        contents: Ordinals | None = None,
        artists: Ordinals | None = None,
        now: Instant,
        min_version: int = 1,
    ) -> Answers:
        """Answer one column for many content, or else for many artists, by ordinal.

        Ordinal 0, and one that this index never gave, is unknown. Like `decide`, it never raises
        for anything unknown; `now` is not before the last event.
        """
        if not self._policies.versions.get(use):
            return self._unknown_use(contents, artists)
        ask = partial(self._ask, self._column(use, recipient, min_version), now=now)
        return self._answer(ask, contents, artists)

    def resting_on_time(
        self,
        use: str,
        recipient: str,
        *,
        contents: Ordinals | None = None,
        artists: Ordinals | None = None,
        now: Instant,
        min_version: int = 1,
    ) -> npt.NDArray[np.bool_]:
        """Tell which are permitted by time: by any rightsholder's silence, or until some instant.

        For whoever does not know what time it is; takes twice as long as `decide_many`.
        """
        if not self._policies.versions.get(use):
            return self._unknown_use(contents, artists).permitted
        ask = partial(self._ask, self._column(use, recipient, min_version), now=now)
        answers = self._answer(ask, contents, artists)
        by_word = self._answer(partial(_without_silence, ask), contents, artists)
        by_time: npt.NDArray[np.bool_] = (answers.end != NO_INSTANT) | ~by_word.permitted
        return answers.permitted & by_time

    def refresh(self, most: int = 8_192) -> bool:
        """Compile a slice of what is stale, and tell whether there may be more.

        `most` is the number of artists whom only notices concern; one who spoke counts for 32.
        """
        column = next((column for column in self._columns.values() if column.stale), None)
        if column is not None:
            self._compiler.refresh(column, most)
        return column is not None

    def _unknown_use(self, contents: Ordinals | None, artists: Ordinals | None) -> Answers:
        size = len(self._known(contents, artists))
        answers, never = Answers.empty(size), np.full(size, FOREVER, np.int64)
        codes = np.full(size, code_of(Reason.UNKNOWN_USE, None), np.int32)
        answers.fill(slice(None), codes, never, never)
        return answers

    def _answer(self, ask: Ask, contents: Ordinals | None, artists: Ordinals | None) -> Answers:
        asked = self._known(contents, artists)
        answers = Answers.empty(len(asked))
        for begin in range(0, len(asked), _BLOCK):
            block = slice(begin, begin + _BLOCK)
            if contents is None:
                answers.fill(block, *ask(asked[block]))
            else:
                answers.fill(block, *ask_content(self.rightsholders, asked[block], ask))
        return answers

    def _known(self, contents: Ordinals | None, artists: Ordinals | None) -> Ordinals:
        """Return the ordinals asked about, 0 in place of those that were never given."""
        if contents is not None:
            asked, size = contents, self.rightsholders.size
        elif artists is not None:
            asked, size = artists, self.voices.size
        else:
            raise ValueError("ask about contents or about artists")
        if int(asked.max(initial=0)) < size:
            return asked
        return np.where(asked < size, asked, np.uint32(UNKNOWN))

    def _ask(
        self, column: CompiledColumn, voices: Ordinals, now: Instant
    ) -> tuple[Codes, Instants, Instants]:
        if column.stale:
            stale = voices[column.state_of(voices) == STALE]
            if len(stale):
                self._compiler.freshen(column, stale)
        return column.answer(voices, now)

    def _listed_columns(self) -> Iterator[CompiledColumn]:
        """Return the columns in which it matters what artists say, or are told."""
        return (column for key, column in self._columns.items() if key[1] != _NOBODY)

    def _column(self, use: str, recipient: str, min_version: int) -> CompiledColumn:
        versions = self._policies.versions[use]
        if any(version.lists(recipient) for version in versions):
            # Every version beyond the latest is as far away as the next.
            key = (use, recipient, max(1, min(min_version, len(versions) + 1)))
        else:
            key = (use, _NOBODY, 1)
        column = self._columns.get(key)
        if column is None:
            column = self._columns[key] = self._new_column(key)
            self._drop_columns()
        return column

    def _new_column(self, key: ColumnKey) -> CompiledColumn:
        use, recipient, _ = key
        terms, deliveries = self._terms(key), self._deliveries_of(use)
        column = CompiledColumn(terms, rule_of(terms), self.voices, deliveries)
        if recipient != _NOBODY:
            size = self.voices.size
            spoke = np.flatnonzero(self.voices.said.values[:size] != QUIET).astype(np.uint32)
            column.mark(np.concatenate([spoke, deliveries.anybody(size)]))
        return column

    def _terms(self, key: ColumnKey) -> Terms:
        use, recipient, least = key
        return Terms(tuple(self._policies.versions[use]), recipient, least)

    def _drop_columns(self) -> None:
        least = [key for key in self._columns if key[2] > 1]
        for key in least[:-_MOST_LEAST]:
            del self._columns[key]

    # -- the rules' own view -----------------------------------------------------------------------

    def excerpt(self, *, contents: Iterable[str] = (), subjects: Iterable[str] = ()) -> History:
        """Return the history as far as it bears on these, for `explain` and for `decide`."""
        history = History()
        history.revision, history.recorded_at = self.revision, self.recorded_at
        history.min_notice_period = self._policies.min_notice_period
        history.first_artist_at = self._policies.first_artist_at
        history.versions = {use: list(known) for use, known in self._policies.versions.items()}
        wanted = {self.subjects.find(subject) for subject in subjects}
        for content in contents:
            item = self._item(content)
            if item is not None:
                history.content[content] = (item, 0)
                wanted.update(self.subjects.find(one) for one in item.rightsholders)
        for artist in wanted:
            if self.voices.standing.values[artist] != UNKNOWN_ARTIST:
                history.artists[self.subjects.name(artist)] = self._artist(artist)
        return history

    def _item(self, content: str) -> ContentItem | None:
        ordinal = self.contents.find(content)
        status = self.rightsholders.status(ordinal)
        if status is None:
            return None
        artists = (self.voices.artist_of(one)[0] for one in self.rightsholders.of(ordinal))
        return ContentItem(content, tuple(map(self.subjects.name, artists)), status)

    def _artist(self, artist: int) -> Artist:
        registered_at = self.voices.registered_at.values.item(artist)
        if self.voices.standing.values[artist] == ERASED:
            return Artist(registered_at, erased=True)
        delivered = {use: told.of(artist) for use, told in self._deliveries.items()}
        known = Artist(registered_at, delivered={use: at for use, at in delivered.items() if at})
        for said in self.records.of(artist):
            content = self.contents.name(said.content) if said.content else None
            known.say(self.records.record(said, content))
        return known

    @property
    def nbytes(self) -> dict[str, int]:
        """The bytes that each part takes."""
        return {
            "ids": self.subjects.nbytes + self.contents.nbytes + self._names.nbytes,
            "ids_text": sum(
                ids.arena_nbytes for ids in (self.subjects, self.contents, self._names)
            ),
            "voices": self.voices.nbytes + self._named.nbytes + self._name_of.nbytes,
            "rightsholders": self.rightsholders.nbytes,
            "records": self.records.nbytes,
            "deliveries": sum(one.nbytes for one in self._deliveries.values()),
            "columns": sum(one.nbytes for one in self._columns.values()),
        }


def _without_silence(ask: Ask, voices: Ordinals) -> tuple[Codes, Instants, Instants]:
    """Answer as `ask` does, but where silence permits as if its window were open."""
    codes, start, end = ask(voices)
    codes[codes & REASON_BITS == NUMBER[Reason.WINDOW_CLOSED]] = NUMBER[Reason.WINDOW_OPEN]
    return codes, start, end


def _covers(scope: Scope, terms: Terms) -> bool:
    """Tell whether a record at this scope bears on a column, for whatever content."""
    return uses.covers(scope.use, terms.versions[0].use) and scope.recipient in {
        None,
        terms.recipient,
    }
