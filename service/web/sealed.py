"""What this service lets a browser keep for it: unreadable to anybody else, and unchanged."""

import json
from collections.abc import Mapping
from typing import Final

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from service.domain.instant import SECOND, Instant

_ALGORITHMS: Final = ["dir", "A256GCM"]
_LONGEST: Final = 8_192  # characters; browsers keep 4,096 bytes


class Seal:
    """Seals values for one purpose with a key of this service's own (JWE, `dir` and A256GCM).

    The purpose is sealed in with the value: what was made for one is nothing to another.
    """

    def __init__(self, key: bytes, purpose: str) -> None:
        """Take 32 bytes. Raises ValueError for another size."""
        if len(key) != 32:  # noqa: PLR2004 -- A256GCM
            message = "values are sealed with a key of 32 bytes"
            raise ValueError(message)
        self._key = OctKey.import_key(key)
        self._purpose = purpose

    def close(self, value: Mapping[str, object], expires_at: Instant) -> str:
        """Return the sealed value: letters, digits, `-`, `_` and full stops."""
        header = {"alg": "dir", "enc": "A256GCM", "typ": self._purpose}
        body = json.dumps({**value, "exp": expires_at}, separators=(",", ":"))
        return jwe.encrypt_compact(header, body.encode(), self._key, algorithms=_ALGORITHMS)

    def open(self, sealed: str | None, now: Instant) -> dict[str, object] | None:
        """Return the value; None where we did not seal it for this, or its time is over."""
        if sealed is None or len(sealed) > _LONGEST or not sealed.isascii():
            return None
        try:
            opened = jwe.decrypt_compact(sealed, self._key, algorithms=_ALGORITHMS)
        except (JoseError, ValueError, TypeError, KeyError):
            return None
        header = opened.protected
        if header.get("typ") != self._purpose or "zip" in header or opened.plaintext is None:
            return None
        value: dict[str, object] = json.loads(opened.plaintext)
        expires_at = value.pop("exp")
        return value if isinstance(expires_at, int) and now < expires_at else None


def seconds_until(instant: Instant, now: Instant) -> int:
    """Return how many whole seconds are left, for a cookie's `Max-Age`."""
    return max(0, (instant - now) // SECOND)
