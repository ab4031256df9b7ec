"""Decisions: whether this content may be used for this, by them, now, and until when.

`decide` is the specification that every faster answer is held to (R1 to R10).
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from service.domain.assessment import PERMITS, Assessment, Column, Reason
from service.domain.events import ContentStatus
from service.domain.history import History
from service.domain.instant import Instant
from service.domain.interval import NEVER, Interval, intersection


@dataclass(frozen=True, slots=True)
class Query:
    """What a check asks: one column, for one content or for one artist.

    Exactly one of `content` and `artist` is set. `min_version` is for a pipeline that acts under
    the new terms of that version: artists it does not bind yet are denied.
    """

    use: str
    recipient: str
    content: str | None = None
    artist: str | None = None
    min_version: int = 1


@dataclass(frozen=True, slots=True)
class Span:
    """From `since` on the answer is this, until the next span starts."""

    since: Instant
    reason: Reason
    policy_version: int | None

    @property
    def permitted(self) -> bool:
        """Whether the answer of this span is a permit."""
        return self.reason in PERMITS


@dataclass(frozen=True, slots=True)
class Decision:
    """An answer and how long it stands if nothing more is said (R9)."""

    permitted: bool
    reason: Reason
    policy_version: int | None
    interval: Interval


Spans: TypeAlias = "Callable[[History, Query, str], tuple[Span, ...]]"
"""How one artist's answers are found: worked out, or kept from before."""


def decide(
    history: History, query: Query, now: Instant, *, spans: "Spans | None" = None
) -> Decision:
    """Answer a query at an instant not before the history's last event.

    Pure: the same history, query and instant give the same decision (R10). Never raises for
    anything unknown: that is a denial with its own reason (R1).
    """
    refusal = refused_outright(history, query)
    if refusal is not None:
        return Decision(permitted=False, reason=refusal, policy_version=None, interval=NEVER)
    find = spans or artist_spans
    return combine([find(history, query, artist) for artist in asked(history, query)], now)


def refused_outright(history: History, query: Query) -> Reason | None:
    """Return the reason that denies before any artist is asked, or None (R1)."""
    if not history.versions.get(query.use):
        return Reason.UNKNOWN_USE
    if query.content is None:
        return None
    if query.content not in history.content:
        return Reason.UNKNOWN_CONTENT
    item, _ = history.content[query.content]
    if item.status is ContentStatus.REMOVED:
        return Reason.CONTENT_REMOVED
    if item.status is ContentStatus.DISPUTED:
        return Reason.CONTENT_DISPUTED
    return None if item.rightsholders else Reason.NO_RIGHTSHOLDER


def asked(history: History, query: Query) -> tuple[str, ...]:
    """Return the artists who have to agree, in the content's own order (R8)."""
    if query.content is None:
        return (query.artist or "",)
    return history.content[query.content][0].rightsholders


def column_of(history: History, query: Query, artist: str) -> Column | Reason:
    """Return one artist under the asked column, or the reason why there is nothing to look at."""
    known = history.artists.get(artist)
    if known is None:
        return Reason.UNKNOWN_ARTIST
    if known.erased:
        return Reason.ARTIST_ERASED
    return Column(
        known,
        history.versions[query.use],
        query.recipient,
        query.content,
        min_version=query.min_version,
    )


def artist_spans(history: History, query: Query, artist: str) -> tuple[Span, ...]:
    """Return one artist's answers for all present and future time, in order."""
    column = column_of(history, query, artist)
    if isinstance(column, Reason):
        return (Span(0, column, None),)
    return spans_of(column)


def spans_of(column: Column) -> tuple[Span, ...]:
    """Return a column's answers from the last thing said that bears on it, in order."""
    instants = [column.settled_at, *column.edges()]
    return tuple(_span(instant, column.assess(instant)) for instant in instants)


def _span(since: Instant, assessment: Assessment) -> Span:
    return Span(since, assessment.reason, assessment.policy_version)


def span_at(spans: Sequence[Span], instant: Instant) -> Span:
    """Return the span that covers an instant; one before the first span counts as its start."""
    if len(spans) == 1:
        return spans[0]
    position = bisect_right(spans, instant, key=lambda span: span.since)
    return spans[max(position - 1, 0)]


def permitted_interval(spans: Sequence[Span]) -> Interval:
    """Return the one interval in which the spans permit (R9)."""
    start = next((n for n, span in enumerate(spans) if span.permitted), None)
    if start is None:
        return NEVER
    end = next((span.since for span in spans[start:] if not span.permitted), None)
    return Interval(spans[start].since, end)


def combine(answers: Sequence[Sequence[Span]], now: Instant) -> Decision:
    """Combine the rightsholders' answers at an instant: everybody must agree (R8).

    The reason is that of the first who denies, in the order given, or of the first of all.
    """
    current = [span_at(spans, now) for spans in answers]
    decisive = next((span for span in current if not span.permitted), current[0])
    return Decision(
        permitted=decisive.permitted,
        reason=decisive.reason,
        policy_version=decisive.policy_version,
        interval=intersection([permitted_interval(spans) for spans in answers]),
    )
