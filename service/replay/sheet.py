"""One outcome with everything that it rests on."""

from collections.abc import Mapping
from dataclasses import dataclass

from service.decisions.log.entry import Entry, Outcome
from service.ledger.opening import Opening
from service.replay.chain import Chain
from service.transparency.publication import Inclusion


@dataclass(frozen=True, slots=True)
class Sheet:
    """One outcome of one decision, and everything that it rests on, proven.

    `note` is the checkpoint of all `proofs`, which lie by revision, as do `openings`: of those
    events in which somebody said something. `key` verifies the checkpoint.
    """

    entry: Entry
    position: int
    outcome: Outcome
    chain: Chain
    note: str
    proofs: Mapping[int, Inclusion]
    openings: Mapping[int, Opening]
    key: str
