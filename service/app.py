"""Wiring: one process's services, and the doors over them. Nothing happens at import."""

import asyncio
import gc
import os
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import httpx2
from fastapi import FastAPI

from service.api import (
    acknowledgements,
    artists,
    charter,
    checks,
    consents,
    contacts,
    content,
    notices,
    operations,
    roster,
    uses,
    webhook_endpoint,
)
from service.api import settings as settings_page
from service.api.authzen import evaluation, metadata, searches
from service.api.authzen.request_id import RequestIds
from service.api.context import Services
from service.api.describe import describe
from service.api.limits import BodyLimit
from service.api.paths import EncodedSlashes
from service.api.problems import answer_problems
from service.auth.local_grant import SETTINGS_PAGE
from service.auth.local_issuer import LocalIssuer, local_http_client, local_issuer_routes
from service.auth.login import Login, LoginClient
from service.auth.trusted_issuer import TrustedIssuer
from service.auth.verifier import TokenVerifier
from service.clock import Clock, SystemClock
from service.db.engine import Database
from service.decisions.check import Checker
from service.decisions.evaluate import Evaluator
from service.decisions.follower import Follower
from service.decisions.index import Index
from service.decisions.log import DecisionLog
from service.decisions.search import Searcher
from service.domain.instant import SECOND, Duration
from service.ledger.append import Appender
from service.ledger.derived_keys import OPT_OUT_LINKS, SESSIONS, derived_key
from service.ledger.head import HeadReader
from service.ledger.key_check import require_key
from service.ledger.vault import RandomBytes, Vault
from service.notices.carriers import require_sendable
from service.notices.channels.opt_out_link import OptOutLinks
from service.notices.worker import Machinery, Worker
from service.settings import Settings, read_key
from service.telemetry import Telemetry
from service.web.context import WebServices
from service.web.sealed import Seal
from service.web.session import Sessions
from service.web.site import Pages, site
from service.web.templates import Pages as PageTemplates

_ROUTERS = (
    charter,
    uses,
    artists,
    contacts,
    consents,
    settings_page,
    roster,
    content,
    notices,
    acknowledgements,
    webhook_endpoint,
    checks,
    evaluation,
    searches,
    metadata,
    operations,
)


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
    settings = _at_home(settings, local_issuer)
    trusted = _trusted_issuer(settings, local_issuer)
    client = _login_client(settings)
    require_sendable(settings)
    metadata.require_presentable(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        http = local_http_client(local_issuer) if local_issuer else httpx2.AsyncClient(timeout=5)
        verifier = TokenVerifier(trusted, http, around.clock)
        login = None
        if client is not None:
            login = Login(trusted, client, verifier.provider, http, around.clock)
        async with http, _running(settings, around, verifier) as s:
            app.state.services = s
            app.state.web = _web_services(s, trusted, login)
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
    app.add_middleware(Pages, site=site(settings, app.state))
    app.add_middleware(EncodedSlashes)
    app.add_middleware(RequestIds)
    app.add_middleware(BodyLimit, limit=settings.max_body_bytes)
    answer_problems(app)
    describe(app)
    return app


def _at_home(settings: Settings, local_issuer: LocalIssuer | None) -> Settings:
    """Return the settings, completed so that people can sign in where the issuer is our own."""
    if local_issuer is None:
        return settings
    return settings.model_copy(
        update={
            "public_url": settings.public_url or local_issuer.url,
            "login_client_id": settings.login_client_id or SETTINGS_PAGE,
        }
    )


def _login_client(settings: Settings) -> LoginClient | None:
    """Return this service as the provider knows it, or None where nobody is to sign in."""
    if settings.login_client_id is None:
        return None
    if settings.public_url is None:
        message = "set FERMATA_PUBLIC_URL: the provider has to lead people back to these pages"
        raise NotConfigured(message)
    secret = settings.login_client_secret
    return LoginClient(
        settings.login_client_id,
        settings.public_url,
        None if secret is None else secret.get_secret_value(),
    )


def _web_services(services: Services, trusted: TrustedIssuer, login: Login | None) -> WebServices:
    key = _key(services.settings)
    cookies = derived_key(key, SESSIONS)
    return WebServices(
        settings=services.settings,
        clock=services.clock,
        database=services.database,
        appender=services.appender,
        index=services.index,
        follower=services.follower,
        heads=services.heads,
        checker=services.checker,
        login=login,
        attempts=Seal(cookies, f"fermata-sign-in+{trusted.issuer}"),
        sessions=Sessions(cookies, trusted.issuer, services.clock),
        opt_out_links=OptOutLinks([derived_key(key, OPT_OUT_LINKS)]),
        templates=PageTemplates(),
    )


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
    evaluator = Evaluator(checker, index=index, heads=heads, log=log, random_id=around.random_id)
    telemetry = Telemetry()
    async with AsyncExitStack() as stack:
        for closing in (verifier.aclose, heads.close):
            stack.push_async_callback(closing)
        for service in (
            database,
            follower,
            log,
            appender,
            _spared_from_collection(follower, around.clock),
        ):
            await stack.enter_async_context(service)
        if settings.send_notices:
            await stack.enter_async_context(_working(settings, around, appender, heads, telemetry))
        yield Services(
            settings=settings,
            clock=around.clock,
            database=database,
            appender=appender,
            index=index,
            follower=follower,
            heads=heads,
            checker=checker,
            evaluator=evaluator,
            searcher=Searcher(evaluator, index),
            log=log,
            verifier=verifier,
            telemetry=telemetry,
            random_bytes=around.random_bytes,
        )


@asynccontextmanager
async def worker_alone(
    settings: Settings, *, surroundings: Surroundings | None = None
) -> AsyncIterator[Worker]:
    """Run a worker by itself: it answers nobody, and so it needs no index.

    Raises what `create_app` raises, and WrongKey.
    """
    around = surroundings or real_surroundings()
    require_sendable(settings)
    url, vault = _database_url(settings), Vault(_key(settings), around.random_bytes)
    await require_key(url, vault)
    heads = HeadReader(
        url,
        around.clock,
        timeout=settings.head_timeout,
        max_disagreement=settings.max_clock_disagreement,
    )
    async with AsyncExitStack() as stack:
        stack.push_async_callback(heads.close)
        database = await stack.enter_async_context(Database(url, pool_size=1))
        appender = await stack.enter_async_context(
            Appender(database, vault, around.random_bytes, heads.ledger_clock)
        )
        yield await stack.enter_async_context(
            _working(settings, around, appender, heads, Telemetry())
        )


@asynccontextmanager
async def _working(
    settings: Settings,
    around: Surroundings,
    appender: Appender,
    heads: HeadReader,
    telemetry: Telemetry,
) -> AsyncIterator[Worker]:
    """Run a worker with a pool of its own, so that it never keeps a request waiting for one."""
    async with Database(_database_url(settings), pool_size=4) as database:
        machinery = Machinery(
            database, appender, heads, around.clock, around.random_bytes, telemetry
        )
        async with Worker(settings, _key(settings), machinery) as worker:
            yield worker


_LONG_WALK: Final[Duration] = SECOND // 50
"""A walk through so much is worth being spared from now on: some 200,000 objects."""


class _Sparing:
    """Freezes whatever has survived a full collection that took long: the index has grown by it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = 0

    def __call__(self, phase: str, info: Mapping[str, int]) -> None:
        """Hear of a collection, as `gc.callbacks` tell of it."""
        if info["generation"] < len(gc.get_threshold()) - 1:
            return
        if phase == "start":
            self._began = self._clock.monotonic()
        elif self._clock.monotonic() - self._began > _LONG_WALK:
            gc.freeze()


@asynccontextmanager
async def _spared_from_collection(follower: Follower, clock: Clock) -> AsyncIterator[None]:
    """Keep the collector from walking the index again and again, once loaded and as it grows."""
    sparing = _Sparing(clock)

    async def freeze() -> None:
        await follower.caught_up.wait()
        gc.collect()
        gc.freeze()
        gc.callbacks.append(sparing)

    task = asyncio.create_task(freeze(), name="fermata-gc-freeze")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if sparing in gc.callbacks:
            gc.callbacks.remove(sparing)


def _database_url(settings: Settings) -> str:
    if settings.database_url is None:
        message = "set DATABASE_URL, or start with `fermata serve`, which embeds a PostgreSQL"
        raise NotConfigured(message)
    return settings.database_url


def _key(settings: Settings) -> bytes:
    key = settings.key_encryption_key
    return read_key(key.get_secret_value() if key is not None else "")
