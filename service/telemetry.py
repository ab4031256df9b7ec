"""Counters and histograms of one process, and how it logs."""

import logging
from collections import Counter as Tally
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Telemetry:
    """What is counted. Each app has its own registry, so that two in one process do not mix."""

    def __init__(self) -> None:
        """Start at zero."""
        self._registry = CollectorRegistry()
        self._checks = Counter("fermata_checks", "Checks answered.", registry=self._registry)
        self._results = Counter(
            "fermata_check_results", "Results given.", ["reason"], registry=self._registry
        )
        self._seconds = Histogram(
            "fermata_check_seconds",
            "Time from a check's arrival to its answer.",
            registry=self._registry,
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5),
        )

        self._overloaded = Counter(
            "fermata_checks_overloaded",
            "Checks turned away because as much was being answered as can be at once.",
            registry=self._registry,
        )

        self._sends = Counter(
            "fermata_sends",
            "Artists told of a notice or reminded of it, or not, by what became of it.",
            ["channel", "outcome"],
            registry=self._registry,
        )
        self._waiting = Gauge(
            "fermata_waiting_batches",
            "Batches of sends that have something left to do.",
            ["channel"],
            registry=self._registry,
        )

        self._checkpoint = Gauge(
            "fermata_log_checkpoint_size",
            "Events that the newest checkpoint covers.",
            registry=self._registry,
        )
        self._signs = Gauge(
            "fermata_log_signs",
            "1 while checkpoints are signed, 0 since the ledger was found to be another one.",
            registry=self._registry,
        )

        self._cosignatures = Counter(
            "fermata_log_cosignatures",
            "Witnesses asked to cosign a checkpoint, by what became of it.",
            ["witness", "outcome"],
            registry=self._registry,
        )

    def count_cosignature(self, witness: str, outcome: str) -> None:
        """Count one question to a witness."""
        self._cosignatures.labels(witness, outcome).inc()

    def set_log(self, *, size: int, signs: bool) -> None:
        """Say what the newest checkpoint covers, and whether there will be newer ones."""
        self._checkpoint.set(size)
        self._signs.set(signs)

    def count_sends(self, channel: str, outcome: str, number: int) -> None:
        """Count what became of so many sends."""
        if number:
            self._sends.labels(channel, outcome).inc(number)

    def set_waiting_batches(self, channel: str, number: int) -> None:
        """Say how many batches of a channel have something left to do."""
        self._waiting.labels(channel).set(number)

    def count_check(self, reasons: Iterable[str] | Mapping[str, int], seconds: float) -> None:
        """Count one answered check and its results: a reason each, or how many have which."""
        self._checks.inc()
        self._seconds.observe(seconds)
        for reason, number in Tally(reasons).items():
            self._results.labels(reason).inc(number)

    def count_overloaded(self) -> None:
        """Count one check that there was no room for."""
        self._overloaded.inc()

    def exposition(self) -> bytes:
        """Return everything in the Prometheus text format."""
        return generate_latest(self._registry)


def configure_logging(level: str) -> None:
    """Log to standard error, one line an event, from this level on."""
    logging.basicConfig(
        level=level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s", force=True
    )
