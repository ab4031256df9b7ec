"""`fermata serve`: the service, on a PostgreSQL of yours or on an embedded one."""

import asyncio
from typing import Annotated, NoReturn

import typer
import uvicorn
from pydantic import ValidationError
from rich.console import Console

from service.auth.local_issuer import RealIssuerConfigured
from service.cli.local import app_for, database, free_port, local_issuer
from service.db.embedded import EmbeddedPostgresError
from service.db.migrate import needs_upgrade, upgrade
from service.running import NotConfigured
from service.settings import Settings
from service.telemetry import configure_logging

_console = Console(stderr=True, highlight=False)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    *,
    with_local_issuer: Annotated[
        bool, typer.Option("--local-issuer", help="Issue development tokens as well.")
    ] = False,
) -> None:
    """Run the service until it is stopped.

    Without DATABASE_URL it starts an embedded PostgreSQL whose data survive a restart, and brings
    its tables up to date; with DATABASE_URL run `fermata migrate` first.
    """
    try:
        settings = Settings()
        _serve(settings, host or settings.host, port, issue=with_local_issuer)
    except ValidationError as error:
        _fail("; ".join(str(one["msg"]) for one in error.errors()))
    except (NotConfigured, RealIssuerConfigured, EmbeddedPostgresError, ValueError) as error:
        _fail(str(error))


def _serve(settings: Settings, host: str, asked_port: int | None, *, issue: bool) -> None:
    port = settings.port if asked_port is None else asked_port
    port = port or free_port()
    configure_logging(settings.log_level)
    with database(settings) as where:
        if settings.database_url is None:
            upgrade(where.url)
        elif asyncio.run(needs_upgrade(where.url)):
            _fail("this database lacks tables of this release: run `fermata migrate` first")
        issuer = None
        if issue or settings.local_issuer:
            issuer, secret = local_issuer(settings, where.data_dir, port)
            _tell_how_to_get_tokens(port, secret)
        app = app_for(settings, where, issuer)
        uvicorn.run(
            app,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=10,
        )


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
    _console.print(f"[red]fermata cannot start:[/red] {message}")
    raise typer.Exit(2)
