"""`fermata seal`: closed months of the decision log as files whose root stands in the ledger.

A service has this run by itself (`service.beside`), so little is imported before it is needed.
"""

import asyncio
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, NoReturn

import asyncpg
import typer
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from service.beside import give_way
from service.clock import SystemClock
from service.db.embedded import EmbeddedPostgresError
from service.db.engine import Database
from service.decisions.log.packing import Damaged
from service.domain.refusal import Refused
from service.ledger.append import Appender, AppenderDown, OutcomeUnknown
from service.ledger.events import LedgerBroken
from service.ledger.head import HeadReader, HeadUnknown
from service.ledger.key_check import WrongKey, require_key
from service.ledger.ledger_clock import ClocksDisagree
from service.ledger.vault import Vault
from service.sealing.keeper import ELSEWHERE
from service.sealing.month import Month
from service.sealing.period import SealedUnreadable
from service.sealing.sealing import Sealer, SealingElsewhere
from service.settings import Settings, read_key
from service.storage.objects import Objects, StoreUnavailable
from service.telemetry import configure_logging

_LATER: Final = 1
_MISCONFIGURED: Final = 2


def seal(
    through: Annotated[
        str | None, typer.Option(help="The last month to seal, such as 2026-10; else all.")
    ] = None,
) -> None:
    """Seal the months of the decision log that are over by more than a day.

    Their decisions move to files at FERMATA_SEALED_DECISIONS, whose root goes into the ledger; only
    when those have been read again does the database let go of them. It takes the settings of the
    service that it is for, which does the same by itself once an hour and may run meanwhile; where
    it was broken off, the next run goes on. Exit status: 0 sealed, or nothing to seal; 1 not now;
    2 something is not set up; 3 another process is at it.
    """
    try:
        last = None if through is None else Month.named(through)
        settings = Settings()
        configure_logging(settings.log_level)
        with _complete(settings) as complete:
            give_way()
            done = asyncio.run(_seal(complete, last))
        typer.echo(_told(done))
    except ValidationError as error:
        _fail(_MISCONFIGURED, "; ".join(str(one["msg"]) for one in error.errors()))
    except (EmbeddedPostgresError, WrongKey, ValueError) as error:
        _fail(_MISCONFIGURED, str(error))
    except SealingElsewhere as error:
        _fail(ELSEWHERE, str(error))
    except (
        Damaged,
        SealedUnreadable,
        StoreUnavailable,
        ClocksDisagree,
        HeadUnknown,
        LedgerBroken,
        Refused,
        OutcomeUnknown,
        AppenderDown,
    ) as error:
        _fail(_LATER, str(error))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, DBAPIError) as error:
        _fail(_LATER, f"{type(error).__name__}: {error}")


async def _seal(settings: Settings, through: Month | None) -> Sequence[Month]:
    given, url = settings.key_encryption_key, settings.database_url or ""
    vault = Vault(read_key(given.get_secret_value() if given is not None else ""), os.urandom)
    await require_key(url, vault)
    heads = HeadReader(
        url,
        SystemClock(),
        timeout=settings.head_timeout,
        max_disagreement=settings.max_clock_disagreement,
    )
    try:
        now = (await heads.read()).now
        if not heads.ledger_clock.agrees:
            message = "the database's and this machine's clocks disagree: nobody knows the month"
            raise ClocksDisagree(message)
        async with (
            Database(url, pool_size=2) as database,
            Appender(database, vault, os.urandom, heads.ledger_clock) as appender,
        ):
            place = Objects(settings.sealed_decisions or "")
            scratch = settings.sealed_cache_dir or Path(tempfile.gettempdir())
            sealer = Sealer(database, appender, place, scratch)
            return await sealer.seal(now, through=through, tell=typer.echo)
    finally:
        await heads.close()


@contextmanager
def _complete(settings: Settings) -> Iterator[Settings]:
    """Yield the settings with a database, its key, and where sealed months go."""
    if settings.database_url is not None:
        yield _with_a_place(settings)
        return
    # Everything that a service needs: nothing for a service's own sealing to wait for.
    from service.cli import local  # noqa: PLC0415

    with local.database(settings) as where:
        yield _with_a_place(local.complete(settings, where))


def _with_a_place(settings: Settings) -> Settings:
    if settings.sealed_decisions is None:
        message = "set FERMATA_SEALED_DECISIONS to a folder, or a bucket's URL, for sealed months"
        raise ValueError(message)
    return settings


def _told(done: Sequence[Month]) -> str:
    if not done:
        return "nothing to seal: every month that is over by more than a day is sealed"
    return f"sealed: {', '.join(map(str, done))}"


def _fail(status: int, message: str) -> NoReturn:
    typer.echo(f"not everything was sealed: {message}", err=True)
    raise typer.Exit(status)


if __name__ == "__main__":
    typer.run(seal)
