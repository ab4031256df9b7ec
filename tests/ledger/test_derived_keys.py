"""Keys for what is signed or sealed outside the ledger."""

import hashlib
import hmac

from service.ledger.derived_keys import OPT_OUT_LINKS, SESSIONS, WEBHOOK_KEYS, derived_key

KEY = bytes(range(32))


def hkdf(key: bytes, info: bytes) -> bytes:
    """HKDF-SHA256 without salt for 32 bytes, as RFC 5869 section 2 writes it down."""
    extracted = hmac.digest(bytes(hashlib.sha256().digest_size), key, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


def test_a_key_is_that_of_rfc_5869_for_its_purpose() -> None:
    """So that it can be made again by anybody who has the key encryption key."""
    assert derived_key(KEY, SESSIONS) == hkdf(KEY, b"fermata/derived/sessions")


def test_purposes_and_keys_lead_to_different_keys() -> None:
    """None of them can be used for another, nor by whoever has another key."""
    purposes = (OPT_OUT_LINKS, SESSIONS, WEBHOOK_KEYS)
    made = {derived_key(key, purpose) for key in (KEY, KEY[::-1]) for purpose in purposes}
    assert len(made) == 6
    assert all(len(key) == 32 for key in made)
