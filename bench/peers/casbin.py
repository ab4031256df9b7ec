"""Casbin in process: its policies know the modes, a function of ours looks consents up."""

import importlib
from collections.abc import Sequence
from typing import Any, Final

from bench.part import Run
from bench.peers.variant import Batch, Variant, hold_peer, in_process
from bench.world import MODES, World, covering

_MODEL: Final = """
[request_definition]
r = use, recipient, track
[policy_definition]
p = use, recipient, mode
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = {}
"""
_FULL: Final = "r.use == p.use && r.recipient == p.recipient && agreed(p.mode, r.use, r.track)"
_FILTERED: Final = "agreed(p.mode, r.use, r.track)"
"""Where the enforcer itself finds the policies of a use and a recipient by their key."""


def measure(world: World, batches: Sequence[Batch], run: Run) -> list[Variant]:
    """Return what its two enforcers manage."""
    # Loaded by name, so that type checks need nothing that only a benchmark does.
    casbin: Any = importlib.import_module("casbin")
    plain = casbin.Model()
    plain.load_model_from_text(_MODEL.format(_FULL))
    keyed = casbin.FastModel([0, 1])
    keyed.load_model_from_text(_MODEL.format(_FILTERED))
    enforcers = {
        "in process, Enforcer": casbin.Enforcer(plain),
        "in process, FastEnforcer": casbin.FastEnforcer(keyed, cache_key_order=[0, 1]),
    }
    return [_measured(how, one, world, batches, run) for how, one in enforcers.items()]


def _measured(how: str, enforcer: Any, world: World, batches: Sequence[Batch], run: Run) -> Variant:
    enforcer.add_function("agreed", _Consents(world))
    for use, mode in MODES.items():
        enforcer.add_policy(use, "internal", mode)
    hold_peer(world, batches, lambda use, ids: enforcer.batch_enforce(_requests(use, ids)))
    ready = {id(batch): _requests(*batch) for batch in batches}
    rates = in_process(run, batches, lambda batch: enforcer.batch_enforce(ready[id(batch)]))
    return Variant("Casbin", how, rates)


def _requests(use: str, ids: list[str]) -> list[list[str]]:
    return [[use, "internal", one] for one in ids]


class _Consents:
    """What its caller has to bring: who agrees, in dictionaries and sets."""

    def __init__(self, world: World) -> None:
        self._artists = dict(world.artists)
        self._tracks = dict(world.tracks)
        self._nodes = {use: frozenset(covering(use)) for use in MODES}

    def __call__(self, mode: str, use: str, track: str) -> bool:
        """Tell whether every rightsholder agrees."""
        if mode in {"open", "prohibited"}:
            return mode == "open"
        item, nodes = self._tracks[track], self._nodes[use]
        if use in item.no:
            return False
        for name in item.artists:
            artist = self._artists[name]
            if not artist.no.isdisjoint(nodes) or (mode == "opt_in" and use not in artist.yes):
                return False
        return True
