"""The local issuer's one grant: client credentials (RFC 6749 section 4.4), for development only."""

import base64
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from service.auth.scopes import Scope

SETTINGS_PAGE = "settings-page"
"""The one client that may ask for a token of any subject, as if an artist had logged in."""


@dataclass(frozen=True, slots=True)
class DevelopmentClient:
    """A client of the local issuer: what it may ask for, and as whom.

    Its tokens' subject is its own id, unless it `acts_for_anybody` and names another.
    """

    client_id: str
    secret: str = field(repr=False)
    scopes: frozenset[Scope]
    acts_for_anybody: bool = False


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """A token that may be minted."""

    subject: str
    client_id: str
    scopes: frozenset[Scope]


@dataclass(frozen=True, slots=True)
class GrantRefused:
    """Why none is: `error` is one of RFC 6749 section 5.2, `description` says what to do."""

    error: str
    description: str


def development_clients(secret: str) -> tuple[DevelopmentClient, ...]:
    """Return one client for each kind of caller that DESIGN.md names, all with this one secret."""
    return (
        DevelopmentClient("pipeline", secret, frozenset({Scope.CHECK})),
        DevelopmentClient(
            "platform", secret, frozenset({Scope.MANAGE, Scope.CATALOG, Scope.NOTICE})
        ),
        DevelopmentClient("policy-desk", secret, frozenset({Scope.POLICY})),
        DevelopmentClient("compliance", secret, frozenset({Scope.AUDIT})),
        DevelopmentClient(
            SETTINGS_PAGE, secret, frozenset({Scope.CONSENTS}), acts_for_anybody=True
        ),
    )


def decide_grant(
    clients: Iterable[DevelopmentClient], form: Mapping[str, str], authorization: str | None
) -> TokenGrant | GrantRefused:
    """Answer one token request: its form fields and its Authorization header, if any.

    `subject` is a field of our own, for the settings page client alone: it stands for the login
    that a real issuer would ask an artist for. It exists in no real deployment.
    """
    client = _authenticated(clients, form, authorization)
    if client is None:
        return GrantRefused("invalid_client", "no such client, or its secret is another")
    if form.get("grant_type") != "client_credentials":
        return GrantRefused("unsupported_grant_type", "send grant_type=client_credentials")
    subject = form.get("subject", client.client_id)
    if subject != client.client_id and not client.acts_for_anybody:
        return GrantRefused("unauthorized_client", f"only {SETTINGS_PAGE} may name a subject")
    if not subject:
        return GrantRefused("invalid_request", "the subject is empty")
    asked = frozenset(form["scope"].split()) if "scope" in form else client.scopes
    if not asked or not asked <= client.scopes:
        allowed = " ".join(sorted(client.scopes))
        return GrantRefused("invalid_scope", f"{client.client_id} may ask for: {allowed}")
    return TokenGrant(subject, client.client_id, frozenset(Scope(name) for name in asked))


def _authenticated(
    clients: Iterable[DevelopmentClient], form: Mapping[str, str], authorization: str | None
) -> DevelopmentClient | None:
    client_id, secret = _credentials(form, authorization)
    for client in clients:
        same = hmac.compare_digest(client.secret.encode(), secret.encode())
        if client.client_id == client_id and same:
            return client
    return None


def _credentials(form: Mapping[str, str], authorization: str | None) -> tuple[str, str]:
    """Return client id and secret by RFC 6749 section 2.3.1; empty where there are none."""
    if authorization is None:
        return form.get("client_id", ""), form.get("client_secret", "")
    scheme, _, encoded = authorization.partition(" ")
    try:
        decoded = base64.b64decode(encoded, validate=True).decode()
    except ValueError:
        return "", ""
    if scheme.lower() != "basic":
        return "", ""
    client_id, _, secret = decoded.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)
