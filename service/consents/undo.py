"""Undoing: saying again what stood at exactly one scope before the last thing said there."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from sqlalchemy import select
from sqlmodel import col

from service.consents.admission import Shown, Statement
from service.consents.authority import Actor, artist_named, at_exactly, role_of
from service.consents.precondition import Seen
from service.consents.records import say
from service.db.engine import ReadSession
from service.db.tables import Artist, Consent
from service.domain.consent import Answer, ConsentRecord, Scope, answerable_leaves
from service.domain.instant import Instant, format_instant
from service.domain.policy import PolicyVersion
from service.domain.refusal import RefusalKind, refuse
from service.ledger.append import Write
from service.ledger.events import Json
from service.ledger.transaction import Transaction
from service.policies.versions import load_versions

_Undone: TypeAlias = tuple[Answer, Instant | None]


def undo_of(records: Sequence[ConsentRecord], revision: int, now: Instant) -> _Undone:
    """Return the answer, and a yes's expiry, that says again what stood before a record.

    `records` are all of one scope, oldest first. Nothing said, or taken back, is `inherit`; a no is
    a no; a yes is a yes. Raises Refused where something newer was said at this scope, and where a
    yes would have to be said again that has expired.
    """
    if records[-1].revision != revision:
        message = f"event {records[-1].revision} says something newer about the same: undo that"
        raise refuse("revision", "already_replaced", message, RefusalKind.CONFLICT)
    if len(records) == 1:
        return Answer.INHERIT, None
    before = records[-2]
    if before.expires_at is not None and before.expires_at <= now:
        message = (
            f"before it stood a yes that expired on {format_instant(before.expires_at)} and counts "
            "as a no since: say yes or no anew"
        )
        raise refuse("revision", "yes_has_expired", message, RefusalKind.CONFLICT)
    return before.answer, before.expires_at


async def undo_statement(
    session: ReadSession,
    artist: Artist,
    revision: int,
    now: Instant,
    *,
    channel: str,
    locale: str | None = None,
    shown: Sequence[Shown] = (),
) -> Statement:
    """Return the statement that undoes a record.

    Raises Refused where there is none, as `undo_of` does, and where before it stood a yes to other
    terms than those of today.
    """
    undone = await session.get(Consent, revision)
    if undone is None or undone.subject != artist.subject:
        message = "this artist has said nothing of this revision"
        raise refuse("revision", "unknown_record", message, RefusalKind.UNKNOWN)
    scope = Scope(undone.use, undone.content, undone.recipient)
    said = (
        select(Consent)
        .where(col(Consent.subject) == artist.subject, *at_exactly(scope))
        .order_by(col(Consent.revision).desc())
        .limit(2)
    )
    latest = (await session.execute(said)).scalars().all()[::-1]
    answer, expires_at = undo_of([_record(row, scope) for row in latest], revision, now)
    if answer is Answer.OPT_IN:
        _refuse_other_terms(latest[0].shown["names"], scope, await load_versions(session))
    return Statement(answer, scope, channel, expires_at, locale, shown)


def _refuse_other_terms(
    named: Mapping[str, int], scope: Scope, versions: Mapping[str, Sequence[PolicyVersion]]
) -> None:
    """Raise Refused where a yes said again would reach further than the one that was given.

    That one named a version of each use (R4). What has come since, be it other terms, another use
    or another recipient, was never said yes to, and undoing a no says so no more.
    """
    latest = [published[-1] for published in versions.values()]
    for version in answerable_leaves(scope, latest):
        number = named.get(version.use)
        given = None if number is None else versions[version.use][number - 1]
        reached = version.recipients if scope.recipient is None else {scope.recipient}
        if given is None or given.terms != version.terms or not reached <= given.recipients:
            message = (
                f"before it stood a yes to other terms than those that {version.use} has now: "
                "say yes or no anew"
            )
            raise refuse("revision", "yes_to_other_terms", message, RefusalKind.CONFLICT)


def _record(row: Consent, scope: Scope) -> ConsentRecord:
    return ConsentRecord(row.revision, row.recorded_at, Answer(row.answer), scope, row.expires_at)


def undo_consent(
    artist_id: str,
    revision: int,
    actor: Actor,
    seen: Seen | None,
    *,
    channel: str,
    locale: str | None = None,
    shown: Sequence[Shown] = (),
) -> Write:
    """Undo a record: the last one at its scope, by saying again what stood there before it."""

    async def write(transaction: Transaction) -> Json:
        session = transaction.session
        artist = await artist_named(session, artist_id)
        await role_of(session, actor, artist)  # strangers learn nothing of what was said
        statement = await undo_statement(
            session,
            artist,
            revision,
            transaction.now,
            channel=channel,
            locale=locale,
            shown=shown,
        )
        return await say(transaction, artist, statement, actor, seen)

    return write
