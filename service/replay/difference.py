"""What a replay finds: outcomes that are not what the ledger says, and those nobody can tell."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.domain.decision import Decision
from service.domain.instant import Instant
from service.replay.logged import Column


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where an outcome stands in the log: `position` counts from 0 in the order asked.

    `one` is the content asked about, or the artist by reference.
    """

    decision_id: str
    position: int
    revision: int
    evaluated_at: Instant
    column: Column
    one: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One logged outcome that the ledger does not lead to.

    `replayed` is what it leads to, None where it leads nowhere; `fields` names what is not the
    same. `outcome` is None where a decision cannot be read at all; `why` says what is wrong then.
    """

    decision_id: str
    revision: int
    why: str
    outcome: Outcome | None = None
    logged: Decision | None = None
    replayed: Decision | None = None
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of some decisions, in numbers of outcomes; only so many are named.

    `decisions` counts those whose first outcome is among these. `gone` are outcomes that cannot
    be recomputed: they rest on words that an erasure has destroyed.
    """

    revision: int
    decisions: int
    outcomes: int
    different: int
    gone: int
    differences: Sequence[Difference]
    gone_ones: Sequence[Outcome]


def fields_apart(logged: Decision, replayed: Decision) -> tuple[str, ...]:
    """Return the names of the fields in which two outcomes differ, as answers call them."""
    pairs = {
        "permitted": (logged.permitted, replayed.permitted),
        "reason": (logged.reason, replayed.reason),
        "policy_version": (logged.policy_version, replayed.policy_version),
        "permitted_from": (logged.interval.start, replayed.interval.start),
        "valid_until": (logged.interval.end, replayed.interval.end),
    }
    return tuple(name for name, (one, other) in pairs.items() if one != other)
