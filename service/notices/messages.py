"""Whom a message was for: reports from outside name what was sent, not always to whom.

A letter is for one artist and its id says whom; a webhook's message is for as many as it told.
"""

from collections.abc import Collection, Mapping
from typing import Final

from sqlalchemy import ARRAY, Text, bindparam, text

from service.db.engine import ReadSession
from service.notices.channels.channel import identifier_of
from service.notices.channels.email_address import EmailAddress
from service.notices.channels.return_path import ReturnPath
from service.settings import Settings

_TOLD: Final = text("""
SELECT message_id, array_agg(subject ORDER BY subject) FROM sends
WHERE notice_id = :notice AND message_id = ANY(:messages) GROUP BY message_id
""").bindparams(bindparam("messages", type_=ARRAY(Text)))


def return_path_of(settings: Settings) -> ReturnPath | None:
    """Return what reads bounce addresses, where they are used. Raises ValueError for a bad one."""
    address = settings.bounce_address
    return None if address is None else ReturnPath(EmailAddress.read(address))


def message_named(text: str, notice_id: str, return_path: ReturnPath | None) -> str | None:
    """Return the message id that a report about this notice means, or None where it means none.

    It may be the id itself, the letter's `Message-ID` with its domain, or the address that the
    letter's bounces go to.
    """
    bare = text.strip().removeprefix("<").removesuffix(">")
    local, at, _ = bare.partition("@")
    if not at or local.startswith("msg_"):
        return local
    digest = return_path.read(bare) if return_path is not None else None
    return None if digest is None else identifier_of(notice_id, digest)


async def told_by(
    session: ReadSession, notice_id: str, messages: Collection[str]
) -> Mapping[str, list[str]]:
    """Return for each known message of this notice whom it was for, by reference."""
    rows = await session.execute(_TOLD, {"notice": notice_id, "messages": sorted(set(messages))})
    return {message: list(subjects) for message, subjects in rows}
