"""`/v1/webhook-endpoint`: where the platform is told of notices.

These calls take no idempotency key: what they answer may hold a secret, which would then have to be
kept with the key. Putting the same URL again changes nothing, and a second rotation is refused.
"""

import asyncio
import ssl

from fastapi import APIRouter, Depends
from starlette.requests import Request

from service.api.access import NOTIFIES, TokenFirst
from service.api.context import Services, TheServices
from service.api.keys import key_for
from service.api.media import require_json
from service.api.schemas.webhook_endpoint import (
    ChallengeOut,
    EndpointIn,
    EndpointOut,
    EndpointRemoved,
    RotationIn,
)
from service.domain.instant import Instant, format_instant
from service.ledger.derived_keys import WEBHOOK_KEYS
from service.ledger.events import Json
from service.notices.channels.safe_post import SafePoster
from service.notices.endpoint import (
    Keeper,
    Registered,
    address_rules,
    challenge_endpoint,
    put_endpoint,
    refuse_unsafe,
    remove_endpoint,
    require_endpoint,
    rotate_keys,
)

router = APIRouter(
    prefix="/v1/webhook-endpoint",
    tags=["notices"],
    route_class=TokenFirst,
    dependencies=[NOTIFIES],
)


async def _declared_json(request: Request) -> None:
    require_json(request)


JSON = Depends(_declared_json)


@router.post("/challenge", name="challenge_webhook_endpoint", response_model=ChallengeOut)
async def challenge(services: TheServices) -> Json:
    """Have the endpoint prove that whoever registered it runs it; only then it is sent anything.

    It gets a signed `endpoint.challenge` and has to answer 2xx with `{"challenge": ...}`. This
    waits for its answer, up to 20 seconds, and says what came of it.
    """
    tls = await asyncio.to_thread(ssl.create_default_context)
    poster = SafePoster(address_rules(services.settings), tls=tls)
    found, trouble = await challenge_endpoint(services.database, poster, _keeper(services))
    return {**_shown(found, services.clock.now()), "trouble": trouble}


@router.post(
    "/rotation",
    name="rotate_webhook_keys",
    response_model=EndpointOut,
    dependencies=[JSON],
)
async def rotate(body: RotationIn, services: TheServices) -> Json:
    """Make new keys. Those so far sign on for 24 hours beside them, and a second rotation waits."""
    keeper = _keeper(services)
    async with services.database.keep() as session:
        rotated = await rotate_keys(session, keeper, force=body.force, leaked=body.leaked)
    return _shown(rotated, keeper.now)


@router.get("", name="read_webhook_endpoint", response_model=EndpointOut)
async def read(services: TheServices) -> Json:
    """Read where the platform is told, and the public keys that verify what it is sent."""
    keeper = _keeper(services)
    async with services.database.read() as session:
        return _shown(await require_endpoint(session, keeper.key), keeper.now)


@router.put("", name="put_webhook_endpoint", response_model=EndpointOut, dependencies=[JSON])
async def put(body: EndpointIn, services: TheServices) -> Json:
    """Register the one endpoint. A new URL gets new keys, whose secret is shown this once."""
    await refuse_unsafe(body.url, address_rules(services.settings))
    keeper = _keeper(services)
    async with services.database.keep() as session:
        found = await put_endpoint(session, body.url, keeper)
    return _shown(found, keeper.now)


@router.delete("", name="remove_webhook_endpoint", response_model=EndpointRemoved)
async def remove(services: TheServices) -> Json:
    """Forget the endpoint and its keys. Nothing is sent there any more."""
    async with services.database.keep() as session:
        return {"removed": await remove_endpoint(session)}


def _keeper(services: Services) -> Keeper:
    return Keeper(key_for(services, WEBHOOK_KEYS), services.random_bytes, services.clock.now())


def _shown(found: Registered, now: Instant) -> Json:
    """Return the endpoint as the API shows it: public keys always, a secret only if just made."""
    signing = found.keys.pairs.signing(now)
    return {
        "endpoint": found.endpoint_id,
        "url": found.url,
        "registered_at": format_instant(found.registered_at),
        "proven_at": _written(found.proven_at),
        "secret": found.secret,
        "public_key": signing[0].public.write(),
        "previous_public_key": signing[1].public.write() if len(signing) > 1 else None,
        "rotated_at": _written(found.keys.secrets.rotated_at),
        "closed_at": _written(found.closed_at),
        "closed_reason": found.closed_reason,
    }


def _written(instant: Instant | None) -> str | None:
    return None if instant is None else format_instant(instant)
