"""What the time goes into, where a figure is missed: cProfile's own words, shortened."""

import cProfile
import io
import pstats
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.serving import QUIET, Service, serving

_TOP: Final = 22
_PATIENCE_SECONDS: Final = 20


def of_call(work: Callable[[], object]) -> str:
    """Profile a call in this process."""
    profile = cProfile.Profile()
    profile.runcall(work)
    said = io.StringIO()
    return _words(pstats.Stats(profile, stream=said), said)


def of_service(data: Path, work: Callable[[Service], object], *, patience: float = 60) -> str:
    """Profile a service's own thread while `work` asks it, over data that lie in a folder.

    Under cProfile everything in Python takes about twice as long, what numpy and PostgreSQL do does
    not: the order is what to look at.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "profile"
        with serving(data, variables=QUIET, profile=path, patience=patience) as service:
            service.process.send_signal(signal.SIGUSR1)
            work(service)
            service.process.send_signal(signal.SIGUSR2)
            until = time.perf_counter() + _PATIENCE_SECONDS
            while not path.exists() and time.perf_counter() < until:
                time.sleep(0.1)
            # It is there as soon as it is begun; the service's end comes after its own.
        if not path.exists():
            return "The profile was not written."
        said = io.StringIO()
        return _words(pstats.Stats(str(path), stream=said), said)


def _words(stats: pstats.Stats, said: io.StringIO) -> str:
    """Return the functions that most time was spent in, without paths of this machine."""
    stats.strip_dirs().sort_stats("tottime").print_stats(_TOP)
    lines = [line.rstrip() for line in said.getvalue().splitlines() if line.strip()]
    first = next(n for n, line in enumerate(lines) if "function calls" in line)
    return "\n".join(
        line for line in lines[first:] if not line.lstrip().startswith(("Ordered by", "List red"))
    )
