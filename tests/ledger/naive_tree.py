"""RFC 6962 section 2.1 word for word, as slow as it reads: a second opinion on the tree."""

from collections.abc import Sequence
from hashlib import sha256


def tree_head(entries: Sequence[bytes]) -> bytes:
    """Return MTH(D[n]), split at the largest power of two smaller than n."""
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    split = 1
    while split * 2 < len(entries):
        split *= 2
    return sha256(b"\x01" + tree_head(entries[:split]) + tree_head(entries[split:])).digest()


def perfect_subtrees(entries: Sequence[bytes]) -> list[bytes]:
    """Return the heads of the perfect subtrees that the tree consists of, from left to right."""
    heads, start = [], 0
    for power in reversed(range(len(entries).bit_length())):
        if len(entries) >> power & 1:
            heads.append(tree_head(entries[start : start + (1 << power)]))
            start += 1 << power
    return heads
