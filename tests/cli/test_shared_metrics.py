"""Metrics of several processes by whichever is asked."""

import asyncio
import contextlib
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from service.cli.shared_metrics import SharedMetrics
from service.telemetry import Telemetry


async def published(metrics: SharedMetrics) -> None:
    """Let a process keep once what it counted."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0):
            await metrics.publish()


async def test_whoever_is_asked_answers_for_all(tmp_path: Path) -> None:
    """Each sample says whose it is, and each family stands there once."""
    telemetries = [Telemetry() for _ in range(3)]
    shared = [SharedMetrics(tmp_path, n, one.exposition) for n, one in enumerate(telemetries)]
    for number, one in enumerate(telemetries):
        for _ in range(number + 1):
            one.set_waiting_batches('e-mail "at" night\n', number)
            one.count_sends("webhook", "sent", 10)
    for process in shared:
        await published(process)
    telemetries[0].count_sends("webhook", "sent", 5)

    answers = [process.exposition().decode() for process in shared]

    families = list(text_string_to_metric_families(answers[0]))
    assert len({family.name for family in families}) == len(families)
    sends = {
        sample.labels["worker"]: sample.value
        for family in families
        for sample in family.samples
        if sample.name == "fermata_sends_total"
    }
    assert sends == {"0": 15, "1": 20, "2": 30}  # its own as they are now
    assert {one.labels["channel"] for one in samples(answers[1], "fermata_waiting_batches")} == {
        'e-mail "at" night\n'
    }
    assert [one.value for one in samples(answers[1], "fermata_sends_total")] == [10, 20, 30]


def samples(text: str, name: str) -> list[Sample]:
    """Return the samples of this name."""
    families = text_string_to_metric_families(text)
    return [one for family in families for one in family.samples if one.name == name]
