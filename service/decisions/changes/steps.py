"""Steps through the ledger: from a position to the next, with everything touched in between.

Small events are taken together, a large one in parts. A step names at most so many artists and
content, so that no step is long, and the same step serves all readers at its position.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from service.decisions.changes.events import Events, Held
from service.decisions.changes.position import Place, Position
from service.decisions.changes.touched import Anew, Touched
from service.decisions.question import About

_LOOK_AHEAD: Final = 8
"""Times as much content as fits into a step is looked up, to see how many events do."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What lies between a position and `end`, as it was found once: a step equals only itself.

    The index has to hold revision `seen` before it is asked. `put_at` is a revision after `end` by
    which content may have changed hands that is therefore missing here: it comes later. `is_full`
    says that more would not fit in, however much had happened.
    """

    end: Position
    parts: Sequence[Touched]
    seen: int
    put_at: int = 0
    is_full: bool = True

    @property
    def anew(self) -> Iterator[Anew]:
        """What has to be asked about anew, in order."""
        return (part.anew for part in self.parts if part.anew is not None)

    def goes_up_to(self, revision: int) -> bool:
        """Tell whether it goes as far as a step can while this is the ledger's last revision."""
        return self.is_full or self.end.revision >= revision

    def touched(self, use: str, recipient: str) -> Iterator[tuple[About, list[str]]]:
        """Yield what is touched in one column: artists by their references, and content."""
        parts = [part for part in self.parts if part.covers(use, recipient)]
        artists = list(dict.fromkeys(one for part in parts for one in part.artists))
        content = list(dict.fromkeys(one for part in parts for one in part.content))
        if artists:
            yield About.ARTISTS, artists
        if content:
            yield About.CONTENT, content


async def next_step(events: Events, position: Position, most: int) -> Step | None:
    """Return the step of at most so many artists and content, or None where nothing follows.

    Raises as `Events` does.
    """
    if position.place is not None:
        return await _within(events, position, position.place, most)
    found, is_full = await events.after(position.revision, most)
    if not found:
        return None
    step = await _together(events, found, most) if _rows(found) <= most else None
    if step is None:
        return await _within(events, position, Place(0), most)
    return replace(step, is_full=is_full or step.end.revision < found[-1].revision)


def _rows(found: Sequence[Touched]) -> int:
    return sum(len(one.rows) for one in found)


async def _together(events: Events, found: Sequence[Touched], most: int) -> Step | None:
    """Return one step of whole events, as many as fit, or None where the first does not."""
    artists = list(dict.fromkeys(artist for one in found for artist in one.artists))
    held = Held((), 0, 0)
    if artists:
        limit = _LOOK_AHEAD * most
        held = await events.held_by(artists, since=found[0].revision, most=limit + 1)
        if len(held.content) > limit:
            return None
    by_artist: dict[str, list[str]] = {artist: [] for artist in artists}
    for content, holders in held.content:
        for artist in holders & by_artist.keys():
            by_artist[artist].append(content)
    parts: list[Touched] = []
    for one in found:
        part = replace(one, content=_content(one, by_artist))
        most -= len(part.artists) + len(part.content)
        if most < 0:
            break
        parts.append(part)
    if not parts:
        return None
    last = parts[-1].revision
    return Step(Position(last), parts, max(last, held.seen), held.put_at)


def _content(one: Touched, by_artist: dict[str, list[str]]) -> Sequence[str]:
    """Return the content that an event touches: what it names, or what its artists hold."""
    return [content for artist in one.artists for content in by_artist[artist]] or one.content


async def _within(events: Events, position: Position, place: Place, most: int) -> Step | None:
    """Return one step within the event after a position."""
    revision = position.revision
    event = await events.at(revision + 1)
    if event is None:
        return None
    if place.stop is None:
        return _some_rows(event, place.start, most)
    artists = event.artists[place.start : place.stop]
    held = await events.held_by(artists, since=revision + 1, after=place.after, most=most + 1)
    content = [one for one, _ in held.content[:most]]
    if len(held.content) > most:
        end = Position(revision, replace(place, after=content[-1]))
    else:
        end = _behind_rows(event, place.stop)
    part = replace(event, artists=(), content=content, anew=None)
    return Step(end, [part], max(revision + 1, held.seen), held.put_at)


def _some_rows(event: Touched, start: int, most: int) -> Step:
    """Return the step of an event's own rows, from one of them on."""
    stop = start + most
    some = replace(
        event,
        artists=event.artists[start:stop],
        content=event.content[start:stop],
        anew=event.anew if start == 0 else None,
    )
    if some.artists:
        end = Position(event.revision - 1, Place(start, start + len(some.artists)))
    else:
        end = _behind_rows(event, stop)
    return Step(end, [some], event.revision)


def _behind_rows(event: Touched, stop: int) -> Position:
    """Return where it goes on when all up to a row is done."""
    if stop < len(event.rows):
        return Position(event.revision - 1, Place(stop))
    return Position(event.revision)
