"""Proofs that are verified with nothing but a public key: `.tlog-proof` files (C2SP tlog-proof)."""

from collections.abc import Sequence
from typing import Final

from service.transparency.note import encode64

_FIRST_LINE: Final = "c2sp.org/tlog-proof@v1\n"


def proof_file(index: int, proof: Sequence[bytes], note: str, extra: bytes | None = None) -> str:
    """Return the file: the leaf's index, its inclusion proof, and the checkpoint as it is signed.

    `extra` is for whoever reads it, and vouched for by nothing: here it is the entry itself, whose
    hash the proof is about.
    """
    lines = [_FIRST_LINE]
    if extra is not None:
        lines.append(f"extra {encode64(extra)}\n")
    lines.append(f"index {index}\n")
    lines += (f"{encode64(one)}\n" for one in proof)
    return "".join(lines) + f"\n{note}"
