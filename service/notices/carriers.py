"""What carries notices now: the channels that the settings and the registered endpoint make.

- `require_sendable(settings)` raises ValueError for settings that cannot be used;
- `Carriers(settings, clock, webhook_key)` makes channels of the others;
- `look(session)` returns what there is at this moment, by `ChannelName`;
- `forget(name)` has a channel made anew, after it closed.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from service.clock import Clock
from service.db.engine import ReadSession
from service.domain.instant import SECOND, Duration
from service.notices.channels.channel import Channel
from service.notices.channels.email import EmailChannel, EmailSender
from service.notices.channels.email_address import EmailAddress
from service.notices.channels.email_words import Platform
from service.notices.channels.return_path import ReturnPath
from service.notices.channels.safe_post import SafePoster
from service.notices.channels.smtp_server import Encryption, SmtpServer
from service.notices.channels.webhook import WebhookChannel
from service.notices.endpoint import address_rules, read_endpoint
from service.notices.endpoint_keys import KeysUnreadable
from service.notices.reach import ChannelName
from service.policies.charter import current_charter
from service.settings import Settings

_log = logging.getLogger(__name__)

_MINUTE: Final[Duration] = 60 * SECOND


@dataclass(frozen=True, slots=True)
class Carrier:
    """A channel, and how much of its rate one message takes.

    `together` tells that one message names many artists.
    """

    channel: Channel
    interval: Duration
    together: bool

    def cost(self, addressees: int) -> Duration:
        """Return for how long nobody may send by it after a call to so many artists."""
        return self.interval * (1 if self.together else addressees)


def require_sendable(settings: Settings) -> None:
    """Raise ValueError where a setting cannot be used: that stops the start, not a letter."""
    address_rules(settings)
    if settings.smtp_host is not None:
        _sender(settings, "")


class Carriers:
    """Makes channels and keeps them for as long as what they were made from stays the same."""

    def __init__(self, settings: Settings, clock: Clock, webhook_key: bytes) -> None:
        """Read the settings; `webhook_key` opens the endpoint's keys. Raises ValueError."""
        require_sendable(settings)
        self._settings = settings
        self._clock = clock
        self._key = webhook_key
        self._poster = SafePoster(address_rules(settings))
        self._mail_server = _smtp_server(settings)
        self._made: dict[ChannelName, tuple[object, Carrier]] = {}

    async def look(self, session: ReadSession) -> dict[ChannelName, Carrier]:
        """Return the channels there are. One that has closed is among them: its state is shared."""
        found = {
            ChannelName.WEBHOOK: await self._look_for_endpoint(session),
            ChannelName.EMAIL: await self._look_for_mail(session),
        }
        return {name: carrier for name, carrier in found.items() if carrier is not None}

    def forget(self, name: ChannelName) -> None:
        """Make the channel anew at the next look: this one holds itself for closed."""
        self._made.pop(name, None)

    async def _look_for_endpoint(self, session: ReadSession) -> Carrier | None:
        try:
            known = await read_endpoint(session, self._key)
        except KeysUnreadable as unreadable:
            _log.error("no webhook is sent: %s", unreadable)
            return None
        if known is None or known.proven_at is None:
            return None
        endpoint = known.as_endpoint()
        return self._kept(
            ChannelName.WEBHOOK,
            (endpoint, known.proven_at, known.closed_at),
            lambda: Carrier(
                WebhookChannel(endpoint, self._poster, self._clock),
                _MINUTE // self._settings.webhook_calls_per_minute,
                together=True,
            ),
        )

    def _kept(self, name: ChannelName, made_of: object, make: Callable[[], Carrier]) -> Carrier:
        if name not in self._made or self._made[name][0] != made_of:
            self._made[name] = made_of, make()
        return self._made[name][1]

    async def _look_for_mail(self, session: ReadSession) -> Carrier | None:
        charter = await current_charter(session)
        if charter is None or self._mail_server is None:
            return None
        server, platform = self._mail_server, charter.platform
        return self._kept(
            ChannelName.EMAIL,
            platform,
            lambda: Carrier(
                EmailChannel(server, _sender(self._settings, platform), self._clock),
                _MINUTE // self._settings.emails_per_minute,
                together=False,
            ),
        )


def _smtp_server(settings: Settings) -> SmtpServer | None:
    if settings.smtp_host is None:
        return None
    password = settings.smtp_password
    return SmtpServer(
        settings.smtp_host,
        settings.smtp_port,
        Encryption(settings.smtp_encryption),
        settings.smtp_username,
        None if password is None else password.get_secret_value(),
        helo=settings.smtp_helo,
    )


def _sender(settings: Settings, platform: str) -> EmailSender:
    """Read who writes. Raises ValueError naming the setting that cannot be used."""
    bounces = _mailbox("BOUNCE_ADDRESS", settings.bounce_address)
    sender = _mailbox("MAIL_FROM", settings.mail_from)
    if sender is None:
        raise ValueError("set FERMATA_MAIL_FROM to the address that letters come from")
    return EmailSender(
        Platform(platform, _settings_link(settings)),
        sender,
        None if bounces is None else ReturnPath(bounces),
        _mailbox("MAIL_REPLY_TO", settings.mail_reply_to),
    )


def _settings_link(settings: Settings) -> str | None:
    if settings.platform_settings_url is not None:
        return settings.platform_settings_url
    return None if settings.public_url is None else f"{settings.public_url.rstrip('/')}/settings"


def _mailbox(setting: str, text: str | None) -> EmailAddress | None:
    if text is None:
        return None
    try:
        return EmailAddress.read(text)
    except ValueError as unusable:
        raise ValueError(f"FERMATA_{setting}: {unusable}") from None
