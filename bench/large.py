"""A service with a million artists: how soon it is ready, what it takes, and what moves them all.

The catalogue is seeded once into a folder; the service is started on it without a snapshot and with
one. Then versions are published that move every artist of a use at once (`opt_out` to `opt_in`,
which binds at publication: R7), each in a use of its own, while checks are asked at a steady rate.
How long a check waits counts from the instant at which it was due, so nothing hides behind a wait.
"""

import json
import random
import time
from collections.abc import Sequence
from typing import Final

from bench.asking import ask_each, lines
from bench.crowd import MODES, RECIPIENTS, Crowd, make_crowd, track_id
from bench.figures import Figure, Found, table
from bench.memory import peak_bytes, resident_bytes
from bench.part import Run
from bench.profiles import of_service
from bench.questions import Form, question
from bench.seeding import seed, write_snapshot
from bench.serving import QUIET, Service, data_folder, serving
from bench.steady import steady_checks
from service.domain.policy import Mode

FIGURES: Final = (
    "process_bytes_1m_artists_5m_tracks",
    "policy_change_longest_wait_ms",
    "ready_from_ledger_s",
    "ready_from_snapshot_s",
    "stale_permits_after_policy_change",
)
PATIENCE: Final = 900
"""Seconds in which the service has to be ready."""

ASKED: Final = 10
"""Content a check."""

_BY_OPT_OUT: Final = [use for use, mode in MODES.items() if mode is Mode.OPT_OUT]
_MOVED: Final = _BY_OPT_OUT[:5]
"""A use for each run; one is left for a profile."""

_CONNECTIONS: Final = 4
_EVERY_SECONDS: Final = 0.008
_BEFORE_SECONDS: Final = 1.0
_AFTER_SECONDS: Final = 4.0


def measure(run: Run) -> Found:
    """Seed, start twice, weigh the process each time, and publish."""
    found, began = Found(), time.perf_counter()
    crowd = make_crowd(run.size(1_000_000, 5_000), run.size(5_000_000, 25_000))
    weights: list[int] = []
    with data_folder() as folder:
        seed(folder, crowd)
        seeded = time.perf_counter() - began
        with serving(folder, variables=QUIET, patience=PATIENCE) as service:
            found.say("ready_from_ledger_s", [service.ready_after])
            weights.append(_weigh(service, crowd))
            found.say("process_peak_bytes_1m_artists_5m_tracks", [peak_bytes(service.process.pid)])
        said = write_snapshot(folder)
        starts = []
        for _ in range(run.runs):
            with serving(folder, variables=QUIET, patience=PATIENCE) as service:
                starts.append(service.ready_after)
                weights.append(_weigh(service, crowd))
        found.say("ready_from_snapshot_s", starts)
        # The greatest of all counts: a process that was started in one way stays as it is.
        figure = Figure.of("process_bytes_1m_artists_5m_tracks", weights)
        most = Figure(figure.max, figure.unit, figure.min, figure.max, figure.runs)
        found.figures["process_bytes_1m_artists_5m_tracks"] = most
        with serving(folder, variables=QUIET, patience=PATIENCE) as service:
            _publish_all(service, crowd, _MOVED[: run.size(5, 2)], found)
        if found.missed():
            # Here, while the data are still there: seeding takes longer than all the rest.
            found.profiles[", ".join(found.missed())] = of_service(
                folder,
                lambda service: _publish_all(service, crowd, _BY_OPT_OUT[5:6], Found()),
                patience=PATIENCE,
            )
    found.notes.insert(
        0,
        f"{crowd.artists:,} artists, {crowd.tracks:,} tracks (half with two artists), 10 uses and "
        f"3 recipients, {len(crowd.spoke):,} artists with a no. Seeding took {seeded:.0f} s. All "
        f"30 columns had been asked about before the process was weighed (VmRSS, libraries "
        f"included); the figure is the greatest of {len(weights)} starts. {said}.",
    )
    return found


def explain(_: Run, __: Sequence[str]) -> str:
    """Say where the profile is."""
    return "Made while the data were there, and only where something is missed."


def _weigh(service: Service, crowd: Crowd) -> int:
    """Ask about every column, so that all are compiled, and return the process's memory."""
    token, rng = service.token("pipeline"), random.Random(1)
    ids = [track_id(rng.randrange(crowd.tracks)) for _ in range(min(10_000, crowd.tracks))]
    asked = [
        question(service, token, use, ids, Form.JSON, recipient=recipient)
        for use in MODES
        for recipient in RECIPIENTS
    ]
    ask_each(service.address, asked, connections=1)
    return max(resident_bytes(pid) for pid in service.pids())


def _publish_all(service: Service, crowd: Crowd, uses: Sequence[str], found: Found) -> None:
    longest, stale, rows = [], [], []
    for use in uses:
        before, during, late = _publish_one(service, crowd, use)
        longest.append(max(during) * 1e3)
        stale.append(late)
        quiet, ordered = sorted(before), sorted(during)
        rows.append(
            (
                use,
                len(during),
                quiet[int(len(quiet) * 0.99)] * 1e3,
                quiet[-1] * 1e3,
                ordered[len(ordered) // 2] * 1e3,
                ordered[int(len(ordered) * 0.99)] * 1e3,
                ordered[-1] * 1e3,
            )
        )
    found.say("policy_change_longest_wait_ms", longest)
    figure = Figure.of("stale_permits_after_policy_change", stale)
    most = Figure(figure.max, figure.unit, figure.min, figure.max, figure.runs)
    found.figures["stale_permits_after_policy_change"] = most
    head = (
        "use", "checks", "before: p99 ms", "longest ms", "during and after: p50 ms", "p99 ms",
        "longest ms",
    )  # fmt: skip
    how = (
        f"{_CONNECTIONS} connections ask for {ASKED} content every {_EVERY_SECONDS * 1e3:g} ms "
        "each, half of them in the use that moves; counted from the publication's being sent until "
        f"{_AFTER_SECONDS:g} s after its acknowledgement, by when all is compiled again."
    )
    found.notes += [how, table(head, rows)]


def _publish_one(service: Service, crowd: Crowd, use: str) -> tuple[list[float], list[float], int]:
    """Return the waits before, the waits during and after, and permits that came too late."""
    body = {
        "mode": "opt_in",
        "recipients": list(RECIPIENTS),
        "notice_period": "P30D",
        "texts": {"en": f"{use} only with a yes"},
    }
    publication = service.address.request(
        "POST",
        f"/v1/uses/{use}/policies",
        token=service.token("policy-desk"),
        body=json.dumps(body).encode(),
    )
    with (
        steady_checks(service.address, _questions(service, crowd, use), _EVERY_SECONDS) as waits,
        lines(service.address, 1) as desk,
    ):
        time.sleep(_BEFORE_SECONDS)
        sent = time.perf_counter()
        desk[0].ask(publication)
        acknowledged = time.perf_counter()
        time.sleep(_AFTER_SECONDS)
    before = [wait for one in waits for wait in one.between(0, sent)]
    during = [wait for one in waits for wait in one.between(sent, acknowledged + _AFTER_SECONDS)]
    # Only the even ones ask about the use that moved.
    late = sum(one.permits_after(acknowledged) for one in waits[::2])
    return before, during, late


def _questions(service: Service, crowd: Crowd, use: str) -> list[list[bytes]]:
    """Return what each connection asks: the even ones about the use, the others about another."""
    token, rng = service.token("pipeline"), random.Random(2)
    other = next(one for one in reversed(MODES) if MODES[one] is Mode.OPEN)
    return [
        [
            question(
                service,
                token,
                other if number % 2 else use,
                [track_id(rng.randrange(crowd.tracks)) for _ in range(ASKED)],
                Form.JSON,
            )
            for _ in range(200)
        ]
        for number in range(_CONNECTIONS)
    ]
