"""The whole chain behind one outcome: what every rightsholder's part rests on, and the verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from sqlalchemy import select
from sqlmodel import col

from service.db.engine import ReadSession
from service.db.tables import LedgerEvent
from service.decisions.log.entry import Entry, Outcome
from service.decisions.question import About
from service.domain.assessment import Applied, Column, Reason
from service.domain.binding import Window, binding_instants, governing_at, reigns
from service.domain.decision import (
    Decision,
    Query,
    asked,
    column_of,
    decide,
    permitted_interval,
    refused_outright,
    spans_of,
)
from service.domain.events import ContentItem
from service.domain.history import Artist, History
from service.domain.instant import Duration, Instant
from service.domain.interval import NEVER, Interval
from service.domain.policy import Mode, PolicyVersion
from service.ledger.vault import Vault
from service.replay.excerpt import (
    Excerpt,
    ReadEvent,
    Rests,
    Rightsholder,
    excerpt_of,
    read_events,
    rests_of,
)

_ASKS_FIRST: Final = frozenset({Mode.PROHIBITED, Mode.OPT_IN})


class Verdict(StrEnum):
    """What recomputing an outcome from the events it rests on has shown."""

    EQUAL = "recomputed_and_equal"
    DIFFERENT = "recomputed_and_different"
    GONE = "cannot_be_recomputed"


class Clause(StrEnum):
    """Why a version binds an artist on a column: the clauses of R7."""

    LAUNCH_TERMS = "launch_terms"
    SILENCE_PERMITS_NOTHING = "silence_permits_nothing"
    SAME_TERMS = "same_terms"
    EDITORIAL = "editorial"
    WINDOW_CLOSED = "window_closed"


@dataclass(frozen=True, slots=True)
class Bound:
    """From when on a version binds an artist, and why. It may lie in the future."""

    version: int
    since: Instant
    clause: Clause


@dataclass(frozen=True, slots=True)
class Told:
    """An artist's window for a version, and the event in which its notice was delivered."""

    window: Window
    delivered: int


@dataclass(frozen=True, slots=True)
class Part:
    """One rightsholder's part of an answer.

    `subject` is their reference in the ledger, `artist_id` the platform's id while there is one.
    `governing` is the version that governed, `judged_by` the one that the answer names: a later one
    where a yes to it permits. `gone` are events whose words an erasure has destroyed: then nobody
    can tell any more what their part was, and `reason` is None.
    """

    subject: str
    artist_id: str | None
    reason: Reason | None
    interval: Interval
    registered: int | None
    registered_at: Instant | None
    erased: int | None
    governing: int | None = None
    judged_by: int | None = None
    bound: Sequence[Bound] = ()
    told: Sequence[Told] = ()
    applied: Sequence[Applied] = ()
    gone: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class CharterAsItWas:
    """The charter at the decision's revision."""

    revision: int
    platform: str
    min_notice_period: Duration


@dataclass(frozen=True, slots=True)
class Chain:
    """Everything that one outcome rests on; events by their revisions.

    `recomputed` is what they lead to, None where that cannot be told any more, and where the
    decision names a revision that was not there at its instant: that is different whatever it says.
    `artist_ids` are the platform's ids of those who are asked about, as far as there are any.
    """

    query: Query
    verdict: Verdict
    recomputed: Decision | None
    refused_outright: Reason | None
    charter: CharterAsItWas | None
    content: ContentItem | None
    content_put: int | None
    versions: Sequence[PolicyVersion]
    parts: Sequence[Part]
    first_artists: int | None
    artist_ids: Mapping[str, str]
    events: Mapping[int, ReadEvent]

    @property
    def names(self) -> frozenset[str]:
        """What rows of bulk events are about it: the content asked about, and its rightsholders."""
        content = () if self.query.content is None else (self.query.content,)
        return frozenset((*content, *(part.subject for part in self.parts)))


async def chain_of(session: ReadSession, vault: Vault, entry: Entry, outcome: Outcome) -> Chain:
    """Return what an outcome of a logged decision rests on, read from the ledger's events.

    Raises LedgerBroken where one of them contradicts its leaf.
    """
    query = _query(entry, outcome)
    rests = await rests_of(session, query, entry.revision)
    events = await read_events(session, rests.revisions(), vault)
    excerpt = excerpt_of(events.values(), query, rests.rightsholders, entry.revision)
    if "at" in entry.request:
        rests = _erased_since(excerpt.history, rests, events, entry.place.answered_at)
    refusal = refused_outright(excerpt.history, query)
    holders = () if refusal is not None else asked(excerpt.history, query)
    asking = _Asking(excerpt, query, entry.evaluated_at)
    parts = [asking.part(one, rests.rightsholders[one]) for one in holders]
    recomputed = decide(excerpt.history, query, entry.evaluated_at)
    verdict = Verdict.EQUAL if recomputed == outcome.decision else Verdict.DIFFERENT
    if any(part.gone for part in parts):
        verdict = Verdict.GONE
    if not (stood := await _stood(session, entry)):
        verdict = Verdict.DIFFERENT
    put = excerpt.history.content.get(query.content or "")
    return Chain(
        query=query,
        verdict=verdict,
        recomputed=recomputed if stood and verdict is not Verdict.GONE else None,
        refused_outright=refusal,
        charter=_charter(rests, events, excerpt.history),
        content=None if put is None else put[0],
        content_put=rests.content,
        versions=excerpt.history.versions.get(query.use, ()),
        parts=parts,
        first_artists=rests.first_artists,
        artist_ids={
            subject: one.artist_id
            for subject, one in rests.rightsholders.items()
            if one.artist_id is not None
        },
        events=_rested_on(events, rests, parts),
    )


async def _stood(session: ReadSession, entry: Entry) -> bool:
    """Tell whether the ledger had the revision that a decision names by the instant it names."""
    if entry.revision == 0:
        return True
    named = select(col(LedgerEvent.recorded_at)).where(col(LedgerEvent.revision) == entry.revision)
    recorded_at: Instant | None = await session.scalar(named)
    return recorded_at is not None and recorded_at <= entry.evaluated_at


def _query(entry: Entry, outcome: Outcome) -> Query:
    by_content = entry.about is About.CONTENT
    return Query(
        use=entry.use,
        recipient=entry.recipient,
        content=outcome.one if by_content else None,
        artist=None if by_content else outcome.one,
        min_version=entry.request.get("min_policy_version") or 1,
    )


def _erased_since(
    history: History, rests: Rests, events: Mapping[int, ReadEvent], answered_at: Instant
) -> Rests:
    """Let those be erased whom whoever answered about the past knew to be (docs/decisions/0014).

    Their answer does not rest on what they had said.
    """
    holders = dict(rests.rightsholders)
    for subject, holder in holders.items():
        known = history.artists.get(subject)
        erased = None if holder.erased is None else events[holder.erased].event
        if known is not None and erased is not None and erased.recorded_at <= answered_at:
            history.artists[subject] = Artist(known.registered_at, erased=True)
            holders[subject] = replace(holder, gone=())
    return replace(rests, rightsholders=holders)


@dataclass(frozen=True, slots=True)
class _Asking:
    """One question at one instant, and the history that it is asked of."""

    excerpt: Excerpt
    query: Query
    at: Instant

    def part(self, subject: str, holder: Rightsholder) -> Part:
        """Return one rightsholder's part."""
        known = self.excerpt.history.artists.get(subject)
        column = column_of(self.excerpt.history, self.query, subject)
        part = Part(
            subject=subject,
            artist_id=holder.artist_id,
            reason=None,
            interval=NEVER,
            registered=holder.registered,
            registered_at=None if known is None else known.registered_at,
            erased=holder.erased,
            gone=holder.gone,
        )
        if part.gone:
            return part
        if known is None or isinstance(column, Reason):
            return replace(part, reason=column if isinstance(column, Reason) else None)
        return self._known(part, known, column)

    def _known(self, part: Part, artist: Artist, column: Column) -> Part:
        """Return the part of somebody who is asked: what governs, what they were told and said."""
        versions = self.excerpt.history.versions[self.query.use]
        since = binding_instants(
            versions,
            self.query.recipient,
            artist.registered_at,
            artist.deliveries(self.query.use),
        )
        assessment = column.assess(self.at)
        return replace(
            part,
            reason=assessment.reason,
            interval=permitted_interval(spans_of(column)),
            governing=governing_at(reigns(since), self.at),
            judged_by=assessment.policy_version,
            bound=[
                Bound(version.version, one, clause_of(version, self.query.recipient, one))
                for version, one in zip(versions, since, strict=True)
                if one is not None
            ],
            told=[
                Told(window, self.excerpt.delivered[part.subject, window.version])
                for window in assessment.windows
            ],
            applied=assessment.applied,
        )


def clause_of(version: PolicyVersion, recipient: str, since: Instant) -> Clause:
    """Return the clause of R7 by which a version binds from an instant on.

    The clauses are tried in the order in which the rules try them. A window never closes at the
    very publication of its version, so the instant tells the last two apart.
    """
    if version.launch:
        return Clause.LAUNCH_TERMS
    if version.mode in _ASKS_FIRST or not version.lists(recipient):
        return Clause.SILENCE_PERMITS_NOTHING
    if version.editorial:
        return Clause.EDITORIAL
    return Clause.SAME_TERMS if since == version.published_at else Clause.WINDOW_CLOSED


def _charter(
    rests: Rests, events: Mapping[int, ReadEvent], history: History
) -> CharterAsItWas | None:
    if rests.charter is None:
        return None
    platform: str = events[rests.charter].event.public["platform"]
    return CharterAsItWas(rests.charter, platform, history.min_notice_period)


def _rested_on(
    events: Mapping[int, ReadEvent], rests: Rests, parts: Sequence[Part]
) -> Mapping[int, ReadEvent]:
    """Return the events that bear on the answer: not what was said and replaced, or elsewhere."""
    wanted = {rests.charter, rests.content, *rests.policies}
    if parts:
        wanted.add(rests.first_artists)
    for part in parts:
        wanted |= {part.registered, part.erased, *part.gone}
        wanted |= {one.delivered for one in part.told}
        wanted |= {one.record.revision for one in part.applied}
    return {revision: one for revision, one in events.items() if revision in wanted}
