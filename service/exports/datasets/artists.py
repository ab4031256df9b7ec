"""Artists: the platform's ids, and the references that stand for them everywhere else."""

from typing import Final

from service.exports.columns import Column, Type
from service.exports.dataset import TableDataset, between

SUBJECT_MEANS: Final = "the artist's reference in the ledger; it stays when they are erased"
ARTIST_ID_MEANS: Final = "the platform's id of the artist; null once they are erased"

ARTISTS: Final = TableDataset(
    name="artists",
    version=1,
    title="Artists who can say yes or no",
    personal=True,
    columns=(
        Column("subject", Type.TEXT, SUBJECT_MEANS, "a.subject"),
        Column("artist_id", Type.TEXT, ARTIST_ID_MEANS, "a.artist_id", nullable=True),
        Column(
            "name",
            Type.TEXT,
            "what the platform calls them now; null where it never said, and once erased",
            "a.name",
            nullable=True,
        ),
        Column(
            "registered_at",
            Type.INSTANT,
            "when they were registered, by the ledger's clock",
            "a.registered_at",
        ),
        Column("revision", Type.INTEGER, "the event that registered them", "a.revision"),
        Column(
            "erased_at",
            Type.INSTANT,
            "when they were erased, even where that is later than the export's instant",
            "a.erased_at",
            nullable=True,
        ),
    ),
    tables="artists a",
    conditions=("a.revision <= {revision}",),
    narrowing={"artist": "a.subject = {value}", **between("a.registered_at")},
    key=("subject",),
    lacks=("who may act for whom: delegates",),
)
