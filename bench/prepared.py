"""A running service with the world in it, and questions that are ready to be asked."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from bench.asking import Asked, ask_each, ask_for
from bench.loading import load
from bench.logged import logged_decisions
from bench.part import Run
from bench.questions import Form, answered, hold, question
from bench.serving import QUIET, Service, ServiceFailed, data_folder, serving
from bench.world import ARTISTS, TRACKS, World, batches, make_world

WARM_SECONDS: Final = 0.5


def world_of(run: Run) -> World:
    """Return the world of a run."""
    world = make_world(artists=run.size(ARTISTS, 500), tracks=run.size(TRACKS, 2_500))
    gc.collect()
    gc.freeze()
    return world


@contextmanager
def loaded(world: World) -> Iterator[Service]:
    """Run a service that holds the world; its folder stays until the block ends."""
    with data_folder() as folder, serving(folder, variables=QUIET) as service:
        load(service, world)
        yield service


@contextmanager
def kept(world: World) -> Iterator[Path]:
    """Yield a folder of data that holds the world, in which no service runs."""
    with data_folder() as folder:
        with serving(folder, variables=QUIET) as service:
            load(service, world)
        yield folder


@dataclass
class Questions:
    """What is asked, of one size and in one form, and that it is answered rightly."""

    service: Service
    world: World
    form: Form
    batches: Sequence[tuple[str, list[str]]]
    connections: int
    requests: list[bytes] = field(repr=False)
    answered: int = 0
    """Requests so far; each of them has to be in the log."""

    @classmethod
    def make(
        cls,
        service: Service,
        world: World,
        *,
        form: Form,
        size: int,
        number: int,
        connections: int,
    ) -> Self:
        """Make requests of this size, five uses in turn, tracks drawn by chance."""
        token = service.token("pipeline")
        asked = batches(world, size, number)
        requests = [question(service, token, use, ids, form) for use, ids in asked]
        return cls(service, world, form, asked, connections, requests)

    def verify(self) -> int:
        """Ask each of them once, hold every answer against the world, return how many checks."""
        held = 0

        def hear(number: int, body: bytes) -> None:
            nonlocal held
            held += hold(self.world, self.batches[number], answered(body, self.form))

        ask_each(self.service.address, self.requests, connections=self.connections, heard=hear)
        self.answered += len(self.requests)
        return held

    def ask(self, seconds: float) -> Asked:
        """Ask for some seconds; the last answer on each connection is held against the world."""
        asked = ask_for(
            self.service.address, self.requests, connections=self.connections, seconds=seconds
        )
        self.answered += len(asked.took)
        for number, body in asked.last.items():
            hold(self.world, self.batches[number], answered(body, self.form))
        return asked


class LogHeld:
    """Counts that the decision log holds what was answered, no more and no less."""

    def __init__(self, service: Service) -> None:
        """Begin with what it holds now."""
        self._service = service
        self._before = logged_decisions(service.database_url())

    def hold(self, answered: int) -> str:
        """Return a sentence about it. Raises ServiceFailed where a decision is missing."""
        found = logged_decisions(self._service.database_url()) - self._before
        if found != answered:
            raise ServiceFailed(f"{answered:,} requests were answered, and {found:,} are logged")
        return f"{answered:,} requests were answered, and the log holds {found:,} decisions."
