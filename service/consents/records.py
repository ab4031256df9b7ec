"""Recording what an artist says, with the evidence of how it is known."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import insert

from service.consents.authority import (
    ActingAs,
    Actor,
    artist_named,
    permits_more,
    role_of,
)
from service.db.engine import ReadSession
from service.db.tables import Artist, Consent, Content
from service.domain import uses
from service.domain.consent import Answer, Scope, refuse_consent, refuse_shown
from service.domain.events import ConsentRecorded
from service.domain.instant import Instant, format_instant
from service.domain.policy import PolicyVersion
from service.domain.refusal import Refusal, RefusalKind, Refused, refuse
from service.ledger.append import Write
from service.ledger.events import Json, NewEvent, Recorded
from service.ledger.facts import consent_event
from service.ledger.transaction import Transaction
from service.policies.versions import latest_versions


@dataclass(frozen=True, slots=True)
class Shown:
    """What the giver was shown for one leaf: the version, and the words if they are known."""

    use: str
    version: int
    locale: str | None = None
    text_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """What somebody wants to have recorded for an artist."""

    answer: Answer
    scope: Scope
    channel: str
    expires_at: Instant | None = None
    locale: str | None = None
    shown: Sequence[Shown] = field(default_factory=tuple)


def record_consent(artist_id: str, statement: Statement, actor: Actor) -> Write:
    """Record a statement. Once it has returned, no check that starts later overlooks it."""

    async def write(transaction: Transaction) -> Json:
        session = transaction.session
        artist = await artist_named(session, artist_id)
        acting_as = await _authority(transaction, artist, statement, actor)
        latest = await latest_versions(session)
        await _admit(session, statement, latest, transaction.now)
        said = _Said(statement, actor.actor, acting_as, _named(statement.scope, latest))
        recorded = await transaction.record(said.event(artist.subject))
        row = said.row(artist.subject, recorded)
        await session.execute(insert(Consent).values(**row))
        return record_json(Consent(**row), artist_id)

    return write


async def _authority(
    transaction: Transaction, artist: Artist, statement: Statement, actor: Actor
) -> ActingAs:
    acting_as, covers_yes = await role_of(transaction.session, actor, artist)
    if not covers_yes and await permits_more(
        transaction.session, artist, statement.answer, statement.scope
    ):
        raise refuse(
            "answer",
            "delegate_may_not_opt_in",
            "this artist has let you say no for them, not yes",
            RefusalKind.NOT_ALLOWED,
        )
    return acting_as


async def _admit(
    session: ReadSession, statement: Statement, latest: Sequence[PolicyVersion], now: Instant
) -> None:
    refusals = refuse_consent(
        statement.answer, statement.scope, statement.expires_at, latest=latest, now=now
    )
    if statement.answer is Answer.OPT_IN:
        refusals += refuse_shown(
            {s.use: s.version for s in statement.shown}, statement.scope, latest
        )
        refusals += _refuse_repeated(statement.shown)
        refusals += _refuse_words(statement.shown, latest)
        refusals += await _refuse_content(session, statement.scope.content)
    if refusals:
        raise Refused(refusals)


async def _refuse_content(session: ReadSession, content: str | None) -> list[Refusal]:
    """A yes has to be for something that is there; a no may come before the upload."""
    if content is None or await session.get(Content, content) is not None:
        return []
    return [Refusal("content", "unknown_content", "no content of this id is known")]


def _refuse_repeated(shown: Sequence[Shown]) -> list[Refusal]:
    """Of two versions said to be shown for one use, at least one is not the latest."""
    uses_shown = [one.use for one in shown]
    return [
        Refusal(f"shown.{use}", "repeated", "name each use once, with what was shown for it")
        for use in sorted({use for use in uses_shown if uses_shown.count(use) > 1})
    ]


def _refuse_words(shown: Sequence[Shown], latest: Sequence[PolicyVersion]) -> list[Refusal]:
    texts = {version.use: version.texts for version in latest}
    return [
        Refusal(
            f"shown.{one.use}",
            "other_words_shown",
            "the words that were shown are not this version's text in this locale",
        )
        for one in shown
        if one.text_sha256 is not None and not _among_texts(one, texts.get(one.use, frozenset()))
    ]


def _among_texts(shown: Shown, texts: frozenset[tuple[str, str]]) -> bool:
    return any(
        digest == shown.text_sha256 and shown.locale in {None, locale} for locale, digest in texts
    )


def _named(scope: Scope, latest: Sequence[PolicyVersion]) -> Json:
    """Return the latest version of every leaf the record covers (R4)."""
    return {v.use: v.version for v in latest if uses.covers(scope.use, v.use)}


@dataclass(frozen=True, slots=True)
class _Said:
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


def record_json(row: Consent, artist_id: str) -> Json:
    """Return one record as the API shows it."""
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
            "actor": row.actor,
            "acting_as": row.acting_as,
            "channel": row.channel,
            "locale": row.locale,
            **row.shown,
        },
    }
