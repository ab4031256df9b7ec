"""Webhook keys: how they are written, and that a rotation cuts nobody off."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.instant import DAY
from service.domain.refusal import RefusalKind, Refused
from service.notices.channels.webhook_keys import (
    KeyPair,
    KeyRing,
    PublicKey,
    SharedSecret,
    rotate,
)
from tests.notices.channels.telling import NOW

A, B, C = (SharedSecret(bytes([letter]) * 32) for letter in b"abc")


@given(st.binary(min_size=24, max_size=64))
def test_a_secret_survives_being_written_down(raw: bytes) -> None:
    """What is revealed reads back as the same key."""
    assert SharedSecret.read(SharedSecret(raw).reveal()) == SharedSecret(raw)


@given(st.binary(min_size=32, max_size=32), st.binary())
def test_a_key_pair_survives_being_written_down(seed: bytes, content: bytes) -> None:
    """Its public half, written and read by somebody else, verifies what it signs."""
    pair = KeyPair.read(KeyPair(seed).reveal())
    public = PublicKey.read(pair.public.write())

    assert public.verifies(content, pair.sign(content))
    assert not public.verifies(content + b"!", pair.sign(content))


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (SharedSecret.read, "whsec_" + base64.b64encode(b"x" * 23).decode()),
        (SharedSecret.read, "whsec_" + base64.b64encode(b"x" * 65).decode()),
        (SharedSecret.read, base64.b64encode(b"x" * 32).decode()),
        (SharedSecret.read, "whsec_not base64!"),
        (SharedSecret.read, "whsec_ä"),
        (SharedSecret.read, ""),
        (KeyPair.read, "whsk_" + base64.b64encode(b"x" * 32).decode()),
        (KeyPair.read, "whsk_" + base64.b64encode(b"x" * 64).decode()),
        (KeyPair.read, "whsk_"),
        (PublicKey.read, "whpk_" + base64.b64encode(b"x" * 31).decode()),
        (PublicKey.read, "whsec_" + base64.b64encode(b"x" * 32).decode()),
    ],
)
def test_what_is_no_key_is_refused(read: object, text: str) -> None:
    """Lengths, prefixes, base64 and halves that do not belong together are all checked."""
    assert callable(read)
    with pytest.raises(ValueError, match=r"whs|whpk|32 random bytes"):
        read(text)


def test_keys_do_not_show_themselves() -> None:
    """What ends up in a log when a key or an endpoint is printed says nothing of it."""
    pair = KeyPair(b"s" * 32)

    assert "aaaa" not in repr(A)
    assert "ssss" not in repr(pair)
    assert "aaaa" not in repr(KeyRing(A))


def test_a_rotation_signs_with_both_keys_for_a_day() -> None:
    """The new key comes first; the old one stops exactly 24 hours later."""
    ring = rotate(KeyRing(A), B, NOW)

    assert ring.signing(NOW) == (B, A)
    assert ring.signing(NOW + DAY - 1) == (B, A)
    assert ring.signing(NOW + DAY) == (B,)


def test_a_clock_that_goes_back_ends_no_overlap() -> None:
    """Before its rotation, by a clock set back, both keys sign: nobody is cut off."""
    ring = rotate(KeyRing(A), B, NOW)

    assert ring.signing(NOW - DAY) == (B, A)


def test_a_second_rotation_within_the_overlap_is_refused() -> None:
    """A receiver who has not taken up the first change would be cut off by the second."""
    ring = rotate(KeyRing(A), B, NOW)

    with pytest.raises(Refused) as refused:
        rotate(ring, C, NOW + DAY - 1)

    assert refused.value.kind is RefusalKind.CONFLICT
    assert rotate(ring, C, NOW + DAY).signing(NOW + DAY) == (C, B)


def test_a_second_rotation_can_be_forced() -> None:
    """Then the newest two sign."""
    ring = rotate(rotate(KeyRing(A), B, NOW), C, NOW + 1, force=True)

    assert ring.signing(NOW + 1) == (C, B)


@pytest.mark.parametrize("reused", [A, B])
def test_a_key_that_has_signed_before_is_no_new_key(reused: SharedSecret) -> None:
    """Neither the current key nor the one before it, even by force."""
    ring = rotate(KeyRing(A), B, NOW)

    with pytest.raises(Refused, match="signed before"):
        rotate(ring, reused, NOW + 2 * DAY, force=True)
