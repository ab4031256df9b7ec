"""Artists' keys: each opens with the key encryption key, though its artist has said nothing yet.

One that does not would keep its artist from ever being heard.
"""

from typing import Final

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

from service.verify.connecting import Connection
from service.verify.finding import Findings, What

_AT_ONCE: Final = 5_000
_KEYS: Final = """
SELECT s.subject, coalesce(s.wrapped_key, ''), a.revision
FROM private.subjects s LEFT JOIN artists a ON a.subject = s.subject
"""


async def hold_wrapped(
    connection: Connection, key_encryption_key: bytes, findings: Findings
) -> None:
    """Find every artist's key that cannot be unwrapped (RFC 3394 checks that by itself)."""
    cursor = await connection.cursor(_KEYS)
    while rows := await cursor.fetch(_AT_ONCE):
        for subject, wrapped, revision in rows:
            try:
                aes_key_unwrap(key_encryption_key, wrapped)
            except (InvalidUnwrap, ValueError):
                named = f"private.subjects subject={subject}"
                says = "the artist's key cannot be unwrapped: it was altered"
                findings.add(What.PRIVATE_ALTERED, revision, named, says)
        findings.saw("rows of private.subjects", len(rows))
