"""The keys that an issuer publishes (RFC 7517), as far as they can prove anything."""

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc import jwk
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jws import JWSRegistry

from service.auth.trusted_issuer import ALGORITHMS

_KEY_PAIRS: Final = ("RSA", "EC", "OKP")
_SMALLEST_RSA: Final = 2048  # bits; RFC 7518 sections 3.3 and 3.5
_UNUSABLE = (JoseError, UnsupportedAlgorithm, ValueError, TypeError, KeyError, AttributeError)


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """One public key with its name, if it has one, and its RFC 7638 thumbprint."""

    key: jwk.Key
    kid: str | None
    thumbprint: str

    def fits(self, algorithm: str, kid: str | None) -> bool:
        """Whether a token with this header could have been signed by this key.

        Type, curve, `use` and the key's own `alg` must all agree. A token that names no key may
        have been signed by any that fits.
        """
        if algorithm not in ALGORITHMS or (kid is not None and kid != self.kid):
            return False
        try:
            JWSRegistry.algorithms[algorithm].check_key(self.key)
        except JoseError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """Everything usable that the issuer published at one moment; perhaps nothing."""

    keys: tuple[PublishedKey, ...]
    thumbprints: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        """Index by thumbprint: whether a key is still published is asked on every request."""
        object.__setattr__(self, "thumbprints", frozenset(key.thumbprint for key in self.keys))

    def candidates(self, algorithm: str, kid: str | None) -> Iterator[PublishedKey]:
        """Yield the keys that may have signed a token with this header."""
        return (key for key in self.keys if key.fits(algorithm, kid))


def read_key_set(document: object) -> PublishedKeys:
    """Read a JWK Set, leaving out every key that cannot prove anything (RFC 7517 section 5).

    Left out are shared secrets, keys whose private half is published with them, weak RSA keys, keys
    for encryption, and what cannot be read; one such key never costs the others. Raises ValueError
    when the document is no JWK Set at all.
    """
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        message = 'a JWK Set is a JSON object with a list of "keys"'
        raise ValueError(message)  # noqa: TRY004 -- what was read is wrong, not how we were called
    return PublishedKeys(tuple(_usable(entries)))


def _usable(entries: Iterable[object]) -> Iterator[PublishedKey]:
    for entry in entries:
        if isinstance(entry, dict) and entry.get("kty") in _KEY_PAIRS:
            try:
                key = _imported(entry)
                if _can_verify(key):
                    yield PublishedKey(key, key.kid, key.thumbprint())
            except _UNUSABLE:
                continue


def _imported(entry: jwk.DictKey) -> jwk.Key:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # of weak RSA keys, which are left out
        return jwk.import_key(entry)


def _can_verify(key: jwk.Key) -> bool:
    if key.is_private:
        return False
    if isinstance(key, jwk.RSAKey) and key.raw_value.key_size < _SMALLEST_RSA:
        return False
    key.check_use("sig")
    key.check_key_op("verify")
    return True
