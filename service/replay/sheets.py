"""The sheet for one outcome: its chain, and the proof of every event in it.

All proofs are against one checkpoint, so one signature is verified for all of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from service.db.engine import Database, ReadSession
from service.decisions.log.entry import Entry, Outcome, Whole, subject_of
from service.decisions.question import About
from service.domain.refusal import RefusalKind, Refused, refuse
from service.ledger.events import Json, Kind, LedgerBroken, canonical
from service.ledger.opening import Opening, opening_of
from service.ledger.vault import Vault
from service.replay.chain import Chain, chain_of
from service.replay.document import sheet_json
from service.replay.sheet import Sheet
from service.sealing.find import SealedLog
from service.sealing.period import Period, hold_log
from service.transparency.keys import SigningKey
from service.transparency.publication import Inclusion, Publication
from service.transparency.signer import NotSignedYet, Signer
from service.transparency.statement import sign_statement

KIND: Final = "decision-sheet/v1"
"""The kind of statement that sheets are signed as."""

_PATIENCE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class WhichOutcome:
    """Which outcome of a decision: by its place in the order asked, or by what it is about.

    `artist` is the platform's id. Nothing at all means the only one there is.
    """

    position: int | None = None
    content: str | None = None
    artist: str | None = None


@dataclass(frozen=True, slots=True)
class Sheets:
    """Writes sheets."""

    database: Database
    vault: Vault
    signer: Signer
    publication: Publication
    sealed: SealedLog
    key: SigningKey
    """The log's own, which signs sheets too."""

    async def sheet(self, decision_id: str, wanted: WhichOutcome) -> Sheet:
        """Return the sheet for one outcome.

        It waits for a checkpoint that covers every event, a second or so where one is new. Raises
        Refused where there is no such outcome; NotSignedYet; LedgerBroken where anything stored
        contradicts what was signed.
        """
        async with self.database.read() as session:
            periods = await hold_log(session)
            entry, position, outcome = await self._find(session, periods, decision_id, wanted)
            chain = await chain_of(session, self.vault, entry, outcome)
            openings = await self._openings(session, chain)
        note, proofs = await self._prove(chain.events)
        return Sheet(
            entry, position, outcome, chain, note, proofs, openings, str(self.key.verifier())
        )

    def document(self, sheet: Sheet, *, batches: bool = False) -> Json:
        """Return a sheet as JSON, signed; with `batches` it has bulk events' whole batches.

        The statement tells the SHA-256 of the canonical JSON (RFC 8785) of everything beside it.
        """
        written = sheet_json(sheet, batches=batches)
        lines = [
            f"sha256 {sha256(canonical(written)).hexdigest()}",
            f"decision {sheet.entry.place.decision_id}",
            f"position {sheet.position}",
        ]
        return written | {"statement": sign_statement(self.key, KIND, lines)}

    async def outcomes(self, decision_id: str, *, first: int, most: int) -> Whole | None:
        """Return a decision with some of its outcomes, or None; sealed or not."""
        async with self.database.read() as session:
            periods = await hold_log(session)
            return await self.sealed.read(session, periods, decision_id, first=first, most=most)

    async def _find(
        self,
        session: ReadSession,
        periods: Sequence[Period],
        decision_id: str,
        wanted: WhichOutcome,
    ) -> tuple[Entry, int, Outcome]:
        """Return the outcome that is wanted, and its place. Raises Refused."""
        given = [one for one in (wanted.position, wanted.content, wanted.artist) if one is not None]
        if len(given) > 1:
            message = "name one outcome: by its `position`, or by its `content`, or by its `artist`"
            raise refuse("position", "one_outcome", message)
        one = wanted.content
        if wanted.artist is not None:
            one = await subject_of(session, wanted.artist)
            if one is None:
                raise _no_such("artist")
        found = await self.sealed.read(
            session, periods, decision_id, first=wanted.position or 0, most=1, one=one
        )
        if found is None:
            message = "no decision has this id"
            raise refuse("decision", "unknown_decision", message, RefusalKind.UNKNOWN)
        if not given and found.entry.number > 1:
            message = "this decision is about many: say which, by `position`, `content` or `artist`"
            raise refuse("position", "one_outcome", message)
        about = About.CONTENT if wanted.artist is None else About.ARTISTS
        if one is not None and (not found.outcomes or found.entry.about is not about):
            raise _no_such("artist" if wanted.content is None else "content")
        if not found.outcomes:
            raise _no_such("position")
        return found.entry, found.first, found.outcomes[0]

    async def _openings(self, session: ReadSession, chain: Chain) -> Mapping[int, Opening]:
        found: dict[int, Opening] = {}
        for revision, one in chain.events.items():
            if one.event.kind is Kind.CONSENT_RECORDED:
                subject = one.event.public["subject"]
                opening = await opening_of(session, self.vault, subject, revision)
                if opening is not None:
                    found[revision] = opening
        return found

    async def _prove(self, revisions: Iterable[int]) -> tuple[str, Mapping[int, Inclusion]]:
        """Return the newest checkpoint, and the proof of each event in its tree."""
        newest = max(revisions, default=0)
        if newest:
            await self.signer.reach(newest, timeout=_PATIENCE_SECONDS)
        size = await self.publication.size()
        note = await self.publication.note(size)
        if note is None or size < newest:
            raise NotSignedYet("no checkpoint covers these events yet: ask again in a moment")
        proofs: dict[int, Inclusion] = {}
        for revision in revisions:
            proof = await self.publication.inclusion(revision, size)
            if proof is None:
                raise LedgerBroken(f"the checkpoint of {size} events is gone")
            proofs[revision] = proof
        return note, proofs


def _no_such(field: str) -> Refused:
    message = "this decision has no such outcome: read it to see what it is about"
    return refuse(field, "unknown_outcome", message, RefusalKind.UNKNOWN)
