"""What entries say in public, by revision: rows of a bundle are held against it."""

import struct
from typing import IO, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from service.verify.event import BULK
from service.verify.few import Few
from service.verify.leaf import Leaf, instant

CONSENT: Final = "consent.recorded"
NO_NOTICE: Final = -1

Numbers: TypeAlias = npt.NDArray[np.int64]

_KINDS: Final = {kind: number for number, kind in enumerate(sorted({*BULK, CONSENT}), start=1)}
_WRITTEN: Final = struct.Struct("<qBii")
_ENTRY: Final = np.dtype([("at", "<i8"), ("kind", "u1"), ("count", "<i4"), ("notice", "<i4")])
_MOST: Final = (1 << 31) - 1


class Known:
    """All entries of a ledger, one after the other. A few bytes of each are kept in a file."""

    def __init__(self, few: Few, scratch: IO[bytes]) -> None:
        """Begin before the first; `few` is what charter, policies and erasures add up to.

        `scratch` is an empty file that nobody else uses.
        """
        self.few = few
        self.size = 0
        self.last_at = 0
        self._file = scratch
        self._file.write(_WRITTEN.pack(0, 0, 0, NO_NOTICE))
        self._notices: dict[tuple[Any, Any], int] = {}
        self._mapped: npt.NDArray[Any] | None = None

    def take(self, leaf: Leaf | None) -> None:
        """Add the next entry; None stands for one that says nothing."""
        self.size += 1
        if leaf is None:
            self._file.write(_WRITTEN.pack(0, 0, 0, NO_NOTICE))
            return
        self.last_at, kind, notice = instant(leaf["at"]), _KINDS.get(leaf["type"], 0), NO_NOTICE
        if leaf["type"] == "notice.delivered":
            named = str(leaf.get("use")), _number(leaf.get("version"))
            notice = self._notices.setdefault(named, len(self._notices))
        self._file.write(_WRITTEN.pack(self.last_at, kind, _number(leaf.get("count")), notice))

    @property
    def entries(self) -> npt.NDArray[Any]:
        """Every entry by its revision: `at`, `kind`, `count` and `notice`. There is none at 0."""
        if self._mapped is None:
            self._file.flush()
            self._mapped = np.memmap(self._file, _ENTRY, "r")
        return self._mapped

    def said_at(self, revisions: Numbers) -> npt.NDArray[Any]:
        """Return what entries of these revisions say; nothing where there is none."""
        there = (revisions > 0) & (revisions <= self.size)
        said: npt.NDArray[Any] = self.entries[np.where(there, revisions, 0)]
        return said

    def are(self, said: npt.NDArray[Any], kind: str) -> npt.NDArray[np.bool_]:
        """Tell which of these entries are of a kind, a bulk one or that of a statement."""
        found: npt.NDArray[np.bool_] = said["kind"] == _KINDS[kind]
        return found

    @property
    def notices(self) -> list[tuple[str, int]]:
        """The notices, use and version, that entries say were delivered, by `notice`."""
        return list(self._notices)


def _number(value: object) -> int:
    """Return a number that an entry says, or 0 for whatever else stands there."""
    return value if type(value) is int and 0 <= value <= _MOST else 0
