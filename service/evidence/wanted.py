"""What a pack is asked for."""

from dataclasses import dataclass

from service.domain.instant import Instant
from service.storage.objects import Objects


@dataclass(frozen=True, slots=True)
class PackWanted:
    """One column, a run of it or all of them, up to a revision.

    `since` and `until` bound when decisions were answered: not before `since`, before `until`.
    `as_of` is the instant that the pack says it is of. `platform` is what the charter calls it.
    `objects` holds the sealed months of the log; None where nothing has been sealed.
    """

    use: str
    recipient: str
    run: str | None
    until_revision: int
    as_of: Instant
    platform: str
    since: Instant | None = None
    until: Instant | None = None
    objects: Objects | None = None
