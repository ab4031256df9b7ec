"""A token's signature proven by the issuer's keys, newer ones fetched where they may explain it."""

from service.auth.key_set import PublishedKeys
from service.auth.problems import Reason, TokenRefused
from service.auth.provider import ProviderKeys
from service.auth.signature import SignedClaims, TokenHeader, signed_claims


async def proven_claims(
    provider: ProviderKeys, token: str, header: TokenHeader, published: PublishedKeys
) -> SignedClaims:
    """Return the claims that a key of the issuer's has signed (proofs 5 and 6 of verifier.py).

    `published` are the keys known so far. Raises TokenRefused, IssuerUnreachable.
    """
    try:
        return signed_claims(token, header, published)
    except TokenRefused as refused:
        newer = await _newer_keys(provider, refused, header, published)
        if newer is None:
            raise
    return signed_claims(token, header, newer)


async def _newer_keys(
    provider: ProviderKeys, refused: TokenRefused, header: TokenHeader, published: PublishedKeys
) -> PublishedKeys | None:
    """Return other keys to try, where a key that we do not know yet may explain the refusal."""
    nameless = header.kid is None and refused.reason is Reason.BAD_SIGNATURE
    if refused.reason is not Reason.UNKNOWN_KEY and not nameless:
        return None
    newer = await provider.after_miss(published)
    return None if newer is published else newer
