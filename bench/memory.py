"""What processes take, as Linux tells: resident memory, shared pages counted in full."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

_KIB: Final = 1_024


def resident_bytes(pid: int) -> int:
    """Return what a process holds in memory now (VmRSS)."""
    return _status(pid, "VmRSS")


def peak_bytes(pid: int) -> int:
    """Return the most that a process ever held (VmHWM)."""
    return _status(pid, "VmHWM")


def children_of(pid: int, *, named: Sequence[str]) -> list[int]:
    """Return a process's children, theirs and so on whose names begin so, if it has not ended."""
    return [
        one
        for child in _children(pid)
        for one in (child, *children_of(child, named=named))
        if _said(Path(f"/proc/{one}/comm")).startswith(tuple(named))
    ]


def _children(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").glob("*"):
        yield from map(int, _said(task / "children").split())


def _said(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has ended since
        return ""


def _status(pid: int, name: str) -> int:
    path = Path(f"/proc/{pid}/status")
    if not path.exists():
        raise OSError("memory is read from /proc, which this machine has not: measure on Linux")
    found = re.search(rf"^{name}:\s+(\d+) kB$", path.read_text(), re.MULTILINE)
    return int(found[1]) * _KIB if found else 0
