"""`fermata worker`: tells artists of notices, beside services that answer."""

import asyncio
import contextlib
import signal
from typing import NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console

from service.db.migrate import needs_upgrade
from service.ledger.key_check import WrongKey
from service.running import NotConfigured, worker_alone
from service.settings import Settings
from service.telemetry import configure_logging

_console = Console(stderr=True, highlight=False)


def worker() -> None:
    """Send notices and reminders until it is stopped; run as many of these as you like.

    It takes the same settings as `fermata serve`, needs DATABASE_URL and answers nobody. Set
    FERMATA_SEND_NOTICES=false for the services beside it. What it has under way when it is killed
    is taken up again by another, or when it is back.
    """
    try:
        settings = Settings()
        configure_logging(settings.log_level)
        asyncio.run(_work(settings))
    except ValidationError as error:
        _fail("; ".join(str(one["msg"]) for one in error.errors()))
    except (NotConfigured, WrongKey, ValueError, OSError) as error:
        _fail(str(error))


async def _work(settings: Settings) -> None:
    if settings.database_url is None:
        raise NotConfigured(
            "set DATABASE_URL; the embedded database is `fermata serve`'s, which sends by itself"
        )
    if await needs_upgrade(settings.database_url):
        raise NotConfigured(
            "this database lacks tables of this release: run `fermata migrate` first"
        )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # not every system has signals for a loop
            loop.add_signal_handler(name, stop.set)
    async with worker_alone(settings):
        _console.print("fermata works: it sends notices and reminders as they fall due")
        await stop.wait()
        _console.print("fermata stops: calls under way may end, nothing more is taken")


def _fail(message: str) -> NoReturn:
    _console.print(f"[red]fermata cannot start:[/red] {message}", soft_wrap=True)
    raise typer.Exit(2)
