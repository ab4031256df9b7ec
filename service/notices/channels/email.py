"""E-mail, by SMTP through the operator's own mail server.

The server's 250 is `HANDED_OVER`: it proves no arrival. What bounces later comes back as a report,
found by the message id or the envelope sender.
"""

import asyncio
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from typing import Final

import aiosmtplib

from service.clock import Clock
from service.domain.instant import to_datetime
from service.notices.channels.channel import (
    Addressee,
    Fate,
    Message,
    Outcome,
    message_id,
    plain,
    refuse_call,
)
from service.notices.channels.email_address import EmailAddress
from service.notices.channels.email_words import EmailWords, Platform
from service.notices.channels.return_path import ReturnPath
from service.notices.channels.smtp_server import SmtpServer, is_permanent

MOST_PER_CALL: Final = 50

_LONGEST_NAME: Final = 60

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EmailSender:
    """Who writes. Without a return path later bounces go to the sender's own mailbox."""

    platform: Platform
    address: EmailAddress
    return_path: ReturnPath | None = None
    reply_to: EmailAddress | None = None


@dataclass(frozen=True, slots=True)
class _Ready:
    """A letter in its envelope."""

    addressee: Addressee
    message_id: str
    recipient: EmailAddress
    letter: EmailMessage


class EmailChannel:
    """A `Channel` that writes each artist a letter of their own, over one connection a call."""

    def __init__(self, server: SmtpServer, sender: EmailSender, clock: Clock) -> None:
        """Load the templates; nothing is connected before the first call."""
        self._server = server
        self._sender = sender
        self._clock = clock
        self._words = EmailWords(sender.platform)

    @property
    def name(self) -> str:
        """What deliveries are recorded under."""
        return "email"

    @property
    def most_per_call(self) -> int:
        """How many addressees one call may name."""
        return MOST_PER_CALL

    async def send(
        self, message: Message, addressees: Sequence[Addressee], *, attempt_id: str
    ) -> Sequence[Outcome]:
        """Write to each of them. See `Channel` for what is promised.

        Message-ID is the same at every try, so a mailbox that gets a letter twice can tell. Where
        the connection breaks between letter and answer, the letter counts as not taken.
        """
        refuse_call(self, addressees, attempt_id)
        prepared = []
        for addressee in addressees:
            prepared.append(self._prepare(message, addressee, attempt_id))
            await asyncio.sleep(0)  # a letter takes a while to write: others are answered meanwhile
        ready = [letter for letter in prepared if isinstance(letter, _Ready)]
        outcomes, trouble = await self._post(ready)
        _log.info(
            "email try %s of %s: %d letters, %d answered %s",
            attempt_id,
            message.notice_id,
            len(ready),
            len(outcomes),
            trouble,
        )
        answered = {outcome.message_id: outcome for outcome in outcomes}
        return [
            letter
            if isinstance(letter, Outcome)
            else answered.get(letter.message_id)
            or _outcome(letter, Fate.TRY_AGAIN, trouble or "the mail server did not answer")
            for letter in prepared
        ]

    def _prepare(self, message: Message, addressee: Addressee, attempt_id: str) -> _Ready | Outcome:
        identifier = message_id(self.name, message, [addressee])
        try:
            if addressee.email is None:
                raise ValueError("no e-mail address is known")  # noqa: TRY301 - one way out
            recipient = EmailAddress.read(addressee.email)
        except ValueError as unusable:
            return Outcome(addressee.artist_id, Fate.BOUNCED, identifier, plain(str(unusable)))
        letter = self._letter(message, addressee, recipient, identifier)
        letter["Fermata-Attempt"] = attempt_id
        return _Ready(addressee, identifier, recipient, letter)

    def _letter(
        self, message: Message, addressee: Addressee, recipient: EmailAddress, identifier: str
    ) -> EmailMessage:
        words = self._words.write(message, addressee)
        sender = self._sender
        letter = EmailMessage(policy=SMTPUTF8 if recipient.needs_utf8 else SMTP)
        letter["From"] = _mailbox(sender.address, sender.platform.name)
        letter["To"] = _mailbox(recipient)
        if sender.reply_to is not None:
            letter["Reply-To"] = _mailbox(sender.reply_to)
        letter["Subject"] = _header_text(words.subject)
        letter["Date"] = format_datetime(to_datetime(self._clock.now()))
        letter["Message-ID"] = f"<{identifier}@{sender.address.domain}>"
        # RFC 3834: no out-of-office answers. And no List-Unsubscribe: a scanner could follow it.
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content(words.text, cte="quoted-printable")
        letter.add_alternative(words.html, subtype="html", cte="quoted-printable")
        letter["Content-Language"] = words.language  # set_content takes away every Content-
        return letter

    async def _post(self, letters: Sequence[_Ready]) -> tuple[list[Outcome], str]:
        """Return the outcomes of the letters that were answered, and what ended it early, if so."""
        outcomes: list[Outcome] = []
        if not letters:
            return outcomes, ""
        try:
            async with self._server.session() as smtp:
                for letter in letters:
                    outcomes.append(await self._post_one(smtp, letter))  # noqa: PERF401 - kept on failure
        except (aiosmtplib.SMTPException, OSError) as trouble:
            return outcomes, f"{type(trouble).__name__}: {trouble}"
        return outcomes, ""

    async def _post_one(self, smtp: aiosmtplib.SMTP, ready: _Ready) -> Outcome:
        path = self._sender.return_path
        sender = path.for_message(ready.message_id) if path else self._sender.address
        try:
            await smtp.sendmail(
                str(sender),
                [str(ready.recipient)],
                ready.letter.as_bytes(),
                mail_options=["SMTPUTF8"] if ready.recipient.needs_utf8 else [],
            )
        except aiosmtplib.SMTPNotSupported:
            return _outcome(
                ready, Fate.BOUNCED, "this address needs SMTPUTF8, which our mail server has not"
            )
        except aiosmtplib.SMTPRecipientsRefused as refused:
            return _judge(ready, refused.recipients[0])
        except aiosmtplib.SMTPDataError as refused:
            return _judge(ready, refused)
        except aiosmtplib.SMTPResponseException as refused:
            reason = f"the mail server does not take mail from us: {refused.code} {refused.message}"
            return _outcome(ready, Fate.TRY_AGAIN, reason)
        return _outcome(ready, Fate.HANDED_OVER, "")


def _judge(ready: _Ready, refused: aiosmtplib.SMTPResponseException) -> Outcome:
    said = _without_address(refused.message, ready.recipient)
    fate = Fate.BOUNCED if is_permanent(refused.code, said) else Fate.TRY_AGAIN
    return _outcome(ready, fate, f"the mail server answered {refused.code} {said}")


def _without_address(said: str, address: EmailAddress) -> str:
    """Return a server's words less the artist's address, for they are kept when it is deleted."""
    return re.sub(rf"{re.escape(address.local)}@[^\s<>()]+", "…", said, flags=re.IGNORECASE)


def _outcome(ready: _Ready, fate: Fate, reason: str) -> Outcome:
    return Outcome(ready.addressee.artist_id, fate, ready.message_id, plain(reason))


def _mailbox(address: EmailAddress, name: str = "") -> Address:
    """Return an address with a name that needs no quotes, for Python loses them in long headers."""
    unquoted = re.sub(r'[()<>\[\]:;@\\,"]+', " ", _header_text(name))
    return Address(" ".join(unquoted.split())[:_LONGEST_NAME], address.local, address.domain)


def _header_text(text: str) -> str:
    """Return words that can stand in a header and nowhere else.

    Python's header parser decodes RFC 2047 words that it is given, line breaks in them included,
    and some releases write these out as they are (CVE-2024-6923). So none is let in.
    """
    return plain(text).replace("=?", "= ?")
