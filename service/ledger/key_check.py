"""Holding a process's key encryption key against the database's, before anything is written."""

from service.db.engine import connect
from service.ledger.vault import Vault

_REMEMBER = """
INSERT INTO private.key_check (id, fingerprint) VALUES (1, $1) ON CONFLICT DO NOTHING
"""


class WrongKey(Exception):  # noqa: N818 - names what was found
    """The key encryption key is not the one this database was written with."""


async def require_key(url: str, vault: Vault) -> None:
    """Return if the key is the database's own; the first one to come becomes it.

    Raises WrongKey: what was written under another key, nobody else could read.
    """
    connection = await connect(url, writable=True)
    try:
        await connection.execute(_REMEMBER, vault.fingerprint())
        known = await connection.fetchval("SELECT fingerprint FROM private.key_check")
    finally:
        await connection.close()
    if known != vault.fingerprint():
        message = "FERMATA_KEY_ENCRYPTION_KEY is not the key this database was written with"
        raise WrongKey(message)
