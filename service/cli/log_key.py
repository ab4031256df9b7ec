"""`fermata log-key`: the key by which outsiders verify the log's checkpoints."""

import asyncio
import os
from typing import Annotated, NoReturn

import asyncpg
import typer
from pydantic import ValidationError
from rich.console import Console

from service.cli.local import KEY_FILE, LOG_FOLDER
from service.db.embedded import default_data_dir
from service.running import NotConfigured, key_of
from service.settings import Settings, read_key
from service.transparency.identity import LogIdentity, identity
from service.transparency.kept import KeptBroken, origins_kept
from service.transparency.keys import KeyType, SigningKey
from service.transparency.opened import log_identity

_console = Console(stderr=True, highlight=False)
_SEED = 32


def log_key(
    new: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Make a signing key of this name instead, for a log or a witness."
        ),
    ] = None,
) -> None:
    """Print the key that verifies this log's checkpoints, as name+id+key on one line.

    Give it to whoever keeps your checkpoints, by another way than the log itself. It takes the
    service's settings; with the embedded database, start the service once before. With --new a
    signing key is printed, a secret, and its two verifier keys on standard error: the one of type 1
    is a log's, the one of type 4 a witness's.
    """
    try:
        if new is not None:
            _make(new)
            return
        typer.echo(str(_identity(Settings()).key.verifier()))
    except ValidationError as error:
        _fail("; ".join(str(one["msg"]) for one in error.errors()))
    except (NotConfigured, KeptBroken, ValueError, OSError, asyncpg.PostgresError) as error:
        _fail(str(error))


def _make(name: str) -> None:
    key = SigningKey(name, os.urandom(_SEED))
    typer.echo(key.private_text())
    for type_, whose in ((KeyType.LOG, "log"), (KeyType.WITNESS, "witness")):
        _console.print(f"verifies it as a {whose}: {key.verifier(type_)}", soft_wrap=True)


def _identity(settings: Settings) -> LogIdentity:
    if settings.database_url is not None:
        return asyncio.run(log_identity(settings, key_of(settings), settings.database_url))
    data_dir = settings.data_dir or default_data_dir()
    key = settings.key_encryption_key
    if key is None and not (data_dir / KEY_FILE).exists():
        raise NotConfigured(
            f"nothing was ever served from {data_dir}: start the service first, or set DATABASE_URL"
        )
    text = (data_dir / KEY_FILE).read_text("ascii") if key is None else key.get_secret_value()
    origins = origins_kept(settings.log_dir or data_dir / LOG_FOLDER)
    if len(origins) != 1 and settings.log_origin is None:
        raise NotConfigured(
            f"{len(origins)} logs were signed from {data_dir}: say which by FERMATA_LOG_ORIGIN"
        )
    return identity(settings, read_key(text), origins[0] if origins else None)


def _fail(message: str) -> NoReturn:
    _console.print(f"[red]there is no key to print:[/red] {message}", soft_wrap=True)
    raise typer.Exit(2)
