"""The worker inside the service: told of what is published, without anybody starting anything."""

import asyncio
import os
from datetime import timedelta

import pytest

from service.auth.local_issuer import LocalIssuer
from service.ledger.derived_keys import WEBHOOK_KEYS, derived_key
from service.notices.endpoint import Keeper, put_endpoint
from service.settings import read_key
from tests.api.door import KEY, Door, connected, make_clock_movable, make_issuer, open_door
from tests.api.story import MUSIC, Story
from tests.notices.channels.listening import Listener, listening
from tests.notices.office import artists_of


@pytest.fixture(scope="module")
def issuer() -> LocalIssuer:
    """Whose tokens this service trusts."""
    return make_issuer()


async def put_listener(door: Door, listener: Listener) -> None:
    """Register the listener as the platform's endpoint, and take it for proven."""
    key = derived_key(read_key(KEY.get_secret_value()), WEBHOOK_KEYS)
    keeper = Keeper(key, os.urandom, door.clock.now())
    async with door.services.database.keep() as session:
        await put_endpoint(session, f"http://127.0.0.1:{listener.port}/hook", keeper)
    async with connected(door.database_url) as connection:
        await connection.execute("UPDATE private.webhook_endpoint SET proven_at = now()")


async def test_a_service_sends_what_is_published_and_permits_a_window_later(
    database_url: str, issuer: LocalIssuer
) -> None:
    """From publication to permission: told by the service, confirmed, and silent for 30 days."""
    await make_clock_movable(database_url)
    async with (
        listening(None) as listener,
        open_door(database_url, issuer, send_notices=True, webhook_development=True) as door,
    ):
        story = Story(door)
        await story.begin()
        await put_listener(door, listener)
        published = await story.publish(MUSIC, "opt_out", texts={"en": "Other words."})
        async with asyncio.timeout(30):
            while not listener.heard:  # noqa: ASYNC110 - an outsider sees no more
                await asyncio.sleep(0.02)
        assert sorted(artists_of(listener.heard[0])) == ["ana", "ben"]
        assert await story.reasons(MUSIC, "song") == ["no_opt_in"]
        await story.deliver(published["notice"], "ana")
        await door.advance(timedelta(days=30))
        assert await story.reasons(MUSIC, "song", "tune") == ["window_closed", "no_opt_in"]
