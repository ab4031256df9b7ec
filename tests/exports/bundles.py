"""Bundles as whoever asked for them holds them: asked for, built and fetched through the door."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from service.db.engine import Database
from service.domain.instant import DAY
from service.exports.build import Workshop, build
from service.exports.finish import Desk
from service.exports.jobs import Taken, take
from service.exports.worker import Build, ExportWorker
from service.ledger.vault import Vault
from service.running import key_of
from service.transparency.opened import log_identity
from tests.api.door import Door
from tests.api.people import AUDITOR


@dataclass(frozen=True, slots=True)
class Bundle:
    """The files of one export, and what its manifest says."""

    folder: Path
    manifest: dict[str, Any]

    def path(self, dataset: str) -> Path:
        """Return the only file of a dataset."""
        [file] = self.dataset(dataset)["files"]
        name: str = file["name"]
        return self.folder / name

    def dataset(self, name: str) -> dict[str, Any]:
        """Return what the manifest says of a dataset."""
        [found] = [one for one in self.manifest["datasets"] if one["name"] == name]
        return dict(found)

    def rows(self, dataset: str) -> list[dict[str, Any]]:
        """Return the rows of a dataset in Parquet, over all its files."""
        files = [self.folder / file["name"] for file in self.dataset(dataset)["files"]]
        rows: list[dict[str, Any]] = pa.concat_tables(
            [pa.parquet.read_table(file) for file in files]
        ).to_pylist()
        return rows


@dataclass(slots=True)
class Office:
    """A door, and the worker that builds what is asked for there when it is told to."""

    door: Door
    desk: Desk
    shop: Workshop
    folder: Path

    def worker(self, making: Build | None = None, **shop: Any) -> ExportWorker:
        """Return a worker that does one thing at a time, when it is told to."""
        return ExportWorker(self.desk, making or partial(build, replace(self.shop, **shop)))

    async def ask(self, *datasets: str, **wanted: Any) -> str:
        """Ask for an export; return its id."""
        body = {"datasets": list(datasets), **wanted}
        asked = await self.door.done("POST", "/v1/exports", body, by=AUDITOR)
        export_id: str = asked["export_id"]
        return export_id

    async def status(self, export_id: str) -> dict[str, Any]:
        """Return how an export stands."""
        found: dict[str, Any] = await self.door.done("GET", f"/v1/exports/{export_id}", by=AUDITOR)
        return found

    async def bundle(self, *datasets: str, **wanted: Any) -> Bundle:
        """Ask for an export, have it built, and fetch it."""
        export_id = await self.ask(*datasets, **wanted)
        assert await self.worker().work()
        return await self.fetch(export_id)

    async def fetch(self, export_id: str) -> Bundle:
        """Fetch every file of an export that is ready."""
        status = await self.status(export_id)
        assert status["state"] == "ready", status["error"]
        folder = self.folder / export_id
        folder.mkdir()
        for name in status["files"]:
            path = f"/v1/exports/{export_id}/files/{name}"
            answer = await self.door.ask("GET", path, by=AUDITOR)
            assert answer.status_code == 200
            (folder / name).write_bytes(answer.content)
        manifest = json.loads((folder / "manifest.json").read_bytes())
        assert manifest == status["manifest"]
        return Bundle(folder, manifest)


async def taken_by_nobody(office: Office) -> Taken:
    """Take what waits longest, and do nothing with it."""
    async with office.desk.database.keep() as session:
        taken = await take(session)
    assert taken is not None
    return taken


@asynccontextmanager
async def opened_office(door: Door, folder: Path) -> AsyncIterator[Office]:
    """Open the office of a door; `folder` is where fetched bundles lie."""
    services = door.services
    assert services.exports.objects is not None
    key, url = key_of(services.settings), door.database_url
    identity = await log_identity(services.settings, key, url)
    async with Database(url, pool_size=3) as database:
        desk = Desk(
            database,
            services.exports.objects,
            services.publication,
            services.signer,
            identity.key,
            30 * DAY,
        )
        vault = Vault(key, services.random_bytes)
        shop = Workshop(database, vault, services.exports.objects, services.clock, services.sealed)
        yield Office(door, desk, shop, folder)
