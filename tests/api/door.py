"""The whole service in this process, asked through its HTTP door; tests can move its clocks."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import asyncpg
import httpx2
from fastapi import FastAPI
from pydantic import SecretStr

from service.api.context import Services
from service.app import create_app
from service.auth.local_grant import development_clients
from service.auth.local_issuer import LocalIssuer
from service.clock import SystemClock
from service.decisions.follower import NotThereYet
from service.domain.instant import Duration, Instant
from service.ledger.events import LedgerBroken
from service.ledger.head import HeadUnknown
from service.running import Surroundings, real_surroundings
from service.settings import Settings
from tests.api.people import Caller

ADDRESS: Final = "http://127.0.0.1:8080"
SECRET: Final = "a secret of these tests"
KEY: Final = SecretStr(base64.b64encode(b"0123456789abcdef0123456789abcdef").decode())
MAX_BODY_BYTES: Final = 4 * 1024 * 1024
_TOKEN_LIFETIME_S: Final = 400 * 86_400

# A function found before PostgreSQL's own of the same name: the ledger's clock, ahead by what the
# table says. It moves what the service reads as its one clock, and nothing else of the database.
_MOVABLE_CLOCK: Final = """
CREATE SCHEMA moved;
CREATE TABLE moved.ahead (by interval NOT NULL);
INSERT INTO moved.ahead VALUES ('0');
CREATE FUNCTION moved.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS 'SELECT pg_catalog.clock_timestamp() + by FROM moved.ahead';
DO $$ BEGIN
    EXECUTE format(
        'ALTER DATABASE %I SET search_path = moved, pg_catalog, public', current_database()
    );
END $$
"""


class MovableClock(SystemClock):
    """This machine's clocks, as far ahead as a test has moved them.

    `ahead` moves time itself; `apart` is a wall clock that has gone wrong.
    """

    def __init__(self) -> None:
        """Start with the machine's own time."""
        self.ahead: Duration = 0
        self.apart: Duration = 0

    def now(self) -> Instant:
        """Return the wall clock's time."""
        return super().now() + self.ahead + self.apart

    def monotonic(self) -> int:
        """Return the monotonic clock's time."""
        return super().monotonic() + self.ahead


@dataclass(slots=True)
class Door:
    """One running service and a client that asks it in this process."""

    app: FastAPI
    http: httpx2.AsyncClient
    database_url: str
    clock: MovableClock
    issuer: LocalIssuer
    _tokens: dict[Caller, str] = field(default_factory=dict)

    @property
    def services(self) -> Services:
        """The running service's insides, for tests that put faults in."""
        services: Services = self.app.state.services
        return services

    def headers(self, by: Caller | None, key: str | None = None) -> dict[str, str]:
        """Return the headers of a request by somebody, with an idempotency key if there is one."""
        headers = {} if key is None else {"Idempotency-Key": key}
        if by is not None:
            headers["Authorization"] = f"Bearer {self.token(by)}"
        return headers

    def token(self, by: Caller) -> str:
        """Return a token for the caller, the same one each time."""
        if by not in self._tokens:
            self._tokens[by] = self.issuer.mint(
                by.subject, by.client_id, by.scopes, _TOKEN_LIFETIME_S
            )
        return self._tokens[by]

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        by: Caller | None = None,
        key: str | None = None,
        seen: str | None = None,
    ) -> httpx2.Response:
        """Send one request, with a JSON body if there is one, and return whatever is answered.

        `seen` is the tag of the settings that something is said on.
        """
        headers = self.headers(by, key) | ({} if seen is None else {"If-Match": seen})
        return await self.http.request(method, path, json=body, headers=headers)

    async def ask_seeing(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        by: Caller | None = None,
        key: str | None = None,
    ) -> httpx2.Response:
        """Say something, `POST …/consents`, on settings that were opened this moment."""
        is_yes = path.endswith("/consents") and "opt_in" in str(body)
        seen = await self.tag_of(path.removesuffix("/consents"), by) if is_yes else None
        return await self.ask(method, path, body, by=by, key=key, seen=seen)

    async def tag_of(self, artist_path: str, by: Caller | None) -> str | None:
        """Return the tag of an artist's settings, or None where the caller may not see them."""
        response = await self.ask("GET", f"{artist_path}/settings", by=by)
        tag: str | None = response.headers.get("etag")
        return tag

    async def done(
        self, method: str, path: str, body: Any = None, *, by: Caller, key: str | None = None
    ) -> Any:
        """Send one request that has to succeed, and return its JSON."""
        response = await self.ask(method, path, body, by=by, key=key)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return response.json()

    async def advance(self, length: timedelta) -> None:
        """Let time pass for the ledger and for the service, at once."""
        async with connected(self.database_url) as connection:
            await connection.execute("UPDATE moved.ahead SET by = by + $1", length)
            self.clock.ahead += length // timedelta(microseconds=1)


@asynccontextmanager
async def connected(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Open a connection of the test's own beside the service's."""
    connection = await asyncpg.connect(database_url)
    try:
        yield connection
    finally:
        await connection.close()


async def lock_awaited(database_url: str) -> None:
    """Return once somebody in this database waits for a lock."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with connected(database_url) as connection, asyncio.timeout(10):
        while not await connection.fetchval(waiting):  # noqa: ASYNC110 - locks tell nobody
            await asyncio.sleep(0.005)


@asynccontextmanager
async def open_door(
    database_url: str, issuer: LocalIssuer, *, ahead: Duration = 0, **changes: Any
) -> AsyncIterator[Door]:
    """Run the service over a database, with settings of the test's where they differ.

    `ahead` is how far the ledger's clock has been moved before.
    """
    clock = MovableClock()
    clock.ahead = ahead
    around = real_surroundings()
    settings = Settings(
        **{
            "database_url": database_url,
            "key_encryption_key": KEY,
            "max_body_bytes": MAX_BODY_BYTES,
            "send_notices": False,
            "checkpoint_interval_ms": 20,  # nobody here waits a second for the tree
            "exports": "memory:///",
            "build_exports": False,
            **changes,
        }
    )
    app = create_app(
        settings,
        surroundings=Surroundings(clock, around.random_bytes),
        local_issuer=issuer,
    )
    transport = httpx2.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url=ADDRESS, timeout=30) as http,
    ):
        door = Door(app, http, database_url, clock, issuer)
        try:
            yield door
        finally:
            await _settled(door)


async def _settled(door: Door) -> None:
    """Let the follower get where it is going: asyncpg leaks a connection cancelled in opening."""
    with contextlib.suppress(HeadUnknown, LedgerBroken, NotThereYet):
        head = await door.services.heads.read()
        await door.services.follower.reach(head.size, timeout=1)


async def make_clock_movable(database_url: str) -> None:
    """Let the ledger's clock be moved; for connections that are opened from now on."""
    async with connected(database_url) as connection:
        await connection.execute(_MOVABLE_CLOCK)


def make_issuer() -> LocalIssuer:
    """Return an issuer whose tokens every door of these tests trusts."""
    return LocalIssuer(ADDRESS, "fermata", SystemClock(), clients=development_clients(SECRET))
