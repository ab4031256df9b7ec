"""The Policy Decision Point's metadata (section 9): from settings alone, never from a request.

An address that came with the request's Host header would let anybody on the way point pipelines at
a decision point of their own.
"""

import json
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from fastapi import APIRouter
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from starlette.responses import Response

from service.api.context import TheServices
from service.api.schemas.authzen import PdpMetadata, PublicKeys
from service.auth.trusted_issuer import require_safe_url
from service.domain.refusal import RefusalKind, refuse
from service.settings import Settings

router = APIRouter(tags=["authzen"])

_ENDPOINTS: Final = {
    "access_evaluation_endpoint": "/access/v1/evaluation",
    "access_evaluations_endpoint": "/access/v1/evaluations",
    "search_subject_endpoint": "/access/v1/search/subject",
    "search_resource_endpoint": "/access/v1/search/resource",
    "search_action_endpoint": "/access/v1/search/action",
}
_KEYS_PATH: Final = "/.well-known/authzen-jwks.json"
_CACHING: Final = {"Cache-Control": "public, max-age=300"}
_ALGORITHM: Final = "ES256"


@router.get(
    "/.well-known/authzen-configuration",
    responses={200: {"model": PdpMetadata, "description": "Where everything is."}},
    response_class=Response,
)
async def read_authzen_configuration(services: TheServices) -> Response:
    """Return the metadata of this decision point (OpenID AuthZEN 1.0, section 9).

    404 where nobody has configured under which https address pipelines reach it.
    """
    identifier = identifier_of(services.settings)
    if identifier is None:
        message = "set FERMATA_PDP_URL to the https address under which pipelines reach this"
        raise refuse("policy_decision_point", "not_configured", message, RefusalKind.UNKNOWN)
    return _json(_metadata(identifier, _key_text(services.settings)))


@router.get(
    _KEYS_PATH,
    responses={200: {"model": PublicKeys, "description": "The keys, where there are any."}},
    response_class=Response,
)
async def read_authzen_keys(services: TheServices) -> Response:
    """Return the public keys that sign this decision point's metadata (RFC 7517 section 5)."""
    text = _key_text(services.settings)
    keys = [] if text is None else [read_signing_key(text).as_dict(private=False)]
    return _json({"keys": keys})


def require_presentable(settings: Settings) -> None:
    """Raise ValueError where the address or the key of the metadata cannot be used."""
    if settings.pdp_url is not None:
        require_safe_url(settings.pdp_url, "FERMATA_PDP_URL")
        if urlsplit(settings.pdp_url).path not in {"", "/"}:
            message = "FERMATA_PDP_URL must have no path: metadata is looked for at the host's root"
            raise ValueError(message)
    text = _key_text(settings)
    if text is not None:
        read_signing_key(text)


def identifier_of(settings: Settings) -> str | None:
    """Return this decision point's identifier, or None where there is no address fit for one."""
    address = settings.pdp_url or settings.public_url
    if address is None or urlsplit(address).path not in {"", "/"}:
        return None
    return address.rstrip("/")


def read_signing_key(text: str) -> ECKey:
    """Read a private P-256 key, PEM or JWK, and name it by its thumbprint (RFC 7638).

    Raises ValueError saying how to make one.
    """
    advice = (
        "FERMATA_PDP_SIGNING_KEY must be a private P-256 key as PEM or JWK: "
        "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"
    )
    try:
        value = json.loads(text) if text.lstrip().startswith("{") else text
        key = ECKey.import_key(value, {"use": "sig", "alg": _ALGORITHM})
        usable = key.is_private and key.curve_name == "P-256"
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise ValueError(advice) from error
    if not usable:
        raise ValueError(advice)
    key.ensure_kid()
    return key


@lru_cache(maxsize=4)
def _metadata(identifier: str, key_text: str | None) -> bytes:
    """Return the document, signed once: it says the same until the settings change."""
    metadata: dict[str, object] = {"policy_decision_point": identifier}
    metadata |= {name: identifier + path for name, path in _ENDPOINTS.items()}
    if key_text is not None:
        key = read_signing_key(key_text)
        metadata["jwks_uri"] = identifier + _KEYS_PATH
        header = {"alg": _ALGORITHM, "typ": "JWT", "kid": key.kid}
        claims = {"iss": identifier, **metadata}
        metadata["signed_metadata"] = jwt.encode(header, claims, key, algorithms=[_ALGORITHM])
    return json.dumps(metadata, separators=(",", ":")).encode()


def _key_text(settings: Settings) -> str | None:
    key = settings.pdp_signing_key
    return None if key is None else key.get_secret_value()


def _json(body: bytes | dict[str, object]) -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(content, media_type="application/json", headers=_CACHING)
