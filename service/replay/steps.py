"""The ledger's events as replay takes them: what each means, and whether its words are gone."""

from collections.abc import Mapping
from dataclasses import dataclass

from service.domain.events import Fact
from service.domain.instant import Instant
from service.ledger.events import Kind, StoredEvent
from service.ledger.facts import fact_of


@dataclass(frozen=True, slots=True)
class Step:
    """One event. `words_gone` tells that what its artist said in it has been destroyed since.

    Its fact is then that the artist counts as erased, from there on.
    """

    revision: int
    recorded_at: Instant
    fact: Fact | None
    words_gone: bool = False


@dataclass(frozen=True, slots=True)
class Erasure:
    """When an artist was erased."""

    revision: int
    recorded_at: Instant


Erasures = Mapping[str, Erasure]
"""Every erasure there is, however far the replay has come, by the artist's reference."""


def step_of(event: StoredEvent) -> Step:
    """Return what an event means to a replay."""
    gone = event.kind is Kind.CONSENT_RECORDED and event.details is None
    return Step(event.revision, event.recorded_at, fact_of(event), gone)
