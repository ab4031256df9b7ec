"""The metrics of several processes that answer at one address, by whichever is asked.

A scrape reaches one of them, another each time. Were each to answer for itself alone, every counter
would seem to jump to and fro. So they keep what they counted in a folder that they share, once a
second, and whoever is asked answers for all: each sample with the label `worker`, which is the
number of its process and stays when that is started anew. Sum over it.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override

_EVERY_S: Final = 1.0
_LABEL: Final = "worker"


class SharedMetrics:
    """What every process counted: this one's as it is now, the others' as it was a second ago."""

    def __init__(self, folder: Path, number: int, own: Callable[[], bytes]) -> None:
        """Take the folder, which is made where it is missing, and this process's number."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._number = number
        self._own = own

    async def publish(self) -> None:
        """Keep what this process counted, for ever."""
        aside = self._folder / f".{self._number}"
        while True:
            aside.write_bytes(self._own())
            aside.replace(self._folder / str(self._number))
            await asyncio.sleep(_EVERY_S)

    def exposition(self) -> bytes:
        """Return everything in the Prometheus text format."""
        texts = {int(path.name): path.read_text() for path in self._folder.glob("[0-9]*")}
        texts[self._number] = self._own().decode()
        return generate_latest(_Labelled(sorted(texts.items())))


class _Labelled(Collector):
    """Families of the same name put together, each sample saying whose it is."""

    def __init__(self, texts: Iterable[tuple[int, str]]) -> None:
        self._texts = texts

    @override
    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for number, text in self._texts:
            for family in text_string_to_metric_families(text):
                whole = families.setdefault(
                    family.name, Metric(family.name, family.documentation, family.type)
                )
                for one in family.samples:
                    labels = {**one.labels, _LABEL: str(number)}
                    whole.samples.append(one._replace(labels=labels))
        yield from families.values()


class AnswersForAll:
    """An ASGI layer that answers `GET /metrics` for all processes."""

    def __init__(self, app: ASGIApp, metrics: SharedMetrics) -> None:
        """Take the app that answers everything else."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on."""
        if scope["type"] == "http" and scope["path"] == "/metrics" and scope["method"] == "GET":
            answer = Response(self._metrics.exposition(), media_type=CONTENT_TYPE_LATEST)
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)
