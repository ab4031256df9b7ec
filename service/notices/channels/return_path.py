"""The envelope sender that says which message a later bounce is about (the idea of VERP).

A bounce that comes hours later is written by machines that never agreed on a format. What all of
them do is send it to the envelope sender: so each message gets one of its own.
"""

import re
from dataclasses import dataclass

from service.notices.channels.channel import digest_of
from service.notices.channels.email_address import EmailAddress


@dataclass(frozen=True, slots=True)
class ReturnPath:
    """Turns `bounces@mail.example` into `bounces+<digest>@mail.example` and back.

    The digest is the end of the message id that the outcome carried: whoever keeps these finds the
    artist and the notice. It holds neither, so a bounce's many readers learn nothing.
    """

    base: EmailAddress

    def for_message(self, message_id: str) -> EmailAddress:
        """Return the envelope sender of one message."""
        return EmailAddress(f"{self.base.local}+{digest_of(message_id)}", self.base.domain)

    def read(self, recipient: str) -> str | None:
        """Return the digest of the message that a bounce to this address is about, if any."""
        prefix = re.escape(f"{self.base.local}+")
        found = re.fullmatch(
            rf"{prefix}([0-9a-f]{{32}})@{re.escape(self.base.domain)}", recipient.lower()
        )
        return found.group(1) if found else None
