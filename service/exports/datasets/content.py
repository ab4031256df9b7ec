"""Content and its rightsholders, as an event left each."""

from typing import Final

from service.exports.columns import Column, Type
from service.exports.dataset import TableDataset, between

_AS_OF: Final = """(
    SELECT DISTINCT ON (h.content_id) h.content_id, h.revision, h.status, h.rightsholders, h.put_at
    FROM content_history h WHERE h.revision <= {revision}
    ORDER BY h.content_id, h.revision DESC
) c LEFT JOIN content n ON n.content_id = c.content_id AND n.revision = c.revision"""
_NAMED: Final = """(
    SELECT coalesce(json_agg(a.artist_id ORDER BY r.n), '[]')
    FROM unnest(c.rightsholders) WITH ORDINALITY r (subject, n)
    LEFT JOIN artists a ON a.subject = r.subject
)"""

CONTENT: Final = TableDataset(
    name="content",
    version=1,
    title="Content, its status and its rightsholders",
    personal=True,
    columns=(
        Column("content_id", Type.TEXT, "the platform's id of the content", "c.content_id"),
        Column("status", Type.TEXT, "active, disputed or removed", "c.status"),
        Column(
            "rightsholders",
            Type.TEXTS,
            "the rightsholders' references in the ledger, in the content's own order",
            "array_to_json(c.rightsholders)",
        ),
        Column(
            "artist_ids",
            Type.TEXTS,
            "the platform's ids of the same, in the same order; null for who is erased",
            _NAMED,
        ),
        Column("put_at", Type.INSTANT, "when it was last put as it is", "c.put_at"),
        Column("revision", Type.INTEGER, "the event that put it", "c.revision"),
        Column(
            "title",
            Type.TEXT,
            "its title; null where it has none, or where it was put anew since",
            "n.title",
            nullable=True,
        ),
        Column("isrc", Type.TEXT, "its ISRC, likewise", "n.isrc", nullable=True),
    ),
    tables=_AS_OF,
    conditions=("true",),
    narrowing={
        "artist": "c.rightsholders @> ARRAY[{value}::text]",
        "content": "c.content_id = {value}",
        **between("c.put_at"),
    },
    key=("content_id",),
    lacks=("titles and ISRCs of content that was put anew after the export's instant",),
)
