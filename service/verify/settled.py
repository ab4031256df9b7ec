"""What can be asked of whole tables once their rows are known to follow from events, or are not.

Each question is one statement that returns a row for everything that is wrong: the first revision
concerned, and which row it is. The database works them out in bounded memory.
"""

from dataclasses import dataclass
from typing import Any, Final

from service.verify.connecting import Connection, has_table
from service.verify.few import Few
from service.verify.finding import MOST_OF_A_KIND, Findings, What


@dataclass(frozen=True, slots=True)
class Question:
    """A statement that returns what is wrong, as (revision, row). $1 is what `about` says."""

    table: str
    what: What
    says: str
    statement: str
    about: str = "nothing"


def _beyond(table: str) -> Question:
    return Question(
        table,
        What.ROW_EXTRA,
        "there is no event of this revision",
        f"SELECT revision, 'revision=' || coalesce(revision::text, 'NULL') FROM {table} "  # noqa: S608 - names of ours
        "WHERE revision IS NULL OR revision < 1 OR revision > $1",
        "size",
    )


def _erased(table: str, row: str = "'subject=' || subject", column: str = "subject") -> Question:
    return Question(
        table,
        What.NOT_ERASED,
        "its artist was erased, and it is still there",
        f"SELECT NULL::bigint, {row} FROM {table} "  # noqa: S608 - names of ours
        f"WHERE {column} = ANY($1::text[])",
        "erased",
    )


def _nobodys(table: str) -> Question:
    return Question(
        table,
        What.ROW_EXTRA,
        "it is about an artist who was not registered by then",
        f"SELECT t.revision, 'subject=' || t.subject FROM {table} t "  # noqa: S608 - of ours
        "LEFT JOIN artists a ON a.subject = t.subject "
        "WHERE a.subject IS NULL OR a.revision > t.revision",
    )


_QUESTIONS: Final = (
    *(
        _beyond(table)
        for table in (
            "artists",
            "content_history",
            "content",
            "deliveries",
            "bounces",
            "consents",
            "ledger_batches",
            "private.event_details",
        )
    ),
    Question(
        "content",
        What.ROW_DIFFERS,
        "it is not as the last event about this content left it",
        "SELECT h.revision, 'content_id=' || h.content_id FROM content c RIGHT JOIN "
        "(SELECT content_id, max(revision) AS revision FROM content_history GROUP BY content_id) h "
        "ON c.content_id = h.content_id WHERE c.revision IS DISTINCT FROM h.revision",
    ),
    Question(
        "private.subjects",
        What.PRIVATE_MISSING,
        "the artist's key is gone, though nobody was erased",
        "SELECT a.revision, 'subject=' || a.subject FROM artists a "
        "LEFT JOIN private.subjects s ON s.subject = a.subject "
        "WHERE s.subject IS NULL AND a.subject <> ALL($1::text[])",
        "erased",
    ),
    Question(
        "private.subjects",
        What.ROW_EXTRA,
        "it is the key of nobody",
        "SELECT NULL::bigint, 'subject=' || s.subject FROM private.subjects s "
        "LEFT JOIN artists a ON a.subject = s.subject WHERE a.subject IS NULL",
    ),
    Question(
        "artists",
        What.ROW_DIFFERS,
        "the artist spoke by another id than the one beside their reference",
        "SELECT min(c.revision), 'subject=' || c.subject FROM consents c "
        "JOIN artists a ON a.subject = c.subject "
        "WHERE c.acting_as = 'artist' AND a.artist_id IS DISTINCT FROM c.actor "
        "GROUP BY c.subject",
    ),
    Question(
        "delegates",
        What.ROW_MISSING,
        "nobody is named any more whom this reference of a delegate's stands for",
        "SELECT min(c.revision), 'subject=' || c.subject || ' reference=' || c.actor "
        "FROM consents c WHERE c.acting_as = 'delegate' AND c.actor LIKE 'dlg\\_%' "
        "AND NOT EXISTS (SELECT FROM delegates d WHERE d.subject = c.subject "
        "AND c.actor IN (d.reference, d.delegate)) GROUP BY c.subject, c.actor",
    ),
    *(_nobodys(table) for table in ("consents", "deliveries", "bounces")),
    _erased("private.subjects"),
    _erased("private.event_details", "'revision=' || revision"),
    _erased("private.contacts"),
    _erased("private.legal_holds"),
    _erased("consents", "'revision=' || revision"),
    _erased("delegates"),
    _erased("idempotency_keys"),
)


async def hold_settled(connection: Connection, size: int, few: Few, findings: Findings) -> None:
    """Ask all of them of a ledger of so many events."""
    about: dict[str, tuple[Any, ...]] = {
        "nothing": (),
        "size": (size,),
        "erased": (list(few.erased),),
    }
    for question in _QUESTIONS:
        if question.about == "erased" and not few.erased and question.what is What.NOT_ERASED:
            continue
        if await has_table(connection, question.table):
            await _ask(connection, question, about[question.about], findings)


async def _ask(
    connection: Connection, question: Question, arguments: tuple[Any, ...], findings: Findings
) -> None:
    cursor = await connection.cursor(f"{question.statement} ORDER BY 1", *arguments)
    while rows := await cursor.fetch(MOST_OF_A_KIND):
        for revision, row in rows:
            findings.add(question.what, revision, f"{question.table} {row}", question.says)
