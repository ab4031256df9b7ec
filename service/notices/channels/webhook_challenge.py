"""Proof that whoever registered an endpoint also runs it, asked for before the first notice."""

import hmac
import json
from typing import Final

from service.domain.instant import Instant
from service.notices.channels.channel import plain
from service.notices.channels.safe_address import UnsafeAddress
from service.notices.channels.safe_post import Answer, NotSent, SafePoster
from service.notices.channels.standard_webhooks import Meaning, meaning_of, signed_headers
from service.notices.channels.webhook import WebhookEndpoint
from service.notices.channels.webhook_events import event_body

EVENT: Final = "endpoint.challenge"


async def prove_control(
    endpoint: WebhookEndpoint, poster: SafePoster, challenge: str, now: Instant
) -> str | None:
    """Send a signed challenge; return None if the endpoint repeats it, else what went wrong.

    `challenge` is random, 16 bytes or more, and in letters, digits, `_` and `-`. The answer is a
    2xx with the JSON object `{"challenge": …}`. Without this, anybody who may register an endpoint
    could have this service call a third party's server.
    """
    body = event_body(EVENT, now, {"challenge": challenge})
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Fermata",
        **signed_headers(f"msg_challenge_{challenge}", now, body, endpoint.signing(now)),
    }
    try:
        answer = await poster.post(endpoint.url, headers, body)
    except (UnsafeAddress, NotSent) as trouble:
        return plain(str(trouble))
    if meaning_of(answer.status) is not Meaning.TAKEN:
        return f"the endpoint answered {answer.status}; 2xx was expected"
    if not hmac.compare_digest(_repeated(answer).encode(), challenge.encode()):
        return 'the endpoint did not answer with the challenge: {"challenge": "…"}'
    return None


def _repeated(answer: Answer) -> str:
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):
        return ""
    found = said.get("challenge") if isinstance(said, dict) else None
    return found if isinstance(found, str) and found.isascii() else ""
