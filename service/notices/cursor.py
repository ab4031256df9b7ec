"""Where a page of artists ends, as an opaque text.

The order is that of the ledger's references, which nobody outside is to learn beside an artist's
id: after an erasure they would say whose record that was.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from service.domain.refusal import refuse

PURPOSE: Final = "cursors"
"""Of the derived key."""


class Cursors:
    """Seals references (AES-SIV, RFC 5297) and reads them again."""

    def __init__(self, key: bytes) -> None:
        """Take the derived key of this purpose."""
        self._cipher = AESSIV(key)

    def write(self, subject: str) -> str:
        """Return the cursor that stands for having got to this artist."""
        return urlsafe_b64encode(self._cipher.encrypt(bytes.fromhex(subject), None)).decode()

    def read(self, cursor: str) -> str:
        """Return the artist's reference. Raises Refused for anything that is no cursor of ours."""
        try:
            return self._cipher.decrypt(urlsafe_b64decode(cursor), None).hex()
        except (InvalidTag, ValueError, binascii.Error):
            message = "go on from a `next_after` that you were given"
            raise refuse("after", "unknown_cursor", message) from None
