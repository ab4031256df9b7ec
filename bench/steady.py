"""Checks at a steady rate on several connections, while something else goes on.

How long one waits counts from the instant at which it was due, so that a stall is in the waits of
everybody who came during it, and not only in that of the one it caught. Whoever asks is a process
of its own: what is measured meanwhile would hold its interpreter, and be in the waits.
"""

import gc
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection

from bench.asking import Address, Line
from bench.questions import Form, answered


@dataclass
class Waits:
    """How long the checks of one connection waited, and how many permits each got."""

    due: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    permits: list[int] = field(default_factory=list)
    problem: BaseException | None = None

    def between(self, since: float, until: float) -> list[float]:
        """Return the waits of the checks that were due before an instant, answered after one."""
        return [
            wait
            for due, wait in zip(self.due, self.seconds, strict=True)
            if due < until and due + wait > since
        ]

    def permits_after(self, instant: float) -> int:
        """Return permits given to checks that were due after an instant."""
        return sum(n for due, n in zip(self.due, self.permits, strict=True) if due > instant)


@contextmanager
def steady_checks(
    address: Address, requests: Sequence[Sequence[bytes]], every: float
) -> Iterator[list[Waits]]:
    """Ask on a connection for each list of requests, one every so many seconds, until the end.

    What is yielded is filled when the block ends. Instants in it are `time.perf_counter`'s, which
    are the same in every process of this machine. What kept a connection from asking is raised.
    """
    waits: list[Waits] = []
    spawn = get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_ask, args=(address, requests, every, theirs), daemon=True)
    process.start()
    theirs.close()  # so that its end is noticed
    try:
        ours.recv()
        yield waits
    finally:
        ours.send(None)
        waits += ours.recv()
        process.join()
    for one in waits:
        if one.problem is not None:
            raise one.problem


def _ask(
    address: Address, requests: Sequence[Sequence[bytes]], every: float, parent: Connection
) -> None:
    """Begin, say so, go on until something is heard, and send what was found."""
    gc.disable()  # what is kept only grows
    stop, waits = threading.Event(), [Waits() for _ in requests]
    threads = [
        threading.Thread(target=_ask_steadily, args=(address, asked, every, stop, one))
        for asked, one in zip(requests, waits, strict=True)
    ]
    for thread in threads:
        thread.start()
    parent.send(None)
    parent.recv()
    stop.set()
    for thread in threads:
        thread.join()
    parent.send(waits)


def _ask_steadily(
    address: Address, requests: Sequence[bytes], every: float, stop: threading.Event, waits: Waits
) -> None:
    try:
        line = Line(address)
        began, number = time.perf_counter(), 0
        while not stop.is_set():
            due = began + number * every
            time.sleep(max(0.0, due - time.perf_counter()))
            body = line.ask(requests[number % len(requests)])
            waits.due.append(due)
            waits.seconds.append(time.perf_counter() - due)
            waits.permits.append(sum(yes for _, yes, _ in answered(body, Form.JSON)))
            number += 1
        line.close()
    except Exception as problem:  # noqa: BLE001 - raised again by whoever waits
        waits.problem = problem
