"""Wiring: one process's services, and the doors over them. Nothing happens at import."""

import asyncio
import gc
import os
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx2
from fastapi import FastAPI

from service.api import (
    artists,
    charter,
    checks,
    consents,
    content,
    notices,
    operations,
    uses,
)
from service.api.context import Services
from service.api.describe import describe
from service.api.limits import BodyLimit
from service.api.paths import EncodedSlashes
from service.api.problems import answer_problems
from service.auth.local_issuer import LocalIssuer, local_http_client, local_issuer_routes
from service.auth.trusted_issuer import TrustedIssuer
from service.auth.verifier import TokenVerifier
from service.clock import Clock, SystemClock
from service.db.engine import Database
from service.decisions.check import Checker
from service.decisions.follower import Follower
from service.decisions.index import Index
from service.decisions.log import DecisionLog
from service.ledger.append import Appender
from service.ledger.head import HeadReader
from service.ledger.key_check import require_key
from service.ledger.vault import RandomBytes, Vault
from service.settings import Settings, read_key
from service.telemetry import Telemetry

_ROUTERS = (charter, uses, artists, consents, content, notices, checks, operations)


class NotConfigured(Exception):  # noqa: N818 - names what is missing
    """A setting without which nothing can start is missing."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the app takes from outside: clocks and randomness."""

    clock: Clock
    random_bytes: RandomBytes
    random_id: Callable[[], str]


def real_surroundings() -> Surroundings:
    """Return the machine's own clocks and randomness."""
    return Surroundings(SystemClock(), os.urandom, lambda: f"dec_{uuid.uuid4().hex}")


def create_app(
    settings: Settings,
    *,
    surroundings: Surroundings | None = None,
    local_issuer: LocalIssuer | None = None,
) -> FastAPI:
    """Return the app; its services start and stop with it.

    `local_issuer` serves and trusts development tokens. Raises NotConfigured where a setting is
    missing, ValueError where one cannot be used.
    """
    around = surroundings or real_surroundings()
    trusted = _trusted_issuer(settings, local_issuer)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        http = local_http_client(local_issuer) if local_issuer else httpx2.AsyncClient(timeout=5)
        async with (
            http,
            _running(settings, around, TokenVerifier(trusted, http, around.clock)) as s,
        ):
            app.state.services = s
            yield

    app = FastAPI(
        title="Fermata",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    for module in _ROUTERS:
        app.include_router(module.router)
    if local_issuer is not None:
        app.router.routes.extend(local_issuer_routes(local_issuer))
    app.add_middleware(EncodedSlashes)
    app.add_middleware(BodyLimit, limit=settings.max_body_bytes)
    answer_problems(app)
    describe(app)
    return app


def _trusted_issuer(settings: Settings, local_issuer: LocalIssuer | None) -> TrustedIssuer:
    if local_issuer is not None:
        return local_issuer.trusted
    if settings.issuer is None:
        message = "set FERMATA_ISSUER to your OpenID provider's issuer URL"
        raise NotConfigured(message)
    return TrustedIssuer(issuer=settings.issuer, audience=settings.audience)


@asynccontextmanager
async def _running(
    settings: Settings, around: Surroundings, verifier: TokenVerifier
) -> AsyncIterator[Services]:
    """Start every service in the order in which they need each other, and stop them in reverse."""
    url, vault = _database_url(settings), Vault(_key(settings), around.random_bytes)
    await require_key(url, vault)
    patience, index = settings.head_timeout, Index()
    heads = HeadReader(
        url, around.clock, timeout=patience, max_disagreement=settings.max_clock_disagreement
    )
    follower = Follower(
        url, vault, index, heads, around.clock, interval=settings.tail_interval_ms / 1_000
    )
    database, log = Database(url), DecisionLog(url, timeout=patience)
    appender = Appender(
        database, vault, around.random_bytes, heads.ledger_clock, on_commit=follower.look
    )
    checker = Checker(
        index=index,
        follower=follower,
        heads=heads,
        log=log,
        database=database,
        clock=around.clock,
        random_id=around.random_id,
        timeout=patience,
    )
    async with AsyncExitStack() as stack:
        for closing in (verifier.aclose, heads.close):
            stack.push_async_callback(closing)
        for service in (database, follower, log, appender, _spared_from_collection(follower)):
            await stack.enter_async_context(service)
        yield Services(
            settings=settings,
            clock=around.clock,
            database=database,
            appender=appender,
            index=index,
            follower=follower,
            heads=heads,
            checker=checker,
            log=log,
            verifier=verifier,
            telemetry=Telemetry(),
        )


@asynccontextmanager
async def _spared_from_collection(follower: Follower) -> AsyncIterator[None]:
    """Keep the collector from walking a loaded index again and again, once it is loaded."""

    async def freeze() -> None:
        await follower.caught_up.wait()
        gc.collect()
        gc.freeze()

    task = asyncio.create_task(freeze(), name="fermata-gc-freeze")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _database_url(settings: Settings) -> str:
    if settings.database_url is None:
        message = "set DATABASE_URL, or start with `fermata serve`, which embeds a PostgreSQL"
        raise NotConfigured(message)
    return settings.database_url


def _key(settings: Settings) -> bytes:
    key = settings.key_encryption_key
    return read_key(key.get_secret_value() if key is not None else "")
