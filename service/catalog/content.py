"""Putting content: uploads and tracks with their rightsholders, in the content's own order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from sqlalchemy import ARRAY, BigInteger, Text, bindparam, select, text, update
from sqlmodel import col

from service.catalog.artists import refuse_repeated, subjects_of
from service.db.among import among
from service.db.instants import InstantType
from service.db.tables import Content, metadata
from service.domain.events import ContentItem, ContentStatus
from service.domain.refusal import Refusal, Refused
from service.ledger.append import Write
from service.ledger.events import Json
from service.ledger.facts import content_event
from service.ledger.transaction import Transaction, require_opened

_MOST_REFUSALS = 100
_Known: TypeAlias = tuple[ContentItem | None, str | None, str | None]
_UNKNOWN: _Known = (None, None, None)


@dataclass(frozen=True, slots=True)
class ContentRow:
    """One content to put. `rightsholders` are the platform's artist ids, first one first."""

    content_id: str
    rightsholders: tuple[str, ...]
    status: ContentStatus = ContentStatus.ACTIVE
    isrc: str | None = None
    title: str | None = None


def put_content(rows: Sequence[ContentRow]) -> Write:
    """Add or replace content, all of it or none; rows that change nothing are not recorded."""

    async def write(transaction: Transaction) -> Json:
        refuse_repeated("content", [row.content_id for row in rows])
        require_opened(transaction)
        subjects = await _rightsholders(transaction, rows)
        items = [_item(row, subjects) for row in rows]
        known = await _known(transaction, [row.content_id for row in rows])
        changed = [
            (item, row)
            for item, row in zip(items, rows, strict=True)
            if known.get(item.content, _UNKNOWN)[:2] != (item, row.isrc)
        ]
        if changed:
            await _put(transaction, changed)
        await _retitle(transaction, [row for row in rows if _retitles(row, known)])
        return {
            "put": len(changed),
            "unchanged": len(rows) - len(changed),
            "revision": transaction.revision,
        }

    return write


async def _rightsholders(transaction: Transaction, rows: Sequence[ContentRow]) -> Mapping[str, str]:
    """Return the references of all rightsholders. Raises Refused naming the rows in the way."""
    subjects = await subjects_of(
        transaction.session, {artist for row in rows for artist in row.rightsholders}
    )
    refusals = []
    for n, row in enumerate(rows):
        for m, artist in enumerate(row.rightsholders):
            field = f"content[{n}].rightsholders[{m}]"
            if artist not in subjects:
                message = "no artist of this id is registered: register them first"
                refusals.append(Refusal(field, "unknown_artist", message))
            elif artist in row.rightsholders[:m]:
                refusals.append(Refusal(field, "repeated", "this artist is named already"))
    if refusals:
        raise Refused(refusals[:_MOST_REFUSALS])
    return subjects


def _item(row: ContentRow, subjects: Mapping[str, str]) -> ContentItem:
    holders = tuple(subjects[artist] for artist in row.rightsholders)
    return ContentItem(row.content_id, holders, row.status)


def _retitles(row: ContentRow, known: Mapping[str, _Known]) -> bool:
    """Tell whether the row brings another title for content that was there before."""
    before = known.get(row.content_id)
    return before is not None and row.title is not None and row.title != before[2]


async def _known(transaction: Transaction, ids: Sequence[str]) -> dict[str, _Known]:
    found = select(
        col(Content.content_id),
        col(Content.rightsholders),
        col(Content.status),
        col(Content.isrc),
        col(Content.title),
    ).where(among(col(Content.content_id), ids))
    return {
        content: (ContentItem(content, tuple(holders), ContentStatus(status)), isrc, title)
        for content, holders, status, isrc, title in await transaction.session.execute(found)
    }


# An array a column, however many rows: row by row they keep everybody waiting three times as long.
# Arrays cannot hold lists of different lengths, and references never hold a comma.
_ARRAYS: Final = {
    name: ARRAY(Text) for name in ("contents", "statuses", "holders", "isrcs", "titles")
}
_KEEP_HISTORY: Final = text("""
INSERT INTO content_history (content_id, revision, status, rightsholders, put_at)
SELECT content, :revision, status, string_to_array(holders, ','), :put_at
FROM unnest(:contents, :statuses, :holders) AS one (content, status, holders)
""")
_KEEP: Final = text("""
INSERT INTO content (content_id, revision, status, rightsholders, put_at, isrc, title)
SELECT content, :revision, status, string_to_array(holders, ','), :put_at, isrc, title
FROM unnest(:contents, :statuses, :holders, :isrcs, :titles)
    AS one (content, status, holders, isrc, title)
ON CONFLICT (content_id) DO UPDATE SET
    revision = excluded.revision, status = excluded.status, isrc = excluded.isrc,
    rightsholders = excluded.rightsholders, put_at = excluded.put_at
""")


async def _put(transaction: Transaction, changed: Sequence[tuple[ContentItem, ContentRow]]) -> None:
    recorded = await transaction.record(content_event([(item, row.isrc) for item, row in changed]))
    history = {
        "contents": [item.content for item, _ in changed],
        "statuses": [item.status.value for item, _ in changed],
        "holders": [",".join(item.rightsholders) for item, _ in changed],
        "revision": recorded.revision,
        "put_at": recorded.recorded_at,
    }
    titles = {
        "isrcs": [row.isrc for _, row in changed],
        "titles": [row.title for _, row in changed],
    }
    for statement, values in ((_KEEP_HISTORY, history), (_KEEP, history | titles)):
        bound = [bindparam(name, type_=_ARRAYS[name]) for name in values if name in _ARRAYS]
        typed = statement.bindparams(
            bindparam("put_at", type_=InstantType()),
            bindparam("revision", type_=BigInteger()),
            *bound,
        )
        await transaction.session.execute(typed, values)


async def _retitle(transaction: Transaction, rows: Sequence[ContentRow]) -> None:
    """Keep the titles people read up to date. They are no part of the ledger."""
    if rows:
        connection = await transaction.session.connection()
        table = metadata.tables["content"]
        await connection.execute(
            update(table)
            .where(table.c.content_id == bindparam("known_id"))
            .values(title=bindparam("new")),
            [{"known_id": row.content_id, "new": row.title} for row in rows],
        )
