"""Keys for what is signed or sealed outside the ledger, all from the one key that operators keep.

    derived_key(key_encryption_key, "opt-out links") -> 32 bytes

Whoever loses the key encryption key loses these as well, and nobody has to keep another secret.
"""

from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

OPT_OUT_LINKS: Final = "opt-out links"
"""Signs the links in letters by which an artist can say no."""
SESSIONS: Final = "sessions"
"""Seals the cookies of those who are signed in to the pages."""
WEBHOOK_KEYS: Final = "webhook keys"
"""Seals the keys that sign webhooks, where they lie in the database."""
INDEX_SNAPSHOTS: Final = "index snapshots"
"""Leads to the keys that seal snapshots of the index: they hold what artists said."""
LOG_CHECKPOINTS: Final = "log checkpoints"
"""Signs checkpoints of the ledger's tree, where no key of their own is set for that."""
REPEATED_WRITES: Final = "repeated writes"
"""Makes the digests by which a repeated write is known, so that no guess can be tried on them."""

_SIZE: Final = 32


def derived_key(key_encryption_key: bytes, purpose: str) -> bytes:
    """Return the 32-byte key of a purpose (HKDF-SHA256, RFC 5869), always the same.

    Keys of different purposes tell nothing of one another, nor of the key they come from.
    """
    info = b"fermata/derived/" + purpose.encode()
    return HKDF(SHA256(), _SIZE, salt=None, info=info).derive(key_encryption_key)
