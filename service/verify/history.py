"""Whether a ledger goes on from what was signed over it, and if not, since when at the latest."""

from collections.abc import Iterable, Iterator, Sequence

from service.domain.merkle import HASH_SIZE
from service.verify.claims import Placed
from service.verify.finding import Findings, Span, What
from service.verify.tree import Tree, hashes_in


class History:
    """Grows a tree by leaf hashes and holds every claim against it as the tree passes its size."""

    def __init__(self, findings: Findings, kept: Sequence[Placed]) -> None:
        """Take the claims kept outside; those that are stored come along with the leaves."""
        self.tree = Tree()
        self._findings = findings
        self._kept = sorted(kept, key=_size)
        self._good = 0
        """The largest size at which a signed claim held."""

    def take(self, leaves: bytes | bytearray, claims: Iterable[Placed]) -> None:
        """Grow by leaf hashes that lie end to end, with the claims over sizes on the way."""
        begin, end = self.tree.size, self.tree.size + len(leaves) // HASH_SIZE
        for one in sorted([*claims, *self._take_kept(end)], key=_size):
            self._grow(leaves, begin, one.claim.size)
            self._hold(one, self.tree.root())
        self._grow(leaves, begin, end)

    def end(self, beyond: Iterable[Placed]) -> None:
        """Find the claims over more than there is: the ledger went back."""
        for one in [*beyond, *self._take_kept(None)]:
            says = (
                f"it was signed over {one.claim.size} events, and there are {self.tree.size}: this "
                "is an older copy, or another ledger"
            )
            self._findings.add(What.WENT_BACK, self.tree.size + 1, one.where, says)

    def _grow(self, leaves: bytes | bytearray, begin: int, size: int) -> None:
        first, last = self.tree.size - begin, size - begin
        self.tree.extend(hashes_in(bytes(leaves[first * HASH_SIZE : last * HASH_SIZE])))

    def _take_kept(self, size: int | None) -> Iterator[Placed]:
        while self._kept and (size is None or self._kept[0].claim.size <= size):
            yield self._kept.pop(0)

    def _hold(self, one: Placed, root: bytes) -> None:
        """A root tells that something before it was changed, but not what."""
        self._findings.saw("roots of checkpoints")
        size = one.claim.size
        if one.claim.root == root:
            if one.signed:
                self._good = size
            return
        says = (
            f"the first {size} events are not those it was signed over: one of the events "
            f"{self._good + 1} to {size} was changed, added or removed since"
        )
        span = Span(What.HISTORY_CHANGED, self._good + 1, max(size, 1), one.where, says)
        self._findings.add_span(span)


def _size(one: Placed) -> int:
    return one.claim.size
