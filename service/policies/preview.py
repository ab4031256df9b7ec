"""What publishing a draft would do: how many artists it would bind, and when."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
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
    """What publishing now would do. `window_closes_at` is when the earliest window could close."""

    version: PolicyVersion
    artists: int
    columns: tuple[ColumnCount, ...]
    window_closes_at: Instant | None


async def preview(index: Index, admitted: Admitted, now: Instant) -> Preview:
    """Judge every registered artist under the draft as if it were published now."""
    version = admitted.as_version(Recorded(index.revision + 1, now))
    versions = [*admitted.earlier, version]
    artists = [artist for artist in index.history.artists.values() if not artist.erased]
    before = {r for earlier in admitted.earlier[-1:] for r in earlier.recipients}
    columns = [
        await _count(recipient, versions, artists)
        for recipient in sorted(version.recipients | before)
    ]
    waits = any(column.when_their_own_window_closes for column in columns)
    return Preview(
        version=version,
        artists=len(artists),
        columns=tuple(columns),
        window_closes_at=now + version.notice_period if waits else None,
    )


async def _count(
    recipient: str, versions: Sequence[PolicyVersion], artists: Sequence[Artist]
) -> ColumnCount:
    found: Counter[str] = Counter()
    for start in range(0, len(artists), _AT_ONCE):
        found.update(_whens(recipient, versions, artists[start : start + _AT_ONCE]))
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
