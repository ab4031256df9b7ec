"""A real SMTP server on loopback (aiosmtpd): keeps what it takes, refuses what it is told to."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER = "fermata"
PASSWORD = "correct horse"


@dataclass(frozen=True, slots=True)
class Taken:
    """One letter as it arrived: its envelope, its bytes, and whether it came encrypted."""

    sender: str
    recipients: list[str]
    raw: bytes
    encrypted: bool

    @property
    def letter(self) -> EmailMessage:
        """The letter, parsed."""
        parsed = message_from_bytes(self.raw, policy=default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    def part(self, subtype: str) -> str:
        """The words of its text/plain or text/html part."""
        found = self.letter.get_body((subtype,))
        assert found is not None
        words: str = found.get_content()
        return words


@dataclass
class MailServer:
    """What the server does with each step, and what it has seen.

    The answers are by recipient, or by `*` for all; "drop" breaks the connection.
    """

    port: int = 0
    taken: list[Taken] = field(default_factory=list)
    at_mail: str = "250 OK"
    at_rcpt: dict[str, str] = field(default_factory=dict)
    at_data: dict[str, str] = field(default_factory=dict)
    logins: list[str] = field(default_factory=list)
    sessions: int = 0

    # The names and arguments below are aiosmtpd's.

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: Any
    ) -> Any:
        """Count sessions."""
        self.sessions += 1
        session.host_name = hostname
        return responses

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any
    ) -> str:
        """Take the envelope sender or not."""
        if self.at_mail.startswith("250"):
            envelope.mail_from = address
        return self.at_mail

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any
    ) -> str:
        """Take the recipient or not."""
        said = self.at_rcpt.get(address, self.at_rcpt.get("*", "250 OK"))
        if said == "drop":
            _drop(server)
        if said.startswith("250"):
            envelope.rcpt_tos.append(address)
        return said

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Take the letter or not. "taken, then drop" takes it and never says so."""
        said = self.at_data.get(envelope.rcpt_tos[0], self.at_data.get("*", "250 queued"))
        if said.startswith(("250", "taken")):
            assert isinstance(envelope.original_content, bytes)
            self.taken.append(
                Taken(
                    str(envelope.mail_from),
                    list(envelope.rcpt_tos),
                    envelope.original_content,
                    _is_encrypted(server),
                )
            )
        if "drop" in said:
            _drop(server)
        return said

    def check_login(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        """Let the one user in."""
        assert isinstance(data, LoginPassword)
        self.logins.append(data.login.decode())
        good = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=good, handled=False)


def _is_encrypted(server: SMTP) -> bool:
    assert server.transport is not None
    return server.transport.get_extra_info("sslcontext") is not None


def _drop(server: SMTP) -> None:
    if isinstance(server.transport, asyncio.Transport):
        server.transport.abort()


@contextlib.asynccontextmanager
async def serving_mail(
    tls: ssl.SSLContext | None, *, from_the_start: bool = False, **options: Any
) -> AsyncIterator[MailServer]:
    """Serve on a free port of 127.0.0.1, with STARTTLS or TLS if there is a context for it."""
    mail = MailServer()
    loop = asyncio.get_running_loop()
    made: list[SMTP] = []

    def protocol() -> SMTP:
        made.append(
            SMTP(
                mail,
                hostname="mail.example",
                tls_context=None if from_the_start else tls,
                authenticator=mail.check_login,
                loop=loop,
                **options,
            )
        )
        return made[-1]

    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=tls if from_the_start else None)
    mail.port = server.sockets[0].getsockname()[1]
    try:
        yield mail
    finally:
        server.close()
        for one in made:
            _drop(one)
        await asyncio.sleep(0)
