"""Consent records with their evidence; with openings, what proves them against the ledger."""

from collections.abc import AsyncIterator
from typing import Final

import msgspec
import pyarrow as pa

from service.exports.columns import Column, Type, schema_of
from service.exports.dataset import Piece, Place, Source, TableDataset, between
from service.exports.datasets.artists import ARTIST_ID_MEANS, SUBJECT_MEANS
from service.ledger.vault import Sealed

_COLUMNS: Final = (
    Column("revision", Type.INTEGER, "the event that recorded it", "c.revision"),
    Column("recorded_at", Type.INSTANT, "when, by the ledger's clock", "c.recorded_at"),
    Column("subject", Type.TEXT, SUBJECT_MEANS, "c.subject"),
    Column("artist_id", Type.TEXT, ARTIST_ID_MEANS, "a.artist_id", nullable=True),
    Column(
        "answer",
        Type.TEXT,
        "opt_in (a yes), opt_out (a no) or inherit (takes back what was said at this scope)",
        "c.answer",
    ),
    Column("use", Type.TEXT, "the use, group of uses or * that it is about", "c.use"),
    Column(
        "content", Type.TEXT, "the content it is about; null is all", "c.content", nullable=True
    ),
    Column(
        "recipient", Type.TEXT, "whom it is about; null is anybody", "c.recipient", nullable=True
    ),
    Column(
        "expires_at",
        Type.INSTANT,
        "when a yes expires; null is never",
        "c.expires_at",
        nullable=True,
    ),
    Column(
        "actor",
        Type.TEXT,
        "who said it, as it is on record: the subject of a token, or a delegate's reference",
        "c.actor",
    ),
    Column(
        "actor_id",
        Type.TEXT,
        "who that is; null where it was a delegate who is erased",
        "CASE WHEN starts_with(c.actor, 'dlg_') THEN g.delegate ELSE c.actor END",
        nullable=True,
    ),
    Column("acting_as", Type.TEXT, "as what: artist, delegate or platform", "c.acting_as"),
    Column("channel", Type.TEXT, "where it was said", "c.channel"),
    Column("locale", Type.TEXT, "the language of what was shown", "c.locale", nullable=True),
    Column(
        "shown",
        Type.JSON,
        "`names`: the latest version of every use that it covers; `shown`: the texts that were "
        "shown, with their hashes",
        "c.shown",
    ),
)
_OPENED: Final = (
    Column(
        "opening_key",
        Type.BYTES,
        "opens the commitment of this event and of no other",
        nullable=True,
    ),
    Column(
        "opening_details",
        Type.JSON,
        "what was committed to, byte for byte (RFC 8785)",
        nullable=True,
    ),
)
_SEALED: Final = (
    Column("leaf", Type.BYTES, "", "encode(l.leaf, 'hex')"),
    Column("ciphertext", Type.BYTES, "", "encode(d.ciphertext, 'hex')", nullable=True),
    Column("wrapped_key", Type.BYTES, "", "encode(s.wrapped_key, 'hex')", nullable=True),
)
_SPEAKS_OF: Final = """(
    c.use = {value} OR {value} = '*' OR starts_with(c.use, {value} || '.')
    OR c.use = '*' OR starts_with({value}, c.use || '.')
)"""
_BY_RIGHTSHOLDERS: Final = """(
    c.content = {value} OR c.content IS NULL AND c.subject = ANY ((
        SELECT h.rightsholders FROM content_history h
        WHERE h.content_id = {value} AND h.revision <= {revision}
        ORDER BY h.revision DESC LIMIT 1
    )::text[])
)"""

CONSENTS: Final = TableDataset(
    name="consents",
    version=1,
    title="What artists said, or what was said for them, with its evidence",
    personal=True,
    columns=_COLUMNS,
    tables="""consents c LEFT JOIN artists a ON a.subject = c.subject
    LEFT JOIN delegates g ON g.subject = c.subject AND g.reference = c.actor""",
    conditions=("c.revision <= {revision}",),
    narrowing={
        "use": _SPEAKS_OF,
        "recipient": "(c.recipient = {value} OR c.recipient IS NULL)",
        "artist": "c.subject = {value}",
        "content": _BY_RIGHTSHOLDERS,
        **between("c.recorded_at"),
    },
    key=("revision",),
    lacks=("what artists said who are erased: their entries in the ledger remain",),
)

_WITH_SEALED: Final = TableDataset(
    name=CONSENTS.name,
    version=CONSENTS.version,
    title=CONSENTS.title,
    personal=True,
    columns=(*_COLUMNS, *_SEALED),
    tables=f"""{CONSENTS.tables} JOIN ledger l ON l.revision = c.revision
    LEFT JOIN private.event_details d ON d.revision = c.revision
    LEFT JOIN private.subjects s ON s.subject = c.subject""",
    conditions=CONSENTS.conditions,
    narrowing=CONSENTS.narrowing,
    key=CONSENTS.key,
    lacks=CONSENTS.lacks,
)


class _Committed(msgspec.Struct):
    nonce: str
    commitment: str


_leaf: Final = msgspec.json.Decoder(_Committed)


class OpenedConsents:
    """Consent records, each with the key of its event and what the ledger has committed to."""

    name = CONSENTS.name
    version = CONSENTS.version
    title = CONSENTS.title
    personal = True
    columns = (*_COLUMNS, *_OPENED)
    order = CONSENTS.order
    filters = CONSENTS.filters
    lacks = CONSENTS.lacks

    async def expected(self, source: Source) -> int | None:
        """Return how many rows it has."""
        return await CONSENTS.expected(source)

    async def read(self, source: Source, after: Place | None) -> AsyncIterator[Piece]:
        """Yield records, each opened. Raises CommitmentBroken where one is not as committed to."""
        async for piece in _WITH_SEALED.read(source, after):
            yield Piece(self._opened(source, piece.batch), piece.place)

    def _opened(self, source: Source, batch: pa.RecordBatch) -> pa.RecordBatch:
        said = batch.select([column.name for column in _COLUMNS]).columns
        sealed = batch.select(["revision", *(column.name for column in _SEALED)])
        keys: list[bytes | None] = []
        details: list[str | None] = []
        for revision, leaf, ciphertext, wrapped in zip(
            *(column.to_pylist() for column in sealed.columns), strict=True
        ):
            if ciphertext is None or wrapped is None:
                keys.append(None)
                details.append(None)
                continue
            committed = _leaf.decode(leaf)
            nonce, sealed_ = (
                bytes.fromhex(committed.nonce),
                Sealed(committed.commitment, ciphertext),
            )
            details.append(source.vault.open(wrapped, nonce, revision, sealed_).decode())
            keys.append(source.vault.commitment_key(wrapped, nonce))
        opened = [pa.array(keys, pa.binary()), pa.array(details, pa.string())]
        schema = schema_of(self.name, self.version, self.columns)
        return pa.RecordBatch.from_arrays([*said, *opened], schema=schema)


OPENED_CONSENTS: Final = OpenedConsents()
"""In place of `CONSENTS`, where openings are asked for."""
