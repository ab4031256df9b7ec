"""A proof that one outcome is among those that were sealed, for whoever must not see the others."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from service.domain.merkle import leaf_hash
from service.domain.proofs import includes
from service.ledger.events import Json
from service.sealing.find import SealedLog
from service.sealing.leaves import leaf_hashes, leaves
from service.sealing.parquet import Holds, block_roots
from service.sealing.period import Period, SealedUnreadable
from service.sealing.tree import BLOCK, path_to


@dataclass(frozen=True, slots=True)
class OutcomeProof:
    """What shows that an outcome is the one of this number, of so many, under the month's root.

    `leaf` is the outcome's bytes, as docs/decision-log.md writes them, `row` the same to be read;
    `path` is the inclusion proof of RFC 9162, section 2.1.3, the leaf's sibling first.
    """

    row: Json
    leaf: bytes
    index: int
    size: int
    path: Sequence[bytes]


async def prove_outcome(
    log: SealedLog, period: Period, *, about: str, one: str, decision_id: str, position: int
) -> OutcomeProof | None:
    """Return the proof of one outcome of a sealed month, or None where it has no such outcome.

    It is checked before it is given. Reads one row group and what the footers say of the others.
    Raises SealedUnreadable.
    """
    files = period.that_hold(Holds.OUTCOMES)
    async with log.at_hand(files) as paths:
        return await asyncio.to_thread(_prove, paths, period, (about, one), (decision_id, position))


def _prove(
    paths: Sequence[str], period: Period, what: tuple[str, str], which: tuple[str, int]
) -> OutcomeProof | None:
    blocks = [root for path in paths for root in block_roots(Path(path))]
    for number, group in _groups_about(paths, what):
        block = group.combine_chunks().to_batches()[0]
        found = pc.and_(
            pc.equal(block.column("decision_id"), which[0]),
            pc.equal(block.column("position"), which[1]),
        )
        at = pc.index(found, value=True).as_py()
        if at < 0:
            continue
        proof = OutcomeProof(
            row=block.slice(at, 1).to_pylist()[0],
            leaf=leaves(block.slice(at, 1))[0].as_py(),
            index=number * BLOCK + at,
            size=period.outcomes,
            path=[*path_to(leaf_hashes(block), at), *path_to(blocks, number)],
        )
        if not includes(leaf_hash(proof.leaf), proof.index, proof.size, proof.path, period.root):
            raise SealedUnreadable(f"the outcomes of {period.month} do not have their root")
        return proof
    return None


def _groups_about(paths: Sequence[str], what: tuple[str, str]) -> Iterator[tuple[int, pa.Table]]:
    """Yield the row groups that may hold outcomes about this one, with their numbers."""
    before = 0
    for path in paths:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                if _spans(file, group, what):
                    yield before + group, file.read_row_group(group)
            before += file.num_row_groups


def _spans(file: pq.ParquetFile, group: int, what: tuple[str, str]) -> bool:
    columns = file.metadata.row_group(group)
    names = file.schema_arrow.names
    return all(
        span is None or not span.has_min_max or span.min <= value <= span.max
        for name, value in zip(("about", "one"), what, strict=True)
        for span in [columns.column(names.index(name)).statistics]
    )
