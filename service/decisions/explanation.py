"""Why an answer is what it is: the whole chain, with the revision of everything it rests on."""

from collections.abc import Callable
from dataclasses import dataclass

from service.domain.assessment import Applied, Assessment, Reason
from service.domain.binding import Window
from service.domain.decision import (
    Query,
    asked,
    column_of,
    permitted_interval,
    refused_outright,
    spans_of,
)
from service.domain.history import History
from service.domain.instant import Instant
from service.domain.interval import NEVER, Interval
from service.domain.policy import PolicyVersion


@dataclass(frozen=True, slots=True)
class ArtistExplanation:
    """One rightsholder's part of an answer."""

    artist: str | None
    reason: Reason
    interval: Interval
    policy: PolicyVersion | None
    windows: tuple[Window, ...]
    records: tuple[Applied, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """One answer's chain: what denied outright, or what each rightsholder's answer rests on."""

    refused_outright: Reason | None
    rightsholders: tuple[ArtistExplanation, ...]


def explain(
    history: History, query: Query, now: Instant, artist_id: Callable[[str], str | None]
) -> Explanation:
    """Explain what `decide` answers for the same history, query and instant."""
    refusal = refused_outright(history, query)
    if refusal is not None:
        return Explanation(refusal, ())
    return Explanation(
        None,
        tuple(_explain(history, query, one, now, artist_id) for one in asked(history, query)),
    )


def _explain(
    history: History,
    query: Query,
    artist: str,
    now: Instant,
    artist_id: Callable[[str], str | None],
) -> ArtistExplanation:
    column = column_of(history, query, artist)
    if isinstance(column, Reason):
        return ArtistExplanation(artist_id(artist), column, NEVER, None, (), ())
    assessment: Assessment = column.assess(now)
    version = assessment.policy_version
    return ArtistExplanation(
        artist=artist_id(artist),
        reason=assessment.reason,
        interval=permitted_interval(spans_of(column)),
        policy=None if version is None else history.versions[query.use][version - 1],
        windows=assessment.windows,
        records=assessment.applied,
    )
