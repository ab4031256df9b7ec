"""An open-addressing table from 32-bit prints to ordinals, probed a whole batch at a time.

A slot is one 64-bit word: the print above, the ordinal below, so that a probe is one read. The
home of a print is `print * slots >> 32`, which needs no power of two: the table grows by two
fifths, and what is stored is enough to move it. Growing is incremental. The larger table is
allocated untouched, takes every new entry, and inherits a bounded number of old slots with each
addition; until it has them all, what it does not know is looked up in the old one, which stays
whole.

Equal prints prove nothing: every hit is put before `verify`, and a probe goes on behind one that
was not meant. Ordinal 0 means "not there", so no entry may have it.
"""

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from service.decisions.compiled.parts import Parts, array_of

Ordinals: TypeAlias = npt.NDArray[np.uint32]
Prints: TypeAlias = npt.NDArray[np.uint64]
"""Numbers below 2**32, in 64 bits so that no product overflows."""
Positions: TypeAlias = npt.NDArray[np.intp]
Verify: TypeAlias = Callable[[Positions, Ordinals], npt.NDArray[np.bool_]]
"""Given positions in the batch and an ordinal for each: which of them are really the ones asked?"""

_HALF: Final = np.uint64(32)
_LOW: Final = np.uint64(0xFFFF_FFFF)
_ONE: Final = np.uint64(1)
_EMPTY: Final = np.uint64(0)

_FULLEST: Final = 0.7
_GROWTH: Final = 1.4
_LEAST: Final = 64
_AT_ONCE: Final = 32_768
"""Ids probed or added together: their intermediate arrays stay in the processor's cache."""
_ODD: Final = np.uint64(0x9E37_79B1)
_MOVED_PER_ADDED: Final = 5
"""Old slots that move with each new entry. Four would do to be through before the next growth."""
_READY: Final = 0.65
"""From here on, when the old one is gone, the next table is made ready with each new entry."""
_TOUCHED_PER_ADDED: Final = 30
"""Slots made ready with each new entry. 28 would do to be through when the table is full."""
_PAGE: Final = 512
"""Slots, or fewer: memory that is never touched is not there yet, and takes its time to come."""


class Slots:
    """Who has this print? Ordinals, each found by its print and a look at what it stands for."""

    def __init__(self) -> None:
        self._slots: Prints = np.zeros(_LEAST, np.uint64)
        self._old: Prints | None = None
        self._moved = 0
        self._entries = 0
        self._next: Prints | None = None
        self._touched = 0

    def __len__(self) -> int:
        return self._entries

    @property
    def nbytes(self) -> int:
        """The bytes it takes; while it grows, those of both tables, as far as they are there."""
        old = 0 if self._old is None else int(self._old.nbytes)
        return int(self._slots.nbytes) + old + self._touched * self._slots.itemsize

    @property
    def moving(self) -> bool:
        """Whether an old table still waits to be moved."""
        return self._old is not None

    @property
    def growing(self) -> bool:
        """Whether there is a second table: an old one that is moved, or one that is made ready."""
        return self._old is not None or self._next is not None

    # -- looking up --------------------------------------------------------------------------------

    def find(self, print_: int, verify: Callable[[int], bool]) -> int:
        """Return the ordinal with this print that is the one meant, or 0."""
        found = _seek(self._slots, print_, verify)
        if not found and self._old is not None:
            found = _seek(self._old, print_, verify)
        return found

    def find_all(self, prints: Prints, verify: Verify) -> Ordinals:
        """Return for each print the ordinal that is the one meant, or 0."""
        found: Ordinals = np.zeros(len(prints), np.uint32)
        for start in range(0, len(prints), _AT_ONCE):
            some = np.arange(start, min(start + _AT_ONCE, len(prints)))
            for slots in self._tables():
                some = _probe(slots, prints, some, verify, found)
        return found

    def _tables(self) -> Iterator[Prints]:
        yield self._slots
        if self._old is not None:
            yield self._old

    # -- adding ------------------------------------------------------------------------------------

    def add(self, print_: int, ordinal: int) -> None:
        """Add an ordinal that is not there yet."""
        self._make_room(1)
        slots = self._slots
        place, room = print_ * len(slots) >> 32, len(slots)
        while slots.item(place):
            place = place + 1 if place + 1 < room else 0
        slots[place] = print_ << 32 | ordinal
        self._entries += 1

    def add_all(self, prints: Prints, ordinals: Ordinals) -> None:
        """Add ordinals of which none is there yet."""
        entries = prints << _HALF | ordinals
        for start in range(0, len(entries), _AT_ONCE):
            some = entries[start : start + _AT_ONCE]
            self._make_room(len(some))
            _place(self._slots, some)
            self._entries += len(some)

    # -- as a whole --------------------------------------------------------------------------------

    def bury(self, ordinals: Ordinals) -> None:
        """Let no print lead to these any more. Their slots stay taken, under made-up prints."""
        self._settle()
        buried = np.zeros(int(ordinals.max(initial=0)) + 1, np.bool_)
        buried[ordinals] = True
        buried[0] = False
        for start in range(0, len(self._slots), _AT_ONCE):
            some = self._slots[start : start + _AT_ONCE]
            held = some & _LOW
            known = held < np.uint64(len(buried))
            known[known] = buried[held[known]]
            some[known] = (held[known] * _ODD & _LOW) << _HALF | held[known]

    def parts(self) -> Parts:
        """Return the table; it has moved from the old one then."""
        self._settle()
        return {"slots": self._slots}

    def restore(self, parts: Parts) -> None:
        """Hold a table. Raises ValueError where that is none."""
        slots = array_of(parts, "slots")
        if slots.dtype != np.uint64 or not len(slots):
            message = "a table of slots is an array of 64-bit words"
            raise ValueError(message)
        self._slots, self._old, self._moved = slots, None, 0
        self._next, self._touched = None, 0
        self._entries = int(np.count_nonzero(slots))

    def tidy(self) -> bool:
        """Move some of an old table that nobody adds to any more, and tell whether more is left.

        Until it is gone everybody looks in both.
        """
        self._move(_AT_ONCE)
        return self.moving

    def _settle(self) -> None:
        while self._old is not None:
            self._move(_AT_ONCE)

    def _make_room(self, added: int) -> None:
        self._move(added * _MOVED_PER_ADDED)
        entries = self._entries + added
        if entries > len(self._slots) * _FULLEST:
            self._grow(entries)
        elif entries > len(self._slots) * _READY:
            self._make_ready(added * _TOUCHED_PER_ADDED)

    def _make_ready(self, slots: int) -> None:
        """Have the next table's memory brought in, so that the first entries need not wait."""
        if self._next is None:
            self._next = np.zeros(int(len(self._slots) * _GROWTH), np.uint64)
        end = min(self._touched + slots, len(self._next))
        self._next[self._touched : end : _PAGE] = _EMPTY
        self._touched = end

    def _grow(self, entries: int) -> None:
        self._settle()
        room = max(int(len(self._slots) * _GROWTH), int(entries / _FULLEST) + 1)
        self._old, self._moved = self._slots, 0
        ready = self._next
        if ready is None or len(ready) != room:
            ready = np.zeros(room, np.uint64)
        self._slots = ready
        self._next, self._touched = None, 0

    def _move(self, slots: int) -> None:
        if self._old is None:
            return
        end = min(self._moved + slots, len(self._old))
        for start in range(self._moved, end, _AT_ONCE):
            some = self._old[start : min(start + _AT_ONCE, end)]
            _place(self._slots, some[some != _EMPTY])
        self._moved = end
        if end == len(self._old):
            self._old = None


def _seek(slots: Prints, print_: int, verify: Callable[[int], bool]) -> int:
    room = len(slots)
    place = print_ * room >> 32
    while entry := slots.item(place):
        if entry >> 32 == print_ and verify(entry & 0xFFFF_FFFF):
            return int(entry & 0xFFFF_FFFF)
        place = place + 1 if place + 1 < room else 0
    return 0


def _home(prints: Prints, room: int) -> Prints:
    return prints * np.uint64(room) >> _HALF


def _next(places: Prints, room: int) -> Prints:
    places = places + _ONE
    places[places == np.uint64(room)] = _EMPTY
    return places


def _probe(
    slots: Prints, prints: Prints, asked: Positions, verify: Verify, found: Ordinals
) -> Positions:
    """Set what `slots` knows of the positions asked for, and return those it does not know.

    Everybody walks to the first slot with their print; all these are verified together, and those
    who met somebody else walk on.
    """
    unknown: list[Positions] = []
    places = _home(prints[asked], len(slots))
    while len(asked):
        met, places = _walk(slots, prints[asked], places)
        there = met != _EMPTY
        unknown.append(asked[~there])
        asked, places = asked[there], places[there]
        ordinals = (met[there] & _LOW).astype(np.uint32)
        meant = verify(asked, ordinals)
        found[asked[meant]] = ordinals[meant]
        asked, places = asked[~meant], _next(places[~meant], len(slots))
    return np.concatenate(unknown) if unknown else asked


def _walk(slots: Prints, prints: Prints, places: Prints) -> tuple[Prints, Prints]:
    """Return for each print the first entry from its place on that has it, or is empty, and where.

    Those still on their way are few after the first steps, so only they are looked at again.
    """
    met = slots[places]
    walking = np.flatnonzero((met >> _HALF != prints) & (met != _EMPTY))
    while len(walking):
        on = _next(places[walking], len(slots))
        entries = slots[on]
        places[walking], met[walking] = on, entries
        walking = walking[(entries >> _HALF != prints[walking]) & (entries != _EMPTY)]
    return met, places


def _place(slots: Prints, entries: Prints) -> None:
    """Put each entry into the first free slot from its home on. Of two at one slot, one goes on."""
    places = _home(entries >> _HALF, len(slots))
    while len(entries):
        free = slots[places] == _EMPTY
        slots[places[free]] = entries[free]
        homeless = slots[places] != entries
        entries = entries[homeless]
        places = _next(places[homeless], len(slots))
