"""The operator's mail server: how it is reached, and what its refusals mean."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import aiosmtplib

_PERMANENT = range(500, 600)
_ABOUT_US: Final = frozenset({530, 534, 535, 538})  # RFC 4954: who we are, not whom we write to
# RFC 3463: x.1.7 and x.1.8 are the sender's address, x.3.z the mail system, x.5.z the protocol and
# x.7.z security or policy; the mailbox is to blame for none of them. Not every server says so in
# numbers, and many look at the sender only once the recipient is named.
_NOT_ABOUT_THEM: Final = re.compile(
    r"\s*5\.(?:1\.[78]|[357]\.[0-9]{1,3})\b|.*\b(?:sender|relay)", re.IGNORECASE | re.DOTALL
)


class Encryption(StrEnum):
    """How the connection is protected. The server's certificate is always checked."""

    STARTTLS = "starttls"
    """Upgraded before anything is said (RFC 3207); a server that offers no upgrade gets no mail."""
    TLS = "tls"
    """From the first byte (RFC 8314)."""
    UNSAFE_NONE = "unsafe_none"
    """For a mail catcher on this machine, in development."""


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail goes out. Time limits are seconds: for one command, and for one whole call."""

    host: str
    port: int = 587
    encryption: Encryption = Encryption.STARTTLS
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    helo: str | None = None
    command_s: float = 30.0
    call_s: float = 300.0

    @asynccontextmanager
    async def session(self) -> AsyncIterator[aiosmtplib.SMTP]:
        """Connect, encrypt and sign in; say goodbye at the end.

        Name and password are said over an encrypted connection only. Raises SMTPException or
        OSError (TimeoutError among them, also where the whole call takes too long).
        """
        encrypted = self.encryption is not Encryption.UNSAFE_NONE
        smtp = aiosmtplib.SMTP(
            hostname=self.host,
            port=self.port,
            local_hostname=self.helo,
            timeout=self.command_s,
            use_tls=self.encryption is Encryption.TLS,
            start_tls=self.encryption is Encryption.STARTTLS,
            tls_context=self.tls,  # without one, the system's authorities are trusted
            username=self.username if encrypted else None,
            password=self.password if encrypted else None,
        )
        async with asyncio.timeout(self.call_s), smtp:
            yield smtp


def is_permanent(code: int, text: str) -> bool:
    """Tell whether an answer to RCPT or DATA says that this mailbox will never take this mail.

    A 5yz does, but for those that speak of us (authentication, relaying, policy): a server that is
    set up wrongly must not turn a million artists into bounces.
    """
    return code in _PERMANENT and code not in _ABOUT_US and not _NOT_ABOUT_THEM.match(text)
