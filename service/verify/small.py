"""Tables with a row or two for each of few events: read whole, and compared both ways."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, TypeAlias

from service.verify.connecting import Connection, has_table
from service.verify.few import Few
from service.verify.finding import Findings, What
from service.verify.leaf import stored_json
from service.verify.many import where

Rows: TypeAlias = Mapping[tuple[Any, ...], tuple[Any, ...]]
"""Rows by their key; the last value is the revision that a row follows from."""

Stored: TypeAlias = list[tuple[tuple[Any, ...], tuple[Any, ...]]]
"""Rows with their keys, as they are stored: nobody knows yet that each is there once."""

POLICY: Final = (
    "mode",
    "recipients",
    "notice_period",
    "editorial",
    "launch",
    "terms",
    "published_at",
)
NOTICE: Final = ("use", "version", "announced_at")
"""The values of these tables' rows, but for the revision that they end with."""

_AT_ONCE: Final = 100


async def hold_small(connection: Connection, few: Few, findings: Findings) -> None:
    """Hold all of them against what the events add up to."""
    for table, keys, values, made, stored in _TABLES:
        there = await stored(connection) if await has_table(connection, table) else []
        findings.saw(f"rows of {table}", len(there))
        rows: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        for key, row in there:
            if key in rows:  # the database's own keys may have been dropped
                says = "it is there more than once"
                findings.add(What.ROW_EXTRA, row[-1], where(table, keys, key), says)
            rows[key] = row
        compare(table, keys, values, made(few), rows, findings)


def compare(
    table: str,
    keys: Sequence[str],
    values: Sequence[str],
    made: Rows,
    stored: Rows,
    findings: Findings,
) -> None:
    """Find what differs between rows as they should be and as they are, both ways."""
    for key in _in_order(made, made.keys() - stored.keys()):
        says = f"event {made[key][-1]} made this row, and it is gone"
        findings.add(What.ROW_MISSING, made[key][-1], where(table, keys, key), says)
    for key in _in_order(stored, stored.keys() - made.keys()):
        says = "no event made this row"
        findings.add(What.ROW_EXTRA, stored[key][-1], where(table, keys, key), says)
    for key in _in_order(made, made.keys() & stored.keys()):
        if made[key] != stored[key]:
            pairs = zip((*values, "revision"), stored[key], made[key], strict=True)
            columns = ", ".join(name for name, is_, should in pairs if is_ != should)
            says = f"{columns}: not as event {made[key][-1]} has it"
            findings.add(What.ROW_DIFFERS, made[key][-1], where(table, keys, key), says)


def _in_order(rows: Rows, keys: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return keys in the order of their rows' revisions: the first wrong one is always told."""
    return sorted(keys, key=lambda key: (rows[key][-1] or 0, str(key)))


def _charter(few: Few) -> Rows:
    return {(revision,): row for revision, row in few.charter.items()}


async def _stored_charter(connection: Connection) -> Stored:
    rows = await connection.fetch(
        "SELECT revision, platform, min_notice_period, recorded_at, revision FROM charter"
    )
    return [((row[0],), tuple(row)[1:]) for row in rows]


def _uses(few: Few) -> Rows:
    return {(use,): row for use, row in few.uses.items()}


async def _stored_uses(connection: Connection) -> Stored:
    rows = await connection.fetch("SELECT use, names, revision FROM uses")
    return [((row[0],), (stored_json(row[1]), row[2])) for row in rows]


def policies_of(few: Few) -> Rows:
    """Return the versions that were published, by use and version."""
    return {
        (one.use, one.version): (
            one.mode.value,
            sorted(one.recipients),
            one.notice_period,
            one.editorial,
            one.launch,
            one.terms,
            one.published_at,
            one.revision,
        )
        for versions in few.versions.values()
        for one in versions
    }


async def _stored_policies(connection: Connection) -> Stored:
    rows = await connection.fetch(
        "SELECT use, version, mode, recipients, notice_period, editorial, launch, terms,"
        " published_at, revision FROM policies"
    )
    return [(tuple(row)[:2], tuple(row)[2:]) for row in rows]


def texts_of(few: Few) -> Rows:
    """Return each text's digest, of the words and as it stands beside them."""
    return {
        (one.use, one.version, locale): (digest, digest, one.revision)
        for versions in few.versions.values()
        for one in versions
        for locale, digest in one.texts
    }


async def _stored_texts(connection: Connection) -> Stored:
    """Read the words themselves, a few at a time: their digest is what the ledger has."""
    found: Stored = []
    cursor = await connection.cursor(
        "SELECT t.use, t.version, t.locale, coalesce(t.text, ''), t.sha256, p.revision"
        " FROM policy_texts t LEFT JOIN policies p ON p.use = t.use AND p.version = t.version"
    )
    while rows := await cursor.fetch(_AT_ONCE):
        for use, version, locale, text, digest, revision in rows:
            words = sha256(text.encode()).hexdigest()
            found.append(((use, version, locale), (words, digest, revision)))
    return found


def notices_of(few: Few) -> Rows:
    """Return the announcements of versions, by notice."""
    return {
        (f"{one.use}:{one.version}",): (one.use, one.version, one.published_at, one.revision)
        for versions in few.versions.values()
        for one in versions
    }


async def _stored_notices(connection: Connection) -> Stored:
    rows = await connection.fetch(
        "SELECT notice_id, use, version, announced_at, revision FROM notices"
    )
    return [((row[0],), tuple(row)[1:]) for row in rows]


def _retention(few: Few) -> Rows:
    return {(what,): row for what, row in few.retention.items()}


async def _stored_retention(connection: Connection) -> Stored:
    rows = await connection.fetch("SELECT what, keep, set_at, revision FROM retention_rules")
    return [((row[0],), tuple(row)[1:]) for row in rows]


def _erasures(few: Few) -> Rows:
    return {(revision,): (subject, at, revision) for subject, (revision, at) in few.erased.items()}


async def _stored_erasures(connection: Connection) -> Stored:
    rows = await connection.fetch("SELECT revision, subject, erased_at, revision FROM erasures")
    return [((row[0],), tuple(row)[1:]) for row in rows]


_Table: TypeAlias = tuple[
    str,
    Sequence[str],
    Sequence[str],
    Callable[[Few], Rows],
    Callable[[Connection], Awaitable[Stored]],
]

_TABLES: Final[Sequence[_Table]] = (
    (
        "charter",
        ("revision",),
        ("platform", "min_notice_period", "recorded_at"),
        _charter,
        _stored_charter,
    ),
    ("uses", ("use",), ("names",), _uses, _stored_uses),
    ("policies", ("use", "version"), POLICY, policies_of, _stored_policies),
    ("policy_texts", ("use", "version", "locale"), ("text", "sha256"), texts_of, _stored_texts),
    ("notices", ("notice_id",), NOTICE, notices_of, _stored_notices),
    ("retention_rules", ("what",), ("keep", "set_at"), _retention, _stored_retention),
    ("erasures", ("revision",), ("subject", "erased_at"), _erasures, _stored_erasures),
)
