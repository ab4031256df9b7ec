"""A running service for tests that need a real one: HTTP on a port, a thread of its own, tokens."""

import base64
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from pydantic import SecretStr
from starlette.types import ASGIApp

from client import Connection, fixed_token
from service.app import create_app
from service.auth.local_grant import development_clients
from service.auth.local_issuer import LocalIssuer
from service.auth.scopes import Scope
from service.clock import SystemClock
from service.settings import KEY_BYTES, Settings

SECRET = "development-secret"


@dataclass(frozen=True, slots=True)
class RunningService:
    """Where it listens, and how to get in: the local issuer's clients all have `SECRET`."""

    url: str
    issuer: LocalIssuer

    def token(
        self,
        subject: str = "test",
        client_id: str | None = None,
        scopes: frozenset[Scope] = frozenset(Scope),
    ) -> str:
        """Return an access token for the subject: every scope, its own client, unless said."""
        return self.issuer.mint(subject, client_id or subject, scopes)

    def connect(self, *scopes: Scope, subject: str = "test") -> Connection:
        """Return a connection with these scopes, or with all of them."""
        token = self.token(subject, scopes=frozenset(scopes or Scope))
        return Connection(self.url, fixed_token(token))


@contextmanager
def running_service(
    database_url: str,
    *,
    wrap: Callable[[ASGIApp], ASGIApp] = lambda app: app,
    listening: socket.socket | None = None,
    **settings: object,
) -> Iterator[RunningService]:
    """Serve the app over this database on a free port until the block ends.

    Args:
        database_url: a migrated database.
        wrap: puts a layer around the app, such as one that holds a request up.
        listening: where to serve, on 127.0.0.1; closed in the end.
        settings: fields of `Settings` that shall be different. With an `issuer` that one is
            trusted, and no token that is made here.

    """
    listening = listening or socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    issuer = LocalIssuer(
        f"http://127.0.0.1:{port}", "fermata", SystemClock(), clients=development_clients(SECRET)
    )
    complete = Settings(
        database_url=database_url,
        issuer=None,
        local_issuer=False,
        send_notices=False,
        key_encryption_key=SecretStr(base64.b64encode(bytes(KEY_BYTES)).decode()),
    ).model_copy(update=settings)
    app = wrap(create_app(complete, local_issuer=None if complete.issuer else issuer))
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="on")
    config.timeout_graceful_shutdown = 5
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), name="fermata-under-test")
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the service did not start"
            thread.join(0.01)
        yield RunningService(f"http://127.0.0.1:{port}", issuer)
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
