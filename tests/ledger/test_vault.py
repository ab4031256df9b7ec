"""The vault: what was sealed opens with its own key as it was, and in no other way."""

import hmac
import random
from collections.abc import Callable
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.ledger.vault import CommitmentBroken, Sealed, Vault

KEY = bytes(range(32))
NONCE = bytes(range(16))


def drawing(seed: int) -> Callable[[int], bytes]:
    """Return a source of bytes that a test can repeat."""
    return random.Random(seed).randbytes


details = st.binary(max_size=2_000)
nonces = st.binary(min_size=16, max_size=16)
revisions = st.integers(1, 2**63 - 1)
vaults = st.builds(Vault, st.binary(min_size=32, max_size=32), st.integers().map(drawing))


def rfc_5869(key: bytes, info: bytes) -> bytes:
    """Return 32 bytes of HKDF-SHA256 without salt, by the standard's two steps."""
    extracted = hmac.digest(bytes(32), key, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


@given(vaults, nonces, revisions, details)
def test_what_was_sealed_opens_as_it_was(
    vault: Vault, nonce: bytes, revision: int, said: bytes
) -> None:
    """And neither the commitment nor the ciphertext is the same for another event."""
    artist = vault.new_subject()
    sealed = vault.seal(artist.wrapped_key, nonce, revision, said)
    assert vault.open(artist.wrapped_key, nonce, revision, sealed) == said

    other = bytes([nonce[0] ^ 1, *nonce[1:]])
    again = vault.seal(artist.wrapped_key, other, revision, said)
    assert again.commitment != sealed.commitment
    assert again.ciphertext != sealed.ciphertext


@given(nonces, details)
def test_the_commitment_is_an_hmac_under_a_key_of_the_event(nonce: bytes, said: bytes) -> None:
    """Whoever is given that one key verifies it with HMAC-SHA256 and nothing of ours."""
    key = bytes(range(100, 132))
    vault = Vault(KEY, lambda size: key[:size])
    sealed = vault.seal(vault.new_subject().wrapped_key, nonce, 7, said)

    event_key = rfc_5869(key, b"fermata/event/commit/" + nonce)
    assert sealed.commitment == hmac.new(event_key, said, sha256).hexdigest()


@given(details, st.data())
def test_one_bit_altered_anywhere_is_found(said: bytes, data: st.DataObject) -> None:
    """In the ciphertext, the commitment, the nonce or the revision."""
    vault = Vault(KEY, drawing(1))
    artist = vault.new_subject()
    sealed = vault.seal(artist.wrapped_key, NONCE, 7, said)

    def altered(whole: bytes) -> bytes:
        bit = data.draw(st.integers(0, len(whole) * 8 - 1))
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        return bytes(flipped)

    other = Sealed(altered(bytes.fromhex(sealed.commitment)).hex(), sealed.ciphertext)
    for nonce, revision, kept in (
        (NONCE, 7, Sealed(sealed.commitment, altered(sealed.ciphertext))),
        (NONCE, 7, other),
        (altered(NONCE), 7, sealed),
        (NONCE, 8, sealed),
    ):
        with pytest.raises(CommitmentBroken):
            vault.open(artist.wrapped_key, nonce, revision, kept)


@given(details, st.data())
def test_a_part_of_the_ciphertext_is_not_taken_for_the_whole(
    said: bytes, data: st.DataObject
) -> None:
    """However little of it is left."""
    vault = Vault(KEY, drawing(1))
    artist = vault.new_subject()
    sealed = vault.seal(artist.wrapped_key, NONCE, 7, said)
    left = data.draw(st.integers(0, len(sealed.ciphertext) - 1))
    with pytest.raises(CommitmentBroken):
        vault.open(
            artist.wrapped_key, NONCE, 7, Sealed(sealed.commitment, sealed.ciphertext[:left])
        )


@given(details)
def test_another_artists_key_opens_nothing(said: bytes) -> None:
    """Each artist's key opens what that artist said and no more."""
    vault = Vault(KEY, drawing(1))
    ana, ben = vault.new_subject(), vault.new_subject()
    assert ana.subject != ben.subject
    sealed = vault.seal(ana.wrapped_key, NONCE, 7, said)
    with pytest.raises(CommitmentBroken):
        vault.open(ben.wrapped_key, NONCE, 7, sealed)


@pytest.mark.parametrize("wrapped_key", [b"", bytes(24), bytes(40), bytes(41)])
def test_a_wrapped_key_that_is_none_is_refused(wrapped_key: bytes) -> None:
    """Whatever stands where the wrapped key should."""
    with pytest.raises(CommitmentBroken):
        Vault(KEY, drawing(1)).open(wrapped_key, NONCE, 7, Sealed("", b""))


def test_another_key_encryption_key_opens_nothing() -> None:
    """It is said which key is the wrong one, for an operator has to mend it."""
    vault, other = Vault(KEY, drawing(1)), Vault(bytes(32), drawing(1))
    artist = vault.new_subject()
    sealed = vault.seal(artist.wrapped_key, NONCE, 7, b"said")
    with pytest.raises(CommitmentBroken, match="FERMATA_KEY_ENCRYPTION_KEY"):
        other.open(artist.wrapped_key, NONCE, 7, sealed)


def test_a_reference_says_nothing_about_the_artist() -> None:
    """It is drawn at random: 128 bits of it, and the key is wrapped beside it."""
    vault = Vault(KEY, drawing(1))
    made = [vault.new_subject() for _ in range(200)]
    assert len({one.subject for one in made}) == 200
    assert all(len(bytes.fromhex(one.subject)) == 16 for one in made)
    assert all(len(one.wrapped_key) == 40 for one in made)
