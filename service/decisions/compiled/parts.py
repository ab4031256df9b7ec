"""The arrays that an index is made of, by name: what a snapshot keeps, and is restored from.

`parts()` of anything here returns views of what it holds, good until it is next changed, and
`restore(parts)` puts arrays in the place of what it held; they are then its own. Names and types
are those of one layout; `service.decisions.snapshots` gives each layout a number.
"""

from typing import Any, TypeAlias

import numpy.typing as npt

Part: TypeAlias = npt.NDArray[Any] | bytearray
Parts: TypeAlias = dict[str, Part]


def under(name: str, parts: Parts) -> Parts:
    """Return the parts of a whole's member, each under the member's name."""
    return {f"{name}.{key}": part for key, part in parts.items()}


def within(parts: Parts, name: str) -> Parts:
    """Return the parts of one member, by the names that it knows them by."""
    start = f"{name}."
    return {key.removeprefix(start): part for key, part in parts.items() if key.startswith(start)}


def array_of(parts: Parts, name: str) -> npt.NDArray[Any]:
    """Return a part that is an array. Raises ValueError where there is none of this name."""
    part = parts.get(name)
    if part is None or isinstance(part, bytearray):
        message = f"there is no array {name}"
        raise ValueError(message)
    return part


def text_of(parts: Parts, name: str) -> bytearray:
    """Return a part that is bytes. Raises ValueError where there is none of this name."""
    part = parts.get(name)
    if part is None or not isinstance(part, bytearray):
        message = f"there are no bytes {name}"
        raise ValueError(message)
    return part
