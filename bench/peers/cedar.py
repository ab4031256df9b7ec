"""Cedar in process (cedarpy): policies and entities parsed once, then asked."""

import importlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from bench.part import Run
from bench.peers.variant import Batch, Variant, hold_peer, in_process
from bench.world import MODES, World, covering


def measure(world: World, batches: Sequence[Batch], run: Run) -> list[Variant]:
    """Return what it manages: a batch at once, and one after the other."""
    # Loaded by name, so that type checks need nothing that only a benchmark does.
    cedarpy: Any = importlib.import_module("cedarpy")
    policies = cedarpy.PolicySet.from_str(_policies())
    entities = cedarpy.Entities.from_json_str(json.dumps(_entities(world)))

    def batch_at_once(requests: list[dict[str, Any]]) -> list[bool]:
        answers = cedarpy.is_authorized_batch(requests, policies, entities)
        return [one.allowed for one in answers]

    def one_by_one(requests: list[dict[str, Any]]) -> list[bool]:
        return [cedarpy.is_authorized(one, policies, entities).allowed for one in requests]

    hold_peer(world, batches, lambda use, ids: batch_at_once(_requests(use, ids)))
    hold_peer(world, batches[:1], lambda use, ids: one_by_one(_requests(use, ids)))
    # As for everybody, the requests are ready before the clock starts.
    ready = {id(batch): _requests(*batch) for batch in batches}

    def rates(ask: Callable[[list[dict[str, Any]]], list[bool]]) -> list[float]:
        return in_process(run, batches, lambda batch: ask(ready[id(batch)]))

    return [
        Variant("Cedar", "in process, 10,000 at once", rates(batch_at_once)),
        Variant("Cedar", "in process, one by one", rates(one_by_one)),
    ]


def _requests(use: str, ids: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "principal": 'Pipeline::"internal"',
            "action": f'Action::"{use}"',
            "resource": f'Track::"{one}"',
            "context": {},
        }
        for one in ids
    ]


def _policies() -> str:
    """Return a policy for each use; a track has one rightsholder or two."""
    written = []
    for use, mode in MODES.items():
        nodes = json.dumps(covering(use))
        head = f'permit(principal, action == Action::"{use}", resource)'
        refused = (
            f'resource.no.contains("{use}") || resource.first.no.containsAny({nodes}) '
            f"|| (resource has second && resource.second.no.containsAny({nodes}))"
        )
        agreed = (
            f'resource.first.yes.contains("{use}") '
            f'&& (!(resource has second) || resource.second.yes.contains("{use}"))'
        )
        if mode == "open":
            written.append(f"{head};")
        elif mode == "opt_out":
            written.append(f"{head} unless {{ {refused} }};")
        elif mode == "opt_in":
            written.append(f"{head} when {{ {agreed} }} unless {{ {refused} }};")
    return "\n".join(written)


def _entities(world: World) -> list[dict[str, Any]]:
    artists = [
        _entity("Artist", one.name, {"no": sorted(one.no), "yes": sorted(one.yes)})
        for one in world.artists.values()
    ]
    tracks = [
        _entity(
            "Track",
            one.name,
            {"no": sorted(one.no)}
            | {
                place: {"__entity": {"type": "Artist", "id": artist}}
                for place, artist in zip(("first", "second"), one.artists, strict=False)
            },
        )
        for one in world.tracks.values()
    ]
    return artists + tracks


def _entity(kind: str, name: str, attributes: dict[str, Any]) -> dict[str, Any]:
    return {"uid": {"type": kind, "id": name}, "attrs": attributes, "parents": []}
