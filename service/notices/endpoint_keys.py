"""An endpoint's signing keys where they lie in the database: sealed, bound to their endpoint."""

from dataclasses import dataclass, field
from typing import Final, Self

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from service.domain.instant import Instant
from service.ledger.vault import RandomBytes
from service.notices.channels.webhook_keys import KeyPair, KeyRing, SharedSecret, rotate

_NONCE: Final = 12
_SECRET: Final = 32  # bytes; Standard Webhooks asks for 24 to 64
_SEED: Final = 32
_PURPOSE: Final = b"fermata webhook endpoint 1\0"


class KeysUnreadable(Exception):  # noqa: N818 - names what was found
    """The keys were sealed under another key encryption key, or altered."""


class _Kept(msgspec.Struct, frozen=True):
    """The sealed form. Names are for ever; new ones come with a default."""

    secret: str
    pair: str
    previous_secret: str | None = None
    previous_pair: str | None = None
    rotated_at: int | None = None


@dataclass(frozen=True, slots=True)
class EndpointKeys:
    """Both ways of signing, which are made, rotated and forgotten together."""

    secrets: KeyRing[SharedSecret] = field(repr=False)
    pairs: KeyRing[KeyPair] = field(repr=False)

    @classmethod
    def make(cls, random_bytes: RandomBytes) -> Self:
        """Make a shared secret and a key pair."""
        secret, pair = SharedSecret(random_bytes(_SECRET)), KeyPair(random_bytes(_SEED))
        return cls(KeyRing(secret), KeyRing(pair))

    def rotated(
        self, random_bytes: RandomBytes, now: Instant, *, force: bool, leaked: bool
    ) -> "EndpointKeys":
        """Return keys of which new ones sign, for a day beside those they replace.

        Raises Refused within that day unless it is forced. Keys that `leaked` sign no more at all.
        """
        fresh = EndpointKeys.make(random_bytes)
        if leaked:
            return EndpointKeys(
                KeyRing(fresh.secrets.current, rotated_at=now),
                KeyRing(fresh.pairs.current, rotated_at=now),
            )
        return EndpointKeys(
            rotate(self.secrets, fresh.secrets.current, now, force=force),
            rotate(self.pairs, fresh.pairs.current, now, force=force),
        )

    def seal(self, key: bytes, endpoint_id: str, random_bytes: RandomBytes) -> bytes:
        """Return the keys encrypted (AES-256-GCM) for this endpoint and no other."""
        before_secret, before_pair = self.secrets.previous, self.pairs.previous
        kept = _Kept(
            secret=self.secrets.current.reveal(),
            pair=self.pairs.current.reveal(),
            previous_secret=None if before_secret is None else before_secret.reveal(),
            previous_pair=None if before_pair is None else before_pair.reveal(),
            rotated_at=self.secrets.rotated_at,
        )
        nonce = random_bytes(_NONCE)
        return nonce + AESGCM(key).encrypt(nonce, msgspec.json.encode(kept), _bound_to(endpoint_id))

    @classmethod
    def open(cls, key: bytes, endpoint_id: str, sealed: bytes) -> Self:
        """Return what `seal` sealed. Raises KeysUnreadable."""
        try:
            opened = AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], _bound_to(endpoint_id))
        except InvalidTag:
            message = (
                "the webhook endpoint's keys were sealed under another FERMATA_KEY_ENCRYPTION_KEY: "
                "put the endpoint again"
            )
            raise KeysUnreadable(message) from None
        kept = msgspec.json.decode(opened, type=_Kept)
        secret, pair = kept.previous_secret, kept.previous_pair
        return cls(
            KeyRing(
                SharedSecret.read(kept.secret),
                None if secret is None else SharedSecret.read(secret),
                kept.rotated_at,
            ),
            KeyRing(
                KeyPair.read(kept.pair),
                None if pair is None else KeyPair.read(pair),
                kept.rotated_at,
            ),
        )


def _bound_to(endpoint_id: str) -> bytes:
    return _PURPOSE + endpoint_id.encode()
