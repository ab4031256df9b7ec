"""Notes and their keys, against published ones and a few that must not pass."""

from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from service.transparency.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from service.transparency.keys import (
    KeyType,
    SigningKey,
    VerifierKey,
    parse_signing_key,
    parse_verifier_key,
    read_signing_key,
    verified,
)
from service.transparency.note import (
    MOST_SIGNATURES,
    BadNote,
    Note,
    Signature,
    decode64,
    encode64,
    parse_note,
)
from service.transparency.proof_file import proof_file
from tests.domain.shared_folder import SHARED

PUBLISHED: Final = SHARED / "vectors" / "c2sp_signed_note.txt"

# The example in the documentation of Go's package note.
SIGNER: Final = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
VERIFIER: Final = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NOTE: Final = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb"
    "6KE6RyyBwJnAM=\n"
)

LOG: Final = SigningKey("log.example/log", bytes(range(32)))
WITNESS: Final = SigningKey("witness.example/w1", bytes(range(1, 33)))
TEXT: Final = Checkpoint("log.example/log", 7, bytes(32)).text()


def test_gos_example_is_made_to_the_byte() -> None:
    """The same key makes the same note, and it verifies."""
    key = parse_signing_key(SIGNER)
    text = NOTE.rpartition("\n\n")[0] + "\n"
    assert Note(text, (key.sign(text),)).encode() == NOTE
    assert str(key.verifier()) == VERIFIER
    assert key.private_text() == SIGNER
    assert len(verified(parse_note(NOTE), [parse_verifier_key(VERIFIER)])) == 1


@pytest.mark.skipif(not PUBLISHED.exists(), reason="no shared folder beside this one")
def test_the_published_note_is_read_and_written() -> None:
    """The example of C2SP signed-note comes out as it went in."""
    encoded = PUBLISHED.read_text(encoding="utf-8")
    note = parse_note(encoded)
    assert note.text == "This is an example message.\n"
    assert [one.name for one in note.signatures] == ["example.com/foo"]
    assert note.encode() == encoded


def test_a_checkpoint_is_three_lines_and_a_signature() -> None:
    """To the byte, with a key and a root that are known."""
    assert Checkpoint("log.example/log", 7, bytes(32)).signed(LOG).encode() == (
        "log.example/log\n7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n"
        "— log.example/log bFXTwlmP+5UEBXkK6xmfu0islbB7vUuJX80mGAGj"
        "xncccdFvCmqprxj4veAd7iKosm5/vqwi+nAi8ZNjBuumjKkaFgk=\n"
    )
    assert (
        str(LOG.verifier())
        == "log.example/log+6c55d3c2+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
    )


def test_a_cosignature_is_over_the_time_as_well() -> None:
    """Type 4: eight bytes of time before the signature of C2SP tlog-cosignature."""
    made, key = WITNESS.cosign(TEXT, 1_679_315_147), WITNESS.verifier(KeyType.WITNESS)
    assert made.value[:8].hex() == "00000000641850cb"
    assert key.verifies(TEXT, made)
    message = f"cosignature/v1\ntime 1679315147\n{TEXT}".encode()
    private = Ed25519PrivateKey.from_private_bytes(WITNESS.seed)
    assert made.value[8:] == private.sign(message)
    later = Signature(made.name, made.key_id, (1).to_bytes(8, "big") + made.value[8:])
    assert not key.verifies(TEXT, later)
    for value in (b"", made.value[:8], b"\xff" + made.value[1:], made.value[:-1]):
        assert not key.verifies(TEXT, Signature(made.name, made.key_id, value))


def test_a_log_signature_is_no_cosignature() -> None:
    """One key, two types, two ids: neither passes for the other."""
    key = SigningKey("both", bytes(32))
    signed, cosigned = key.sign(TEXT), key.cosign(TEXT, 1)
    assert signed.key_id != cosigned.key_id
    assert not key.verifier(KeyType.WITNESS).verifies(TEXT, signed)
    assert not key.verifier(KeyType.LOG).verifies(TEXT, cosigned)


def test_unknown_keys_are_ignored_and_known_ones_must_be_right() -> None:
    """Nobody's signature, or a wrong one by somebody known: the note is refused."""
    note = Note(TEXT, (WITNESS.cosign(TEXT, 1), LOG.sign(TEXT)))
    (found,) = verified(note, [LOG.verifier()])
    assert found == LOG.sign(TEXT)
    with pytest.raises(BadNote, match="nobody"):
        verified(note, [SigningKey("log.example/log", bytes(32)).verifier()])
    with pytest.raises(BadNote, match="nobody"):
        verified(note, [])
    wrong = Note(TEXT, (LOG.sign("another text\n"), WITNESS.cosign(TEXT, 1)))
    with pytest.raises(BadNote, match="not of this text"):
        verified(wrong, [LOG.verifier(), WITNESS.verifier(KeyType.WITNESS)])


@given(st.text(st.characters(blacklist_categories=["Cs"], min_codepoint=32), max_size=30))
def test_any_text_comes_back(text: str) -> None:
    """Empty lines within it included."""
    text = f"{text}\n\n{text}\n"
    signature = LOG.sign(text)
    assert parse_note(Note(text, (signature,)).encode().encode()) == Note(text, (signature,))


LINE: Final = "— name AAAAAAA=\n"


@pytest.mark.parametrize(
    "encoded",
    [
        "", "text\n", "text\n\n", f"text\n{LINE}", f"text\n\n{LINE[:-1]}", f"te\0xt\n\n{LINE}",
        f"te\rxt\n\n{LINE}", f"text\n\n{LINE}\n", "text\n\n- name AAAAAAA=\n",
        "text\n\n— name\n", "text\n\n— name AAAA\n", "text\n\n— name AAAAAA\n",
        "text\n\n— name AAAAAAA=x\n", "text\n\n— na+me AAAAAAA=\n", "text\n\n—  AAAAAAA=\n",
        "text\n\n— name AAAAAAB=\n", f"text\n\n{LINE}text\n",
    ],
)  # fmt: skip
def test_what_is_no_note_is_refused(encoded: str) -> None:
    """No text, no signatures, or anything else than the one way to write them."""
    with pytest.raises(BadNote):
        parse_note(encoded)


def test_what_is_no_utf8_is_refused() -> None:
    """Bytes that are no text are none."""
    with pytest.raises(BadNote, match="UTF-8"):
        parse_note(b"te\xffxt\n\n" + LINE.encode())


def test_signatures_are_counted() -> None:
    """Many are taken, and no number that is a burden."""
    assert len(parse_note("text\n\n" + LINE * MOST_SIGNATURES).signatures) == MOST_SIGNATURES
    with pytest.raises(BadNote, match="at most"):
        parse_note("text\n\n" + LINE * (MOST_SIGNATURES + 1))


@pytest.mark.parametrize(
    "text",
    [
        "log\n7\n", "log\n7\n\n", "\n7\n{}\n", "log\n07\n{}\n", "log\n-7\n{}\n", "log\n7\n{}",
        "log\n7\n{}\nmore\n", "log\n\n{}\n", "log\n\u0667\n{}\n", "log\n7\nAAAA\n", "log\n7\n{}=\n",
        "log\n99999999999999999999\n{}\n",
    ],
)  # fmt: skip
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    """Three lines, each in its one spelling, and none more."""
    with pytest.raises(BadNote):
        parse_checkpoint(text.format(encode64(bytes(32))))


def test_a_checkpoint_comes_back() -> None:
    """What was signed is what is read."""
    checkpoint = Checkpoint("log.example/log", 2**40, bytes(range(32)))
    opened, note = open_checkpoint(checkpoint.signed(LOG).encode(), [LOG.verifier()])
    assert opened == checkpoint
    assert note.text == checkpoint.text()


@pytest.mark.parametrize(
    "text",
    [
        "", "name", "name+00000000", VERIFIER[:-4], VERIFIER.replace("c74f", "c74e"),
        VERIFIER.replace("PeterN", "PaterN"), VERIFIER.replace("+ARpc", "+Axpc"),
        "name+00000000+", SIGNER,
    ],
)  # fmt: skip
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    """A letter that was lost on the way is noticed."""
    with pytest.raises(BadNote):
        parse_verifier_key(text)


def test_a_base64_plus_is_not_a_separator() -> None:
    """Only the first two are."""
    seeds = (bytes([number]) * 32 for number in range(256))
    key = next(
        k for k in (SigningKey("n", seed).verifier() for seed in seeds) if "+" in str(k)[11:]
    )
    assert parse_verifier_key(str(key)) == key


def pem(key: Ed25519PrivateKey | X25519PrivateKey) -> str:
    """Return what openssl genpkey prints."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_a_signing_key_may_be_pem() -> None:
    """It takes the name that the log has."""
    key = read_signing_key(pem(Ed25519PrivateKey.from_private_bytes(LOG.seed)), LOG.name)
    assert key == LOG
    assert read_signing_key(f"\n{LOG.private_text()}\n", LOG.name) == LOG


@pytest.mark.parametrize("text", ["", "x", pem(X25519PrivateKey.generate())])
def test_a_signing_key_that_cannot_be_used_says_how_to_make_one(text: str) -> None:
    """The advice is a command."""
    with pytest.raises(BadNote, match="openssl genpkey -algorithm ed25519"):
        read_signing_key(text, "log")


def test_a_signing_key_of_another_log_is_refused() -> None:
    """Its name is part of every signature."""
    with pytest.raises(BadNote, match=r"signs as log\.example/log"):
        read_signing_key(LOG.private_text(), "another.example/log")
    with pytest.raises(BadNote, match="was either changed"):
        read_signing_key(LOG.private_text().replace("log.example", "log.examplf"), LOG.name)


def test_a_key_shows_no_secret() -> None:
    """Neither in a log line nor in a traceback."""
    assert encode64(LOG.seed) not in repr(LOG)
    assert str(LOG.seed) not in repr(LOG)


def test_base64_has_one_spelling() -> None:
    """Else one proof would be many."""
    assert decode64("AA==") == b"\0"
    for text in ("AB==", "AA=", "AA", "A A==", "AA==\n", "-_8="):
        with pytest.raises(BadNote):
            decode64(text)


def test_names_have_neither_spaces_nor_plus_signs() -> None:
    """They would be read as something else."""
    for name in ("", "a b", "a+b", "a\u00a0b", "a\nb"):
        with pytest.raises(BadNote):
            SigningKey(name, bytes(32))
    assert VerifierKey("a", KeyType.LOG, bytes(32)).name == "a"


def test_a_proof_file_is_the_specifications() -> None:
    """C2SP tlog-proof, to the byte, with an extra line and without."""
    note = Note(TEXT, (LOG.sign(TEXT),)).encode()
    hashes = [bytes([number]) * 32 for number in range(2)]
    lines = "".join(f"{encode64(one)}\n" for one in hashes)
    assert proof_file(3, hashes, note) == f"c2sp.org/tlog-proof@v1\nindex 3\n{lines}\n{note}"
    assert proof_file(0, [], note, b"{}") == (
        f"c2sp.org/tlog-proof@v1\nextra e30=\nindex 0\n\n{note}"
    )
