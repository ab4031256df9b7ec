"""Whether the ledger goes on from what was signed: never back, and never another way."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from service.domain.merkle import CompactRange
from service.domain.proofs import consistency_path, is_consistent
from service.ledger.events import LedgerBroken
from service.transparency.checkpoint import Checkpoint
from service.transparency.identity import LogIdentity
from service.transparency.note import BadNote
from service.transparency.tree import Source, range_roots, stored_range

_ADVICE: Final = (
    "Nothing is signed over it, for that would prove a changed past to everybody who has kept the "
    "older checkpoint. Bring the missing events back (a later backup, a standby, the entries that "
    "mirrors hold). If they are lost for good, say so in public and go on as another log: set "
    "FERMATA_LOG_ORIGIN to a new name"
)


class WentBack(LedgerBroken):
    """The ledger is not one that what was signed can lead to."""


def read_signed(identity: LogIdentity, note: str, where: str) -> Checkpoint:
    """Return a checkpoint that this log signed. Raises WentBack where it is none."""
    try:
        return identity.open(note)
    except BadNote as error:
        raise WentBack(
            f"the checkpoint in {where} was not signed by this log: {error}. If the key was changed"
            ", name the one before in FERMATA_LOG_OLD_KEYS; else somebody has put it there"
        ) from error


async def continued(
    source: Source, signed: Sequence[tuple[Checkpoint, str]], size: int, known: CompactRange
) -> CompactRange:
    """Return the tree of the largest of some checkpoints, as it is in a ledger of `size` events.

    Each comes with the place that it was found in; `known` is a tree found so before. Raises
    WentBack where the ledger lacks events of one of them or has others, and LedgerBroken where its
    tiles are not there.
    """
    if known.size > size:
        raise WentBack(f"the ledger held {known.size} events and now holds {size}. {_ADVICE}")
    trees = {known.size: known}
    for checkpoint, where in signed:
        if checkpoint.size > size:
            raise WentBack(
                f"the ledger holds {size} events, but the checkpoint in {where} was signed over "
                f"{checkpoint.size}: this database is an older backup, or another one. {_ADVICE}"
            )
        if checkpoint.size not in trees:
            trees[checkpoint.size] = await stored_range(source, checkpoint.size)
        if trees[checkpoint.size].root() != checkpoint.root:
            raise WentBack(
                f"the first {checkpoint.size} events are not those that the checkpoint in {where} "
                f"was signed over: the past was changed, or this is another database. {_ADVICE}"
            )
    await _require_one_line(source, sorted(trees.values(), key=lambda tree: tree.size))
    return trees[max(trees)]


async def require_consistent(source: Source, older: CompactRange, newer: CompactRange) -> None:
    """Raise WentBack unless the proof that outsiders would get leads from one to the other."""
    path = consistency_path(older.size, newer.size)
    proof = await range_roots(source, path, newer.size)
    if not is_consistent(older.size, newer.size, proof, older.root(), newer.root()):
        raise WentBack(
            f"the tiles do not prove that the tree of {newer.size} events begins with that of "
            f"{older.size}: somebody or something has changed them. {_ADVICE}"
        )


async def _require_one_line(source: Source, trees: Sequence[CompactRange]) -> None:
    for older, newer in pairwise(trees):
        await require_consistent(source, older, newer)
