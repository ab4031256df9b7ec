"""`fermata` with a profiler at hand: `python -m bench.profiled FILE serve …`.

SIGUSR1 switches it on in the service's own thread, SIGUSR2 off again and writes the file. So the
start, which is mostly imports, is not in it.
"""

import cProfile
import signal
import sys

from service.cli.main import app


def main() -> None:
    """Run the command line, profiled while told to."""
    path, profile = sys.argv[1], cProfile.Profile()

    def begin(*_: object) -> None:
        profile.enable()

    def end(*_: object) -> None:
        profile.disable()
        profile.dump_stats(path)

    signal.signal(signal.SIGUSR1, begin)
    signal.signal(signal.SIGUSR2, end)
    sys.argv = ["fermata", *sys.argv[2:]]
    app()


if __name__ == "__main__":
    main()
