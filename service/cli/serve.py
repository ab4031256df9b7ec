"""`fermata serve`: the service, on a PostgreSQL of yours or on an embedded one."""

import asyncio
import contextlib
import logging
import socket
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from fastapi import FastAPI
from pydantic import ValidationError
from rich.console import Console

from service.api.changes import send_readers_away
from service.auth.local_issuer import RealIssuerConfigured
from service.cli.http_server import HttpServer, bound_sockets, config_for
from service.cli.local import Database, app_for, complete, database
from service.cli.replica import Part, shared_issuer
from service.cli.replicas import CannotServe, Replicas
from service.db.embedded import EmbeddedPostgresError
from service.db.migrate import needs_upgrade, upgrade
from service.ledger.events import LedgerBroken
from service.ledger.key_check import WrongKey, require_key
from service.ledger.vault import Vault
from service.running import NotConfigured, key_of, real_surroundings
from service.settings import Settings
from service.telemetry import configure_logging
from service.transparency.kept import KeptBroken
from service.transparency.opened import require_continuation

_console = Console(stderr=True, highlight=False)
_log = logging.getLogger(__name__)
_STARTUP_FAILED = 3


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    *,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="How many processes answer.")
    ] = None,
    with_local_issuer: Annotated[
        bool, typer.Option("--local-issuer", help="Issue development tokens as well.")
    ] = False,
) -> None:
    """Run the service until it is stopped.

    Without DATABASE_URL it starts an embedded PostgreSQL whose data survive a restart, and brings
    its tables up to date; with DATABASE_URL run `fermata migrate` first. Every worker is a whole
    replica with an index of its own: memory is needed for each, and one can keep a core busy.
    """
    try:
        given = {"host": host, "port": port, "workers": workers}
        settings = Settings().model_copy(
            update={name: value for name, value in given.items() if value is not None}
        )
        _serve(settings, issue=with_local_issuer or settings.local_issuer)
    except ValidationError as error:
        _fail("; ".join(str(one["msg"]) for one in error.errors()))
    except (
        NotConfigured,
        RealIssuerConfigured,
        EmbeddedPostgresError,
        WrongKey,
        CannotServe,
        KeptBroken,
        LedgerBroken,
        ValueError,
        OSError,
    ) as error:
        _fail(str(error))


def _serve(settings: Settings, *, issue: bool) -> None:
    configure_logging(settings.log_level)
    if settings.workers > 1 and not hasattr(socket, "send_fds"):
        raise NotConfigured("this system cannot hand connections over: set FERMATA_WORKERS to 1")
    with contextlib.ExitStack() as stack:
        sockets = _bound(settings.host, settings.port)
        for one in sockets:
            stack.enter_context(one)
        port: int = sockets[0].getsockname()[1]
        where = stack.enter_context(database(settings))
        _bring_up_to_date(settings, where)
        shared = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fermata-")))
        issuer = None
        if issue:
            issuer, secret = shared_issuer(settings, where, shared, port)
            _tell_how_to_get_tokens(port, secret)
        # Made here even if others are to answer: what keeps it from starting is said once.
        app = app_for(settings, where, issuer)
        settings = complete(settings, where)
        asyncio.run(
            require_key(where.url, Vault(key_of(settings), real_surroundings().random_bytes))
        )
        asyncio.run(require_continuation(settings, key_of(settings), where.url))
        if settings.workers == 1:
            _answer(app, sockets)
            return
        parts = [
            Part(number, settings, where, shared, port if issue else None)
            for number in range(settings.workers)
        ]
        asyncio.run(Replicas(parts, sockets).run())


def _bound(host: str, port: int) -> list[socket.socket]:
    try:
        return bound_sockets(host, port)
    except OSError as error:
        message = f"nothing can listen on {host} port {port}: {error.strerror or error}"
        raise OSError(message) from error


def _bring_up_to_date(settings: Settings, where: Database) -> None:
    if settings.database_url is None:
        upgrade(where.url)
    elif asyncio.run(needs_upgrade(where.url)):
        _fail("this database lacks tables of this release: run `fermata migrate` first")


def _answer(app: FastAPI, sockets: Sequence[socket.socket]) -> None:
    """Answer in this process."""
    server = HttpServer(config_for(app))
    server.leave = partial(send_readers_away, app)
    for one in sockets:
        _log.info("answering at %s port %d once it has started", *one.getsockname()[:2])
    server.run(list(sockets))
    if not server.started:
        raise typer.Exit(_STARTUP_FAILED)


def _tell_how_to_get_tokens(port: int, secret: str) -> None:
    _console.print(
        f"Development tokens, for this machine only:\n"
        f"  curl -s -u pipeline:{secret} -d grant_type=client_credentials "
        f"http://127.0.0.1:{port}/oauth/token\n"
        f"clients: pipeline, platform, policy-desk, compliance, settings-page (with -d subject=…)\n"
        f"Sign in to the settings page as anybody: http://127.0.0.1:{port}/settings",
        soft_wrap=True,
    )


def _fail(message: str) -> NoReturn:
    _console.print(f"[red]fermata cannot start:[/red] {message}", soft_wrap=True)
    raise typer.Exit(2)
