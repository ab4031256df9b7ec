"""The figures: what each means, what it has to reach, and what was measured."""

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self


@dataclass(frozen=True, slots=True)
class Kind:
    """What a figure is. `target` is the least (or, with `most`, the most) it may be."""

    unit: str
    means: str
    target: float | None = None
    most: bool = False

    def met(self, value: float) -> bool | None:
        """Tell whether a value is good enough; None where nothing is asked of it."""
        if self.target is None:
            return None
        return value <= self.target if self.most else value >= self.target


GIB: Final = 1024**3
_MIB: Final = 1024**2

KINDS: Final[Mapping[str, Kind]] = {
    "http_bulk_json_checks_per_s": Kind(
        "checks/s", "bulk over HTTP, strong, logged, one worker, JSON, 10,000 a request", 1e6
    ),
    "http_bulk_arrow_checks_per_s": Kind("checks/s", "the same as Arrow streams", 3e6),
    "ratio_best_peer": Kind(
        "times", "our faster bulk form to the fastest of Cerbos, Cedar and Casbin, same work", 40
    ),
    "ratio_sql": Kind("times", "our faster bulk form to plain SQL that logs what it answers", 12),
    "http_single_checks_per_s": Kind(
        "checks/s", "single checks over HTTP, strong, logged, 16 connections, one worker", 4_000
    ),
    "http_single_p50_ms": Kind("ms", "their median", 4, most=True),
    "http_single_p99_ms": Kind("ms", "their 99th percentile", 15, most=True),
    "index_artist_checks_per_s": Kind(
        "checks/s", "the index in process, artists by ordinal, 1,000,000 a batch", 40e6
    ),
    "index_content_checks_per_s": Kind(
        "checks/s", "the same, content by ordinal with all rightsholders", 8e6
    ),
    "index_string_checks_per_s": Kind("checks/s", "the same, content by string id", 3e6),
    "growth_10k_to_10m": Kind(
        "times", "time per check by string id, 10,000 to 10 million content, worst to best", 1.5,
        most=True,
    ),
    "process_bytes_1m_artists_5m_tracks": Kind(
        "bytes", "memory of the service's process, 1 M artists, 5 M tracks, 30 columns", GIB,
        most=True,
    ),
    "stale_permits_4_processes": Kind(
        "permits", "strong permits after an acknowledged no, on any of four processes", 0, most=True
    ),
    "changes_lag_p99_ms": Kind(
        "ms", "no acknowledged until it is on /v1/changes, 99th percentile", 100, most=True
    ),
    "policy_change_longest_wait_ms": Kind(
        "ms", "longest wait of a check while a version moves 1 M artists", 50, most=True
    ),
    "export_rows_per_s": Kind(
        "rows/s", "an audit export of a million consents and a million decisions", 100_000
    ),
    "export_peak_bytes": Kind(
        "bytes", "the most memory of the process that builds it", 512 * _MIB, most=True
    ),
    "export_check_p99_ratio": Kind(
        "times", "99th percentile of checks meanwhile, to that before", 2, most=True
    ),
    "replay_decisions_per_s": Kind(
        "decisions/s", "a million logged decisions replayed, ledger and log read included", 200_000
    ),
    "verify_1m_events_s": Kind(
        "s", "`fermata verify` of an untouched ledger of a million events", 120, most=True
    ),
    # What the table of the issue does not ask for, and one wants to know beside it.
    "ratio_best_peer_json": Kind("times", "as ratio_best_peer, but our JSON"),
    "ratio_sql_json": Kind("times", "as ratio_sql, but our JSON"),
    "ratio_sql_unlogged": Kind("times", "our faster bulk form to plain SQL that logs nothing"),
    "peer_cerbos_checks_per_s": Kind("checks/s", "Cerbos over HTTP, its fastest form of this work"),
    "peer_cedar_checks_per_s": Kind("checks/s", "Cedar in process"),
    "peer_casbin_checks_per_s": Kind("checks/s", "Casbin in process"),
    "peer_sql_checks_per_s": Kind("checks/s", "plain SQL that logs what it answers, its fastest"),
    "peer_sql_unlogged_checks_per_s": Kind("checks/s", "plain SQL that logs nothing, its fastest"),
    "http_single_without_fsync_checks_per_s": Kind(
        "checks/s", "single checks with PostgreSQL's fsync off: the price of durability"
    ),
    "http_single_longest_beside_giant_ms": Kind(
        "ms", "longest single check beside one giant request after the other"
    ),
    "http_single_p99_beside_giant_ms": Kind("ms", "their 99th percentile"),
    "limit_artist_per_s": Kind("checks/s", "bare numpy gather of the same shape: artists"),
    "limit_content_per_s": Kind("checks/s", "bare numpy gather of the same shape: content"),
    "limit_string_per_s": Kind("checks/s", "bare numpy gather of the same shape: string ids"),
    "growth_ordinals_10k_to_10m": Kind("times", "as growth_10k_to_10m, but content by ordinal"),
    "growth_whole_json_10k_to_10m": Kind(
        "times", "the same of a whole check in JSON, from the request's bytes to the answer's"
    ),
    "growth_whole_arrow_10k_to_10m": Kind("times", "the same in Arrow"),
    "growth_gather_10k_to_10m": Kind(
        "times", "the same of the bare gather by ordinal: what the memory alone costs"
    ),
    "ready_from_ledger_s": Kind("s", "start to ready at 1 M artists, 5 M tracks, no snapshot"),
    "ready_from_snapshot_s": Kind("s", "the same, from a snapshot", 10, most=True),
    "process_peak_bytes_1m_artists_5m_tracks": Kind("bytes", "the most that process ever had"),
    "stale_permits_if_weak": Kind(
        "permits", "the same checks asked with max_staleness: shows that they could have failed"
    ),
    "changes_lag_p50_ms": Kind("ms", "the median of the same"),
    "stale_permits_after_policy_change": Kind(
        "permits", "checks begun after the version was acknowledged that still permit", 0, most=True
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: the median of some runs, the least and the greatest of them."""

    value: float
    unit: str
    min: float
    max: float
    runs: int

    @classmethod
    def of(cls, name: str, runs: Iterable[float]) -> Self:
        """Return the figure of this name."""
        values = sorted(float(_rounded(run)) for run in runs)
        median = float(_rounded(statistics.median(values)))
        return cls(median, KINDS[name].unit, values[0], values[-1], len(values))

    def as_json(self) -> dict[str, Any]:
        """Return it as it is written down."""
        return {
            "value": self.value,
            "unit": self.unit,
            "min": self.min,
            "max": self.max,
            "runs": self.runs,
        }


def _rounded(value: float) -> float:
    """Four digits tell more than two runs agree on; of counts and bytes all are kept."""
    return float(f"{value:.4g}") if abs(value) < 1e9 and value != int(value) else value  # noqa: PLR2004


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a plot."""

    name: str
    points: list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Curve:
    """One plot: what is on its axes, and its lines."""

    title: str
    x: str
    y: str
    lines: list[Line]
    y_logarithmic: bool = False


@dataclass(slots=True)
class Found:
    """What one part of the run has found. `notes` are Markdown, in the order to be read."""

    figures: dict[str, Figure] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    curves: dict[str, Curve] = field(default_factory=dict)
    profiles: dict[str, str] = field(default_factory=dict)
    """What the time went into, by the figure that was missed."""

    def say(self, name: str, runs: Iterable[float]) -> Figure:
        """Take the runs of one figure, and return it."""
        self.figures[name] = figure = Figure.of(name, runs)
        return figure

    def missed(self) -> list[str]:
        """Return the figures that are not good enough."""
        return [name for name, one in self.figures.items() if KINDS[name].met(one.value) is False]


def table(head: Iterable[str], rows: Iterable[Iterable[object]], *, texts: int = 1) -> str:
    """Return a table in Markdown: the first columns are text, the others are numbers."""
    titles = list(head)
    lines = [
        "| " + " | ".join(titles) + " |",
        "|" + "---|" * texts + "---:|" * (len(titles) - texts),
        *("| " + " | ".join(map(spelled, row)) + " |" for row in rows),
    ]
    return "\n".join(lines)


def spelled(value: object, unit: str = "") -> str:
    """Return a value as a table shows it."""
    if unit == "bytes" and isinstance(value, float | int):
        return f"{value / _MIB:,.0f} MiB"
    if isinstance(value, float):
        whole = abs(value) >= 1_000 or value == int(value)  # noqa: PLR2004
        shown = f"{value:,.0f}" if whole else f"{value:.3g}"
    else:
        shown = f"{value:,}" if isinstance(value, int) else str(value)
    return f"{shown} {unit}".rstrip()
