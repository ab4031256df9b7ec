"""The platform's webhook endpoint: registered, proven, rotated, never anywhere unsafe."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Final

import pytest

from service.auth.local_issuer import LocalIssuer
from service.notices.channels.standard_webhooks import Genuine, verify
from service.notices.channels.webhook_keys import PublicKey, SharedSecret
from service.notices.endpoint import load_endpoint
from service.notices.endpoint_keys import EndpointKeys, KeysUnreadable
from tests.api.door import Door, connected, open_door
from tests.api.people import PLATFORM
from tests.api.refusals import refused
from tests.notices.channels.listening import Answering, Listener, answer, listening

PATH: Final = "/v1/webhook-endpoint"
HOOKS: Final = {"url": "https://hooks.example/fermata"}
KEY: Final = b"k" * 32


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    """Somebody who listens on this machine, over plain HTTP."""
    async with listening(None) as opened:
        yield opened


@pytest.fixture
async def door(movable_url: str, issuer: LocalIssuer) -> AsyncIterator[Door]:
    """A service that may send webhooks to this machine, as in development."""
    async with open_door(
        movable_url, issuer, webhook_development=True, send_notices=False
    ) as opened:
        yield opened


def url_of(listener: Listener) -> str:
    """Where a listener listens."""
    return f"http://127.0.0.1:{listener.port}/fermata"


def repeating(listener: Listener) -> Answering:
    """Answer a challenge with itself."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        challenge = json.loads(listener.heard[-1].body)["data"]["challenge"]
        writer.write(answer("200 OK", json.dumps({"challenge": challenge}).encode()))
        await writer.drain()

    return reply


async def put(door: Door, url: str) -> Any:
    """Register an endpoint."""
    return await door.done("PUT", PATH, {"url": url}, by=PLATFORM)


async def test_the_secret_is_shown_once(door: Door) -> None:
    """Whoever puts the endpoint gets its secret; whoever asks later gets the public key alone."""
    made = await put(door, HOOKS["url"])
    assert SharedSecret.read(made["secret"]).reveal() == made["secret"]
    assert PublicKey.read(made["public_key"]).write() == made["public_key"]
    assert made["proven_at"] is None
    seen = await door.done("GET", PATH, by=PLATFORM)
    assert seen == made | {"secret": None}
    assert await put(door, HOOKS["url"]) == seen
    async with connected(door.database_url) as connection:
        kept = await connection.fetchval("SELECT sealed_keys FROM private.webhook_endpoint")
    assert made["secret"].encode() not in kept


async def test_another_url_gets_other_keys_and_proves_itself_anew(
    door: Door, listener: Listener
) -> None:
    """Whoever listened at the old one could forge what the new one is sent."""
    listener.answers = [repeating(listener)]
    first = await put(door, url_of(listener))
    await door.done("POST", f"{PATH}/challenge", by=PLATFORM)
    second = await put(door, HOOKS["url"])
    assert second["secret"] not in {None, first["secret"]}
    assert second["public_key"] != first["public_key"]
    assert second["proven_at"] is None


async def test_an_endpoint_proves_itself_by_repeating_a_challenge(
    door: Door, listener: Listener
) -> None:
    """The challenge is signed with both keys; only its repetition counts as proof."""
    made = await put(door, url_of(listener))
    silent = await door.done("POST", f"{PATH}/challenge", by=PLATFORM)
    assert silent["proven_at"] is None
    assert "did not answer with the challenge" in silent["trouble"]
    listener.answers = [repeating(listener)]
    proven = await door.done("POST", f"{PATH}/challenge", by=PLATFORM)
    assert proven["trouble"] is None
    assert proven["proven_at"] is not None
    heard, now = listener.heard[-1], door.clock.now()
    for key in (SharedSecret.read(made["secret"]), PublicKey.read(made["public_key"])):
        assert isinstance(verify(heard.headers, heard.body, [key], now), Genuine)
    listener.answers = [answer("500 Oops")]
    later = await door.done("POST", f"{PATH}/challenge", by=PLATFORM)
    assert later["proven_at"] == proven["proven_at"]
    assert "500" in later["trouble"]


async def test_putting_or_proving_opens_what_had_closed_itself(
    door: Door, listener: Listener
) -> None:
    """After a 410 nothing is sent until a person acts."""
    listener.answers = [repeating(listener)]
    await put(door, url_of(listener))
    for act in ("PUT", "POST"):
        async with connected(door.database_url) as connection:
            await connection.execute(
                "INSERT INTO send_channels VALUES ('webhook', now(), now(), '410')"
                " ON CONFLICT (channel) DO UPDATE SET closed_at = now(), closed_reason = '410'"
            )
        closed = await door.done("GET", PATH, by=PLATFORM)
        assert closed["closed_at"] is not None
        if act == "PUT":
            await put(door, url_of(listener))
        else:
            await door.done("POST", f"{PATH}/challenge", by=PLATFORM)
        assert (await door.done("GET", PATH, by=PLATFORM))["closed_at"] is None


async def test_keys_overlap_for_a_day_after_a_rotation(door: Door) -> None:
    """The old public key still verifies for 24 hours, and a second rotation waits as long."""
    first = await put(door, HOOKS["url"])
    rotated = await door.done("POST", f"{PATH}/rotation", {}, by=PLATFORM)
    assert rotated["secret"] not in {None, first["secret"]}
    assert rotated["previous_public_key"] == first["public_key"] != rotated["public_key"]
    refused(
        await door.ask("POST", f"{PATH}/rotation", {}, by=PLATFORM), 409, "rotation_in_progress"
    )
    forced = await door.done("POST", f"{PATH}/rotation", {"force": True}, by=PLATFORM)
    assert forced["previous_public_key"] == rotated["public_key"]
    await door.advance(timedelta(days=1))
    seen = await door.done("GET", PATH, by=PLATFORM)
    assert (seen["public_key"], seen["previous_public_key"]) == (forced["public_key"], None)
    assert (await door.done("POST", f"{PATH}/rotation", {}, by=PLATFORM))["secret"] is not None


async def test_leaked_keys_stop_at_once(door: Door) -> None:
    """What leaked could otherwise forge for another day."""
    await put(door, HOOKS["url"])
    await door.done("POST", f"{PATH}/rotation", {}, by=PLATFORM)
    rotated = await door.done("POST", f"{PATH}/rotation", {"leaked": True}, by=PLATFORM)
    assert rotated["previous_public_key"] is None


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/fermata",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://hooks.example:8443/",
        "https://user:secret@hooks.example/",
        "https://localhost/",
        "https://2130706433/",
        "ftp://hooks.example/",
        "hooks.example",
    ],
)
async def test_an_unsafe_address_is_refused_at_once(
    movable_url: str, issuer: LocalIssuer, url: str
) -> None:
    """Nothing private, nothing in clear, no other port: with the settings that operators get."""
    async with open_door(movable_url, issuer, send_notices=False) as door:
        response = await door.ask("PUT", PATH, {"url": url}, by=PLATFORM)
        refused(response, 422, "unsafe_address", "url")
        assert (await door.ask("GET", PATH, by=PLATFORM)).status_code == 404


async def test_what_became_unsafe_is_not_called(
    movable_url: str, issuer: LocalIssuer, listener: Listener
) -> None:
    """Rules are held against each try: one registered in development is dead elsewhere."""
    async with open_door(movable_url, issuer, webhook_development=True, send_notices=False) as door:
        await put(door, url_of(listener))
    async with open_door(movable_url, issuer, send_notices=False) as door:
        found = await door.done("POST", f"{PATH}/challenge", by=PLATFORM)
    assert "https" in found["trouble"]
    assert not listener.heard


async def test_removing_forgets_the_keys(door: Door) -> None:
    """An endpoint put later has nothing in common with the one before."""
    first = await put(door, HOOKS["url"])
    assert (await door.done("DELETE", PATH, by=PLATFORM))["removed"]
    assert not (await door.done("DELETE", PATH, by=PLATFORM))["removed"]
    for method, path in (("GET", ""), ("POST", "/challenge"), ("POST", "/rotation")):
        body: Any = {} if path == "/rotation" else None
        response = await door.ask(method, PATH + path, body, by=PLATFORM)
        refused(response, 404, "no_webhook_endpoint")
    second = await put(door, HOOKS["url"])
    assert second["endpoint"] != first["endpoint"]


async def test_putting_the_same_at_once_makes_one_secret(door: Door) -> None:
    """Of two who put it at the same moment one gets the secret, and it is the one that signs."""
    found = await asyncio.gather(*(put(door, HOOKS["url"]) for _ in range(4)))
    assert len([one for one in found if one["secret"]]) == 1
    assert len({one["public_key"] for one in found}) == 1


async def test_sending_loads_what_was_registered(door: Door, listener: Listener) -> None:
    """The sender gets endpoint and proof in one; with another key it gets neither."""
    async with door.services.database.read() as session:
        assert await load_endpoint(session, KEY) is None
    await put(door, url_of(listener))
    async with door.services.database.read() as session:
        with pytest.raises(KeysUnreadable):
            await load_endpoint(session, KEY)


def test_sealed_keys_are_bound_to_their_endpoint() -> None:
    """Moved to another endpoint's row they open nothing."""
    keys = EndpointKeys.make(lambda size: b"\x01" * size)
    sealed = keys.seal(KEY, "ep_1", lambda size: b"\x02" * size)
    assert EndpointKeys.open(KEY, "ep_1", sealed) == keys
    for key, endpoint in ((KEY, "ep_2"), (b"x" * 32, "ep_1")):
        with pytest.raises(KeysUnreadable):
            EndpointKeys.open(key, endpoint, sealed)
