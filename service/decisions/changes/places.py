"""Places for readers: so many at once in one process, and all of them told when it ends."""

from collections.abc import Callable
from typing import Final

from service.decisions.capacity import Overloaded

RETRY_AFTER_SECONDS: Final = 5


class TooManyReaders(Overloaded):
    """This process has as many readers as it takes; another may have room."""

    def __init__(self, most: int) -> None:
        """Say how many that is."""
        super().__init__(RETRY_AFTER_SECONDS)
        self.args = (f"{most} readers of changes are here already: come back in a moment",)


class Place:
    """One reader's place. Whoever has one calls `leave` once, whatever happens."""

    def __init__(self, places: "Places") -> None:
        """Be counted."""
        self._places = places
        self._ends: list[Callable[[], object]] = []

    @property
    def has_ended(self) -> bool:
        """Whether readers are to go."""
        return self._places.closed

    def on_end(self, end: Callable[[], object]) -> None:
        """Have this called when readers are to go."""
        self._ends.append(end)
        if self.has_ended:
            end()

    def end(self) -> None:
        """Tell this reader to go."""
        for end in self._ends:
            end()

    def leave(self) -> None:
        """Make room."""
        self._places.taken.discard(self)


class Places:
    """All places of one process."""

    def __init__(self, most: int) -> None:
        """Have at most so many readers."""
        self._most = most
        self.taken: set[Place] = set()
        self.closed = False

    def take(self) -> Place:
        """Return a place. Raises TooManyReaders where there is none."""
        if len(self.taken) >= self._most:
            raise TooManyReaders(self._most)
        place = Place(self)
        self.taken.add(place)
        return place

    def close(self) -> None:
        """Send every reader away, and those who still come: the process is about to end.

        Readers of streams would otherwise be waited for until the server loses its patience.
        """
        self.closed = True
        for place in list(self.taken):
            place.end()
