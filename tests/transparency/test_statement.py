"""Statements: what the log's key signs that is no checkpoint."""

from collections.abc import Sequence
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.transparency.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from service.transparency.keys import KeyType, SigningKey
from service.transparency.note import BadNote, Note, encode64, parse_note
from service.transparency.statement import read_statement, sign_statement

KEY: Final = SigningKey("log.example/log", bytes(range(32)))
OTHER: Final = SigningKey("log.example/log", bytes(range(1, 33)))
KIND: Final = "export-manifest/v1"
LINES: Final = ["sha256 " + "0" * 64, "export exp_1"]


def test_what_was_signed_is_read_by_whoever_has_the_public_key() -> None:
    """The lines come back as they were stated."""
    note = sign_statement(KEY, KIND, LINES)
    assert read_statement(note, [KEY.verifier()], KIND) == LINES
    assert read_statement(note.encode(), [OTHER.verifier(), KEY.verifier()], KIND) == LINES
    assert note.startswith("log.example/log/statement/export-manifest/v1\nsha256 000")


@given(
    origin=st.from_regex(r"[a-z0-9./-]{1,20}", fullmatch=True),
    lines=st.lists(
        st.one_of(
            st.integers(min_value=0).map(str),
            st.binary(min_size=32, max_size=32).map(encode64),
            st.text(min_size=1, max_size=8),
        ),
        max_size=3,
    ),
)
def test_no_statement_can_be_read_as_a_checkpoint(origin: str, lines: list[str]) -> None:
    """Whatever is stated, and even where the lines are a checkpoint's, nobody takes it for one."""
    key = SigningKey(origin, bytes(range(32)))
    try:
        note = sign_statement(key, KIND, lines)
    except ValueError:
        return
    with pytest.raises(BadNote):
        open_checkpoint(note, [key.verifier()])


def test_a_checkpoint_is_no_statement() -> None:
    """Not even one of an origin that reads like a statement's first line."""
    crafted = Checkpoint(f"{KEY.name}/statement/{KIND}", 7, bytes(32))
    assert parse_checkpoint(crafted.text()) == crafted
    with pytest.raises(BadNote, match="states nothing"):
        read_statement(crafted.signed(KEY).encode(), [KEY.verifier()], KIND)


@pytest.mark.parametrize(
    ("note", "kind"),
    [
        (sign_statement(KEY, KIND, LINES).replace("exp_1", "exp_2"), KIND),
        (sign_statement(OTHER, KIND, LINES), KIND),
        (sign_statement(KEY, "consent-receipt/v1", LINES), KIND),
        (sign_statement(SigningKey("else.example", KEY.seed), KIND, LINES), KIND),
        ("not a note", KIND),
    ],
    ids=["altered", "another key", "another kind", "another origin", "no note"],
)
def test_what_is_not_this_logs_statement_is_refused(note: str, kind: str) -> None:
    """Altered, unsigned, of another kind or of another log."""
    with pytest.raises(BadNote):
        read_statement(note, [KEY.verifier()], kind)


def test_a_witness_states_nothing() -> None:
    """A cosignature, even by the log's own key, is no statement's signature."""
    text = parse_note(sign_statement(KEY, KIND, LINES)).text
    note = Note(text, (KEY.cosign(text, 1_700_000_000),)).encode()
    with pytest.raises(BadNote):
        read_statement(note, [KEY.verifier(KeyType.WITNESS)], KIND)


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        (KIND, []),
        (KIND, ["12"]),
        (KIND, [""]),
        (KIND, ["two\nlines"]),
        (KIND, ["sha256 0", "with\ttab"]),
        ("Manifest", LINES),
        ("a\nb", LINES),
        ("", LINES),
    ],
)
def test_what_nobody_could_read_unmistakably_is_not_signed(kind: str, lines: Sequence[str]) -> None:
    """Nothing, numbers where a checkpoint has its size, and lines that are not one line."""
    with pytest.raises(ValueError, match="statement"):
        sign_statement(KEY, kind, lines)
