"""The world that everybody is asked about: made up from a seed, the same for us and for the peers.

Ten thousand artists, fifty thousand tracks with one or two of them, five uses in four modes, and
artists who said no to everything, to a branch, to one use or for one track, or yes to what asks for
one. Nobody says two things that contradict each other, so that an answer takes no more than `why`
below: a second opinion that shares nothing with the service, and that every peer can be held to.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

ARTISTS: Final = 10_000
TRACKS: Final = 50_000

MODES: Final[Mapping[str, str]] = {
    "discovery.recommendation": "opt_out",
    "moderation.fraud": "open",
    "training.analysis": "opt_out",
    "training.generative.music": "opt_in",
    "training.generative.voice": "prohibited",
}
"""The five uses. Recipient is always `internal`."""

_TEMPERS: Final[Mapping[str, float]] = {
    "silent": 60,
    "no to *": 4,
    "no to training": 6,
    "no to discovery.recommendation": 5,
    "no to training.analysis": 5,
    "yes to training.generative.music": 20,
}
_ONE_TRACK: Final = 0.02
"""Of the tracks so many have a rightsholder who says no for this track alone."""


@dataclass(frozen=True, slots=True)
class Artist:
    """What one artist said about everything of theirs: nodes of the tree of uses."""

    name: str
    no: frozenset[str] = frozenset()
    yes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Track:
    """One track; `no` are the uses that its first rightsholder refuses for it alone."""

    name: str
    artists: tuple[str, ...]
    no: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class World:
    """Everything there is, by id."""

    artists: Mapping[str, Artist]
    tracks: Mapping[str, Track]
    ids: Sequence[str] = field(repr=False)
    """The tracks' ids, in the order in which they were put."""

    def permits(self, use: str, track: str) -> bool:
        """Tell whether this track may be used so."""
        return self.why(use, track) in {"open", "window_closed", "opted_in"}

    def why(self, use: str, track: str) -> str:
        """Return the reason that the first rightsholder who denies has, or else the first."""
        item, mode = self.tracks[track], MODES[use]
        if mode in {"open", "prohibited"}:
            return mode
        nodes = frozenset(covering(use))
        for name in item.artists:
            artist = self.artists[name]
            if artist.no & nodes or (use in item.no and name == item.artists[0]):
                return "opted_out"
            if mode == "opt_in" and use not in artist.yes:
                return "no_opt_in"
        return "opted_in" if mode == "opt_in" else "window_closed"


def covering(use: str) -> list[str]:
    """Return the use and every node above it."""
    parts = use.split(".")
    return ["*", *(".".join(parts[:end]) for end in range(1, len(parts) + 1))]


def make_world(*, artists: int = ARTISTS, tracks: int = TRACKS, seed: int = 4) -> World:
    """Make it up. The same seed makes the same world."""
    rng = random.Random(seed)
    tempers = rng.choices(tuple(_TEMPERS), tuple(_TEMPERS.values()), k=artists)
    people = [_artist(f"artist-{n:06}", temper) for n, temper in enumerate(tempers)]
    works = []
    for n in range(tracks):
        holders = rng.sample(people, rng.choice((1, 2)))
        no = {rng.choice(tuple(MODES))} if rng.random() < _ONE_TRACK else ()
        works.append(Track(f"track-{n:06}", tuple(one.name for one in holders), frozenset(no)))
    return World(
        {one.name: one for one in people},
        {one.name: one for one in works},
        [one.name for one in works],
    )


def _artist(name: str, temper: str) -> Artist:
    answer, _, node = temper.partition(" to ")
    said = frozenset({node} if node else ())
    return Artist(name, **{answer: said} if said else {})


def batches(world: World, size: int, number: int, *, seed: int = 1) -> list[tuple[str, list[str]]]:
    """Return what is asked: uses in turn, each with `size` tracks drawn by chance."""
    rng = random.Random(seed)
    uses = tuple(MODES)
    return [(uses[n % len(uses)], rng.choices(world.ids, k=size)) for n in range(number)]
