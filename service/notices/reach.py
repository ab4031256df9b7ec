"""By what an artist can be reached now, in one set of words for counting, previewing and sending.

- `reach_now(session, settings)` says which channels there are;
- `unreachable(reach, subject)` is the SQL condition that none of them reaches this artist.

The webhook reaches everybody while a proven endpoint exists and has not closed. E-mail reaches
those of whom an address is known, where a mail server is set. The settings page is no sending: an
artist with nothing else is *unreachable*, though they may still come and see for themselves.
"""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, exists, false, select, true
from sqlalchemy.orm import Mapped
from sqlmodel import col

from service.db.engine import ReadSession
from service.db.tables import Contact, SendChannel, WebhookEndpointRow
from service.settings import Settings


class ChannelName(StrEnum):
    """The channels that something is sent by, under the names that deliveries carry."""

    WEBHOOK = "webhook"
    EMAIL = "email"


@dataclass(frozen=True, slots=True)
class Reach:
    """Which channels there are at this moment."""

    webhook: bool
    email: bool


def sends_mail(settings: Settings) -> bool:
    """Tell whether this service can write e-mail: it has a mail server and an address."""
    return settings.smtp_host is not None and settings.mail_from is not None


async def reach_now(session: ReadSession, settings: Settings) -> Reach:
    """Return which channels there are. A closed endpoint is none until a person acts."""
    proven = await session.scalar(
        select(exists().where(col(WebhookEndpointRow.proven_at).is_not(None)))
    )
    closed = await session.scalar(
        select(
            exists().where(
                col(SendChannel.channel) == ChannelName.WEBHOOK.value,
                col(SendChannel.closed_at).is_not(None),
            )
        )
    )
    return Reach(webhook=bool(proven) and not closed, email=sends_mail(settings))


def has_email(subject: Mapped[str]) -> ColumnElement[bool]:
    """Return the condition that an e-mail address of this artist is known."""
    return exists().where(col(Contact.subject) == subject, col(Contact.email).is_not(None))


def unreachable(reach: Reach, subject: Mapped[str]) -> ColumnElement[bool]:
    """Return the condition that no channel reaches this artist."""
    if reach.webhook:
        return false()
    return ~has_email(subject) if reach.email else true()
