"""What publishing a draft would do: how many artists it would bind, and when."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from service.decisions.index import Index
from service.domain.binding import binding_instants
from service.domain.history import Artist
from service.domain.instant import Instant
from service.domain.policy import PolicyVersion
from service.ledger.events import Recorded
from service.policies.publish import Admitted

_AT_ONCE: Final = 200
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
    before = {r for earlier in admitted.earlier[-1:] for r in earlier.recipients}
    found = {recipient: Counter[str]() for recipient in sorted(version.recipients | before)}
    waiting: set[str] = set()
    number = 0
    everybody = iter(index.history.artists.items())
    while some := list(islice(everybody, _AT_ONCE)):
        alive = [(subject, artist) for subject, artist in some if not artist.erased]
        number += len(alive)
        for recipient, counts in found.items():
            whens = list(_whens(recipient, versions, [artist for _, artist in alive]))
            counts.update(whens)
            waiting.update(
                subject for (subject, _), when in zip(alive, whens, strict=True) if when == "own"
            )
        await asyncio.sleep(0)
    columns = (
        ColumnCount(recipient, counts["now"], counts["pending"], counts["own"])
        for recipient, counts in found.items()
    )
    return Preview(
        version=version,
        artists=number,
        waiting=frozenset(waiting),
        columns=tuple(columns),
        window_closes_at=now + version.notice_period if waiting else None,
    )


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
