"""The signed link in a notice, by which an artist can say no without signing in.

It can say no and nothing else: neither the token nor what reading it returns has a place for an
answer, so that no bug further on can turn one into a yes. It leads to a page with a button; opening
it changes nothing, for mail scanners open links too.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from service.domain.instant import Instant

SHORTEST_KEY: Final = 32  # bytes
LONGEST_TOKEN: Final = 2_000

_PURPOSE: Final = b"fermata opt-out link 1\0"  # the key signs nothing else that looks like this
_TAG: Final = 32  # bytes of HMAC-SHA256


@dataclass(frozen=True, slots=True)
class OptOutLink:
    """For whom, in answer to which notice, and until when a no may be given by this link.

    `subject` is the ledger's reference, so the link names nobody to those who see it pass.
    """

    subject: str
    notice_id: str
    expires_at: Instant


class LinkRefusal(StrEnum):
    """Why a link does nothing."""

    INVALID = "invalid"
    """We did not make it, or it has changed on the way."""
    EXPIRED = "expired"
    """We made it, and its time is over."""


class OptOutLinks:
    """Makes and reads tokens with keys that nobody else has."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """Sign with the first key and accept them all, so that a new one can be put in front.

        Raises ValueError without a key, or for one of fewer than 32 bytes.
        """
        if not keys or any(len(key) < SHORTEST_KEY for key in keys):
            message = "opt-out links are signed with 32 random bytes or more: openssl rand 32"
            raise ValueError(message)
        self._keys = tuple(keys)

    def make(self, link: OptOutLink) -> str:
        """Return the token to put into a URL's path: letters a to z and digits 2 to 7 only.

        No character that a mail program could take for the end of the address or that changes with
        case. The same link always makes the same token. Raises ValueError where it would be longer
        than 2,000 characters, which our own references and notices never are.
        """
        payload = json.dumps(
            [link.subject, link.notice_id, link.expires_at], separators=(",", ":")
        ).encode()
        token = _write(_tag(self._keys[0], payload) + payload)
        if len(token) > LONGEST_TOKEN:
            message = "a link's reference and notice are too long to be put into an address"
            raise ValueError(message)
        return token

    def read(self, token: str, now: Instant) -> OptOutLink | LinkRefusal:
        """Return what a token is for, or why it does nothing. Never raises, whatever it is given.

        The comparison takes the same time wherever a forgery differs, and nothing of a payload is
        looked at before its signature has been found good. From `expires_at` on it is expired.
        """
        raw = _read(token)
        if raw is None:
            return LinkRefusal.INVALID
        tag, payload = raw[:_TAG], raw[_TAG:]
        genuine = [hmac.compare_digest(_tag(key, payload), tag) for key in self._keys]
        if not any(genuine):
            return LinkRefusal.INVALID
        link = OptOutLink(*json.loads(payload))
        return link if now < link.expires_at else LinkRefusal.EXPIRED


def _tag(key: bytes, payload: bytes) -> bytes:
    return hmac.digest(key, _PURPOSE + payload, hashlib.sha256)


def _write(raw: bytes) -> str:
    return base64.b32encode(raw).decode("ascii").rstrip("=").lower()


def _read(token: str) -> bytes | None:
    """Return a token's bytes; None for any text but the one that we would write for them."""
    if len(token) > LONGEST_TOKEN or not token.isascii():
        return None
    padding = "=" * (-len(token) % 8)
    try:
        raw = base64.b32decode(token.upper() + padding)
    except binascii.Error:
        return None
    return raw if _write(raw) == token else None
