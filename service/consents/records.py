"""Recording what an artist says, with the evidence of how it is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from sqlalchemy import insert

from service.consents.admission import Shown, Statement, admit, authority, require_sight
from service.consents.authority import ActingAs, Actor, artist_named
from service.consents.delegates import speakers_of
from service.consents.precondition import Seen
from service.db.tables import Artist, Consent
from service.domain import uses
from service.domain.consent import Scope
from service.domain.events import ConsentRecorded
from service.domain.instant import format_instant
from service.domain.policy import PolicyVersion
from service.ledger.append import Write
from service.ledger.events import Json, NewEvent, Recorded
from service.ledger.facts import consent_event
from service.ledger.transaction import Transaction
from service.policies.versions import latest_versions

__all__ = ["Saying", "Shown", "Statement", "record_consent", "record_json", "say"]


def record_consent(
    artist_id: str, statement: Statement, actor: Actor, seen: Seen | None = None
) -> Write:
    """Record a statement. Once it has returned, no check that starts later overlooks it.

    A yes needs to have `seen` what stands now; that is held against the tables in the transaction
    itself, after a repeated request has been answered as the first was.
    """

    async def write(transaction: Transaction) -> Json:
        artist = await artist_named(transaction.session, artist_id)
        return await say(transaction, artist, statement, actor, seen)

    return write


async def say(
    transaction: Transaction,
    artist: Artist,
    statement: Statement,
    actor: Actor,
    seen: Seen | None,
) -> Json:
    """Record one artist's statement in this transaction. Raises Refused before it has."""
    session = transaction.session
    acting_as = await authority(session, artist, statement, actor)
    latest = await latest_versions(session)
    await require_sight(session, artist, acting_as, statement, latest, seen)
    await admit(session, statement, latest, transaction.now)
    [speaker] = await speakers_of(transaction, [(artist, acting_as)], actor)
    saying = Saying(statement, speaker, acting_as, named(statement.scope, latest))
    recorded = await transaction.record(saying.event(artist.subject))
    row = saying.row(artist.subject, recorded)
    await session.execute(insert(Consent).values(**row))
    return record_json(Consent(**row), artist.artist_id or "", {speaker: actor.actor})


def named(scope: Scope, latest: Sequence[PolicyVersion]) -> Json:
    """Return the latest version of every leaf the record covers (R4)."""
    return {v.use: v.version for v in latest if uses.covers(scope.use, v.use)}


@dataclass(frozen=True, slots=True)
class Saying:
    """A statement with who makes it, as it is about to be recorded.

    `actor` is from `speakers_of`, `names` are from `named`.
    """

    statement: Statement
    actor: str
    acting_as: ActingAs
    names: Json

    def evidence(self) -> Json:
        """Return how this statement is known."""
        return {
            "actor": self.actor,
            "acting_as": self.acting_as.value,
            "channel": self.statement.channel,
            "locale": self.statement.locale,
            "names": self.names,
            "shown": [
                {
                    "use": one.use,
                    "version": one.version,
                    "locale": one.locale,
                    "text_sha256": one.text_sha256,
                }
                for one in self.statement.shown
            ],
        }

    def event(self, subject: str) -> NewEvent:
        """Return the ledger's event."""
        fact = ConsentRecorded(
            subject, self.statement.answer, self.statement.scope, self.statement.expires_at
        )
        return consent_event(fact, self.evidence())

    def row(self, subject: str, recorded: Recorded) -> Json:
        """Return the derived row."""
        evidence = self.evidence()
        return {
            "revision": recorded.revision,
            "subject": subject,
            "answer": self.statement.answer.value,
            "use": self.statement.scope.use,
            "content": self.statement.scope.content,
            "recipient": self.statement.scope.recipient,
            "expires_at": self.statement.expires_at,
            "recorded_at": recorded.recorded_at,
            "actor": self.actor,
            "acting_as": self.acting_as.value,
            "channel": self.statement.channel,
            "locale": self.statement.locale,
            "shown": {"names": evidence["names"], "shown": evidence["shown"]},
        }


def record_json(row: Consent, artist_id: str, delegates: Mapping[str, str]) -> Json:
    """Return one record as the API shows it.

    `delegates` names those who spoke, by their references: who is erased is not among them.
    """
    return {
        "artist": artist_id,
        "revision": row.revision,
        "recorded_at": format_instant(row.recorded_at),
        "answer": row.answer,
        "use": row.use,
        "content": row.content,
        "recipient": row.recipient,
        "expires_at": None if row.expires_at is None else format_instant(row.expires_at),
        "evidence": {
            "actor": delegates.get(row.actor, row.actor),
            "acting_as": row.acting_as,
            "channel": row.channel,
            "locale": row.locale,
            **row.shown,
        },
        "receipt": f"/v1/artists/{quote(artist_id, safe='')}/consents/{row.revision}/receipt",
    }
