"""Proof that whoever registered an endpoint runs it."""

import json

import pytest

from service.notices.channels.safe_post import SafePoster
from service.notices.channels.standard_webhooks import Genuine, verify
from service.notices.channels.webhook import WebhookEndpoint
from service.notices.channels.webhook_challenge import prove_control
from service.notices.channels.webhook_keys import KeyRing, SharedSecret
from tests.notices.channels.listening import Listener, answer
from tests.notices.channels.telling import NOW

SECRET = SharedSecret(b"s" * 32)
CHALLENGE = "b3JkaW5hcnktcmFuZG9t"


async def prove(endpoint: Listener, poster: SafePoster) -> str | None:
    """Ask the listening endpoint."""
    url = f"https://hooks.example:{endpoint.port}/"
    where = WebhookEndpoint("main", url, KeyRing(SECRET))
    return await prove_control(where, poster, CHALLENGE, NOW)


async def test_an_endpoint_that_repeats_the_challenge_is_its_owners(
    endpoint: Listener, poster: SafePoster
) -> None:
    """The challenge is signed, so the endpoint can check that it comes from here."""
    endpoint.answers = [answer("200 OK", json.dumps({"challenge": CHALLENGE}).encode())]

    assert await prove(endpoint, poster) is None
    heard = endpoint.heard[0]
    assert json.loads(heard.body)["type"] == "endpoint.challenge"
    assert json.loads(heard.body)["data"] == {"challenge": CHALLENGE}
    assert isinstance(verify(heard.headers, heard.body, [SECRET], NOW), Genuine)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (answer("200 OK"), "challenge"),
        (answer("200 OK", b"thank you"), "challenge"),
        (answer("200 OK", b'{"challenge": "another"}'), "challenge"),
        (answer("200 OK", b'{"challenge": null}'), "challenge"),
        (answer("200 OK", b'{"challenge": "\xc3\xa4"}'), "challenge"),
        (answer("200 OK", CHALLENGE.encode()), "challenge"),
        (answer("200 OK", b"[" * 60_000), "challenge"),
        (answer("404 No", json.dumps({"challenge": CHALLENGE}).encode()), "404"),
        (answer("302 Found", b"", "Location: https://hooks.example/"), "302"),
        (b"", "Error"),
    ],
)
async def test_any_other_server_is_not(
    endpoint: Listener, poster: SafePoster, said: bytes, told: str
) -> None:
    """A server that merely answers, even with 200, has not proved anything."""
    endpoint.answers = [said]

    assert told in str(await prove(endpoint, poster))
