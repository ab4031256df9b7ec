"""The keeper: it looks once an hour whether a month is to be sealed, and has that done.

A process of its own does it, at the lowest claim to the processor, so that checks go on as they
were. Of several services' keepers one does it at a time: the others find that somebody is at it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from service.beside import Beside
from service.db.engine import connect
from service.domain.instant import Instant
from service.ledger.head import HeadReader
from service.sealing.sealing import due
from service.settings import Settings

ELSEWHERE: Final = 3
"""The exit status of a process that found another one sealing."""

_log = logging.getLogger(__name__)

_SETTLING: Final = 300.0
"""Seconds. A service that has just started has better things to do."""

_LOOKS_EVERY: Final = 3_600.0
"""Seconds, more or less: services that started together need not look together."""


def sealing_process(settings: Settings) -> Beside:
    """Return the command that seals what this service's settings say."""
    told = settings.environment(
        "database_url",
        "key_encryption_key",
        "sealed_decisions",
        "sealed_cache_dir",
        "max_clock_disagreement_ms",
    )
    return Beside.module(told, "service.cli.seal")


@dataclass(slots=True)
class SealingKeeper:
    """Keeps the log of decisions sealed, beside a service.

    async with SealingKeeper(url, heads, sealing_process(settings), jitter): ...

    Nothing that fails here is more than a warning in the log: it is tried again.
    """

    url: str
    heads: HeadReader
    process: Beside
    jitter: Callable[[], float]
    """Returns a number from 0 up to 1."""

    _keeping: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start looking."""
        self._keeping = asyncio.create_task(self._keep(), name="fermata-sealing-keeper")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop looking, and a process that is at work: the next one goes on."""
        if self._keeping is not None:
            self._keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeping

    async def look(self) -> bool:
        """Have sealed what is to be sealed; return whether there was anything.

        By the ledger's clock, and not while that is not to be believed.
        """
        head = await self.heads.read()
        if not self.heads.ledger_clock.agrees or not await self._is_due(head.now):
            return False
        status, said = await self.process.run()
        if status not in {0, ELSEWHERE}:
            _log.warning("the log of decisions is not all sealed, trying again later: %s", said)
        else:
            _log.info("%s", said)
        return True

    async def _is_due(self, now: Instant) -> bool:
        connection = await connect(self.url, writable=True)
        try:
            return bool(await due(connection, now))
        finally:
            await connection.close()

    async def _keep(self) -> None:
        await asyncio.sleep(_SETTLING * (1 + self.jitter()))
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - whatever it was, answers do not rest on it
                _log.warning("cannot look whether there is a month to seal: %s", error)
            await asyncio.sleep(_LOOKS_EVERY * (0.75 + self.jitter() / 2))
