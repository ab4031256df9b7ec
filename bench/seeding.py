"""A crowd in a real ledger, fast: what the writers would have appended, with less asking first.

The same events, leaves, tree, keys, commitments and derived rows as through the API, 10,000 rows an
event, written by the ledger's own appender. What the writers look up before they write is known
here, rows go in by COPY, and the one index that is slow to keep is made again in the end.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import asyncpg
from sqlalchemy import insert
from sqlmodel import col, select

from bench.crowd import MODES, NOTICE, RECIPIENTS, Crowd, artist_id, track_id
from service.catalog.artists import ArtistRow, register_artists
from service.cli.local import with_key
from service.clock import SystemClock
from service.consents.admission import Statement
from service.consents.authority import ActingAs
from service.consents.records import Saying, named
from service.db.embedded import EmbeddedPostgres
from service.db.engine import Database
from service.db.migrate import upgrade
from service.db.tables import Artist, Consent
from service.domain.consent import Answer
from service.domain.events import ContentItem, ContentStatus
from service.domain.instant import SECOND, to_datetime
from service.domain.policy import Mode, PolicyDraft
from service.ledger.append import Appender, Write
from service.ledger.events import Json
from service.ledger.facts import content_event
from service.ledger.ledger_clock import LedgerClock
from service.ledger.transaction import Transaction
from service.ledger.vault import Vault
from service.policies.charter import open_charter
from service.policies.publish import publish_policy
from service.policies.versions import latest_versions
from service.running import key_of
from service.settings import Settings

_ROWS: Final = 10_000
_SAID_AT_ONCE: Final = 250
_SPARE: Final = {"fsync": "off", "max_wal_size": "8GB", "maintenance_work_mem": "512MB"}
"""For filling only: `fermata serve` starts the same folder with what it always has."""

_INDEX: Final = """
SELECT indexdef FROM pg_indexes
WHERE schemaname = current_schema() AND indexname = 'ix_content_rightsholders'
"""


def seed(folder: Path, crowd: Crowd) -> None:
    """Fill a folder of data as `fermata serve` would find it, with the crowd in its ledger."""
    settings = with_key(Settings(data_dir=folder, database_url=None), folder)
    with EmbeddedPostgres(folder / "postgres", _SPARE) as postgres:
        upgrade(postgres.url)
        asyncio.run(_seed(postgres.url, key_of(settings), crowd))


async def _seed(url: str, key: bytes, crowd: Crowd) -> None:
    vault = Vault(key, os.urandom)
    clock = LedgerClock(SystemClock(), max_disagreement=5 * SECOND)
    async with Database(url) as database, Appender(database, vault, os.urandom, clock) as appender:
        await appender.submit(open_charter("Bench", NOTICE))
        for use, mode in MODES.items():
            await appender.submit(publish_policy(draft(use, mode, "first")))
        for numbers in _parts(crowd.artists, _ROWS):
            rows = [ArtistRow(artist_id(number)) for number in numbers]
            await appender.submit(register_artists(rows), large=True)
        async with database.read() as session:
            known = await session.execute(select(col(Artist.artist_id), col(Artist.subject)))
            subjects = {one or "": subject for one, subject in known}
        index = await _without_index(url)
        for numbers in _parts(crowd.tracks, _ROWS):
            await appender.submit(_put(_items(crowd, numbers, subjects)), large=True)
        await _execute(url, index, "ANALYZE")
        for said in _parts(len(crowd.spoke), _SAID_AT_ONCE):
            await appender.submit(_say(crowd, said, subjects), large=True)


def draft(use: str, mode: Mode, text: str) -> PolicyDraft:
    """Return a version as the platform would publish it."""
    return PolicyDraft(
        use=use,
        mode=mode,
        recipients=frozenset(RECIPIENTS),
        notice_period=NOTICE,
        texts={"en": f"{use} {text}"},
        editorial=False,
    )


def _items(crowd: Crowd, numbers: Sequence[int], subjects: Mapping[str, str]) -> list[ContentItem]:
    return [
        ContentItem(
            track_id(number),
            tuple(subjects[artist_id(one)] for one in crowd.holders(number)),
            ContentStatus.ACTIVE,
        )
        for number in numbers
    ]


def _put(items: Sequence[ContentItem]) -> Write:
    """Put content that nobody has put before."""

    async def write(transaction: Transaction) -> Json:
        recorded = await transaction.record(content_event([(item, None) for item in items]))
        at = to_datetime(recorded.recorded_at)
        rows = [
            (item.content, recorded.revision, item.status.value, list(item.rightsholders), at)
            for item in items
        ]
        driver = await _driver(transaction)
        columns = ("content_id", "revision", "status", "rightsholders", "put_at")
        for table in ("content_history", "content"):
            await driver.copy_records_to_table(table, records=rows, columns=columns)
        return {}

    return write


def _say(crowd: Crowd, places: Sequence[int], subjects: Mapping[str, str]) -> Write:
    """Record what some artists said, as the platform reports it."""

    async def write(transaction: Transaction) -> Json:
        latest = await latest_versions(transaction.session)
        spoke = [subjects[artist_id(crowd.spoke.item(place))] for place in places]
        await transaction.fetch_keys(spoke)
        rows = []
        for place, subject in zip(places, spoke, strict=True):
            scope = crowd.scopes[place]
            statement = Statement(Answer.OPT_OUT, scope, "bench")
            names = named(scope, latest)
            saying = Saying(statement, "platform", ActingAs.PLATFORM, names)
            rows.append(saying.row(subject, await transaction.record(saying.event(subject))))
        await transaction.session.execute(insert(Consent), rows)
        return {}

    return write


async def _driver(transaction: Transaction) -> asyncpg.Connection:
    """Return the connection itself, on which the transaction is open."""
    connection = await transaction.session.connection()
    raw: Any = await connection.get_raw_connection()
    driver: asyncpg.Connection = raw.driver_connection
    return driver


async def _without_index(url: str) -> str:
    """Drop the index over all rightsholders and return the statement that makes it again."""
    connection = await asyncpg.connect(url)
    try:
        made: str = await connection.fetchval(_INDEX)
        await connection.execute("DROP INDEX ix_content_rightsholders")
        return made
    finally:
        await connection.close()


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def write_snapshot(folder: Path) -> str:
    """Have a snapshot of the index written, as an operator would; return what is said of it."""
    fermata = str(Path(sys.executable).with_name("fermata"))
    environment = {
        **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
        "FERMATA_DATA_DIR": str(folder),
        "FERMATA_LOG_LEVEL": "error",
    }
    done = subprocess.run(
        [fermata, "snapshot"], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"`fermata snapshot` failed: {done.stderr.strip()[-1_000:]}")
    return done.stdout.strip().replace(str(folder), "…")


def _parts(size: int, each: int) -> Iterator[range]:
    return (range(first, min(first + each, size)) for first in range(0, size, each))
