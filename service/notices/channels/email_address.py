"""E-mail addresses that can be put on an SMTP command line and into a header without a second look.

Stricter than RFC 5321: no quoted local parts, no comments, no address literals. An artist who has
such an address is told by another channel.
"""

import re
from dataclasses import dataclass
from typing import Final, Self

import idna

_LONGEST: Final = 254  # octets (RFC 5321 section 4.5.3.1.3, less the angle brackets)
_LONGEST_LOCAL: Final = 64
# RFC 5322 atoms joined by single dots; beyond ASCII what RFC 6531 adds, less controls and blanks.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u00a1-\U0010ffff-]+"
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_NEVER = re.compile(r"[\s\x00-\x20\x7f-\xa0\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class EmailAddress:
    """A mailbox. The domain is in ASCII (IDNA); the local part may need SMTPUTF8 (RFC 6531)."""

    local: str
    domain: str

    @classmethod
    def read(cls, text: str) -> Self:
        """Read `local@domain`. Raises ValueError for anything else, without repeating it."""
        local, _, domain = text.rpartition("@")
        # What looks like an RFC 2047 word would be decoded by whoever parses the header.
        if _NEVER.search(text) or "=?" in text or not _LOCAL.fullmatch(local):
            raise ValueError("this is not an e-mail address such as artist@mail.example")
        try:
            ascii_domain = idna.encode(domain, uts46=True).decode("ascii").lower()
        except idna.IDNAError:
            raise ValueError("the part of the e-mail address after the @ is no domain") from None
        address = cls(local, ascii_domain)
        if len(local.encode()) > _LONGEST_LOCAL or len(str(address).encode()) > _LONGEST:
            raise ValueError("this e-mail address is longer than any mail server takes")
        return address

    @property
    def needs_utf8(self) -> bool:
        """Whether only a mail server with SMTPUTF8 can carry it."""
        return not self.local.isascii()

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"
