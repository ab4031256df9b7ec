"""The local issuer's signing key: made when it starts, or kept so that tokens survive a restart."""

import json
import os
import tempfile
from pathlib import Path

from joserfc.errors import JoseError
from joserfc.jwk import ECKey


class UnusableSigningKey(RuntimeError):  # noqa: N818 -- says what it is about
    """The key file cannot be used; the message says what to do."""


def new_signing_key() -> ECKey:
    """Make a P-256 key pair whose kid is its thumbprint (RFC 7638)."""
    return ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)


def kept_signing_key(path: Path) -> ECKey:
    """Return the key in the file, made first if there is none; its folder must exist.

    Only the owner can read the file. Several processes that start at once end up with one key.
    Raises UnusableSigningKey for a file that others may read or that holds no such key.
    """
    if not path.exists():
        _write_unless_there(path, new_signing_key())
    if path.stat().st_mode & 0o077:
        message = f"{path} holds a signing key that others may read: chmod 600 it, or delete it"
        raise UnusableSigningKey(message)
    return _read(path)


def _read(path: Path) -> ECKey:
    try:
        key = ECKey.import_key(json.loads(path.read_bytes()))
        usable = key.is_private and key.curve_name == "P-256" and key.kid
    except (JoseError, ValueError, TypeError, KeyError) as error:
        message = f"{path} holds no signing key: delete it, and a new one is made"
        raise UnusableSigningKey(message) from error
    if not usable:
        message = f"{path} holds no private P-256 key: delete it, and a new one is made"
        raise UnusableSigningKey(message)
    return key


def _write_unless_there(path: Path, key: ECKey) -> None:
    # mkstemp opens 0600. Linking a finished file is all or nothing, and the first one wins.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(key.as_dict(private=True), file)
        os.link(name, path)
    except FileExistsError:
        return
    finally:
        Path(name).unlink()
