"""Receipts: what an artist said, as a document that proves itself to anybody, without this service.

It holds the record (ISO/IEC TS 27560) and four things beside it: the log's signature of it, the
ledger's entry, the opening of what that entry commits to, and the entry's inclusion in a checkpoint
that outsiders have as well. Whoever has the log's public key needs nothing else; docs/rights.md
says how.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from sqlalchemy import or_, select
from sqlmodel import col

from service.consents.authority import Actor
from service.consents.delegates import names_of_delegates
from service.consents.read import artist_heard_by
from service.db.engine import Database, ReadSession
from service.db.tables import Artist, Consent, Policy, PolicyText
from service.domain.consent import Answer
from service.domain.instant import Instant
from service.domain.refusal import RefusalKind, refuse
from service.ledger.events import Json, canonical
from service.ledger.head import HeadReader
from service.ledger.opening import Opening, opening_of
from service.ledger.vault import Vault
from service.rights.consent_record import SaidBefore, Telling, parties, principal
from service.rights.handling import Handling
from service.rights.vocabulary import CONTEXT, RECEIPT, RECEIPT_SCHEMA
from service.settings import Settings
from service.transparency.keys import SigningKey
from service.transparency.note import encode64
from service.transparency.publication import Inclusion, Publication
from service.transparency.signer import NotSignedYet, Signer
from service.transparency.statement import sign_statement

KIND: Final = "consent-receipt/v1"
_SPARE_SECONDS: Final = 2
_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Receipts:
    """Writes receipts, with the log's own key."""

    settings: Settings
    database: Database
    vault: Vault
    signer: Signer
    publication: Publication
    key: SigningKey
    heads: HeadReader

    async def receipt_of(self, artist_id: str, revision: int, listener: Actor | None) -> Json:
        """Return the receipt of one record, for somebody who may read it (`artist_heard_by`).

        It waits for a checkpoint that covers the record: a second or so. Raises Refused where there
        is no such record, HeadUnknown, NotSignedYet, LedgerBroken.
        """
        now = (await self.heads.read()).now
        async with self.database.read() as session:
            artist = await artist_heard_by(session, artist_id, listener)
            row = await _record(session, artist, revision)
            opening = await opening_of(session, self.vault, artist.subject, revision)
            document = await self._document(session, artist, row, now)
        if opening is None:
            raise _no_record()
        patience = self.settings.checkpoint_interval_ms / 1_000 + _SPARE_SECONDS
        await self.signer.reach(revision, timeout=patience)
        inclusion = await self.publication.inclusion(revision)
        if inclusion is None:
            raise NotSignedYet(f"no checkpoint covers revision {revision} yet: ask again")
        return document | {"proof": self._proof(document, opening, inclusion)}

    async def _document(
        self, session: ReadSession, artist: Artist, row: Consent, now: Instant
    ) -> Json:
        handling = await Handling.read(session, self.settings)
        telling = await telling_of(session, artist, [row], self.key.name)
        expired = has_expired(row, await _replaced_at(session, row), now)
        record = telling.record(row, await _said_before(session, row), expired=expired)
        record["pii_processing"] |= handling.processing()
        record["pii_processing"]["privacy_notice"] = await _words(session, row)
        artist_party = principal(artist.artist_id or "", artist.name)
        record["party_identification"] = parties(handling.controller(), artist_party)
        return {
            "@context": dict(CONTEXT),
            "@type": RECEIPT,
            "schema_version": RECEIPT_SCHEMA,
            "receipt_id": f"urn:fermata:receipt:{self.key.name}:{row.revision}",
            "record": record,
        }

    def _proof(self, document: Json, opening: Opening, inclusion: Inclusion) -> Json:
        digest = sha256(canonical(document)).hexdigest()
        lines = [f"sha256 {digest}", f"revision {opening.revision}"]
        return {
            "statement": sign_statement(self.key, KIND, lines),
            "entry": encode64(opening.leaf),
            "opening": {"key": encode64(opening.key), "details": opening.details.decode()},
            "inclusion": {
                "logIndex": str(inclusion.index),
                "rootHash": encode64(inclusion.checkpoint.root),
                "treeSize": str(inclusion.checkpoint.size),
                "hashes": [encode64(one) for one in inclusion.hashes],
                "checkpoint": {"envelope": inclusion.note},
            },
        }


async def telling_of(
    session: ReadSession, artist: Artist, rows: Sequence[Consent] | None, origin: str
) -> Telling:
    """Return how records of an artist are told: these ones, or with None any of them."""
    wanted = select(col(Policy.use), col(Policy.version), col(Policy.recipients))
    if rows is not None:
        uses = {use for row in rows for use in row.shown["names"]}
        wanted = wanted.where(col(Policy.use).in_(uses))
    recipients = {(use, version): listed for use, version, listed in await session.execute(wanted)}
    delegates = await names_of_delegates(session, artist.subject)
    return Telling(origin, artist.artist_id or "", delegates, recipients)


async def _record(session: ReadSession, artist: Artist, revision: int) -> Consent:
    row = await session.get(Consent, revision)
    if row is None or row.subject != artist.subject:
        raise _no_record()
    return row


def _no_record() -> Exception:
    message = "this artist has said nothing of this revision"
    return refuse("revision", "unknown_record", message, RefusalKind.UNKNOWN)


def has_expired(row: Consent, replaced_at: Instant | None, now: Instant) -> bool:
    """Whether it is a yes whose expiry is over, and that nothing had replaced by then.

    `replaced_at` is when something else was said at its scope for the first time after it.
    """
    if row.expires_at is None or row.expires_at > now:
        return False
    return replaced_at is None or replaced_at > row.expires_at


async def _replaced_at(session: ReadSession, row: Consent) -> Instant | None:
    at_its_scope = (
        col(Consent.subject) == row.subject,
        col(Consent.use) == row.use,
        col(Consent.content).is_not_distinct_from(row.content),
        col(Consent.recipient).is_not_distinct_from(row.recipient),
    )
    later = select(col(Consent.recorded_at)).where(
        *at_its_scope, col(Consent.revision) > row.revision
    )
    first: Instant | None = await session.scalar(later.order_by(col(Consent.revision)).limit(1))
    return first


async def _said_before(session: ReadSession, row: Consent) -> SaidBefore:
    """Return what the artist had said before that may be about the same content."""
    before = SaidBefore()
    if row.answer == Answer.OPT_IN:
        return before  # it takes nothing back
    said = select(Consent).where(
        col(Consent.subject) == row.subject, col(Consent.revision) < row.revision
    )
    if row.content is not None:
        said = said.where(or_(col(Consent.content).is_(None), col(Consent.content) == row.content))
    in_order = said.order_by(col(Consent.revision)).execution_options(yield_per=_AT_ONCE)
    async for earlier in await session.stream_scalars(in_order):
        before.add(earlier)
        session.expunge(earlier)
    return before


async def _words(session: ReadSession, row: Consent) -> list[Json]:
    """Return the notices of every use that the record covers: their words, and which were shown."""
    names: Mapping[str, int] = row.shown["names"]
    shown = {one["use"]: one for one in row.shown["shown"]}
    texts = select(PolicyText).where(col(PolicyText.use).in_(names))
    found = (
        await session.execute(
            texts.order_by(col(PolicyText.use), col(PolicyText.version), col(PolicyText.locale))
        )
    ).scalars()
    return [
        {
            "use": text.use,
            "version": text.version,
            "language": text.locale,
            "text_sha256": text.sha256,
            "text": text.text,
            "shown": shown.get(text.use, {}).get("locale") == text.locale,
        }
        for text in found
        if names[text.use] == text.version
    ]
