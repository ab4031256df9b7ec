"""Single checks over HTTP: how many, how long each, what durability costs, and giants beside."""

import time
from collections.abc import Sequence
from typing import Final

from bench.asking import Asked, lines
from bench.figures import Found, table
from bench.logged import without_fsync
from bench.part import Run
from bench.prepared import WARM_SECONDS, LogHeld, Questions, kept, loaded, world_of
from bench.profiles import of_service
from bench.questions import Form, question
from bench.serving import Service
from bench.steady import steady_checks
from bench.world import World, batches

FIGURES: Final = ("http_single_checks_per_s", "http_single_p50_ms", "http_single_p99_ms")
CONNECTIONS: Final = 16
_DIFFERENT: Final = 2_000
_GIANT: Final = 100_000
_EVERY_SECONDS: Final = 0.02
_SEPARATE: Final = 4
"""Connections that ask beside a giant."""


def measure(run: Run) -> Found:
    """Measure single checks as they are, without fsync, and beside giant requests."""
    found = Found()
    world = world_of(run)
    with loaded(world) as service:
        log = LogHeld(service)
        questions = _questions(service, world)
        held = questions.verify()
        questions.ask(WARM_SECONDS)
        asked = [questions.ask(run.seconds) for _ in range(run.runs)]
        _say(found, asked)
        found.notes.append(f"{held:,} answers were held against the world, all right.")
        _unsafe(service, questions, run, found)
        found.notes.append(log.hold(questions.answered))
        _beside_giants(service, world, run, found)
    return found


def explain(run: Run, _: Sequence[str]) -> str:
    """Return what the service's time goes into."""
    world = world_of(run)
    with kept(world) as folder:
        return of_service(folder, lambda service: _questions(service, world).ask(2 * run.seconds))


def _questions(service: Service, world: World) -> Questions:
    return Questions.make(
        service, world, form=Form.JSON, size=1, number=_DIFFERENT, connections=CONNECTIONS
    )


def _say(found: Found, asked: Sequence[Asked]) -> None:
    found.say("http_single_checks_per_s", (one.per_second(1) for one in asked))
    found.say("http_single_p50_ms", (one.quantile_ms(0.5) for one in asked))
    found.say("http_single_p99_ms", (one.quantile_ms(0.99) for one in asked))
    rows = [
        (f"run {number}", one.per_second(1), *(one.quantile_ms(part) for part in _PARTS))
        for number, one in enumerate(asked, start=1)
    ]
    head = ("", "checks/s", *(f"p{part * 100:g} ms" for part in _PARTS))
    found.notes.append(table(head, rows))


_PARTS: Final = (0.5, 0.9, 0.99, 0.999, 1.0)


def _unsafe(service: Service, questions: Questions, run: Run, found: Found) -> None:
    without_fsync(service.database_url(), off=True)
    questions.ask(WARM_SECONDS)
    rates = [questions.ask(run.seconds / 2).per_second(1) for _ in range(run.runs)]
    without_fsync(service.database_url(), off=False)
    figure = found.say("http_single_without_fsync_checks_per_s", rates)
    share = found.figures["http_single_checks_per_s"].value / figure.value
    found.notes.append(
        f"The price of durability: with PostgreSQL's fsync off it would be {figure.value:,.0f} "
        f"checks/s, so what is safe is {share:.0%} of what is not."
    )


def _beside_giants(service: Service, world: World, run: Run, found: Found) -> None:
    """Ask for single content every few milliseconds while somebody asks for very much."""
    token = service.token("pipeline")
    use, ids = batches(world, run.size(_GIANT, 5_000), 1)[0]
    giant = question(service, token, use, ids, Form.JSON)
    singles = [
        [question(service, token, *one, Form.JSON) for one in batches(world, 1, 200, seed=seed)]
        for seed in range(_SEPARATE)
    ]
    giants, until = 0, time.perf_counter() + run.seconds * run.runs
    with (
        lines(service.address, 1) as busy,
        steady_checks(service.address, singles, _EVERY_SECONDS) as crowd,
    ):
        while time.perf_counter() < until:
            busy[0].ask(giant)
            giants += 1
    waits = sorted(wait * 1e3 for one in crowd for wait in one.seconds)
    p99 = waits[int(len(waits) * 0.99)]
    found.say("http_single_longest_beside_giant_ms", [waits[-1]])
    found.say("http_single_p99_beside_giant_ms", [p99])
    found.notes.append(
        f"Beside {giants} requests of {len(ids):,} content each, one after the other, "
        f"{len(waits):,} single checks ({_SEPARATE} connections, one every "
        f"{_EVERY_SECONDS * 1e3:g} ms on each) waited {waits[len(waits) // 2]:.1f} ms in the "
        f"median, {p99:.1f} ms at the 99th percentile, {waits[-1]:.1f} ms at most."
    )
