"""The platform's one webhook endpoint: where notices are handed over, and the keys that sign them.

It is bookkeeping and no event: an endpoint changes no answer. Nothing is sent to it before it has
repeated a challenge.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from typing import Final

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlmodel import col

from service.db.engine import Database, ReadSession, WriteSession
from service.db.tables import SendChannel, WebhookEndpointRow
from service.domain.instant import Instant
from service.domain.refusal import RefusalKind, refuse
from service.ledger.vault import RandomBytes
from service.notices.batches import take_up_again
from service.notices.channels.safe_address import (
    AddressRules,
    Resolve,
    UnsafeAddress,
    checked_addresses,
    read_target,
    resolve_by_system,
)
from service.notices.channels.safe_post import SafePoster
from service.notices.channels.webhook import WebhookEndpoint
from service.notices.channels.webhook_challenge import prove_control
from service.notices.endpoint_keys import EndpointKeys, KeysUnreadable
from service.notices.reach import ChannelName
from service.settings import Settings

CHANNEL: Final = "webhook"
"""What the channel is called in `send_channels` and in deliveries."""

_ROW: Final = 1
_LOCK: Final = 0x6665726D617461  # "fermata": whoever changes the endpoint holds this advisory lock
_LOOKUP_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Registered:
    """The endpoint as it is registered, with its keys opened.

    `secret` is set only where it has just been made: it is shown once. `closed_at` is when the
    endpoint answered 410, since when nothing is sent to it.
    """

    endpoint_id: str
    url: str
    registered_at: Instant
    proven_at: Instant | None
    keys: EndpointKeys
    secret: str | None = field(default=None, repr=False)
    closed_at: Instant | None = None
    closed_reason: str | None = None

    def as_endpoint(self) -> WebhookEndpoint:
        """Return it as the channel takes it."""
        return WebhookEndpoint(self.endpoint_id, self.url, self.keys.secrets, self.keys.pairs)


@dataclass(frozen=True, slots=True)
class Keeper:
    """What changing the endpoint takes: the key that seals its keys, randomness and the time."""

    key: bytes = field(repr=False)
    random_bytes: RandomBytes
    now: Instant


def address_rules(settings: Settings) -> AddressRules:
    """Return what this service's operator allows webhooks to be sent to.

    Raises ValueError naming a network that is none.
    """
    return AddressRules(
        ports=frozenset(settings.webhook_ports),
        allowed=tuple(ip_network(text) for text in settings.webhook_allowed_networks),
        development=settings.webhook_development,
    )


async def load_endpoint(session: ReadSession, key: bytes) -> tuple[WebhookEndpoint, bool] | None:
    """Return the endpoint and whether it has proven itself, or None where there is none.

    `key` is the derived key of purpose "webhook keys". Raises KeysUnreadable.
    """
    found = await read_endpoint(session, key)
    return None if found is None else (found.as_endpoint(), found.proven_at is not None)


async def read_endpoint(session: ReadSession, key: bytes) -> Registered | None:
    """Return the endpoint with everything about it, or None. Raises KeysUnreadable."""
    row = (await session.execute(select(WebhookEndpointRow))).scalar_one_or_none()
    if row is None:
        return None
    channel = await session.get(SendChannel, CHANNEL)
    return Registered(
        endpoint_id=row.endpoint_id,
        url=row.url,
        registered_at=row.registered_at,
        proven_at=row.proven_at,
        keys=EndpointKeys.open(key, row.endpoint_id, row.sealed_keys),
        closed_at=channel.closed_at if channel else None,
        closed_reason=channel.closed_reason if channel else None,
    )


async def require_endpoint(session: ReadSession, key: bytes) -> Registered:
    """Return the endpoint. Raises Refused where there is none."""
    found = await read_endpoint(session, key)
    if found is None:
        raise refuse(
            "endpoint",
            "no_webhook_endpoint",
            "no endpoint is registered: put one first",
            RefusalKind.UNKNOWN,
        )
    return found


async def refuse_unsafe(
    url: str, rules: AddressRules, *, resolve: Resolve = resolve_by_system
) -> None:
    """Raise Refused for a URL that must not be called, or whose name leads where it must not.

    A name that leads nowhere yet is taken: each try looks it up anew and checks it again.
    """
    try:
        target = read_target(url, rules)
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_LOOKUP_S):
                await checked_addresses(target, rules, resolve)
    except UnsafeAddress as unsafe:
        raise refuse("url", "unsafe_address", str(unsafe)) from None


async def put_endpoint(session: WriteSession, url: str, keeper: Keeper) -> Registered:
    """Make this the endpoint. To be called with a URL that `refuse_unsafe` has let pass.

    Another URL means another receiver: it gets keys of its own, shown in this answer alone, and has
    to prove itself. The same URL again changes nothing, but that a closed endpoint is tried again,
    and so is what was given up.
    """
    await _alone(session)
    known = await _readable(session, keeper.key)
    await _go_on(session, keeper.now)
    if known is not None and known.url == url:
        return replace(known, closed_at=None, closed_reason=None)
    keys = EndpointKeys.make(keeper.random_bytes)
    # One platform, one endpoint: its id stays, so that a receiver that moved knows messages again.
    endpoint_id = known.endpoint_id if known else f"ep_{keeper.random_bytes(8).hex()}"
    made = Registered(
        endpoint_id, url, keeper.now, None, keys, secret=keys.secrets.current.reveal()
    )
    row = {
        "endpoint_id": endpoint_id,
        "url": url,
        "sealed_keys": keys.seal(keeper.key, endpoint_id, keeper.random_bytes),
        "registered_at": keeper.now,
        "proven_at": None,
    }
    await session.execute(
        upsert(WebhookEndpointRow)
        .values(id=_ROW, **row)
        .on_conflict_do_update(index_elements=["id"], set_=row)
    )
    return made


async def remove_endpoint(session: WriteSession) -> bool:
    """Forget the endpoint and its keys; nothing is sent there any more. False if there was none."""
    await _alone(session)
    await _reopen(session)
    removed = delete(WebhookEndpointRow).returning(col(WebhookEndpointRow.id))
    return (await session.execute(removed)).first() is not None


async def rotate_keys(
    session: WriteSession, keeper: Keeper, *, force: bool, leaked: bool
) -> Registered:
    """Make new keys, shown in this answer alone; those before sign on for 24 hours beside them.

    Raises Refused within these 24 hours unless forced. Keys that `leaked` stop at once.
    """
    await _alone(session)
    known = await require_endpoint(session, keeper.key)
    keys = known.keys.rotated(keeper.random_bytes, keeper.now, force=force, leaked=leaked)
    sealed = keys.seal(keeper.key, known.endpoint_id, keeper.random_bytes)
    await session.execute(update(WebhookEndpointRow).values(sealed_keys=sealed))
    return replace(known, keys=keys, secret=keys.secrets.current.reveal())


async def challenge_endpoint(
    database: Database, poster: SafePoster, keeper: Keeper
) -> tuple[Registered, str | None]:
    """Challenge the endpoint; return it as it is then, and None or why it has not proven itself.

    No transaction is open while it is asked. An endpoint that had proven itself before stays so:
    one bad moment is no reason to stop telling people.
    """
    async with database.read() as session:
        asked = await require_endpoint(session, keeper.key)
    challenge = keeper.random_bytes(16).hex()
    trouble = await prove_control(asked.as_endpoint(), poster, challenge, keeper.now)
    if trouble is not None:
        return asked, trouble
    async with database.keep() as session:
        await _alone(session)
        known = await require_endpoint(session, keeper.key)
        if (known.endpoint_id, known.url) != (asked.endpoint_id, asked.url):
            raise refuse(
                "endpoint",
                "endpoint_changed",
                "another endpoint was put meanwhile: challenge that one",
                RefusalKind.CONFLICT,
            )
        await session.execute(update(WebhookEndpointRow).values(proven_at=keeper.now))
        await _go_on(session, keeper.now)
        return replace(known, proven_at=keeper.now, closed_at=None, closed_reason=None), None


async def _alone(session: WriteSession) -> None:
    """Wait until nobody else changes the endpoint, and keep others waiting to this session's end.

    A row that is not there yet cannot be locked.
    """
    await session.execute(select(func.pg_advisory_xact_lock(_LOCK)))


async def _readable(session: ReadSession, key: bytes) -> Registered | None:
    """Return the endpoint, or None where there is none or its keys cannot be opened any more."""
    try:
        return await read_endpoint(session, key)
    except KeysUnreadable:
        return None


async def _go_on(session: WriteSession, now: Instant) -> None:
    """Try again whatever waits for a person to act."""
    await _reopen(session)
    await take_up_again(session, ChannelName.WEBHOOK, now)


async def _reopen(session: WriteSession) -> None:
    """Let an endpoint that closed itself (410) be tried again."""
    await session.execute(
        update(SendChannel)
        .where(col(SendChannel.channel) == CHANNEL)
        .values(closed_at=None, closed_reason=None)
    )
