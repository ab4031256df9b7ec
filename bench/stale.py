"""A no is final when it is acknowledged: asked about at once, on four processes over one ledger.

Artists opt out through each of the processes in turn. The moment the acknowledgement is there the
artist's track is asked about on every process at once, strong. A permit among the answers would be
one on account of an older state; there may be none. The same is asked at the same moment with
`max_staleness_ms`, where permits are allowed: how many come shows that a process does lag behind,
and that the strong answers could have been wrong.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final

from bench.asking import Address, Line, lines
from bench.figures import Found
from bench.part import Run
from bench.questions import Form, answered, question
from bench.serving import QUIET, Service, ServiceFailed, data_folder, serving
from bench.small import USE, load_small, opt_out, permits, track

FIGURES: Final = ("stale_permits_4_processes",)
PROCESSES: Final = 4
_SPEAKERS: Final = 4
_LINES_TO_WORKERS: Final = 16
"""Connections of each speaker to a service of four workers: the system spreads them."""

_STALENESS_MS: Final = 60_000


@dataclass
class _Seen:
    """What was answered after acknowledgements."""

    opt_outs: int = 0
    strong: int = 0
    permits: int = 0
    weak: int = 0
    weak_permits: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, strong: Sequence[bool], weak: Sequence[bool]) -> None:
        """Count what was answered after one acknowledgement."""
        with self.lock:
            self.opt_outs += 1
            self.strong += len(strong)
            self.permits += sum(strong)
            self.weak += len(weak)
            self.weak_permits += sum(weak)


def measure(run: Run) -> Found:
    """Ask four services over one database, then one service of four workers."""
    found, artists = Found(), run.size(4_000, 200)
    seen = {"Four services over one PostgreSQL": _of_services(artists)}
    seen["One service with four workers"] = _of_workers(artists)
    found.say("stale_permits_4_processes", [sum(one.permits for one in seen.values())])
    found.say("stale_permits_if_weak", [sum(one.weak_permits for one in seen.values())])
    for how, one in seen.items():
        found.notes.append(
            f"{how}: {one.opt_outs:,} opt-outs acknowledged, and right after them "
            f"{one.strong:,} strong checks, of which {one.permits:,} permitted; of {one.weak:,} "
            f"checks that allow a state {_STALENESS_MS / 1e3:g} s old, {one.weak_permits:,} did."
        )
    return found


def explain(_: Run, __: Sequence[str]) -> str:
    """Say that a permit too many is no question of time."""
    return "A permit after an acknowledged no is a fault, not a question of time: no profile."


def _of_services(artists: int) -> _Seen:
    seen = _Seen()
    with _replicas() as services:
        load_small(services[0], artists)
        for service in services:
            if permits(service, artists) != artists:
                raise ServiceFailed("a replica does not know the catalogue")
        tokens = [service.token("platform") for service in services]
        opt_outs = [
            (service.address, opt_out(service, token, number))
            for number in range(artists)
            for service, token in [_turn(services, tokens, number)]
        ]
        _speak(services, opt_outs, seen, to_each=1)
    return seen


def _of_workers(artists: int) -> _Seen:
    seen = _Seen()
    with serving(options=("--workers", str(PROCESSES)), variables=QUIET) as service:
        processes = len(service.pids())
        if processes < PROCESSES:
            raise ServiceFailed(f"`fermata serve --workers 4` runs {processes} processes")
        load_small(service, artists)
        token = service.token("platform")
        opt_outs = [(service.address, opt_out(service, token, number)) for number in range(artists)]
        _speak([service], opt_outs, seen, to_each=_LINES_TO_WORKERS)
    return seen


def _turn(services: Sequence[Service], tokens: Sequence[str], number: int) -> tuple[Service, str]:
    return services[number % len(services)], tokens[number % len(services)]


@contextmanager
def _replicas() -> Iterator[list[Service]]:
    """Run a service with its database and three more over the same one."""
    with ExitStack() as stack:
        first = stack.enter_context(serving(variables=QUIET))
        shared = {
            **QUIET,
            "DATABASE_URL": first.database_url(),
            "FERMATA_KEY_ENCRYPTION_KEY": (first.folder / "key-encryption-key").read_text(),
        }
        others = [
            stack.enter_context(serving(stack.enter_context(data_folder()), variables=shared))
            for _ in range(PROCESSES - 1)
        ]
        yield [first, *others]


def _speak(
    services: Sequence[Service],
    opt_outs: Sequence[tuple[Address, bytes]],
    seen: _Seen,
    *,
    to_each: int,
) -> None:
    """Let everybody opt out, some at once; ask everywhere as soon as each is acknowledged."""
    problems: list[BaseException] = []

    def run(speaker: int) -> None:
        try:
            _speak_in_turn(services, opt_outs, seen, speaker, to_each)
        except Exception as problem:  # noqa: BLE001 - raised again below
            problems.append(problem)

    threads = [threading.Thread(target=run, args=(speaker,)) for speaker in range(_SPEAKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]


def _speak_in_turn(
    services: Sequence[Service],
    opt_outs: Sequence[tuple[Address, bytes]],
    seen: _Seen,
    speaker: int,
    to_each: int,
) -> None:
    with ExitStack() as stack:
        said = {
            address: stack.enter_context(lines(address, 1))[0]
            for address in dict.fromkeys(address for address, _ in opt_outs)
        }
        asking = [
            (service, service.token("pipeline"), line, weak)
            for service in services
            for weak in stack.enter_context(lines(service.address, 1))
            for line in stack.enter_context(lines(service.address, to_each))
        ]
        for number in range(speaker, len(opt_outs), _SPEAKERS):
            strong = [
                (line, question(service, token, USE, [track(number)], Form.JSON))
                for service, token, line, _ in asking
            ]
            weak = [
                (
                    line,
                    question(
                        service, token, USE, [track(number)], Form.JSON,
                        consistency={"max_staleness_ms": _STALENESS_MS},
                    ),
                )
                for service, token, _, line in asking[::to_each]
            ]  # fmt: skip
            address, request = opt_outs[number]
            said[address].ask(request)
            everything = _all_at_once([*weak, *strong])
            seen.add(everything[len(weak) :], everything[: len(weak)])


def _all_at_once(asked: Sequence[tuple[Line, bytes]]) -> list[bool]:
    """Send every request before any answer is waited for; tell which are permitted."""
    for line, request in asked:
        line.send(request)
    permitted = []
    for line, _ in asked:
        while not line.take():
            pass
        permitted += [yes for _, yes, _ in answered(line.body(), Form.JSON)]
    return permitted
