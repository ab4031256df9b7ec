"""How much may be asked at once: a request takes its room before its body is read, or is refused.

    with capacity.room(weight) as room:     # raises Overloaded
        ...
        room.weigh(number_of_ids)           # once it is known

Nothing queues here: who finds no room is told when to come again. Small requests have room of
their own, so that however many giants come, a small one is answered. Weights are in ids.
"""

from types import TracebackType
from typing import Final, Self

SMALL: Final = 20_000
"""Ids up to which a request is small."""

SMALL_REQUESTS: Final = 512
SMALL_IDS: Final = 1_000_000
LARGE_REQUESTS: Final = 64
LARGE_IDS: Final = 2_500_000
"""Two of the largest requests there are, or sixty of the smallest large ones."""

_IDS_A_SECOND: Final = 1_000_000
"""What is surely done in a second; a guess at when room will be free needs no more."""


class Overloaded(Exception):  # noqa: N818 - an outcome
    """There is no room for this now. Nothing was answered: it may be asked again."""

    def __init__(self, retry_after: int) -> None:
        """Say after how many seconds it is worth trying again."""
        super().__init__("as much is being answered as can be at once: ask again in a moment")
        self.retry_after = retry_after


class _Hall:
    """Room of one kind: so many requests, and so many ids, at once."""

    def __init__(self, requests: int, ids: int) -> None:
        self._most_requests, self._most_ids = requests, ids
        self.requests = self.ids = 0

    def require(self, requests: int, ids: int) -> None:
        """Raise Overloaded unless so much more fits in."""
        fits = self.requests + requests <= self._most_requests and self.ids + ids <= self._most_ids
        if not fits:
            raise Overloaded(1 + self.ids // _IDS_A_SECOND)

    def take(self, requests: int, ids: int) -> None:
        """Count it in, or with negative numbers out."""
        self.requests += requests
        self.ids += ids


class Room:
    """What one request holds, from before its body is read until its answer is sent."""

    def __init__(self, capacity: "Capacity", weight: int) -> None:
        """Take room of this weight. Raises Overloaded."""
        self._capacity = capacity
        self._hall, self._weight = capacity.hall(weight), weight
        self._hall.require(1, weight)
        self._hall.take(1, weight)
        self._held = True

    def weigh(self, weight: int) -> None:
        """Become as heavy as it turned out to be. Raises Overloaded, and then holds what it did."""
        hall = self._capacity.hall(weight)
        if hall is self._hall:
            hall.require(0, weight - self._weight)
        else:
            hall.require(1, weight)
        self._hall.take(-1, -self._weight)
        self._hall, self._weight = hall, weight
        self._hall.take(1, weight)

    def give_back(self) -> None:
        """Let others have the room; more than once does no harm."""
        if self._held:
            self._held = False
            self._hall.take(-1, -self._weight)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let others have the room, however the request ended."""
        self.give_back()


class Capacity:
    """One process's room for checks; of one event loop."""

    def __init__(
        self,
        *,
        small: tuple[int, int] = (SMALL_REQUESTS, SMALL_IDS),
        large: tuple[int, int] = (LARGE_REQUESTS, LARGE_IDS),
    ) -> None:
        """Have room for so many small requests and ids in them, and for so many large ones."""
        self._small, self._large = _Hall(*small), _Hall(*large)

    def room(self, weight: int) -> Room:
        """Return room for a request of so many ids. Raises Overloaded."""
        return Room(self, weight)

    def hall(self, weight: int) -> _Hall:
        """Return where a request of this weight belongs."""
        return self._small if weight <= SMALL else self._large

    @property
    def in_flight(self) -> tuple[int, int]:
        """How many requests hold room, and for how many ids."""
        halls = (self._small, self._large)
        return sum(hall.requests for hall in halls), sum(hall.ids for hall in halls)
