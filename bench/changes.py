"""How long after its acknowledgement a no is on the stream of changes."""

import http.client
import json
import threading
import time
from collections.abc import Sequence
from typing import Final

from bench.asking import lines
from bench.figures import Found
from bench.part import Run
from bench.profiles import of_service
from bench.serving import QUIET, Service, ServiceFailed, data_folder, serving
from bench.small import load_small, opt_out, track

FIGURES: Final = ("changes_lag_p99_ms",)
_EVERY_SECONDS: Final = 0.01
_PATIENCE_SECONDS: Final = 15
_STREAM: Final = "text/event-stream"


class _Reader:
    """Reads the stream in a thread, and notes when each track was first said to be denied."""

    def __init__(self, service: Service) -> None:
        """Connect. Raises ServiceFailed where there is no such stream."""
        self.seen: dict[str, float] = {}
        self.problem: BaseException | None = None
        address = service.address
        self._connection = http.client.HTTPConnection(
            address.host, address.port, timeout=_PATIENCE_SECONDS
        )
        headers = {"Authorization": f"Bearer {service.token('pipeline')}", "Accept": _STREAM}
        self._connection.request("GET", "/v1/changes", headers=headers)
        self._answer = self._connection.getresponse()
        media = self._answer.getheader("Content-Type") or ""
        if self._answer.status != http.client.OK or not media.startswith(_STREAM):
            raise ServiceFailed(f"GET /v1/changes answers {self._answer.status} {media}")
        self.reached = threading.Event()
        """Set once the stream has said where it begins."""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Disconnect."""
        if self._connection.sock is not None:
            self._connection.sock.close()
        self._connection.close()

    def _read(self) -> None:
        try:
            while line := self._answer.readline():
                at = time.perf_counter()
                if line.startswith(b"data:"):
                    self._take(json.loads(line[5:]), at)
        except (OSError, ValueError, AttributeError) as problem:  # closed, or broken
            self.problem = problem

    def _take(self, said: dict[str, object], at: float) -> None:
        self.reached.set()
        results = said.get("results")
        for one in results if isinstance(results, list) else ():
            if "content" in one and not one["permitted"]:
                self.seen.setdefault(one["content"], at)


def measure(run: Run) -> Found:
    """Let artists opt out at a steady rate, and compare when with when."""
    found, each = Found(), run.size(500, 50)
    with serving(variables=QUIET) as service:
        load_small(service, each * run.runs)
        lags = [_lags(service, number * each, each) for number in range(run.runs)]
    found.say("changes_lag_p99_ms", (_quantile(one, 0.99) for one in lags))
    found.say("changes_lag_p50_ms", (_quantile(one, 0.5) for one in lags))
    early = sum(lag < 0 for one in lags for lag in one)
    longest = max(max(one) for one in lags)
    found.notes.append(
        f"{each} opt-outs a run, one every {_EVERY_SECONDS * 1e3:g} ms, each of one track in one "
        f"column; the longest lag of all was {longest:.1f} ms. Of {each * run.runs:,}, {early:,} "
        "were on the stream before their acknowledgement had come; they count as negative."
    )
    return found


def explain(run: Run, _: Sequence[str]) -> str:
    """Return what the service's time goes into while artists opt out."""
    each = run.size(500, 50)
    with data_folder() as folder:
        with serving(folder, variables=QUIET) as service:
            load_small(service, each)
        return of_service(folder, lambda service: _lags(service, 0, each))


def _lags(service: Service, first: int, number: int) -> list[float]:
    """Return milliseconds from each acknowledgement to the entry on the stream."""
    token = service.token("platform")
    requests = [opt_out(service, token, one) for one in range(first, first + number)]
    acknowledged: dict[str, float] = {}
    reader = _Reader(service)
    try:
        if not reader.reached.wait(_PATIENCE_SECONDS):
            raise ServiceFailed("the stream of changes does not say where it begins")
        with lines(service.address, 1) as platform:
            began = time.perf_counter()
            for place, request in enumerate(requests):
                time.sleep(max(0.0, began + place * _EVERY_SECONDS - time.perf_counter()))
                platform[0].ask(request)
                acknowledged[track(first + place)] = time.perf_counter()
        until = time.perf_counter() + _PATIENCE_SECONDS
        while len(reader.seen) < number and time.perf_counter() < until:
            time.sleep(0.05)
    finally:
        reader.close()
    missing = acknowledged.keys() - reader.seen.keys()
    if missing:
        raise ServiceFailed(f"{len(missing)} opt-outs never came on the stream: {reader.problem}")
    return [(reader.seen[one] - at) * 1e3 for one, at in acknowledged.items()]


def _quantile(values: Sequence[float], part: float) -> float:
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]
