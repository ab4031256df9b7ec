"""Tokens proven before, so that a caller's thousandth request costs a hash and not a signature."""

import hashlib
from collections import OrderedDict

from service.auth.key_set import PublishedKeys
from service.auth.principal import Principal
from service.domain.instant import Instant


class VerifiedTokens:
    """At most `size` principals by the SHA-256 of their token; the least recently seen goes first.

    The token itself is never kept. Refusals are never remembered: what is refused now may be good
    once a key is known or an instant has come.
    """

    def __init__(self, size: int) -> None:
        """Start empty; a size of 0 remembers nothing."""
        self._size = size
        self._proven: OrderedDict[bytes, tuple[Principal, str]] = OrderedDict()

    def recall(self, token: str, now: Instant, published: PublishedKeys) -> Principal | None:
        """Return the principal proven earlier, if nothing that may have changed has.

        That is: the token has not expired, and the very key that signed it is still published.
        """
        digest = _digest(token)
        principal, thumbprint = self._proven.get(digest, (None, ""))
        if principal is None:
            return None
        if principal.expires_at <= now or thumbprint not in published.thumbprints:
            del self._proven[digest]
            return None
        self._proven.move_to_end(digest)
        return principal

    def remember(self, token: str, principal: Principal, thumbprint: str) -> None:
        """Keep a proven token's principal, with the thumbprint of the key that signed it."""
        self._proven[_digest(token)] = (principal, thumbprint)
        while len(self._proven) > self._size:
            self._proven.popitem(last=False)

    def __len__(self) -> int:
        """Return how many tokens are remembered."""
        return len(self._proven)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
