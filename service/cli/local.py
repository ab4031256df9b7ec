"""A whole Fermata on this machine: embedded PostgreSQL, its own keys, its own token issuer."""

import base64
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI
from pydantic import SecretStr

from service.app import create_app
from service.auth.local_codes import Codes
from service.auth.local_grant import development_clients
from service.auth.local_issuer import LocalIssuer, refuse_if_real_issuer
from service.auth.local_key import kept_signing_key
from service.clock import SystemClock
from service.db.embedded import EmbeddedPostgres, default_data_dir
from service.settings import KEY_BYTES, Settings

_PRIVATE = 0o600
LOG_FOLDER = "log"
"""Where the log's last checkpoint is kept, beside an embedded database's data."""
KEY_FILE = "key-encryption-key"
_CONNECTIONS = 100
"""PostgreSQL's own default."""
_CONNECTIONS_EACH = 40
"""More than one process opens even under load."""


@dataclass(frozen=True, slots=True)
class Database:
    """Where the database is, and where this process may keep files of its own (None: nowhere)."""

    url: str
    data_dir: Path | None


@contextmanager
def database(settings: Settings) -> Iterator[Database]:
    """Yield the operator's database, or an embedded one that runs until the block ends."""
    if settings.database_url is not None:
        yield Database(settings.database_url, settings.data_dir)
        return
    data_dir = settings.data_dir or default_data_dir()
    most = max(_CONNECTIONS, settings.workers * _CONNECTIONS_EACH)
    with EmbeddedPostgres(data_dir / "postgres", {"max_connections": str(most)}) as postgres:
        yield Database(postgres.url, data_dir)


def with_key(settings: Settings, data_dir: Path | None) -> Settings:
    """Return the settings with a key encryption key: the operator's, or one kept beside the data.

    An operator's own database gets no key made up here: it would be lost with this machine.
    """
    if settings.key_encryption_key is not None or data_dir is None or settings.database_url:
        return settings
    kept = _kept_secret(data_dir / KEY_FILE, _new_key)
    return settings.model_copy(update={"key_encryption_key": SecretStr(kept)})


def local_issuer(
    settings: Settings, data_dir: Path | None, port: int, codes: Codes | None = None
) -> tuple[LocalIssuer, str]:
    """Return an issuer of development tokens at this port, and its clients' secret.

    Where several processes are that issuer they share the folder, and `codes`.
    Raises RealIssuerConfigured where a real issuer is configured.
    """
    refuse_if_real_issuer(settings.issuer)
    given = settings.local_issuer_secret
    if given is not None:
        secret = given.get_secret_value()
    elif data_dir is not None:
        secret = _kept_secret(data_dir / "development-secret", secrets.token_urlsafe)
    else:
        secret = secrets.token_urlsafe()
    issuer = LocalIssuer(
        f"http://127.0.0.1:{port}",
        settings.audience,
        SystemClock(),
        key=None if data_dir is None else kept_signing_key(data_dir / "signing-key.json"),
        clients=development_clients(secret),
        codes=codes,
    )
    return issuer, secret


def app_for(settings: Settings, where: Database, issuer: LocalIssuer | None) -> FastAPI:
    """Return the app over a database."""
    return create_app(complete(settings, where), local_issuer=issuer)


def complete(settings: Settings, where: Database) -> Settings:
    """Return the settings with everything that an embedded database brings along."""
    known = with_key(settings, where.data_dir).model_copy(update={"database_url": where.url})
    if settings.database_url is not None or where.data_dir is None:
        return known
    return known.model_copy(
        update={
            "snapshot_dir": settings.snapshot_dir or where.data_dir / "snapshots",
            "log_dir": settings.log_dir or where.data_dir / LOG_FOLDER,
            "sealed_decisions": settings.sealed_decisions or str(where.data_dir / "sealed"),
            "exports": settings.exports or str(where.data_dir / "exports"),
        }
    )


def free_port() -> int:
    """Return a port of this machine that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _new_key() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def _kept_secret(path: Path, make: Callable[[], str]) -> str:
    """Return the secret kept in a file of ours alone, made on first use."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(make())
    return path.read_text("ascii")
