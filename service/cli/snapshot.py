"""`fermata snapshot`: the index on disk, so that a service need not read the whole ledger to start.

A service has this run by itself (`service.beside`), so little is imported before it is needed.
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn

import asyncpg
import typer
from pydantic import ValidationError

from service.beside import give_way
from service.clock import SystemClock
from service.db.embedded import EmbeddedPostgresError
from service.decisions.snapshots.catching_up import NotTheLedgers
from service.decisions.snapshots.folder import FolderBusy, Overtaken
from service.decisions.snapshots.write import Written, write_snapshot
from service.domain.instant import SECOND, Duration
from service.ledger.events import LedgerBroken
from service.ledger.key_check import WrongKey, require_key
from service.ledger.vault import Vault
from service.settings import Settings, read_key
from service.telemetry import configure_logging

_LATER: Final = 1
_MISCONFIGURED: Final = 2


def snapshot() -> None:
    """Write a snapshot of the index, from which a service is ready within seconds.

    It takes the settings of the service that it is for, reads the last snapshot if it still fits
    the ledger, follows the ledger to its end, and writes. A service with a FERMATA_SNAPSHOT_DIR
    does the same by itself from time to time, and may run meanwhile. It needs as much memory as
    the service's index. Exit status: 0 written, or nothing new to write; 1 not now, the one before
    is still there; 2 something is not set up.
    """
    try:
        settings = Settings()
        configure_logging(settings.log_level)
        with _complete(settings) as (complete, folder):
            give_way()
            clock = SystemClock()
            began = clock.monotonic()
            done = asyncio.run(_write(complete, folder))
            typer.echo(_told(done, folder, clock.monotonic() - began))
    except ValidationError as error:
        _fail(_MISCONFIGURED, "; ".join(str(one["msg"]) for one in error.errors()))
    except (EmbeddedPostgresError, WrongKey, ValueError) as error:
        _fail(_MISCONFIGURED, str(error))
    except (FolderBusy, Overtaken, NotTheLedgers, LedgerBroken) as error:
        _fail(_LATER, str(error))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
        _fail(_LATER, f"{type(error).__name__}: {error}")


async def _write(settings: Settings, folder: Path) -> Written:
    url = settings.database_url or ""
    given = settings.key_encryption_key
    key = read_key(given.get_secret_value() if given is not None else "")
    await require_key(url, Vault(key, os.urandom))
    return await write_snapshot(folder, key, url, os.urandom)


@contextmanager
def _complete(settings: Settings) -> Iterator[tuple[Settings, Path]]:
    """Yield the settings with a database and its key, and the folder of its snapshots."""
    if settings.database_url is not None:
        if settings.snapshot_dir is None:
            raise ValueError("set FERMATA_SNAPSHOT_DIR to the folder that snapshots lie in")
        yield settings, settings.snapshot_dir
        return
    # Everything that a service needs: nothing for a service's own writer to wait for.
    from service.cli import local  # noqa: PLC0415

    with local.database(settings) as where:
        complete = local.complete(settings, where)
        if complete.snapshot_dir is None:
            raise ValueError("set FERMATA_SNAPSHOT_DIR to the folder that snapshots lie in")
        yield complete, complete.snapshot_dir


def _told(done: Written, folder: Path, took: Duration) -> str:
    if done.size is None:
        return f"the snapshot in {folder} holds the whole ledger already: revision {done.revision}"
    size = f"{done.size / 1e6:,.1f} MB"
    return f"snapshot of revision {done.revision} in {folder}: {size}, {took / SECOND:.1f} s"


def _fail(status: int, message: str) -> NoReturn:
    typer.echo(f"no snapshot was written: {message}", err=True)
    raise typer.Exit(status)


if __name__ == "__main__":
    typer.run(snapshot)
