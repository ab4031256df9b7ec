"""What is destroyed with an artist: every row that says who they were or what they said.

Each part names a table, which of its rows are meant, and what happens to them; so counting what
would be destroyed and destroying it cannot mean different rows. What stays is in docs/rights.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BindParameter, TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlmodel import col, select

from service.db.engine import ReadSession
from service.db.instants import InstantType
from service.db.tables import Artist, Delegate
from service.domain.instant import Instant
from service.ledger.events import Kind
from service.ledger.transaction import Transaction

_DELEGATIONS: Final = frozenset({Kind.DELEGATE_GRANTED, Kind.DELEGATE_REVOKED})


@dataclass(frozen=True, slots=True)
class _Part:
    """Some rows of a table, and what becomes of them: they go, unless `leaving` says what is set.

    Both know the artist's `:subject`, their `:artist_id`, `:erased_at`, and `:led`: the references
    of those whom they act or acted for.
    """

    name: str
    table: str
    which: str
    leaving: str | None = None

    @property
    def counting(self) -> str:
        return f"SELECT count(*) FROM {self.table} t WHERE {self.which}"  # noqa: S608 - our own words

    @property
    def destroying(self) -> str:
        if self.leaving is None:
            return f"DELETE FROM {self.table} t WHERE {self.which}"  # noqa: S608 - likewise
        return f"UPDATE {self.table} t SET {self.leaving} WHERE {self.which}"  # noqa: S608 - likewise


_OWN: Final = "t.subject = :subject"
# The table of sends is found into by notice first.
_TOLD: Final = """
t.subject = :subject AND t.notice_id IN (SELECT notice_id FROM notices)
AND (t.message_id IS NOT NULL OR t.reason IS NOT NULL)
"""
# What is nobody's any more was taken down before they went, as a rule.
_THEIRS_ALONE: Final = """
t.title IS NOT NULL AND (
    t.rightsholders @> ARRAY[:subject]::text[] AND NOT EXISTS (
        SELECT FROM artists a WHERE a.subject = ANY(t.rightsholders)
        AND a.erased_at IS NULL AND a.subject <> :subject
    )
    OR t.rightsholders <@ '{}'::text[] AND EXISTS (
        SELECT FROM content_history h
        WHERE h.content_id = t.content_id AND h.rightsholders @> ARRAY[:subject]::text[]
    )
)
"""
_ANSWERS: Final = f"""
{_OWN} OR t.subject = ANY(:led)
AND :artist_id IN (t.answer->>'delegate', t.answer->'evidence'->>'actor')
"""
# Whoever let them act sees that somebody did, and no longer does.
_NOBODY: Final = """
delegate = coalesce(t.reference, 'dlg_' || replace(gen_random_uuid()::text, '-', '')),
revoked_at = coalesce(t.revoked_at, :erased_at)
"""

_PARTS: Final = (
    _Part("consents", "consents", _OWN),
    _Part("contacts", "private.contacts", _OWN),
    _Part("lifted_holds", "private.legal_holds", _OWN),
    _Part("idempotency_answers", "idempotency_keys", _ANSWERS),
    _Part("delegates", "delegates", _OWN),
    _Part("delegations", "delegates", "t.delegate = :artist_id", leaving=_NOBODY),
    _Part("messages", "sends", _TOLD, leaving="message_id = NULL, reason = NULL"),
    _Part("titles", "content", _THEIRS_ALONE, leaving="title = NULL"),
)

AGAIN: Final = (
    text(
        "UPDATE sends t SET message_id = NULL, reason = NULL "  # noqa: S608 - our own words
        f"WHERE {_TOLD}"
    ),
    text(f"DELETE FROM private.contacts t WHERE {_OWN}"),  # noqa: S608 - likewise
)
"""Takes away what was under way when an artist was erased and waits for no turn in the ledger: what
a letter brought back, and an address that somebody was just saying."""

HOLDS_DEAD_ROWS: Final = (
    "private.subjects",
    "private.event_details",
    *dict.fromkeys(part.table for part in _PARTS),
    "artists",
)
"""The tables that an erasure leaves dead rows in, until they are vacuumed."""


async def count_destroyed(session: ReadSession, artist: Artist) -> Mapping[str, int]:
    """Return how much of each kind of thing erasing an artist would destroy now."""
    told = await _about(session, artist, 0)
    counts = {"private_details": await _count(session, _DETAILS, told)}
    return counts | {part.name: await _count(session, part.counting, told) for part in _PARTS}


async def destroy(
    transaction: Transaction, artist: Artist, erased_at: Instant
) -> Mapping[str, int]:
    """Destroy all of it, and return how much of each kind of thing there was.

    The artist's own row stays, for whoever calls this to empty.
    """
    session = transaction.session
    told = await _about(session, artist, erased_at)
    naming = await _naming(transaction, told)
    counts = {"private_details": await transaction.destroy_subject(artist.subject) + len(naming)}
    await transaction.destroy_details(naming)
    for part in _PARTS:
        done = await session.execute(*_told(part.destroying, told))
        counts[part.name] = done.rowcount  # type: ignore[attr-defined] # every such statement has it
    return counts


_DETAILS: Final = "SELECT count(*) FROM private.event_details t WHERE t.subject = :subject"


async def _about(session: ReadSession, artist: Artist, erased_at: Instant) -> Mapping[str, Any]:
    led = select(col(Delegate.subject)).where(col(Delegate.delegate) == artist.artist_id)
    return {
        "subject": artist.subject,
        "artist_id": artist.artist_id,
        "erased_at": erased_at,
        "led": list((await session.execute(led)).scalars()),
    }


async def _naming(transaction: Transaction, told: Mapping[str, Any]) -> list[int]:
    """Return the events of others that name the artist: that they let them act, or no longer do.

    They change no answer, so what they say can go without anybody's record being the less.
    """
    details = await transaction.details_of(told["led"], _DELEGATIONS)
    return [revision for revision, said in details.items() if said["delegate"] == told["artist_id"]]


async def _count(session: ReadSession, statement: str, told: Mapping[str, Any]) -> int:
    count: int = (await session.execute(*_told(statement, told))).scalar_one()
    return count


def _told(statement: str, told: Mapping[str, Any]) -> tuple[TextClause, Mapping[str, Any]]:
    """Return the statement and those of the values that it takes."""
    taken = {name: value for name, value in told.items() if f":{name}" in statement}
    return text(statement).bindparams(*(_VALUES[name] for name in taken)), taken


_VALUES: Final[Mapping[str, BindParameter[Any]]] = {
    "subject": bindparam("subject", type_=TEXT()),
    "artist_id": bindparam("artist_id", type_=TEXT()),
    "erased_at": bindparam("erased_at", type_=InstantType()),
    "led": bindparam("led", type_=ARRAY(TEXT())),
}
