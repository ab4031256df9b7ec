"""The app: every door over one process's services. Nothing happens at import."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from fastapi import FastAPI

from service.api import (
    acknowledgements,
    artists,
    changes,
    charter,
    checks,
    consents,
    contacts,
    content,
    decision_explanation,
    decisions,
    exports,
    log,
    notices,
    operations,
    receipts,
    record,
    rights,
    roster,
    uses,
    webhook_endpoint,
)
from service.api import settings as settings_page
from service.api.authzen import evaluation, metadata, searches
from service.api.authzen.request_id import RequestIds
from service.api.context import Services
from service.api.describe import describe
from service.api.hot_path import HotPath
from service.api.limits import BodyLimit
from service.api.packed_entries import PackedEntries
from service.api.paths import EncodedSlashes
from service.api.problems import answer_problems
from service.api.read_anywhere import ReadableAnywhere
from service.auth.local_grant import SETTINGS_PAGE
from service.auth.local_issuer import LocalIssuer, local_http_client, local_issuer_routes
from service.auth.login import Login, LoginClient
from service.auth.trusted_issuer import TrustedIssuer
from service.auth.verifier import TokenVerifier
from service.ledger.derived_keys import OPT_OUT_LINKS, SESSIONS, derived_key
from service.notices.carriers import require_sendable
from service.notices.channels.opt_out_link import OptOutLinks
from service.running import NotConfigured, Surroundings, key_of, real_surroundings, running
from service.settings import Settings
from service.web.context import WebServices
from service.web.sealed import Seal
from service.web.security_headers import SecurityHeaders
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
    receipts,
    record,
    rights,
    content,
    notices,
    acknowledgements,
    webhook_endpoint,
    checks,
    changes,
    decisions,
    decision_explanation,
    exports,
    evaluation,
    searches,
    metadata,
    log,
    operations,
)


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
            login = Login(trusted, client, verifier.provider, http, around.clock, tokens=verifier)
        async with http, running(settings, around, verifier) as s:
            app.state.services = s
            app.state.web = _web_services(s, trusted, login)
            yield

    app = HotPath(
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
    # Around the whole site, for the page that says that something broke is made outside of its own
    # layers.
    app.add_middleware(Pages, site=SecurityHeaders(site(app.state), settings))
    app.add_middleware(EncodedSlashes)
    app.add_middleware(PackedEntries)
    app.add_middleware(ReadableAnywhere)
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
    key = key_of(services.settings)
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
        publication=services.publication,
        signer=services.signer,
        exports=services.exports,
        random_bytes=services.random_bytes,
        receipts=services.receipts,
        sheets=services.sheets,
        sealed=services.sealed,
    )


def _trusted_issuer(settings: Settings, local_issuer: LocalIssuer | None) -> TrustedIssuer:
    if local_issuer is not None:
        return local_issuer.trusted
    if settings.issuer is None:
        message = "set FERMATA_ISSUER to your OpenID provider's issuer URL"
        raise NotConfigured(message)
    return TrustedIssuer(issuer=settings.issuer, audience=settings.audience)
