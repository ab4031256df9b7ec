"""One sealed outcome is proven without showing another."""

import hashlib

import pytest

from service.decisions.log.table import SCHEMA
from service.domain.merkle import leaf_hash
from service.domain.proofs import includes
from service.sealing import building, proof
from service.sealing.period import SealedUnreadable
from service.sealing.proof import prove_outcome
from service.sealing.tree import path_to, root_of
from tests.decisions.log.deciding import decision
from tests.sealing.months import MARCH, Months


@pytest.mark.parametrize("block", [1, 2, 8, 64])
def test_blocks_make_the_tree_of_all_leaves(block: int) -> None:
    """Whatever their number: roots, and proofs through both."""
    for size in (*range(1, 20), 100):
        leaves = [hashlib.sha256(bytes([n])).digest() for n in range(size)]
        blocks = [leaves[at : at + block] for at in range(0, size, block)]
        roots = [root_of(one) for one in blocks]
        assert root_of(roots) == root_of(leaves)
        for index in range(size):
            path = path_to(blocks[index // block], index % block) + path_to(roots, index // block)
            assert includes(leaves[index], index, size, path, root_of(leaves))


async def test_an_outcome_is_proven_to_be_under_the_root(
    months: Months, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its bytes, its number and some hashes; another has none."""
    for where in (building, proof):
        monkeypatch.setattr(where, "BLOCK", 8)
    monkeypatch.setattr(building, "FILE_ROWS", 16)
    one = decision([f"t{n}" for n in range(45)])
    await months.record(one, decision(["t7"]))
    await months.seal(MARCH)
    (period,) = await months.periods()
    for position in (0, 7, 44):
        found = await prove_outcome(
            months.log,
            period,
            about="content",
            one=f"t{position}",
            decision_id=one.decision_id,
            position=position,
        )
        assert found is not None
        assert (found.row["one"], found.size) == (f"t{position}", 46)
        assert list(found.row) == SCHEMA.names
        assert includes(leaf_hash(found.leaf), found.index, 46, found.path, period.root)
        assert f"t{position}".encode() in found.leaf
    for name, what in ((one.decision_id, "t99"), (one.decision_id[:-1] + "x", "t7")):
        nobody = await prove_outcome(
            months.log, period, about="content", one=what, decision_id=name, position=7
        )
        assert nobody is None


async def test_a_proof_that_does_not_hold_is_not_given(months: Months) -> None:
    """Such as under the root of another month."""
    one = decision(["a", "b"])
    await months.record(one)
    await months.seal(MARCH)
    (period,) = await months.periods()
    object.__setattr__(period, "root", bytes(32))
    with pytest.raises(SealedUnreadable, match="do not have their root"):
        await prove_outcome(
            months.log,
            period,
            about="content",
            one="a",
            decision_id=one.decision_id,
            position=0,
        )
