"""Several streams of logged decisions, each in order of revisions, as one that is."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from service.replay.logged import Logged, together


def merged(streams: Sequence[Iterable[Logged]]) -> Iterator[Logged]:
    """Yield everything from all streams in parts, none of which goes behind the one before.

    Within a part there is no order. At most one batch of each stream is held. Raises ValueError
    where a batch begins before the one it follows ends.
    """
    heads = [_Head(iter(stream)) for stream in streams]
    while heads := [head for head in heads if head.filled()]:
        limit = min(head.last for head in heads)
        parts = [head.up_to(limit) for head in heads]
        yield together([part for part in parts if len(part) or part.unreadable] or parts[:1])


class _Head:
    """What has been read of one stream, and not been handed on."""

    def __init__(self, stream: Iterator[Logged]) -> None:
        self._stream = stream
        self._batch: Logged | None = None
        self.last = -(2**63)
        """The highest revision in hand: whatever is still to come names none below it."""

    def filled(self) -> bool:
        """Have something in hand, if there is anything left."""
        if self._batch is None:
            self._batch = next(self._stream, None)
            if self._batch is not None:
                self._require_order(self._batch)
        return self._batch is not None

    def up_to(self, limit: int) -> Logged:
        """Take what names this revision or an earlier one."""
        batch = self._batch
        if batch is None:
            raise ValueError("there is nothing in hand")
        if self.last <= limit:
            self._batch = None
            return batch
        reached = batch.revision <= limit
        self._batch = batch.some(np.flatnonzero(~reached))
        return batch.some(np.flatnonzero(reached)).without_unreadable()

    def _require_order(self, batch: Logged) -> None:
        if not len(batch):
            return
        first = batch.revision.min().item()
        if first < self.last:
            raise ValueError(f"decisions at {first} come after those at {self.last}")
        self.last = batch.revision.max().item()
