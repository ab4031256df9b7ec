"""The compiled index as the rules know a history: artists and content, made when somebody looks.

`explain`, the settings pages and whatever else is written over `History` work on it as it stands.
An artist or a content is read out of the arrays anew at each look, so what was looked at before an
event is still what it was before that event. Nothing can be written to it.

One thing is not kept: when a content was last put. No rule looks at it; the instant beside each
content is 0.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeVar, cast

import numpy as np
import numpy.typing as npt

from service.decisions.compiled.deliveries import Deliveries
from service.decisions.compiled.ids import UNKNOWN, Ids
from service.decisions.compiled.records import Records
from service.decisions.compiled.rightsholders import Rightsholders
from service.decisions.compiled.voices import ERASED, OF_ONE_CONTENT, UNKNOWN_ARTIST, Voices
from service.domain.events import ContentItem
from service.domain.history import Artist, History
from service.domain.instant import Instant

V = TypeVar("V")

_AT_ONCE: Final = 4_096
"""Ordinals looked through together while somebody goes through all of them."""


class CompiledHistory(History):
    """A history that keeps the policies itself and reads everything else out of arrays.

    Whoever takes the events in feeds it those about policies, and None for all others.
    """

    def __init__(self, artists: "ArtistsKept", content: "ContentKept") -> None:
        """Start before the first event."""
        super().__init__()
        # `History` writes to these, in the events that this one is never fed.
        self.artists = cast("dict[str, Artist]", artists)
        self.content = cast("dict[str, tuple[ContentItem, Instant]]", content)


class _Known(Mapping[str, V]):
    """Everybody known by an id, in the order of the ordinals."""

    def __init__(self, ids: Ids, is_known: Callable[[slice], npt.NDArray[np.bool_]]) -> None:
        self._ids = ids
        self._is_known = is_known

    def ordinal(self, key: object) -> int:
        """Return the ordinal of what is known by this id, or `UNKNOWN`."""
        ordinal = self._ids.find(key) if isinstance(key, str) else UNKNOWN
        if ordinal == UNKNOWN or not self._is_known(slice(ordinal, ordinal + 1)).any():
            return UNKNOWN
        return ordinal

    def __contains__(self, key: object) -> bool:
        return self.ordinal(key) != UNKNOWN

    def __iter__(self) -> Iterator[str]:
        start = 1
        while start < len(self._ids):
            end = min(start + _AT_ONCE, len(self._ids))
            yield from self._ids.names(start + np.flatnonzero(self._is_known(slice(start, end))))
            start = end

    def __len__(self) -> int:
        return int(np.count_nonzero(self._is_known(slice(1, len(self._ids)))))


class ArtistsKept(_Known[Artist]):
    """Artists by subject: all who were ever registered."""

    def __init__(
        self,
        subjects: Ids,
        contents: Ids,
        voices: Voices,
        records: Records,
        deliveries: Mapping[str, Deliveries],
    ) -> None:
        super().__init__(subjects, self._registered)
        self._contents = contents
        self._voices = voices
        self._records = records
        self._deliveries = deliveries

    def _registered(self, some: slice) -> npt.NDArray[np.bool_]:
        known: npt.NDArray[np.bool_] = self._voices.standing.values[some] != UNKNOWN_ARTIST
        known &= self._voices.said.values[some] != OF_ONE_CONTENT
        return known

    def __getitem__(self, subject: str) -> Artist:
        artist = self.ordinal(subject)
        if artist == UNKNOWN:
            raise KeyError(subject)
        registered_at = self._voices.registered_at.values.item(artist)
        if self._voices.standing.values.item(artist) == ERASED:
            return Artist(registered_at, erased=True)
        delivered = {use: told.of(artist) for use, told in self._deliveries.items()}
        known = Artist(registered_at, delivered={use: at for use, at in delivered.items() if at})
        for said in self._records.of(artist):
            content = self._contents.name(said.content) if said.content else None
            known.say(self._records.record(said, content))
        return known


class ContentKept(_Known[tuple[ContentItem, Instant]]):
    """Content by id: all that was ever put."""

    def __init__(
        self, contents: Ids, subjects: Ids, voices: Voices, rightsholders: Rightsholders
    ) -> None:
        super().__init__(contents, self._put)
        self._subjects = subjects
        self._voices = voices
        self._rightsholders = rightsholders

    def _put(self, some: slice) -> npt.NDArray[np.bool_]:
        put: npt.NDArray[np.bool_] = self._rightsholders.kind.values[some] != 0
        return put

    def __getitem__(self, content: str) -> tuple[ContentItem, Instant]:
        ordinal = self.ordinal(content)
        status = self._rightsholders.status(ordinal)
        if status is None:
            raise KeyError(content)
        artists = (self._voices.artist_of(one)[0] for one in self._rightsholders.of(ordinal))
        return ContentItem(content, tuple(map(self._subjects.name, artists)), status), 0
