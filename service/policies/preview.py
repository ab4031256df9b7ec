"""What publishing a draft would do: how many artists it would bind, and when."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from service.decisions.index import Index
from service.domain.binding import binding_instants
from service.domain.history import Artist
from service.domain.instant import Instant
from service.domain.policy import PolicyVersion
from service.ledger.events import Recorded
from service.policies.publish import Admitted

_AT_ONCE: Final = 2_000
"""Artists judged between two pauses, so that checks go on meanwhile."""


@dataclass(frozen=True, slots=True)
class ColumnCount:
    """Artists by when the version would bind them under one recipient."""

    recipient: str
    at_publication: int
    as_pending_windows_close: int
    when_their_own_window_closes: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What publishing now would do. `window_closes_at` is when the earliest window could close.

    `waiting` are the artists, by reference, whom only a window of their own can bind on some
    recipient: they would have to be told.
    """

    version: PolicyVersion
    artists: int
    waiting: frozenset[str]
    columns: tuple[ColumnCount, ...]
    window_closes_at: Instant | None


async def preview(index: Index, admitted: Admitted, now: Instant) -> Preview:
    """Judge every registered artist under the draft as if it were published now."""
    version = admitted.as_version(Recorded(index.revision + 1, now))
    versions = [*admitted.earlier, version]
    artists = {
        subject: artist for subject, artist in index.history.artists.items() if not artist.erased
    }
    before = {r for earlier in admitted.earlier[-1:] for r in earlier.recipients}
    waiting: set[str] = set()
    columns = [
        await _count(recipient, versions, artists, waiting)
        for recipient in sorted(version.recipients | before)
    ]
    return Preview(
        version=version,
        artists=len(artists),
        waiting=frozenset(waiting),
        columns=tuple(columns),
        window_closes_at=now + version.notice_period if waiting else None,
    )


async def _count(
    recipient: str,
    versions: Sequence[PolicyVersion],
    artists: Mapping[str, Artist],
    waiting: set[str],
) -> ColumnCount:
    """Count one column, and add those who wait for a window of their own to `waiting`."""
    found: Counter[str] = Counter()
    subjects, known = list(artists), list(artists.values())
    for start in range(0, len(known), _AT_ONCE):
        whens = list(_whens(recipient, versions, known[start : start + _AT_ONCE]))
        found.update(whens)
        waiting.update(
            subject
            for subject, when in zip(subjects[start : start + _AT_ONCE], whens, strict=True)
            if when == "own"
        )
        await asyncio.sleep(0)
    return ColumnCount(recipient, found["now"], found["pending"], found["own"])


def _whens(
    recipient: str, versions: Sequence[PolicyVersion], artists: Iterable[Artist]
) -> Iterable[str]:
    latest = versions[-1]
    for artist in artists:
        since = binding_instants(
            versions, recipient, artist.registered_at, artist.deliveries(latest.use)
        )[-1]
        if since is not None:
            yield "now" if since <= latest.published_at else "pending"
        else:
            yield "pending" if latest.editorial else "own"
