"""Building the files of one export: dataset by dataset, from one snapshot, in bounded memory.

What is finished is durable at once, so whoever takes the export over goes on after it: rows of a
revision do not change, and what an erasure takes away takes the export with it. What was not
finished is deleted first.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Final

import asyncpg
from sqlalchemy import select, text
from sqlmodel import col

from service.clock import Clock
from service.db.engine import Database, ReadSession, connect, own_port
from service.db.tables import Charter
from service.domain.instant import SECOND
from service.exports.dataset import Dataset, Source
from service.exports.datasets import DATASETS
from service.exports.datasets.consents import CONSENTS, OPENED_CONSENTS
from service.exports.expiry import clear
from service.exports.jobs import STALE, Taken, record
from service.exports.packs import PACKS, write_pack
from service.exports.parts import Parts
from service.ledger.events import Json, LedgerBroken
from service.ledger.vault import Vault
from service.sealing.find import SealedLog
from service.sealing.period import Period, sealed_periods
from service.storage.objects import Objects
from service.storage.scratch import working_folder

MOST_ROWS: Final = 1_000_000
"""Rows in one file, unless one decision alone has more outcomes."""

WORK: Final = "exporting"
"""What folders in which exports are built are named for."""

_TELLS_EVERY: Final = SECOND
_AHEAD: Final = 64 << 10
"""Bytes that the database may send before they are asked for: it works in small steps as well."""
_BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_SNAPSHOT: Final = "SELECT pg_export_snapshot()"
_SAME: Final = "SET TRANSACTION SNAPSHOT '{}'"
# Whoever writes a large file is silent for a while, reads for hours, and holds nothing that anybody
# waits for. The database's own helpers would take processors that are not ours to take.
_ALONE: Final = (
    "SET LOCAL idle_in_transaction_session_timeout = 0",
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL max_parallel_workers_per_gather = 0",
)
# Before the snapshot is taken (service.sealing.period): months that are read stay where they are.
_HELD: Final = (*_ALONE, "LOCK TABLE ONLY decisions IN ACCESS SHARE MODE")


@dataclass(frozen=True, slots=True)
class Workshop:
    """What exports are built with. Its database's pool should be its own.

    `sealed` reads the months of the decision log that have moved to files. `bring_along` is
    told which processes of the database work for it, and over which port of ours each.
    """

    database: Database
    vault: Vault
    objects: Objects
    clock: Clock
    sealed: SealedLog
    most_rows: int = MOST_ROWS
    bring_along: Callable[[int, int], None] = lambda *_: None


async def build(shop: Workshop, taken: Taken) -> None:
    """Make every file of an export that is not there yet; `taken.progress` says which there are.

    Raises LeaseLost where somebody else has it, Refused where it cannot be had, LedgerBroken where
    the tables contradict themselves, and whatever the database or the place for files raises.
    """
    taken.progress.pop(STALE, None)  # what is stale has no finished files: all goes
    finished = taken.progress["keys"].values()
    await clear(shop.objects, taken.export_id, taken.fence, keep=finished)
    with working_folder(Path(tempfile.gettempdir()), WORK) as folder:
        async with _reading(shop, *_HELD) as connection:
            name = await connection.fetchval(_SNAPSHOT)
            async with _joined(shop, name) as session:
                periods = await sealed_periods(session)
            async with _reading(shop, _SAME.format(name), *_ALONE) as beside:
                building = _Building(shop, taken, folder, (connection, beside), periods)
                await building.datasets()
            await building.packs(name)


def dataset_of(name: str, *, openings: bool) -> Dataset:
    """Return a dataset as an export has it."""
    return OPENED_CONSENTS if openings and name == CONSENTS.name else DATASETS[name]


@asynccontextmanager
async def _reading(shop: Workshop, *first: str) -> AsyncIterator[asyncpg.Connection]:
    """Open a connection that reads one snapshot, taken after what it does first."""
    connection = await connect(shop.database.url, writable=True, ahead=_AHEAD)
    try:
        shop.bring_along(connection.get_server_pid(), own_port(connection))
        await connection.execute(_BEGIN)
        await connection.execute("; ".join(first))
        yield connection
    finally:
        connection.terminate()  # whatever it is in the middle of


@asynccontextmanager
async def _joined(shop: Workshop, snapshot: str) -> AsyncIterator[ReadSession]:
    """Open a session that reads what the snapshot shows."""
    async with shop.database.read() as session:
        for statement in (_SAME.format(snapshot), *_ALONE):
            await session.execute(text(statement))
        yield session


class _Building:
    """One export being built."""

    def __init__(
        self,
        shop: Workshop,
        taken: Taken,
        folder: Path,
        connections: tuple[asyncpg.Connection, asyncpg.Connection],
        periods: Sequence[Period],
    ) -> None:
        self._shop = shop
        self._taken = taken
        self._progress = taken.progress
        self._folder = folder
        self._source = Source(
            *connections, shop.vault, taken.moment, taken.wanted.filters, shop.sealed, periods
        )
        self._told_at = shop.clock.monotonic()
        # What the one before had not finished is read again.
        finished = [one["files"] for one in self._progress["datasets"].values()]
        self._progress["rows"] = sum(file["rows"] for files in finished for file in files)

    async def datasets(self) -> None:
        """Make the files of every dataset."""
        wanted = self._taken.wanted
        datasets = [dataset_of(name, openings=wanted.openings) for name in wanted.datasets]
        expected = {one.name: await one.expected(self._source) for one in datasets}
        known = [rows for rows in expected.values() if rows is not None]
        self._progress["expected"] = sum(known) if len(known) == len(expected) else None
        await self._tell()
        for dataset in datasets:
            await self._dataset(dataset, expected[dataset.name])

    async def _dataset(self, dataset: Dataset, expected: int | None) -> None:
        done: Json = self._progress["datasets"].setdefault(
            dataset.name, {"files": [], "place": None, "done": False}
        )
        if done["done"]:
            return
        path = self._folder / dataset.name
        parts = Parts(dataset, self._taken.wanted.format, path, done, self, self._shop.most_rows)
        await parts.make(self._source)
        rows = sum(file["rows"] for file in done["files"])
        if expected is not None and rows != expected:
            raise LedgerBroken(f"{dataset.name} has {expected} rows, and {rows} were read")

    async def packs(self, snapshot: str) -> None:
        """Let every pack write its files."""
        for name in self._taken.wanted.packs:
            if name not in self._progress["packs"]:
                folder, files = self._folder / name, self._shop.sealed.files
                folder.mkdir()
                async with _joined(self._shop, snapshot) as session:
                    written = await write_pack(
                        PACKS[name],
                        session,
                        self._taken.wanted.filters,
                        self._taken.moment,
                        await _platform(session, self._taken.moment.revision),
                        folder,
                        None if files is None else files.objects,
                    )
                self._progress["packs"][name] = [
                    await self.keep(file.name, file) for file in written
                ]
                await self._tell()

    async def keep(self, name: str, path: Path) -> Json:
        """Keep a file where bundles are kept, under a key that no other worker writes to."""
        key = f"{self._taken.export_id}/{self._taken.fence}/{name}"
        entry = await asyncio.to_thread(_entry, name, path)
        await self._shop.objects.put(key, path)
        await asyncio.to_thread(path.unlink)
        self._progress["keys"][name] = key
        return entry

    async def add_rows(self, rows: int) -> None:
        """Count rows, and say so now and then. Raises LeaseLost."""
        self._progress["rows"] += rows
        if self._shop.clock.monotonic() - self._told_at >= _TELLS_EVERY:
            await self._tell()

    async def finished(self) -> None:
        """Make durable what is finished. Raises LeaseLost."""
        await self._tell()

    async def _tell(self) -> None:
        async with self._shop.database.keep() as session:
            await record(session, self._taken)
        self._told_at = self._shop.clock.monotonic()


def _entry(name: str, path: Path) -> Json:
    """Return a file as the manifest has it."""
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    return {"name": name, "bytes": path.stat().st_size, "sha256": digest}


async def _platform(session: ReadSession, revision: int) -> str:
    """Return what the charter called the platform by then."""
    charter = select(col(Charter.platform)).where(col(Charter.revision) <= revision)
    found = await session.execute(charter.order_by(col(Charter.revision).desc()).limit(1))
    return found.scalar_one()
