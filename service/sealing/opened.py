"""The sealed months as one process reads them, and who has the next ones sealed."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from service.clock import Clock
from service.sealing.copies import SealedFiles
from service.sealing.find import SealedLog
from service.settings import Settings


@asynccontextmanager
async def sealed_log(settings: Settings, clock: Clock) -> AsyncIterator[SealedLog]:
    """Open the sealed months until the block ends. Raises ValueError for a place nobody knows."""
    with ExitStack() as stack:
        copies = settings.sealed_cache_dir
        if copies is None:
            folder = tempfile.TemporaryDirectory(prefix="fermata-sealed-")
            copies = Path(stack.enter_context(folder))
        files, place = None, settings.sealed_decisions
        if place is not None:
            files = SealedFiles(place, copies, most_bytes=settings.sealed_cache_bytes)
        log = SealedLog(files, copies, clock)
        stack.callback(log.close)
        yield log
