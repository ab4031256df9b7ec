"""A crowd of any size: artists, their tracks and what some of them said, from a seed, in arrays.

Ten uses and three recipients. One artist in twenty has said one thing, a no: to one use or to
everything, to everybody or to one recipient, for everything of theirs or for one track.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from service.domain.consent import Answer, Scope
from service.domain.events import (
    ArtistsRegistered,
    CharterSet,
    ConsentRecorded,
    ContentItem,
    ContentPut,
    ContentStatus,
    Fact,
    NoticeDelivered,
    PolicyPublished,
)
from service.domain.instant import SECOND
from service.domain.policy import Mode

DAY: Final = 86_400 * SECOND
NOTICE: Final = 30 * DAY
RECIPIENTS: Final = ("internal", "partner:musiio", "partner:tuney")
MODES: Final = {
    "discovery.recommendation": Mode.OPT_OUT,
    "discovery.search": Mode.OPT_OUT,
    "discovery.tagging": Mode.OPT_OUT,
    "moderation.fraud": Mode.OPEN,
    "moderation.copyright": Mode.OPEN,
    "training.analysis": Mode.OPT_OUT,
    "training.mastering": Mode.OPT_OUT,
    "training.separation": Mode.OPT_OUT,
    "training.generative.music": Mode.OPT_IN,
    "training.generative.voice": Mode.PROHIBITED,
}
"""Launch terms; all of them list all recipients."""

ANNOUNCED: Final = "training.generative.music"
"""Where a second version is announced: `opt_out`, with a window for everybody."""

SPOKE: Final = 0.05
_ROWS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Crowd:
    """Who there is. Artists and tracks are numbered from 0; `second` is -1 where there is one."""

    artists: int
    tracks: int
    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    spoke: npt.NDArray[np.int64]
    """The artists who said something, in the order in which they did."""
    scopes: list[Scope]
    """At which scope each of them said no."""

    def holders(self, track: int) -> tuple[int, ...]:
        """Return a track's artists."""
        first, second = self.first.item(track), self.second.item(track)
        return (first,) if second < 0 else (first, second)

    def refused(self, use: str, recipient: str) -> set[int]:
        """Return the artists who said no to a column, whatever the track."""
        nodes = {"*", use}
        return {
            artist
            for artist, scope in zip(self.spoke.tolist(), self.scopes, strict=True)
            if scope.content is None and scope.use in nodes and scope.recipient in {None, recipient}
        }


def artist_id(number: int) -> str:
    """Return the platform's id of an artist."""
    return f"artist-{number:07}"


def track_id(number: int) -> str:
    """Return the id of a track."""
    return f"track-{number:08}"


def make_crowd(artists: int, tracks: int, *, seed: int = 7) -> Crowd:
    """Make it up. The same seed makes the same crowd."""
    rng = np.random.default_rng(seed)
    first = rng.integers(0, artists, tracks)
    # Half the tracks have a second artist, another one than the first.
    second = (first + rng.integers(1, max(artists, 2), tracks)) % artists
    second = np.where((rng.random(tracks) < 0.5) & (second != first), second, -1)  # noqa: PLR2004
    spoke = rng.permutation(artists)[: int(artists * SPOKE)]
    own = _a_track_each(first, spoke, artists)
    uses, kinds = tuple(MODES), rng.integers(0, 10, len(spoke))
    of_use, to = rng.integers(0, len(uses), len(spoke)), rng.integers(0, 3, len(spoke))
    scopes = [
        _scope(kind, uses[use], RECIPIENTS[recipient], track)
        for kind, use, recipient, track in zip(
            kinds.tolist(), of_use.tolist(), to.tolist(), own, strict=True
        )
    ]
    return Crowd(artists, tracks, first, second, spoke, scopes)


def _a_track_each(
    first: npt.NDArray[np.int64], spoke: npt.NDArray[np.int64], artists: int
) -> list[int]:
    """Return one track of each, or -1."""
    track_of = np.full(artists, -1)
    track_of[first] = np.arange(len(first))
    tracks: list[int] = track_of[spoke].tolist()
    return tracks


def _scope(kind: int, use: str, recipient: str, track: int) -> Scope:
    match kind:
        case 0:
            return Scope("*")
        case 1 | 2:
            return Scope(use, recipient=recipient)
        case 3 if track >= 0:
            return Scope(use, content=track_id(track))
        case _:
            return Scope(use)


def launch_terms(use: str, mode: Mode, text: str = "first") -> PolicyPublished:
    """Return a version of a use that lists every recipient."""
    return PolicyPublished(
        use=use,
        mode=mode,
        recipients=frozenset(RECIPIENTS),
        notice_period=NOTICE,
        texts=frozenset({("en", f"{use} {text}")}),
        editorial=False,
    )


def facts(crowd: Crowd) -> Iterator[Fact]:
    """Return everything that happened, as the rules see it; references are the artists' ids."""
    yield CharterSet(NOTICE)
    yield from (launch_terms(use, mode) for use, mode in MODES.items())
    for first in range(0, crowd.artists, _ROWS):
        numbers = range(first, min(first + _ROWS, crowd.artists))
        yield ArtistsRegistered(tuple(map(artist_id, numbers)))
    for first in range(0, crowd.tracks, _ROWS):
        numbers = range(first, min(first + _ROWS, crowd.tracks))
        yield ContentPut(tuple(_item(crowd, number) for number in numbers))
    for artist, scope in zip(crowd.spoke.tolist(), crowd.scopes, strict=True):
        yield ConsentRecorded(artist_id(artist), Answer.OPT_OUT, scope)
    yield launch_terms(ANNOUNCED, Mode.OPT_OUT, "second")
    for first in range(0, crowd.artists, _ROWS):
        numbers = range(first, min(first + _ROWS, crowd.artists))
        yield NoticeDelivered(ANNOUNCED, 2, tuple(map(artist_id, numbers)))


def _item(crowd: Crowd, number: int) -> ContentItem:
    holders = tuple(map(artist_id, crowd.holders(number)))
    return ContentItem(track_id(number), holders, ContentStatus.ACTIVE)
