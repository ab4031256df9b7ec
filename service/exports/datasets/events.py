"""The ledger's entries, byte for byte: what everything else is held against."""

from typing import Final

from service.exports.columns import Column, Type
from service.exports.dataset import TableDataset, between

EVENTS: Final = TableDataset(
    name="events",
    version=1,
    title="The ledger's entries, byte for byte",
    personal=True,
    columns=(
        Column("revision", Type.INTEGER, "the event's number, from 1 on", "l.revision"),
        Column("recorded_at", Type.INSTANT, "when it was recorded", "l.recorded_at"),
        Column("kind", Type.TEXT, "what happened", "l.kind"),
        Column(
            "leaf",
            Type.BYTES,
            "the entry's exact bytes, RFC 8785 JSON: what artists said is in it as a commitment",
            "encode(l.leaf, 'hex')",
        ),
        Column(
            "leaf_hash",
            Type.BYTES,
            "SHA-256 of a zero byte and the entry (RFC 6962 section 2.1)",
            "encode(l.leaf_hash, 'hex')",
        ),
    ),
    tables="ledger l",
    conditions=("l.revision <= {revision}",),
    narrowing=between("l.recorded_at"),
    key=("revision",),
    lacks=("the rows of bulk events: their entries have the number and the digest of them",),
)
