"""The replay itself: the ledger's events and the logged decisions in, what differs out.

    for judged in replayed(steps, batches, erasures): ...

Nothing is read here and no clock looked at. Events are folded in their order into a fresh compiled
index, which is asked what was asked, at the instant of each answer.

Few decisions name the same revision, and few events bear on what is asked about. So a stretch of
events is looked at ahead: whatever none of them touches (`touching`) is asked about before the
first of them, all of a column together; everything else at the very revision that it names.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

import numpy as np
import numpy.typing as npt

from service.decisions.compiled.answers import NUMBER, REASON_BITS, Answers, Packed
from service.decisions.compiled.index import CompiledIndex
from service.decisions.compiled.spelling import Hashing
from service.decisions.question import About
from service.domain.assessment import Reason
from service.domain.decision import Decision, Query, asked, decide, refused_outright
from service.domain.events import ArtistErased
from service.domain.history import Artist, History
from service.domain.instant import Instant
from service.ledger.events import LedgerBroken
from service.replay.difference import Difference, Judged, Outcome, fields_apart
from service.replay.logged import Logged, Positions
from service.replay.steps import Erasures, Step
from service.replay.touching import Touching

MOST_NAMED: Final = 1_000
"""Differences, and outcomes that cannot be recomputed, that are named of one batch."""

_FEW: Final = 12
"""So many questions are quicker asked one by one than together."""

_AHEAD: Final = 500
"""Events that are looked at ahead."""

_NEVER: Final = -1
_LAST: Final = 2**63 - 1

_OF_AN_ARTIST: Final = NUMBER[Reason.UNKNOWN_ARTIST]
"""Denials from this number on say something about a rightsholder."""

_NOT_THERE: Final = "the ledger does not go as far as the revision that it names"
_TOO_EARLY: Final = "it was evaluated before the last event of the revision that it names"
_OTHERWISE: Final = "the ledger leads to another answer"


def replayed(
    steps: Iterable[Step],
    batches: Iterable[Logged],
    erasures: Erasures,
    hashing: Hashing,
) -> Iterator[Judged]:
    """Recompute logged decisions; yield what came of each batch.

    `steps` are the ledger's events from the first on; as many are taken as decisions ask for.
    `batches` come in order of the revisions that they name. Raises ValueError where they do not,
    LedgerBroken where the events contradict each other.
    """
    replay, ahead = Replay(hashing, erasures), iter(steps)
    for batch in batches:
        yield replay.judge(batch, ahead)


class Replay:
    """An index on its way through the ledger, and what is asked of it at each halt."""

    def __init__(self, hashing: Hashing, erasures: Erasures) -> None:
        """Start before the first event; `erasures` are all that the ledger knows of."""
        self._index = CompiledIndex(hashing)
        self._erasures = erasures
        self._gone: set[int] = set()
        """Voices of artists whose words are destroyed, up to the erasure that destroyed them."""

    def judge(self, logged: Logged, steps: Iterator[Step]) -> Judged:
        """Recompute a batch, taking the events in between. Raises as `replayed` does."""
        logged = logged.some(np.lexsort((logged.column, logged.revision)))
        halts, first = _Halts(self, logged), int(np.searchsorted(logged.revision, 0))
        halts.missing(range(first))
        for stretch in _stretches(logged.revision, first):
            self._advance(logged.revision.item(stretch.start), steps)
            last = logged.revision.item(stretch.stop - 1)
            ahead = list(islice(steps, min(last - self._index.revision, _AHEAD)))
            self._judge(stretch, ahead, halts)
        return halts.judged()

    def _judge(self, stretch: range, ahead: Sequence[Step], halts: "_Halts") -> None:
        """Judge decisions of which the first ones name the revision that the index stands at."""
        instants = {self._index.revision: self._index.recorded_at}
        instants |= {step.revision: step.recorded_at for step in ahead}
        there = halts.reached(stretch, instants)
        touched = halts.touched(there, Touching(self._index, ahead))
        for run in halts.by_column(there[~touched]):
            halts.ask(run)
        coming = iter(ahead)
        for run in halts.by_revision(there[touched]):
            self._advance(halts.revision(run), coming)
            halts.ask(run)
        for step in coming:
            self._take(step)

    def _advance(self, revision: int, steps: Iterator[Step]) -> None:
        """Take events up to a revision, or to the ledger's end."""
        if revision < self._index.revision:
            message = f"decisions at {revision} come after those at {self._index.revision}"
            raise ValueError(message)
        while self._index.revision < revision:
            step = next(steps, None)
            if step is None:
                return
            self._take(step)

    def _take(self, step: Step) -> None:
        try:
            self._index.apply(step.revision, step.recorded_at, step.fact)
        except ValueError as error:
            raise LedgerBroken(str(error)) from error
        if isinstance(step.fact, ArtistErased):
            artist = self._index.subjects.find(step.fact.artist)
            voices = self._index.voices.with_own(artist).tolist()
            if step.words_gone and self._has_yet_to_be_erased(step):
                self._gone.update(voices)
            else:
                self._gone.difference_update(voices)

    def _has_yet_to_be_erased(self, step: Step) -> bool:
        erasure = (
            self._erasures.get(step.fact.artist) if isinstance(step.fact, ArtistErased) else None
        )
        return erasure is None or erasure.revision > step.revision

    @property
    def index(self) -> CompiledIndex:
        """The index where it stands."""
        return self._index

    def rests_on_gone(self, about: About, ordinal: int) -> bool:
        """Tell whether any rightsholder of what was asked about has said what nobody knows."""
        if about is About.ARTISTS:
            return ordinal in self._gone
        return not self._gone.isdisjoint(self._index.rightsholders.of(ordinal))

    @property
    def anything_gone(self) -> bool:
        """Whether there are words at this revision that nobody knows any more."""
        return bool(self._gone)

    def as_erased_since(self, query: Query, at: Instant, answered_at: Instant) -> Decision | None:
        """Return the answer about the past by whoever knew of later erasures, or None if of none.

        A past instant is answered from what is known when the question comes: an artist who was
        erased in between is erased for the past as well (docs/decisions/0014).
        """
        history = self._index.history
        if not self._erasures or refused_outright(history, query) is not None:
            return None
        holders = asked(history, query)
        erased = {one for one in holders if self._was_erased(one, answered_at)}
        if not erased:
            return None
        past = History()
        past.versions = history.versions
        if query.content is not None:
            past.content = {query.content: history.content[query.content]}
        known = {one: history.artists.get(one) for one in holders}
        past.artists = {
            one: Artist(artist.registered_at, erased=True) if one in erased else artist
            for one, artist in known.items()
            if artist is not None
        }
        return decide(past, query, at)

    def _was_erased(self, artist: str, answered_at: Instant) -> bool:
        erasure = self._erasures.get(artist)
        later = erasure is not None and erasure.revision > self._index.revision
        return later and erasure is not None and erasure.recorded_at <= answered_at


class _Halts:
    """One batch, in order of revisions and columns, and what was found for each outcome so far.

    A run is some of its outcomes, by their places, that have the column in common.
    """

    def __init__(self, replay: Replay, logged: Logged) -> None:
        self._replay = replay
        self._logged = logged
        self._by_content = np.array(
            [one.about is About.CONTENT for one in logged.columns], np.bool_
        )[logged.column]
        self._ordinals = np.zeros(len(logged), np.uint32)
        self._any_past = bool(logged.past.any())
        self._answers = Answers.empty(len(logged))
        self._alone: list[int] = []
        self._packed: list[Packed] = []
        self._wrong: dict[int, str] = {}
        self._gone: set[int] = set()
        self._instead: dict[int, Decision] = {}
        self._find(np.arange(len(logged)))

    def revision(self, run: Positions) -> int:
        """Return the revision that the first of a run names."""
        return self._logged.revision.item(run[0])

    def missing(self, places: Iterable[int]) -> None:
        """Take note of what names a revision that there is not."""
        self._wrong |= dict.fromkeys(places, _NOT_THERE)

    def reached(self, stretch: range, instants: Mapping[int, Instant]) -> Positions:
        """Return what names a revision that there is; `instants` are those of their last events.

        Take note of all else, and of what was evaluated before the last event that it knew.
        """
        named = self._logged.revision[stretch.start : stretch.stop]
        revisions, which = np.unique(named, return_inverse=True)
        last = np.array([instants.get(one, _NEVER) for one in revisions.tolist()], np.int64)[which]
        places: Positions = np.arange(stretch.start, stretch.stop)
        there = last != _NEVER
        self.missing(places[~there].tolist())
        early = there & (self._logged.evaluated_at[stretch.start : stretch.stop] < last)
        self._wrong |= dict.fromkeys(places[early].tolist(), _TOO_EARLY)
        reached: Positions = places[there]
        return reached

    def touched(self, places: Positions, touching: Touching) -> npt.NDArray[np.bool_]:
        """Tell what has to wait for the very revision that it names."""
        self._find(places)
        uses = np.array([one.use in touching.uses for one in self._logged.columns], np.bool_)
        touched: npt.NDArray[np.bool_] = uses[self._logged.column[places]]
        by_content = self._by_content[places]
        asked = self._ordinals[places]
        touched[by_content] |= touching.contents(asked[by_content])
        touched[~by_content] |= touching.artists(asked[~by_content])
        return touched

    def _find(self, places: Positions) -> None:
        """Find what is asked about, as far as it was not known before and is known now."""
        index = self._replay.index
        unknown = places[self._ordinals[places] == 0]
        for ids, some in (
            (index.contents, unknown[self._by_content[unknown]]),
            (index.subjects, unknown[~self._by_content[unknown]]),
        ):
            if len(some):
                self._ordinals[some] = ids.find_all(self._logged.ids.some(some))

    def by_column(self, places: Positions) -> Iterator[Positions]:
        """Return runs of one column, whatever their revisions."""
        order = np.argsort(self._logged.column[places], kind="stable")
        yield from _cut(places[order], self._logged.column[places[order]])

    def by_revision(self, places: Positions) -> Iterator[Positions]:
        """Return runs of one revision and one column, in order of the revisions."""
        for run in _cut(places, self._logged.revision[places]):
            yield from _cut(run, self._logged.column[run])

    def ask(self, run: Positions) -> None:
        """Ask the index as it stands."""
        column = self._logged.columns[self._logged.column.item(run[0])]
        if column.about is None:
            raise ValueError("nothing is asked about: such outcomes are unreadable")
        index, few = self._replay.index, len(run) <= _FEW
        self._find(run)
        if few:
            ask = index.asking(
                column.use,
                column.recipient,
                by_artist=column.about is About.ARTISTS,
                min_version=column.min_version,
            )
            self._ask_few(run, ask)
        else:
            by_content = column.about is About.CONTENT
            ordinals = self._ordinals[run]
            found = index.decide_each(
                column.use,
                column.recipient,
                contents=ordinals if by_content else None,
                artists=None if by_content else ordinals,
                nows=self._logged.evaluated_at[run],
                min_version=column.min_version,
            )
            self._answers.place(run, found)
        if self._replay.anything_gone:
            self._look_for_gone(run, column.about, few=few)
        if self._any_past:
            self._look_at_past(run)

    def _ask_few(self, run: Positions, ask: Callable[[Instant, int], Packed]) -> None:
        instants = self._logged.evaluated_at[run].tolist()
        ordinals = self._ordinals[run].tolist()
        self._alone += run.tolist()
        self._packed += map(ask, instants, ordinals)

    def _look_for_gone(self, run: Positions, about: About, *, few: bool) -> None:
        """Take note of what rests on destroyed words: whoever has none left denies."""
        if few:
            numbers = [code & REASON_BITS for code, *_ in self._packed[-len(run) :]]
        else:
            numbers = self._answers.reason[run].tolist()
        ordinals = self._ordinals[run].tolist()
        for one, number, ordinal in zip(run.tolist(), numbers, ordinals, strict=True):
            if number >= _OF_AN_ARTIST and self._replay.rests_on_gone(about, ordinal):
                self._gone.add(one)

    def _look_at_past(self, run: Positions) -> None:
        for one in run[self._logged.past[run]].tolist():
            instead = self._replay.as_erased_since(
                self._query(one),
                self._logged.evaluated_at.item(one),
                self._logged.answered_at.item(one),
            )
            if instead is not None:
                self._instead[one] = instead

    def _query(self, one: int) -> Query:
        column = self._logged.columns[self._logged.column.item(one)]
        text = self._logged.ids.text(one).decode("utf-8", "surrogatepass")
        by_content = column.about is About.CONTENT
        return Query(
            column.use,
            column.recipient,
            content=text if by_content else None,
            artist=None if by_content else text,
            min_version=column.min_version,
        )

    def judged(self) -> Judged:
        """Return what came of the whole batch."""
        self._unpack()
        different = [one for one in self._apart().tolist() if not self._excused(one)]
        unreadable = self._logged.unreadable
        differences = [
            *(Difference(one.decision_id, one.revision, one.why) for one in unreadable),
            *(self._difference(one) for one in different[:MOST_NAMED]),
        ]
        gone = sorted(self._gone)
        return Judged(
            revision=self._replay.index.revision,
            decisions=int((self._logged.position == 0).sum()) + len(unreadable),
            outcomes=len(self._logged),
            different=len(different) + len(unreadable),
            gone=len(gone),
            differences=differences[:MOST_NAMED],
            gone_ones=[self._outcome(one) for one in gone[:MOST_NAMED]],
        )

    def _unpack(self) -> None:
        """Put what was answered one by one into its place."""
        if not self._alone:
            return
        codes, start, end = np.array(self._packed, np.int64).T
        alone = Answers.empty(len(codes))
        alone.fill(slice(None), codes.astype(np.int32), start, end)
        self._answers.place(np.array(self._alone, np.int64), alone)

    def _apart(self) -> Positions:
        """Return where the log does not say what was found, or where nothing could be found."""
        logged, found = self._logged.answers, self._answers
        same = logged.permitted == found.permitted
        same &= logged.reason == found.reason
        same &= logged.policy_version == found.policy_version
        same &= logged.start == found.start
        same &= logged.end == found.end
        same[list(self._wrong)] = False
        # What rests on destroyed words is neither, unless it was asked when they were gone already.
        self._gone -= {*self._instead, *self._wrong}
        same[list(self._gone)] = True
        same[list(self._instead)] = False
        return np.flatnonzero(~same)

    def _excused(self, one: int) -> bool:
        """Tell whether an answer about the past is the one that was right when it was given."""
        instead = self._instead.get(one)
        if instead is None or one in self._wrong:
            return False
        logged = self._logged.answers.decision(one)
        # The erasure may have come between the reading of the past and the answer.
        return logged in (instead, self._answers.decision(one))

    def _difference(self, one: int) -> Difference:
        logged, outcome = self._logged.answers.decision(one), self._outcome(one)
        where = outcome.decision_id, outcome.revision
        if one in self._wrong:
            return Difference(*where, self._wrong[one], outcome, logged)
        found = self._instead.get(one) or self._answers.decision(one)
        fields = fields_apart(logged, found)
        return Difference(*where, _OTHERWISE, outcome, logged, found, fields)

    def _outcome(self, one: int) -> Outcome:
        logged = self._logged
        return Outcome(
            decision_id=logged.decision_ids[logged.decision[one]],
            position=logged.position.item(one),
            revision=logged.revision.item(one),
            evaluated_at=logged.evaluated_at.item(one),
            column=logged.columns[logged.column.item(one)],
            one=logged.ids.text(one).decode("utf-8", "replace"),
        )


def _stretches(revisions: Positions, start: int) -> Iterator[range]:
    """Return stretches of decisions that name revisions not too far from each other."""
    while start < len(revisions):
        furthest = min(revisions.item(start) + _AHEAD, _LAST)
        stop = int(np.searchsorted(revisions, furthest, side="right"))
        yield range(start, stop)
        start = stop


def _cut(places: Positions, keys: Positions) -> Iterator[Positions]:
    """Return the places where keys are the same that follow each other."""
    if len(places):
        yield from np.split(places, np.flatnonzero(np.diff(keys)) + 1)
