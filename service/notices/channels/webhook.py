"""The platform's own messaging, told by a signed webhook. It takes the notice on from here.

What became of it comes back in bulk as delivery reports; a 2xx only says that the platform has it.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from service.clock import Clock
from service.domain.instant import SECOND, Duration, Instant
from service.notices.channels.channel import (
    Addressee,
    Fate,
    Message,
    Outcome,
    message_id,
    plain,
    refuse_call,
)
from service.notices.channels.retries import read_retry_after
from service.notices.channels.safe_address import UnsafeAddress
from service.notices.channels.safe_post import Answer, NotSent, SafePoster
from service.notices.channels.standard_webhooks import Meaning, meaning_of, signed_headers
from service.notices.channels.webhook_events import notice_bodies
from service.notices.channels.webhook_keys import KeyPair, KeyRing, SharedSecret, SigningKey

THROTTLED_FOR: Final[Duration] = 60 * SECOND
"""How long an overloaded endpoint is left alone when it does not say."""

MOST_PER_CALL: Final = 200

_EXCERPT: Final = 200  # bytes of an answer that may be seen; the rest is the receiver's business

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """Where one platform listens, and the keys that sign what it is sent; at least one of the two.

    `pairs` (v1a) are the better ones: a receiver's leak forges nothing, and an artist can show the
    signed notice to somebody else.
    """

    endpoint_id: str
    url: str
    secrets: KeyRing[SharedSecret] | None = None
    pairs: KeyRing[KeyPair] | None = None

    def signing(self, now: Instant) -> tuple[SigningKey, ...]:
        """Return every key that signs at this moment: those before a rotation too, for a day."""
        return (
            *(self.secrets.signing(now) if self.secrets else ()),
            *(self.pairs.signing(now) if self.pairs else ()),
        )


class WebhookChannel:
    """A `Channel` to one endpoint.

    One request tells of as many artists as fit; each request stands or falls as a whole. An
    endpoint that answers 410 is closed for as long as this object lives: keep that beyond it.
    """

    def __init__(self, endpoint: WebhookEndpoint, poster: SafePoster, clock: Clock) -> None:
        """Send by this poster, which decides what is safe. Raises ValueError without any key."""
        if not endpoint.signing(clock.now()):
            message = "a webhook is never sent unsigned: give its endpoint a key"
            raise ValueError(message)
        self._endpoint = endpoint
        self._poster = poster
        self._clock = clock
        self._gone = False
        self._quiet_until = 0  # by the monotonic clock

    @property
    def name(self) -> str:
        """What deliveries are recorded under."""
        return "webhook"

    @property
    def most_per_call(self) -> int:
        """How many addressees one call may name."""
        return MOST_PER_CALL

    async def send(
        self, message: Message, addressees: Sequence[Addressee], *, attempt_id: str
    ) -> Sequence[Outcome]:
        """Hand the artists over to the platform. See `Channel` for what is promised.

        The receiver's idempotency key is `webhook-id`: the same artists in the same order make the
        same requests with the same ids.
        """
        refuse_call(self, addressees, attempt_id)
        outcomes: list[Outcome] = []
        for told, body in notice_bodies(message, addressees):
            identifier = message_id(f"{self.name} {self._endpoint.endpoint_id}", message, told)
            fate, reason, pause = await self._deliver(identifier, body, attempt_id)
            _log.info("webhook %s, try %s: %s %s", identifier, attempt_id, fate, reason)
            outcomes += [
                Outcome(one.artist_id, fate, identifier, plain(reason), pause) for one in told
            ]
        return outcomes

    async def _deliver(
        self, identifier: str, body: bytes, attempt_id: str
    ) -> tuple[Fate, str, Duration]:
        if self._gone:
            return Fate.CLOSED, "the endpoint wants no more webhooks (410)", 0
        left = self._quiet_until - self._clock.monotonic()
        if left > 0:
            return Fate.TRY_AGAIN, "the endpoint is overloaded and left alone for a while", left
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Fermata",
            "Fermata-Attempt": attempt_id,
            **self._signed(identifier, body),
        }
        try:
            answer = await self._poster.post(self._endpoint.url, headers, body)
        except (UnsafeAddress, NotSent) as trouble:
            return Fate.TRY_AGAIN, str(trouble), 0
        return self._judge(answer)

    def _signed(self, identifier: str, body: bytes) -> dict[str, str]:
        now = self._clock.now()
        return signed_headers(identifier, now, body, self._endpoint.signing(now))

    def _judge(self, answer: Answer) -> tuple[Fate, str, Duration]:
        said = answer.body[:_EXCERPT].decode(errors="replace")
        reason = f"the endpoint answered {answer.status}: {said}"
        meaning = meaning_of(answer.status)
        if meaning is Meaning.TAKEN:
            return Fate.HANDED_OVER, "", 0
        if meaning is Meaning.GONE:
            self._gone = True
            return Fate.CLOSED, f"the endpoint wants no more webhooks ({HTTPStatus.GONE:d})", 0
        asked = read_retry_after(answer.headers.get("retry-after"), self._clock.now())
        if meaning is Meaning.THROTTLE:
            asked = THROTTLED_FOR if asked is None else asked
            self._quiet_until = self._clock.monotonic() + asked
        return Fate.TRY_AGAIN, reason, asked or 0
