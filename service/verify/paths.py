"""Where a log's files lie below its address, and how entries lie in a bundle (C2SP tlog-tiles)."""

from collections.abc import Iterable

from service.verify.tree import TILE_WIDTH


def split(bundle: bytes) -> Iterable[bytes]:
    """Yield the entries of a bundle, each behind its length in two bytes; a rest is left out."""
    at = 0
    while at + 2 <= len(bundle):
        length = int.from_bytes(bundle[at : at + 2], "big")
        if at + 2 + length > len(bundle):
            return
        yield bundle[at + 2 : at + 2 + length]
        at += 2 + length


def tile_path(level: int, number: int, width: int) -> str:
    """Return where a tile lies below a log's address; `width` counts its hashes."""
    return f"tile/{level}/{_number(number, width)}"


def bundle_path(number: int, width: int) -> str:
    """Return where an entry bundle lies below a log's address."""
    return f"tile/entries/{_number(number, width)}"


def _number(number: int, width: int) -> str:
    digits = str(number)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    partial = "" if width == TILE_WIDTH else f".p/{width}"
    return "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]]) + partial
