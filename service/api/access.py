"""Who may call: bearer tokens, and the scopes each route takes."""

import hmac
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final

from fastapi import Depends, Security
from fastapi.params import Security as Dependency
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer, SecurityScopes
from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import override

from service.api.context import services_of
from service.api.problems import ScopeMissing
from service.auth.bearer import bearer_token
from service.auth.principal import Principal
from service.auth.scopes import Scope
from service.consents.authority import Actor, stranger


class TokenFirst(APIRoute):
    """A route that proves the token before it reads a body: strangers make nobody parse theirs."""

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, preceded by the proof wherever there may be a body to read."""
        handle = super().get_route_handler()

        async def proven(request: Request) -> Response:
            if request.method not in {"GET", "HEAD"}:
                token = bearer_token(request.headers.get("authorization"))
                await services_of(request).verifier.verify(token)
            return await handle(request)

        return proven


SCHEME: Final = HTTPBearer(
    scheme_name="token",
    bearerFormat="JWT",
    description="An OAuth 2.0 access token of the platform's OpenID provider. Each operation names "
    "the scopes any one of which it takes.",
    auto_error=False,
)


async def authenticate(request: Request, *needed: Scope) -> Principal:
    """Return the caller if their token is good and carries one of the needed scopes.

    Raises TokenRefused, IssuerUnreachable or ScopeMissing.
    """
    token = bearer_token(request.headers.get("authorization"))
    principal = await services_of(request).verifier.verify(token)
    if not any(principal.may(scope) for scope in needed):
        raise ScopeMissing(needed)
    return principal


async def _principal(
    request: Request, scopes: SecurityScopes, _scheme: Annotated[object, Depends(SCHEME)]
) -> Principal:
    return await authenticate(request, *(Scope(scope) for scope in scopes.scopes))


def allowed(*scopes: Scope) -> Dependency:
    """Return the dependency that lets in whoever has any one of the scopes."""
    dependency: Dependency = Security(_principal, scopes=[scope.value for scope in scopes])
    return dependency


Speaks = Annotated[Principal, allowed(Scope.CONSENTS, Scope.MANAGE)]
Listens = Annotated[Principal, allowed(Scope.CONSENTS, Scope.MANAGE, Scope.AUDIT)]
RunsRoster = Annotated[Principal, allowed(Scope.CONSENTS)]
Registers = Annotated[Principal, allowed(Scope.MANAGE, Scope.CATALOG)]
SEES_ARTISTS: Final = allowed(Scope.MANAGE, Scope.CATALOG, Scope.AUDIT)
Catalogs = Annotated[Principal, allowed(Scope.CATALOG)]
SEES_NOTICES: Final = allowed(Scope.NOTICE, Scope.POLICY, Scope.MANAGE, Scope.AUDIT)
SEES_TOLD: Final = allowed(Scope.NOTICE, Scope.MANAGE, Scope.AUDIT)
SEES_DECISIONS: Final = allowed(Scope.AUDIT)
SEES_EXPORTS: Final = allowed(Scope.AUDIT)
Exporting = Annotated[Principal, SEES_EXPORTS]
SEES_RIGHTS: Final = allowed(Scope.AUDIT)
KeepsRecords = Annotated[Principal, SEES_RIGHTS]
SEES_CONTENT: Final = allowed(Scope.MANAGE, Scope.CATALOG, Scope.AUDIT)
Publishes = Annotated[Principal, allowed(Scope.POLICY)]
NOTIFIES: Final = allowed(Scope.NOTICE)
Notifies = Annotated[Principal, NOTIFIES]


def actor_of(principal: Principal) -> Actor:
    """Return in whose name the caller speaks for artists.

    Raises Refused for a client without a person behind it that is not the platform: its id could
    be some artist's (RFC 9068 section 5).
    """
    is_platform = principal.may(Scope.MANAGE)
    if principal.is_client and not is_platform:
        raise stranger()
    return Actor(principal.subject, is_platform)


def listener_of(principal: Principal) -> Actor | None:
    """Return in whose name the caller reads what artists said; None for an audit.

    Raises Refused as `actor_of` does.
    """
    return None if principal.may(Scope.AUDIT) else actor_of(principal)


def client_of(principal: Principal, key: bytes) -> str:
    """Return a keyed digest that tells callers apart: no artist's id is kept beside their keys."""
    return hmac.digest(key, f"{principal.client_id}\n{principal.subject}".encode(), "sha256").hex()
