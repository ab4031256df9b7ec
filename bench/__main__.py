"""`make bench`: measure everything, or single parts, and write down what was found.

Every part starts what it needs and leaves nothing behind but `bench/results.json`, what belongs to
it in `bench/details.json`, `bench/RESULTS.md` and the plots. What other parts said before stays.
"""

import argparse
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench import (
    changes,
    exports,
    growth,
    http_bulk,
    http_single,
    index,
    large,
    replay,
    stale,
    verify,
)
from bench.figures import KINDS, Found, spelled
from bench.machine import commit, load, machine, versions
from bench.part import Run
from bench.report import HERE, Report


@dataclass(frozen=True, slots=True)
class Part:
    """One part: what it measures, and how to find out why it missed something."""

    about: str
    figures: Sequence[str]
    measure: Callable[[Run], Found]
    explain: Callable[[Run, Sequence[str]], str]


PARTS: Final = {
    "http_bulk": Part(
        "Bulk checks over HTTP, and the peers on the same work.",
        http_bulk.FIGURES, http_bulk.measure, http_bulk.explain,
    ),
    "http_single": Part(
        "Single checks over HTTP.",
        http_single.FIGURES, http_single.measure, http_single.explain,
    ),
    "stale": Part(
        "A no that is acknowledged by one process, asked about at once on four.",
        stale.FIGURES, stale.measure, stale.explain,
    ),
    "changes": Part(
        "A no that is acknowledged, until it is on the stream of changes.",
        changes.FIGURES, changes.measure, changes.explain,
    ),
    "index": Part(
        "The index alone, in one process and one thread.",
        index.FIGURES, index.measure, index.explain,
    ),
    "large": Part(
        "A service with a million artists and five million tracks.",
        large.FIGURES, large.measure, large.explain,
    ),
    "exports": Part(
        "An audit export of a million consents and a million decisions, beside checks.",
        exports.FIGURES, exports.measure, exports.explain,
    ),
    "growth": Part(
        "Time per check from ten thousand to ten million content.",
        growth.FIGURES, growth.measure, growth.explain,
    ),
    "replay": Part(
        "A million logged decisions, replayed.",
        replay.FIGURES, replay.measure, replay.explain,
    ),
    "verify": Part(
        "`fermata verify` of a million events.",
        verify.FIGURES, verify.measure, verify.explain,
    ),
}  # fmt: skip


def main() -> int:
    """Measure what is asked for; 0 when every part could be measured."""
    asked = _arguments()
    run = Run(seconds=asked.seconds, runs=asked.runs, quick=asked.quick)
    report, failed = Report(asked.into, tuple(PARTS)), []
    for name, part in PARTS.items():
        if asked.only and not any(_chosen(one, name, part) for one in asked.only):
            continue
        print(f"{name}: {part.about}", flush=True)
        try:
            _measure(name, part, run, report, profile=asked.profile)
        except Exception:  # noqa: BLE001 - the other parts are still worth measuring
            traceback.print_exc()
            report.drop(name)
            failed.append(name)
        report.write()
    if failed:
        print(f"could not be measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--only",
        action="append",
        metavar="PART",
        help=f"a part ({', '.join(PARTS)}) or the beginning of a figure's name; may be repeated",
    )
    parser.add_argument("--seconds", type=float, help="how long each run of a figure takes")
    parser.add_argument("--runs", type=int, help="of which the median counts")
    parser.add_argument("--quick", action="store_true", help="small data, to see that it works")
    parser.add_argument(
        "--profile", action="store_true", help="profile every part, not only where one is missed"
    )
    parser.add_argument("--into", type=Path, help="folder to write to; a quick run's is temporary")
    asked = parser.parse_args()
    asked.seconds = asked.seconds or (0.5 if asked.quick else 4.0)
    asked.runs = asked.runs or (1 if asked.quick else 3)
    asked.into = asked.into or (Path(tempfile.mkdtemp(prefix="bench-")) if asked.quick else HERE)
    for one in asked.only or ():
        if not any(_chosen(one, name, part) for name, part in PARTS.items()):
            parser.error(f"no part and no figure is called {one!r}")
    return asked


def _chosen(asked: str, name: str, part: Part) -> bool:
    return asked == name or any(figure.startswith(asked) for figure in part.figures)


def _measure(name: str, part: Part, run: Run, report: Report, *, profile: bool) -> None:
    around = {
        "about": part.about,
        "commit": commit(),
        "on": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "versions": versions(),
        "load": load(),
        "seconds": run.seconds,
        "runs": run.runs,
        "quick": run.quick,
    }
    began = time.perf_counter()
    found = part.measure(run)
    missed = found.missed()
    if not found.profiles and (missed or profile):
        found.profiles[", ".join(missed) or name] = part.explain(run, missed)
    report.take(name, found, around | {"took": time.perf_counter() - began})
    for figure, one in found.figures.items():
        met = KINDS[figure].met(one.value)
        verdict = "" if met is None else ("  met" if met else "  MISSED")
        print(f"  {figure}: {spelled(one.value, one.unit)}{verdict}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
